"""What scikit-learn has at hand for digits, each contestant one estimator on pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.peers.base import SklearnPeer


class Logistic(SklearnPeer):
    """Ten logistic regressions; the first that says True wins, and none is no answer."""

    def build(self, cores: int) -> Any:
        """One of the ten."""
        return LogisticRegression(tol=0.1, solver="lbfgs", max_iter=10 if self.quick else 100)

    def fit(self, X: Any, y: Any, cores: int) -> None:
        """Fit them one after the other."""
        self.model = [self.build(cores).fit(X, y == digit) for digit in range(10)]

    def predict(self, X: Any) -> Any:
        """The lowest digit whose detector says True."""
        fired = np.stack([detector.predict(X) for detector in self.model], axis=1)
        return np.where(fired.any(axis=1), fired.argmax(axis=1), -1)


class SGD(SklearnPeer):
    """Ten averaged log-loss SGD classifiers; scikit-learn fits one for each digit by itself."""

    def build(self, cores: int) -> Any:
        """The ten in one."""
        return SGDClassifier(
            loss="log_loss",
            average=True,
            max_iter=5 if self.quick else 1000,
            n_jobs=cores,
            random_state=0,
        )


class Neighbours(SklearnPeer):
    """The six nearest vote, on standardised pixels."""

    def build(self, cores: int) -> Any:
        """Scaler and neighbours."""
        return make_pipeline(StandardScaler(), KNeighborsClassifier(6, n_jobs=-1))


class MLP(SklearnPeer):
    """A small network, 784-32-32-10 with ReLU, on pixels in 0..1."""

    def build(self, cores: int) -> Any:
        """The network."""
        return MLPClassifier((32, 32), max_iter=10 if self.quick else 200, random_state=0)

    def prepare(self, X: Any) -> Any:
        """Pixels in 0..1."""
        return X / np.float32(255)


class SVM(SklearnPeer):
    """RBF kernel, default C and gamma, on pixels in 0..1; it uses one core."""

    def build(self, cores: int) -> Any:
        """The machine."""
        return SVC(kernel="rbf", gamma="scale", cache_size=1000)

    def prepare(self, X: Any) -> Any:
        """Pixels in 0..1."""
        return X / 255.0


class Boosting(SklearnPeer):
    """Gradient boosting over histograms of pixels, on all cores."""

    def build(self, cores: int) -> Any:
        """The ensemble."""
        return HistGradientBoostingClassifier(max_iter=10 if self.quick else 100, random_state=0)
