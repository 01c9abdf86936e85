"""Gradient boosting over histograms of pixels."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.peers.base import SklearnPeer


class Boosting(SklearnPeer):
    """Scikit-learn's defaults, on all cores."""

    def build(self, cores: int) -> Any:
        """The ensemble."""
        return HistGradientBoostingClassifier(max_iter=10 if self.quick else 100, random_state=0)
