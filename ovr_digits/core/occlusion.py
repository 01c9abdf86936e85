"""Which strokes speak for a digit and which against it: the score without each bit of ink."""

from __future__ import annotations

import numpy as np

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.core.detectors import DetectorArrays

#: Standard deviation in pixels of the soft window under which ink is taken away. Narrower ones
#: nick a stroke rather than take it away, wider ones blur a short stroke with its neighbours.
_WINDOW = 1.5
#: Pixels between windows: one everywhere gives the same map (correlation 0.99), thrice as slowly.
_STEP = 2
#: Share of the darkest ink from which a pixel has a window over it.
_LEAST_INK = 0.25


def ink_contributions(models: DetectorArrays, image: Array, digit: int) -> Float64:
    """How much the ink at each place adds to a detector's score.

    Ink is taken away under a soft window at one place after the other. How far
    the score then falls is shared out over the ink under the window. What is
    missing from an image (a gap that tells a 0 from a 6) has no ink, and so no
    place here.

    Parameters
    ----------
    models : DetectorArrays
    image : (h, w) uint8 or float
        Grey levels 0-255, ink high.
    digit : int
        Whose detector is asked.

    Returns
    -------
    (h, w) float64
        In log-odds: positive where the ink speaks for the digit, negative where
        it speaks against it, 0 where there is none.
    """
    if not image.any():
        return np.zeros(image.shape)
    rows, columns = np.indices(image.shape)
    inked = np.argwhere(image > _LEAST_INK * image.max())
    centres = _STEP * np.unique(inked // _STEP, axis=0) + (_STEP - 1) / 2
    squares = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2
    windows = np.exp(-squares / (2 * _WINDOW**2))
    without = np.concatenate([image[None], image * (1 - windows)]).astype(np.float32)
    scores = models.decision_function(without.reshape(len(without), -1))[:, digit]
    falls = np.tensordot(scores[0] - scores[1:], windows, 1)
    return np.divide(falls, windows.sum(axis=0), out=np.zeros(image.shape), where=image > 0)
