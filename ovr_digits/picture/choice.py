"""Which of the regions on a picture are its digit, and which may be digits."""

from __future__ import annotations

import numpy as np

from ovr_digits.core.arrays import Bools, Integers
from ovr_digits.picture.broken import find_strokes
from ovr_digits.picture.regions import Regions

# Moved by the styles "stray dots" and "lined paper" of python -m benchmarks.pictures.
#: A part of the digit has more than that share of the largest part's area, and is as near to it
#: as that, in sizes of the largest; a bit of a stroke has more than that of the area,
#: and is as near as that.
_PART, _PART_APART, _BIT, _BIT_APART = 0.08, 0.25, 0.01, 0.02
#: How much nearer a part is that lies neither above, below nor beside the digit: most logos do not.
_ASLANT = 0.3
#: What touches a side of the picture is the digit if it is as many times as large as any other.
_AT_SIDE = 4.0
#: An underline is so many times wider than high, and than the digit's width and height.
_UNDERLINE, _WIDER, _WIDE_FOR_HEIGHT = 6.0, 1.15, 0.8
#: Marks have at least that share of the largest one's size, and of the largest area.
_LARGE, _LARGE_AREA = 0.15, 0.02


def digit_among(regions: Regions) -> Bools:
    """The largest region, and those near it that are too large for specks."""
    wanted = np.zeros(regions.count, bool)
    if not regions.count:
        return wanted
    boxes, areas = regions.boxes, regions.areas
    strokes = find_strokes(regions)
    main = _largest(regions, strokes)
    wanted |= strokes == strokes[main]
    area = areas[wanted].sum()
    (top, left), (bottom, right) = _extent(boxes[wanted])
    size = np.hypot(bottom - top, right - left)
    height, width = regions.heights, regions.widths
    # The base of a one is no underline: it is less wide than the digit is high.
    underline = (width > _UNDERLINE * height) & (boxes[:, 0] >= bottom - 2) & ~wanted
    underline &= width > max(_WIDER * (right - left), _WIDE_FOR_HEIGHT * (bottom - top))
    part = areas > _PART * area
    reach = np.where(part, _PART_APART * size, _BIT_APART * size + 1)
    reach[(areas <= _BIT * area) | underline] = 0
    at_side = _are_at_side(regions)
    if not at_side[wanted].any():
        reach[at_side] = 0  # a stamp in the corner, or what is written beyond the side
    while True:
        (top, left), (bottom, right) = _extent(boxes[wanted])
        gap_y = np.maximum(boxes[:, 0] - bottom, top - boxes[:, 2])
        gap_x = np.maximum(boxes[:, 1] - right, left - boxes[:, 3])
        gap = np.hypot(np.maximum(gap_y, 0), np.maximum(gap_x, 0))
        aslant = np.where((gap_y > 0) & (gap_x > 0), _ASLANT, 1.0)
        near = wanted | (gap < aslant * reach)
        if (near == wanted).all():
            return wanted
        wanted = near


def _largest(regions: Regions, strokes: Integers) -> int:
    """A region of the largest stroke, of those whose numbers are given (count,)."""
    n = regions.count
    areas = np.bincount(strokes, regions.areas, n)
    first, last = regions.boxes[:, :2].copy(), regions.boxes[:, 2:].copy()
    np.minimum.at(first, strokes, regions.boxes[:, :2])
    np.maximum.at(last, strokes, regions.boxes[:, 2:])
    weights = areas * np.hypot(*(last - first).T)
    weights[strokes[_are_at_side(regions)]] /= _AT_SIDE
    return int(np.argmax(weights))


def _are_at_side(regions: Regions) -> Bools:
    """Which regions touch a side of the picture: (count,)."""
    at_side: Bools = (regions.boxes[:, :2] == 0).any(axis=1)
    return at_side | (regions.boxes[:, 2:] == regions.mask.shape).any(axis=1)


def _extent(boxes: Integers) -> tuple[Integers, Integers]:
    """The first corner and the last of a box about all (n, 4)."""
    return boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)


def marks_among(regions: Regions) -> Bools:
    """Every region that is not far smaller than the large ones."""
    if not regions.count:
        return np.zeros(0, bool)
    large: Bools = regions.sizes >= _LARGE * regions.sizes.max()
    large &= regions.areas >= _LARGE_AREA * regions.areas.max()
    return large
