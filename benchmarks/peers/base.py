"""What every contestant can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from benchmarks.data import Data
from benchmarks.measure import Cost, measured


class Peer(ABC):
    """A way to read digits.

    Parameters
    ----------
    quick : bool
        Train for a short time only, to see that all works.
    """

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick

    def train(self, data: Data, cores: int) -> Cost:
        """Fit on the training part; what that takes does not include reading it."""
        X, y = data.load("train")
        with measured() as cost:
            self.fit(X, y, cores)
        return cost

    @abstractmethod
    def fit(self, X: Any, y: Any, cores: int) -> None:
        """Learn from images (n, 784) uint8 and their digits."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that prediction needs into an empty folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""

    @abstractmethod
    def predict(self, X: Any) -> Any:
        """The digit (n,) on each image; -1 is no answer."""

    def answer_command(self, folder: Path, picture: Path) -> list[str] | None:
        """A command that answers one picture; None: a Python process that loads and predicts."""
        return None


class SklearnPeer(Peer):
    """A contestant that is one scikit-learn estimator."""

    @abstractmethod
    def build(self, cores: int) -> Any:
        """The estimator, not yet fitted."""

    def prepare(self, X: Any) -> Any:
        """What the estimator is given."""
        return X

    def fit(self, X: Any, y: Any, cores: int) -> None:
        """Fit the estimator."""
        self.model = self.build(cores).fit(self.prepare(X), y)

    def save(self, folder: Path) -> None:
        """Dump it with joblib, as scikit-learn advises."""
        import joblib

        joblib.dump(self.model, folder / "model.joblib")

    def load(self, folder: Path) -> None:
        """Load it with joblib."""
        import joblib

        self.model = joblib.load(folder / "model.joblib")

    def predict(self, X: Any) -> Any:
        """The estimator's answers."""
        return self.model.predict(self.prepare(X))
