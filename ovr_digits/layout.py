"""How marks on a page lie together: parts of one digit, digits of one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovr_digits.regions import Regions

Integers = NDArray[np.int64]
#: Top, left, bottom, right; the last two are one beyond.
Box = tuple[int, int, int, int]
#: Whether one mark belongs to another, by their boxes and the height of the usual digit.
_Test = Callable[[Box, Box, float], bool]

#: Of more marks than these only the largest are looked at: others are a texture, not writing.
_MOST_MARKS = 200


def find_lines(regions: Regions) -> list[list[Integers]]:
    """Regions that make a digit each, or digits that touch, in reading order.

    Returns
    -------
    list of lists of arrays of int
        Line by line, the numbers of the regions of each digit.
    """
    groups = _grouped(regions)
    boxes = [box_of(regions, group) for group in groups]
    usual = usual_height(boxes)
    lines: list[list[int]] = []
    for k in sorted(range(len(groups)), key=lambda k: boxes[k][0] + boxes[k][2]):
        middle = (boxes[k][0] + boxes[k][2]) / 2
        for line in lines:
            # A tilted line drifts: what counts is the neighbour in it.
            near = min(line, key=lambda other: abs(boxes[other][1] - boxes[k][1]))
            if abs((boxes[near][0] + boxes[near][2]) / 2 - middle) < 0.6 * usual:
                line.append(k)
                break
        else:
            lines.append([k])
    h, w = regions.mask.shape
    whole = [
        any(top > 0 and left > 0 and bottom < h and right < w for top, left, bottom, right in line)
        for line in ([boxes[k] for k in line] for line in lines)
    ]
    return [
        [groups[k] for k in sorted(line, key=lambda k: boxes[k][1])]
        # What only goes on beyond the picture is its edge, or a shadow.
        for line, keep in zip(lines, whole, strict=True)
        if keep or not any(whole)
    ]


def count_digits(regions: Regions) -> int:
    """How many digits the marks seem to be; 1 where there are none."""
    if not regions.count:
        return 1
    boxes = [box_of(regions, group) for line in find_lines(regions) for group in line]
    usual = usual_height(boxes)
    widths = [(right - left) / usual for _, left, _, right in boxes]
    # Wider than any digit is what touches.
    return sum(round(width / 0.8) if width > 1.7 else 1 for width in widths)


def usual_height(boxes: Sequence[Box] | Integers) -> float:
    """Height of the digits, whatever small marks there are beside them."""
    heights = np.array([bottom - top for top, _, bottom, _ in boxes])
    return float(np.median(heights[heights >= 0.5 * heights.max()]))


def box_of(regions: Regions, group: NDArray[Any]) -> Box:
    """The box about some regions."""
    boxes = regions.boxes[group - 1]
    top, left = boxes[:, :2].min(axis=0)
    bottom, right = boxes[:, 2:].max(axis=0)
    return int(top), int(left), int(bottom), int(right)


def _grouped(regions: Regions) -> list[Integers]:
    """Put the parts of broken digits together, and leave out what is too small for a digit.

    What is too close to be told apart is put together as if it touched.
    """
    largest = np.sort(np.argsort(-regions.areas, kind="stable")[:_MOST_MARKS])
    groups = [np.array([k + 1]) for k in largest]
    boxes = [box_of(regions, group) for group in groups]
    usual = usual_height(boxes)
    for belong in (_are_parts, _is_stray_part, _are_close):
        _join(groups, boxes, belong, usual)
    edges = _edges(regions)
    pens = np.array([regions.areas[group - 1].sum() / edges[group].sum() for group in groups])
    # What is left of ruled lines is as long as a digit, but far thinner.
    large = np.array([bottom - top >= 0.45 * usual for top, _, bottom, _ in boxes])
    kept = large & (pens >= 0.5 * np.median(pens[large]))
    return [group for group, keep in zip(groups, kept, strict=True) if keep]


def _join(groups: list[Integers], boxes: list[Box], belong: _Test, usual: float) -> None:
    """Put groups together, in place, until none belongs to another."""
    joined = True
    while joined:  # what did not belong to either may belong to both
        joined = False
        i = 0
        while i < len(groups):
            j = i + 1
            while j < len(groups):
                one, other = boxes[i], boxes[j]
                if belong(one, other, usual) or belong(other, one, usual):
                    groups[i] = np.concatenate([groups[i], groups.pop(j)])
                    boxes[i] = _around(one, boxes.pop(j))
                    joined = True
                else:
                    j += 1
            i += 1


def _around(one: Box, other: Box) -> Box:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def _edges(regions: Regions) -> Integers:
    """Of each region, from number 1, how many sides of pixels are at its edge."""
    labels = np.pad(regions.labels, 1)
    counts = np.zeros(regions.count + 1, np.int64)
    for step in (labels, labels.T):
        for one, other in ((step[1:], step[:-1]), (step[:-1], step[1:])):
            counts += np.bincount(one[(one > 0) & (other == 0)], minlength=len(counts))
    return counts


def _apart(one: Box, other: Box) -> tuple[int, int]:
    """Rows and columns between two boxes; negative where they share some."""
    return (
        max(one[0], other[0]) - min(one[2], other[2]),
        max(one[1], other[1]) - min(one[3], other[3]),
    )


def _fit(one: Box, other: Box, usual: float) -> bool:
    """Whether two marks together are not too high for a digit."""
    return max(one[2], other[2]) - min(one[0], other[0]) < 1.4 * usual


def _are_parts(one: Box, other: Box, usual: float) -> bool:
    """Whether one mark is over the other, or a crumb of it."""
    apart_y, apart_x = _apart(one, other)
    low, narrow = (min(one[k + 2] - one[k], other[k + 2] - other[k]) for k in (0, 1))
    over = -apart_x > 0.5 * narrow and -0.5 * low < apart_y < 0.35 * usual
    small = max(other[2] - other[0], other[3] - other[1]) < 0.5 * usual
    close = np.hypot(max(apart_y, 0), max(apart_x, 0)) < 0.08 * usual
    return _fit(one, other, usual) and (over or bool(small and close))


def _is_stray_part(one: Box, other: Box, usual: float) -> bool:
    """Whether a low mark is the bar of a five, drawn apart from it on its left."""
    apart_y, apart_x = _apart(one, other)
    low = other[2] - other[0] < 0.45 * usual
    beside = other[0] + other[2] < one[0] + one[2] and one[1] < other[1]
    close = np.hypot(max(apart_y, 0), max(apart_x, 0)) < 0.2 * usual
    return _fit(one, other, usual) and low and beside and bool(close)


def _are_close(one: Box, other: Box, usual: float) -> bool:
    """Whether marks are parts of a broken digit, or digits with hardly a gap between them."""
    # Halves of one digit may be all there is: then the usual height is half of its own.
    return _fit(one, other, 1.4 * usual) and max(_apart(one, other)) < 0.06 * usual
