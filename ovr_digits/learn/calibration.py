"""Scores become log-odds: Platt's calibration, one detector at a time."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from ovr_digits.core.arrays import Bools, Float64

#: Imagined counter-examples of either class.
_PSEUDO_COUNT = 0.1


def calibrate(
    scores: Float64, targets: Bools, sample_weight: Float64 | None = None
) -> tuple[Float64, Float64]:
    """Slope and offset that make each column of scores log-odds (Platt 1999).

    Like Platt's, the targets are drawn in from 0 and 1, so that scores which
    part the classes perfectly still give a finite slope; but by a tenth of a
    count in place of one, which would pull the middling votes of detectors
    that are nearly always right too far down.
    """
    weights = np.ones(len(scores)) if sample_weight is None else sample_weight
    slopes, offsets = np.ones(scores.shape[1]), np.zeros(scores.shape[1])
    for k, (column, target) in enumerate(zip(scores.T, targets.T, strict=True)):
        n_true, n_false = weights[target].sum(), weights[~target].sum()
        if not n_true or not n_false:
            continue
        belief = np.where(
            target,
            (n_true + _PSEUDO_COUNT) / (n_true + 2 * _PSEUDO_COUNT),
            _PSEUDO_COUNT / (n_false + 2 * _PSEUDO_COUNT),
        )
        spread = float(column.std()) or 1.0
        model = LogisticRegression(C=1e6, max_iter=1000)
        model.fit(
            np.tile(column / spread, 2)[:, None],
            np.repeat([True, False], len(column)),
            sample_weight=np.concatenate([belief * weights, (1 - belief) * weights]),
        )
        slope = float(model.coef_[0, 0]) / spread
        if slope > 0:
            slopes[k], offsets[k] = slope, float(model.intercept_[0])
    return slopes, offsets
