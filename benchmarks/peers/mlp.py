"""A small fully connected network."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.peers.base import SklearnPeer


class MLP(SklearnPeer):
    """784-32-32-10 with ReLU, by scikit-learn."""

    def build(self, cores: int) -> Any:
        """The network."""
        return MLPClassifier((32, 32), max_iter=10 if self.quick else 200, random_state=0)

    def prepare(self, X: Any) -> Any:
        """Pixels in 0..1."""
        return X / np.float32(255)
