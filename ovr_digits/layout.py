"""How marks on a page lie together: parts of one digit, digits of one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovr_digits.regions import Regions

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
#: Top, left, bottom, right; the last two are one beyond.
Box = tuple[int, int, int, int]

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
    """How many digits the marks seem to be, at least 1; parts of a broken digit are one."""
    if not regions.count:
        return 1
    groups = [group for line in find_lines(regions) for group in line]
    boxes = [box_of(regions, group) for group in groups]
    height = max(bottom - top for top, _, bottom, _ in boxes)
    apart: list[int] = []
    for k, box in enumerate(boxes):
        others = np.array([boxes[other] for other in apart], np.int64).reshape(-1, 4)
        gaps_y, gaps_x = _apart(np.array(box), others)
        if ((gaps_x > 0.07 * height) | (gaps_y > 0.25 * height)).all():
            apart.append(k)
    widths = [(boxes[k][3] - boxes[k][1]) / height for k in apart]
    if max(widths) <= 1.7:
        return len(apart)
    # Wider than any digit is what touches, or a line, which is none.
    is_bar = regions.are_bars()
    return max(
        1,
        sum(
            1 if width <= 1.7 else 0 if is_bar[groups[k] - 1].all() else round(width / 0.8)
            for k, width in zip(apart, widths, strict=True)
        ),
    )


def usual_height(boxes: Sequence[Box] | Integers) -> float:
    """Height of the digits in boxes (n, 4), whatever small marks there are beside them."""
    tops, _, bottoms, _ = np.asarray(boxes).T
    heights = bottoms - tops
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
    boxes = regions.boxes[largest]
    usual = usual_height(boxes)
    for belong in (_are_parts, _is_stray_part, _are_close):
        i = 0
        while i < len(groups):
            partners = belong(boxes[i], boxes, usual)
            partners[i] = False
            if not partners.any():
                i += 1
                continue
            j = int(partners.argmax())
            groups[i] = np.concatenate([groups[i], groups[j]])
            boxes[i] = box_of(regions, groups[i])
            del groups[j]
            boxes = np.delete(boxes, j, axis=0)
            i = 0  # what is larger now may go with what was before it
    edges = _edges(regions)
    pens = np.array([regions.areas[group - 1].sum() / edges[group].sum() for group in groups])
    # What is left of ruled lines is as long as a digit, but far thinner.
    large = boxes[:, 2] - boxes[:, 0] >= 0.45 * usual
    kept = large & (pens >= 0.5 * np.median(pens[large]))
    return [group for group, keep in zip(groups, kept, strict=True) if keep]


def _edges(regions: Regions) -> Integers:
    """Of each region, from number 1, how many sides of pixels are at its edge."""
    labels = np.pad(regions.labels, 1)
    counts = np.zeros(regions.count + 1, np.int64)
    for step in (labels, labels.T):
        for one, other in ((step[1:], step[:-1]), (step[:-1], step[1:])):
            counts += np.bincount(one[(one > 0) & (other == 0)], minlength=len(counts))
    return counts


def _apart(one: Integers, others: Integers) -> tuple[Integers, Integers]:
    """Rows and columns between a box and others (n, 4); negative where they share some."""
    near, far = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    apart_y, apart_x = (near - far).T
    return apart_y, apart_x


def _fit(one: Integers, others: Integers, usual: float) -> Bools:
    """Whether two marks together are not too high for a digit."""
    together = np.maximum(one[2], others[:, 2]) - np.minimum(one[0], others[:, 0])
    return together < 1.4 * usual


def _are_parts(one: Integers, others: Integers, usual: float) -> Bools:
    """Whether one mark is over the other, or the other is a crumb of it."""
    apart_y, apart_x = _apart(one, others)
    sides = others[:, 2:] - others[:, :2]
    low, narrow = np.minimum(one[2:] - one[:2], sides).T
    over = (-apart_x > 0.5 * narrow) & (-0.5 * low < apart_y) & (apart_y < 0.35 * usual)
    crumb = (sides.max(axis=1) < 0.5 * usual) & (_gaps(apart_y, apart_x) < 0.08 * usual)
    return _fit(one, others, usual) & (over | crumb)


def _is_stray_part(one: Integers, others: Integers, usual: float) -> Bools:
    """Whether a low mark is the bar of a five, drawn apart from it on its left."""
    low = others[:, 2] - others[:, 0] < 0.45 * usual
    beside = (others[:, 0] + others[:, 2] < one[0] + one[2]) & (one[1] < others[:, 1])
    close = _gaps(*_apart(one, others)) < 0.2 * usual
    return _fit(one, others, usual) & low & beside & close


def _are_close(one: Integers, others: Integers, usual: float) -> Bools:
    """Whether marks are parts of a broken digit, or digits with hardly a gap between them."""
    # Halves of one digit may be all there is: then the usual height is half of its own.
    close = np.maximum(*_apart(one, others)) < 0.06 * usual
    return _fit(one, others, 1.4 * usual) & close


def _gaps(apart_y: Integers, apart_x: Integers) -> NDArray[np.float64]:
    return np.hypot(np.maximum(apart_y, 0), np.maximum(apart_x, 0))
