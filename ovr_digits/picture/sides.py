"""Lines along the sides of a picture: of the cell or the box that a digit was cut out with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ovr_digits.core.arrays import Bools, Integers
from ovr_digits.picture.regions import bounding_box, find_regions, find_runs

#: The least side of a picture in pixels on which lines can be told from strokes.
_LEAST_SIDE = 24
#: How far from its side a line may lie, and how thick it may be, in shares of the picture's shorter
#: side; how much of its own side it covers at least; how much of that a step in slope is.
_BAND, _THICK, _COVERED = 0.2, 0.12, 0.6
_LEFT_OVER, _BESIDE = 0.15, 0.35
#: From how long on, in its height, a picture is of a row, whose digits stand at its ends and with
#: their feet in a line, but cover less of a side than lines do.
_ROW, _COVERED_END, _COVERED_ALONG = 1.5, 0.9, 0.8
#: The steepest line, in its rise to its length; in pixels, the finest step of that at its ends.
_STEEPEST, _STEP = 0.06, 0.7
#: What comes as near to the picture's side as this reaches it, in shares of the shorter side.
_REACHED = 0.03
#: The least digit, in shares of the picture's shorter side.
_LEAST_DIGIT = 0.12
#: A line that nothing touches is longer than the digit by this, as no stroke of its own is.
_LONGER = 1.15


@dataclass(frozen=True, eq=False)
class _Side:
    """A line along a side of the picture, which is turned so that the side is on top.

    Attributes
    ----------
    out : (h, w) bool
        The line and what lies beyond it, but for strokes that cross it.
    start, end : int
        From its first to its last column.
    inner : (w,) int
        The first row within it, column by column.
    """

    out: Bools
    start: int
    end: int
    inner: Integers


def find_sides(seen: Bools, mask: Bools) -> Bools:
    """Find lines along the sides of a picture, and what lies beyond them.

    Parameters
    ----------
    seen : (h, w) bool
        Whatever stands out from the paper, however faintly.
    mask : (h, w) bool
        What may be ink of a digit.

    Returns
    -------
    (h, w) bool
        Nothing of what may be strokes of a digit that fills the picture.
    """
    out = np.zeros_like(mask)
    if min(mask.shape) < _LEAST_SIDE:
        return out
    sides = {turn: side for turn in range(4) if (side := _side_on_top(np.rot90(seen, turn)))}
    while sides:
        out = np.logical_or.reduce([np.rot90(side.out, -turn) for turn, side in sides.items()])
        rest = _main(mask & ~out)
        kept = {
            turn: side
            for turn, side in sides.items()
            if rest is not None and _is_no_stroke(side, turn, rest, sides)
        }
        if len(kept) == len(sides):
            return out
        sides = kept
    return np.zeros_like(mask)


def _main(rest: Bools) -> Bools | None:
    """The ink without specks; None where there is too little of it for a digit."""
    regions = find_regions(rest)
    if not regions.count:
        return None
    main = regions.only(regions.areas >= 0.1 * regions.areas.max())
    return main.mask if main.sizes.max() >= _LEAST_DIGIT * min(rest.shape) else None


def _is_no_stroke(side: _Side, turn: int, rest: Bools, sides: dict[int, _Side]) -> bool:
    """Whether a line belongs to the picture rather than to the digit that the rest (h, w) is."""
    rest = np.rot90(rest, turn)
    h, w = rest.shape
    rows, columns = bounding_box(rest)
    near = 1 + round(_REACHED * min(h, w))
    margins = [rows.start, columns.start, h - rows.stop, w - columns.stop]
    # Turned to the left, what was on the right comes to the top.
    bare_sides = [k for k, beyond in enumerate((0, 3, 2, 1)) if (turn + beyond) % 4 not in sides]
    fills = any(margins[k] < near for k in bare_sides)
    touching = (rest[np.minimum(side.inner, h - 1), np.arange(w)]).any()
    if not touching:
        return not fills or side.end - side.start > _LONGER * (columns.stop - columns.start)
    return not fills and side.start < columns.start and columns.stop < side.end


def _side_on_top(mask: Bools) -> _Side | None:
    """The innermost line along the upper side of what stands out."""
    h, w = mask.shape
    depth = round(_BAND * min(h, w))
    share = _COVERED_END if h > _ROW * w else _COVERED_ALONG if w > _ROW * h else _COVERED
    least = share * w
    band = mask[: depth + 1]
    if np.count_nonzero(band.any(axis=0)) <= least:
        return None
    columns, starts, ends = find_runs(band.T)
    steps = min(12, int(np.ceil(_STEEPEST * w / 2 / _STEP)))
    drop = int(_STEEPEST * w / 2) + 1
    best: tuple[int, Integers, Integers] | None = None
    for slope in np.linspace(-_STEEPEST, _STEEPEST, 2 * steps + 1):
        shifts = drop - np.rint(slope * (np.arange(w) - w / 2)).astype(np.int64)
        more, less = (
            np.bincount(k + shifts[columns], minlength=depth + 2 * drop + 2) for k in (starts, ends)
        )
        counts = np.cumsum(more - less)
        full = counts[counts > least]
        sharpness = int(full @ full)
        if sharpness and (best is None or sharpness > best[0]):
            best = (sharpness, shifts, counts)
    if best is None:
        return None
    _, shifts, counts = best
    edges = np.flatnonzero(np.diff(counts > least, prepend=False, append=False))
    for first, last in reversed(edges.reshape(-1, 2).tolist()):
        if last - first > max(3, _THICK * min(h, w)):
            continue
        # Of a line that is not quite straight there is more beside it.
        last += int(last < len(counts) and counts[last] > _LEFT_OVER * w)
        if last < len(counts) and counts[last] > _BESIDE * w:
            continue
        on_line = (starts + shifts[columns] < last) & (ends + shifts[columns] > first)
        covered = columns[on_line]
        near = 1 + round(_REACHED * w)
        if covered.min() >= near and covered.max() < w - near:
            continue
        inner = np.clip(last - shifts, 0, h)
        return _Side(
            _beyond(mask, inner, last - first), int(covered.min()), int(covered.max()) + 1, inner
        )
    return None


def _beyond(mask: Bools, inner: Integers, thick: int) -> Bools:
    """The rows above ``inner`` (w,), but for strokes that cross the line there: (h, w) bool."""
    out: Bools = np.arange(len(mask))[:, None] < inner
    columns, starts, ends = find_runs(mask.T)
    crossing = (starts < inner[columns]) & (ends > inner[columns] + 2 + thick) & (starts > 0)
    for x, start, end in zip(columns[crossing], starts[crossing], ends[crossing], strict=True):
        out[start:end, x] = False
    return out
