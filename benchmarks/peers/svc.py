"""A support vector machine."""

from __future__ import annotations

from typing import Any

from sklearn.svm import SVC

from benchmarks.peers.base import SklearnPeer


class SVM(SklearnPeer):
    """RBF kernel, default C and gamma; it uses one core."""

    def build(self, cores: int) -> Any:
        """The machine."""
        return SVC(kernel="rbf", gamma="scale", cache_size=1000)

    def prepare(self, X: Any) -> Any:
        """Pixels in 0..1."""
        return X / 255.0
