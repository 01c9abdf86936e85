"""Folded detectors as plain arrays: from grey levels to scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array, Float32, Float64
from ovr_digits.core.features import BATCH, Branch, check_grey_levels, patch_kernel_features

#: What the detectors of signs tell apart, in their order: signs, a digit, and what is neither.
SIGN_CLASSES = (".", ",", "-", "/", ":", "digit", "other")

#: What the detectors of pieces tell apart, in their order: a whole digit, a whole letter or symbol,
#: and what was cut wrongly.
PIECE_CLASSES = (*"0123456789", "other", "none")

#: Images whose features are held at once.
_STEP = 256


def detector_scores(
    X: Array,
    branches: Sequence[Branch],
    image_shape: tuple[int, int],
    coef: Float32,
    intercept: Float64,
) -> Float64:
    """Log-odds (n, n_detectors) of detectors that share their features, for images X (n, h * w).

    Each detector is one product of the features with its own weights, so a
    detector alone and the same detector among ten give the same number to the
    last bit. ``coef`` and ``intercept`` are those of ``DetectorArrays``, of as many as there are.
    """
    scores = np.empty((len(X), len(coef)), np.float64)
    for start in range(0, len(X), _STEP):
        features = patch_kernel_features(X[start : start + _STEP], branches, image_shape)
        for first in range(0, len(features), BATCH):  # ten readings of a part that is in the cache
            part = features[first : first + BATCH]
            rows = slice(start + first, start + first + len(part))
            for detector, weights in enumerate(coef):
                scores[rows, detector] = part @ weights
    return scores + intercept


@dataclass(frozen=True)
class DetectorArrays:
    """Ten detectors, item *d* for digit *d*, or others, and nothing but arrays.

    Attributes
    ----------
    branches : sequence of Branch
    image_shape : (h, w)
    coef : (10, n_features) float32
    intercept : (10,) float64
    provenance : mapping
        Where the detectors come from, as written into models.pkl.
    signs, pieces : DetectorArrays, optional
        Those of ``SIGN_CLASSES`` and of ``PIECE_CLASSES``, for whole numbers.
    """

    branches: Sequence[Branch]
    image_shape: tuple[int, int]
    coef: Float32
    intercept: Float64
    provenance: Mapping[str, Any] = field(default_factory=dict)
    signs: DetectorArrays | None = None
    pieces: DetectorArrays | None = None

    @property
    def digest(self) -> str:
        """What tells them from others: SHA-256 of their weights and intercepts, in hex."""
        return hashlib.sha256(self.coef.tobytes() + self.intercept.tobytes()).hexdigest()

    def decision_function(self, X: Array) -> Float64:
        """Every detector's log-odds for images X (n, h * w), grey levels 0-255: (n, 10).

        Raises
        ------
        ValueError
            Where these are no such images, see ``features.check_grey_levels``.
        """
        check_grey_levels(X, math.prod(self.image_shape))
        return self.scores(X)

    def scores(self, X: Array) -> Float64:
        """``decision_function`` of images that have been checked."""
        return detector_scores(X, self.branches, self.image_shape, self.coef, self.intercept)
