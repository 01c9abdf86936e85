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
        Log-odds: above 0 where ink speaks for the digit, below where against it, 0 without ink.
    """
    if not image.any():
        return np.zeros(image.shape)
    inked = np.argwhere(image > _LEAST_INK * image.max())
    windows = _windows(image.shape, np.unique(inked // _STEP, axis=0))
    without = np.concatenate([image[None], image * (1 - windows)]).astype(np.float32)
    scores = models.scores(without.reshape(len(without), -1))[:, digit]
    falls = np.tensordot(scores[0] - scores[1:], windows, 1)
    return np.divide(falls, windows.sum(axis=0), out=np.zeros(image.shape), where=image > 0)


def ink_effects(models: DetectorArrays, image: Array, margin: int = 0) -> Float64:
    """What ink at each place does to every detector's score, against no ink there.

    At one place after the other the image (h, w) is inked under a soft window,
    and left blank under it; the effect is the difference between the two
    scores, (n_detectors, h, w) log-odds. So places without ink have one too. Those within
    a margin of so many pixels, which takes no time, have that of the nearest.
    """
    places = np.indices([-(-side // _STEP) for side in image.shape]).reshape(2, -1).T
    inside = (_STEP * places >= margin) & (_STEP * (places + 1) <= np.array(image.shape) - margin)
    places = places[inside.all(axis=1)] if margin else places
    windows = _windows(image.shape, places)
    without = image * (1 - windows)
    images = np.concatenate([without + 255 * windows, without]).astype(np.float32)
    scores = models.decision_function(images.reshape(len(images), -1))
    gains = scores[: len(windows)] - scores[len(windows) :]
    effects: Float64 = np.tensordot(gains.T, windows, 1) / windows.sum(axis=0)
    return effects


def _windows(shape: tuple[int, ...], places: Array) -> Float64:
    """A soft window (n, h, w) in 0..1 over each of some places (n, 2), counted in steps."""
    rows, columns = np.indices(shape)
    centres = _STEP * places[:, :, None, None] + (_STEP - 1) / 2
    squares = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2
    windows: Float64 = np.exp(-squares / (2 * _WINDOW**2))
    return windows
