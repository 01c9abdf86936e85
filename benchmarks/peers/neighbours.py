"""Nearest neighbours on standardised pixels."""

from __future__ import annotations

from typing import Any

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.peers.base import SklearnPeer


class Neighbours(SklearnPeer):
    """The six nearest vote."""

    def build(self, cores: int) -> Any:
        """Scaler and neighbours."""
        return make_pipeline(StandardScaler(), KNeighborsClassifier(6, n_jobs=-1))
