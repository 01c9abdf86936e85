"""What is learnt, and how: the one declaration that estimators, presets and trainings share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LearningOptions:
    """How detectors are fitted on features: parameters of ``DigitDetector``, explained there."""

    loss: str = "hinge"
    epochs: int = 10
    n_copies: int = 0
    alpha: float = 1e-6
    step: float = 1.0
    n_components: int = 1000
    whitening_ridge: float = 0.1
    n_leading: int = 0
    groups: Sequence[Sequence[str]] | None = None
    validation_fraction: float = 0.0
    patience: int | None = None
