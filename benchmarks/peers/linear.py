"""Ten linear detectors on raw pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, SGDClassifier

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
