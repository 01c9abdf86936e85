"""Explanations: the way from a picture to its answer, as arrays that can be drawn or sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Float32, Float64, Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.occlusion import ink_contributions
from ovr_digits.core.vote import Vote
from ovr_digits.picture.digit import DigitPicture
from ovr_digits.picture.regions import bounding_box

#: The longest side of an explanation's picture: enough to look at, and many fit in memory.
_SIDE = 450
#: How much of the picture there is to each side of the digit, in shares of its longer side.
_MARGIN = 1.5


@dataclass(frozen=True, eq=False)
class Explanation:
    """What led from a picture to the answer.

    Attributes
    ----------
    picture : (h, w, 3) uint8
        What is on and about the digit, upright, and reduced where it was large.
    ink : (h, w) float32 in 0..1
        Share of each pixel that was taken for ink.
    box : (x, y, w, h)
        About the ink, in pixels of the picture as it is stored, but upright.
    image : (28, 28) uint8
        What the detectors saw: ink is 255, paper is 0.
    vote : Vote
    contributions : (28, 28) float64
        How much the ink at each place adds to the winner's score, in log-odds;
        see ``core.occlusion.ink_contributions``.
    """

    picture: Grey
    ink: Float32
    box: tuple[int, int, int, int]
    image: Grey
    vote: Vote
    contributions: Float64


def explain(models: DetectorArrays, found: DigitPicture, vote: Vote) -> Explanation:
    """Explain the vote of ten detectors on the digit of a picture."""
    inked = found.ink if found.ink.any() else np.ones_like(found.ink)
    sides = bounding_box(inked)
    margin = round(_MARGIN * max(side.stop - side.start for side in sides))
    part = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in sides)
    picture = found.view.levels[part]
    ink = (found.ink[part] > 0).astype(np.float32)
    factor = -(-max(ink.shape) // _SIDE)
    return Explanation(
        picture=np.asarray(Image.fromarray(picture).reduce(factor)),
        ink=np.asarray(Image.fromarray(ink).reduce(factor)),
        box=found.box,
        image=found.image,
        vote=vote,
        contributions=ink_contributions(models, found.image, vote.digit),
    )
