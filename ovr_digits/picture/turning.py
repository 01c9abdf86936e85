"""Pages that lie turned: how far is told by their lines, which way is up by the detectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Float32
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.picture.lines import find_layout, line_turn
from ovr_digits.picture.mnist_form import usual_form
from ovr_digits.picture.pieces import marks_of
from ovr_digits.picture.regions import Box, Regions, find_regions

#: Lines that are turned further than this, in degrees, are not told from one another; beyond the
#: other, digits under one another are.
_LEAST_TURN, _MOST_TURN = 11, 75
#: How many digits tell which way is up, at most.
_ASKED = 40
#: Scores of detectors, in log-odds, beyond which they tell no more.
_SURE = 5.0
#: Below this mean score of its digits a page may be turned. The other way up it has to be so much
#: above this other, and the sum of the scores so much higher, for that to be plain.
_POOR, _GOOD, _PLAIN = 4.5, 2.5, 10.0
#: How many digits tell which way is up, at least: fewer are read as they stand.
_LEAST = 4


@dataclass(frozen=True, eq=False)
class Turned:
    """The marks of a page, turned.

    Attributes
    ----------
    ink : (h, w) float32 in 0..1
    regions : Regions
        The marks, (h, w) too.
    degrees : float
        By how much they have been turned, counter-clockwise.
    before : (h', w')
        The shape that the ink had.
    """

    ink: Float32
    regions: Regions
    degrees: float
    before: tuple[int, int]

    def box_before(self, box: Box) -> Box:
        """The box about what was where there is ink in a box now."""
        if not self.degrees:
            return box
        top, left, bottom, right = box
        h, w = self.ink.shape
        y, x = np.argwhere(self.ink[top:bottom, left:right] > 0).T + 0.5
        y, x = y + top - h / 2, x + left - w / 2
        turn = np.deg2rad(self.degrees)
        x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        height, width = self.before
        rows, columns = y + height / 2, x + width / 2
        return (
            max(0, round(rows.min() - 0.5)),
            max(0, round(columns.min() - 0.5)),
            min(height, round(rows.max() + 0.5)),
            min(width, round(columns.max() + 0.5)),
        )


def turned_marks(ink: Float32, regions: Regions, degrees: float) -> Turned:
    """Ink and its marks, turned counter-clockwise."""
    before = ink.shape[0], ink.shape[1]
    if not degrees:
        return Turned(ink, regions, 0.0, before)

    def turned(levels: Float32) -> Float32:
        page = Image.fromarray(levels)
        return np.asarray(page.rotate(degrees, Image.Resampling.BILINEAR, expand=True))

    mask = turned(regions.mask.astype(np.float32)) > 0.5
    return Turned(np.where(mask, turned(ink), 0), find_regions(mask), degrees, before)


def slant_of(regions: Regions) -> float:
    """By how many degrees, up to 45, the marks are to be turned counter-clockwise to lie evenly.

    What is under one another then may be a line that runs down the page.
    """
    turn = line_turn(regions)
    if turn is None or not _LEAST_TURN < abs(turn) < _MOST_TURN:
        return 0.0
    return turn if abs(turn) <= 45 else turn - math.copysign(90, turn)


def is_poor(scores: Sequence[float]) -> bool:
    """Whether a page may be read the wrong way up, by the highest score of each digit read."""
    return _plainness(scores) < _POOR


def stands_better(turned: Sequence[float], before: Sequence[float]) -> bool:
    """Whether the highest scores of digits speak for a page as it was turned."""
    return _plainness(turned) > max(_GOOD, _plainness(before))


def _plainness(scores: Sequence[float]) -> float:
    """The mean score, each as far as it tells something."""
    return float(np.clip(scores, -_SURE, _SURE).mean()) if scores else -_SURE


def quarter_turns(models: DetectorArrays, page: Turned) -> int:
    """How many times marks are to be turned counter-clockwise by 90° for their digits to stand.

    None, where it is not plain: numbers may be short, or of digits that can be read either way.
    """
    groups = [group for line in find_layout(page.regions).lines for group in line]
    some = [group for group in groups if not group.doubt][:: -(-len(groups) // _ASKED)]
    if len(some) < _LEAST:
        return 0
    marks = marks_of(page.ink, page.regions, some)
    forms = [usual_form(mark.ink) for mark in marks]
    images = [np.rot90(form, turns) for form in forms for turns in range(4)]
    scores = models.decision_function(np.array([image.ravel() for image in images])).max(axis=1)
    sums = np.clip(scores.reshape(-1, 4), -_SURE, _SURE).sum(axis=0)
    is_plain = sums.max() > _GOOD * len(some) and sums.max() - sums[0] > _PLAIN
    return int(sums.argmax()) if is_plain else 0
