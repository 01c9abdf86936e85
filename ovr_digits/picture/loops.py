"""Loops of joined writing: what a stroke goes round may be a zero, whatever joins it to others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ovr_digits.core.arrays import Float32
from ovr_digits.picture.mnist_form import pen_width
from ovr_digits.picture.regions import find_regions
from ovr_digits.picture.shapes import grown

#: From this share of its full strength on, ink encloses.
_ENCLOSES = 0.4
#: The least height and width of what a zero encloses, in heights of a digit.
_LEAST_HEIGHT, _LEAST_WIDTH = 0.2, 0.1
#: How far from what it encloses the stroke of a zero goes, in pens.
_WALL = 1.4
#: Halves that a stroke through a zero leaves lie over one another by that share of the narrower,
#: and so many pens apart at most.
_OVER, _APART = 0.5, 2.5


@dataclass(frozen=True, eq=False)
class Loop:
    """Ink about what it encloses.

    Attributes
    ----------
    ink : (h, w) float32 in 0..1
        Of the whole mark, 0 where it is no part of the loop.
    left, right : int
        Columns of what it encloses: the first, and one beyond the last.
    pen : int
        Width of its stroke, in pixels.
    """

    ink: Float32
    left: int
    right: int
    pen: int


def find_loops(ink: Float32, height: float) -> list[Loop]:
    """The loops in ink (h, w), 0..1, that may be zeros beside digits of a height in pixels."""
    holes = find_regions(np.pad(ink, 1) < _ENCLOSES)
    outside = holes.labels[0, 0]
    pen = max(1, round(pen_width(ink)))
    chosen = []
    boxes = holes.boxes - 1
    for k, (top, left, bottom, right) in enumerate(boxes.tolist()):
        if k + 1 != outside and right - left >= _LEAST_WIDTH * height:
            chosen.append((k, top, left, bottom, right))
    found = [[k] for k, top, _, bottom, _ in chosen if bottom - top >= _LEAST_HEIGHT * height]
    for k, _, left, bottom, right in chosen:
        for other, top, start, _, stop in chosen:
            over = min(right, stop) - max(left, start)
            is_over = over > _OVER * min(right - left, stop - start)
            if is_over and 0 <= top - bottom <= _APART * pen:
                found.append([k, other])
    loops = []
    for numbers in found:
        hole = np.isin(holes.labels[1:-1, 1:-1], np.array(numbers) + 1)
        near = grown(hole, round(_WALL * pen))
        left = int(boxes[numbers, 1].min())
        right = int(boxes[numbers, 3].max())
        between = hole & False
        if len(numbers) > 1:
            # What crosses a zero lies between rows of its halves.
            seen = hole.astype(int)
            down, up = np.maximum.accumulate(seen), np.maximum.accumulate(seen[::-1])[::-1]
            between = (down & up).astype(bool) & ~hole
        loops.append(Loop(np.where(near & ~between, ink, 0).astype(np.float32), left, right, pen))
    return loops
