"""What is drawn for digits to be written in: frames, boxes, rings and ruled lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ovr_digits.core.arrays import Bools, Integers
from ovr_digits.picture.regions import Regions, find_regions, find_runs
from ovr_digits.picture.shapes import filled, grown, outermost

#: A stroke of a digit is at most this many times as long as other digits beside it.
_LONGEST = 1.6
#: A line that ends short of the sides of the picture is under digits where it is this many times as
#: long as all else is high: a bar of a digit is not.
_UNDERLINE = 2.0
#: The line under a row crosses that share of the picture's width, and is at most so thick, in
#: shares of its height and in pens.
_ACROSS, _THICKEST, _FINER = 0.95, 0.1, 0.8
#: Share of a picture's columns that a line covers that lies in two rows, as a tilted one does.
_UNBROKEN = 0.8
#: The steepest line across a picture, in its rise to its length, and how many slopes up to that are
#: tried at most.
_STEEPEST, _MOST_STEPS = 0.06, 40
#: How thick a stroke is at least and at most, in widths of the other strokes beside it.
_LEAST_PEN, _MOST_PEN = 0.6, 2.5
#: How far from the sides of its bounding box a box may be drawn, in shares of the shorter one, ...
_BAND = 0.12
#: ... and further where one is longer than that, ...
_TILT = 0.04
#: ... on how much of each side, ...
_DRAWN = 0.95
#: ... and how much of it may be filled.
_HOLLOW = 0.5
#: The least side of a box, in pixels.
_LEAST_SIDE = 12
#: An empty badge: how much of its bounding box a box fills at least, with rounded corners, and how
#: far its edge strays from a circle at most, in radii. Of 1,500 noughts of MNIST none fills more
#: than 0.89, or strays less than 0.025; one drawn with care strays 0.011.
_BOXY, _ROUND = 0.9, 0.008
#: How thick a stroke of a comb is at most, in the thickness of its line; how far from the usual its
#: height is at most, in shares; how many there are at least.
_TICK, _ALIKE, _FEWEST_TICKS = 1.3, 0.2, 3
#: The side of a place where lines cross, in their thickness.
_CROSSING = 2.0
#: Of so many directions from the middle of what a ring is drawn about, the share in which it is.
_DIRECTIONS, _AROUND = 36, 0.9
#: What is wider than that, in its heights, is no digit to draw a ring about: the mouth of a face.
_LYING = 1.6
#: Only so many of the largest marks are compared with one another.
_MOST_COMPARED = 2000


def find_frame(regions: Regions) -> Bools:
    """Which regions lie along the sides of the picture: a table about the paper, a border."""
    h, w = regions.mask.shape
    if min(h, w) < 40:
        return np.zeros(regions.count, bool)
    top, left, bottom, right = regions.boxes.T
    short, long = np.sort([regions.heights, regions.widths], axis=0)
    at_side = (top == 0) | (left == 0) | (bottom == h) | (right == w)
    wide = at_side & (short < 0.04 * min(h, w)) & (short < 0.2 * long)  # strips along a side
    depth = max(1, min(h, w) // 200)
    sides = [regions.labels[:depth], regions.labels[-depth:]]
    sides += [regions.labels[:, :depth].T, regions.labels[:, -depth:].T]
    for side in sides:
        half = 0.5 * side.shape[1]
        for k in np.flatnonzero(np.bincount(side.ravel())[1:] > half).tolist():
            wide[k] |= np.count_nonzero((side == k + 1).any(axis=0)) > half
    if not wide.any():
        return wide
    margin = round(0.25 * min(h, w))
    inside = regions.labels[margin:-margin, margin:-margin].ravel()
    # A digit that fills the picture may lie along a side too, but not along the sides alone.
    frame: Bools = wide & (np.bincount(inside, minlength=len(wide) + 1)[1:] < 0.1 * regions.areas)
    return frame & ~_strokes_at_sides(regions, frame, at_side)


def _strokes_at_sides(regions: Regions, frame: Bools, at_side: Bools) -> Bools:
    """Which of the regions that lie along a side look like strokes of digits cut out tightly.

    They are no longer than what is beside them is, in their own direction, and as thick.
    """
    strokes = np.zeros(regions.count, bool)
    if not frame.any() or frame.all():
        return strokes
    pens = 2 * regions.areas / regions.edges
    for k in np.flatnonzero(frame).tolist():
        lengths = regions.heights if regions.heights[k] > regions.widths[k] else regions.widths
        like = ~frame & at_side & (lengths[k] < _LONGEST * lengths)
        if like.any():
            pen = pens[k] / np.median(pens[like])
            strokes[k] = _LEAST_PEN < pen < _MOST_PEN
    return strokes


def find_ruled_lines(mask: Bools) -> Bools:
    """Long thin lines across the picture, along it or down it."""
    across, down = _lines_along(mask), _lines_along(mask.T).T
    if down.any() and _are_stems(mask, across, down):
        down = np.zeros_like(down)
    lines = across | down
    if not lines.any():
        return lines
    rest = mask & ~lines
    return lines | _crossings(rest, across, down) | _ticks(rest, across)


def _ticks(rest: Bools, across: Bools) -> Bools:
    """Strokes of a comb, as thin as the line that they stand on or hang from."""
    if not across.any():
        return across
    thickness = 2 * across.sum() / find_regions(across).edges.sum()
    regions = find_regions(rest)
    beside = np.bincount(regions.labels[grown(across, 1)], minlength=regions.count + 1)[1:] > 0
    ticks = beside & regions.are_straight() & (regions.widths <= _TICK * thickness + 1)
    ticks &= regions.heights > regions.widths
    # A comb has several, one like the other; a 1 may stand on a line, too.
    heights = regions.heights / (np.median(regions.heights[ticks]) if ticks.any() else 1)
    ticks &= np.abs(heights - 1) < _ALIKE
    return regions.only(ticks if ticks.sum() >= _FEWEST_TICKS else ticks & False).mask


def _crossings(rest: Bools, across: Bools, down: Bools) -> Bools:
    """What is left of a mask where lines along a picture cross lines down it."""
    if not across.any() or not down.any():
        return np.zeros_like(rest)
    regions = find_regions(rest)
    at_both = np.ones(regions.count, bool)
    thickness = 0.0
    for lines in (across, down):
        thickness = max(thickness, 2 * lines.sum() / find_regions(lines).edges.sum())
        at_both &= np.bincount(regions.labels[grown(lines, 1)], minlength=regions.count + 1)[1:] > 0
    sides = np.maximum(regions.heights, regions.widths)
    return regions.only(at_both & (sides <= _CROSSING * thickness + 2)).mask


def _are_stems(mask: Bools, across: Bools, down: Bools) -> bool:
    """Whether what seem to be lines down the picture are strokes of digits as high as it is."""
    regions = find_regions(mask & ~across)
    rest = regions.mask & ~down
    if not rest.any():
        return True
    on_line = np.bincount(regions.labels[down], minlength=regions.count + 1)[1:]
    pen = 2 * regions.areas[on_line > 0].sum() / regions.edges[on_line > 0].sum()
    pieces = find_regions(rest)
    large = pieces.areas >= 0.1 * pieces.areas.max()
    usual_pen = float(np.median((2 * pieces.areas / pieces.edges)[large]))
    # Without what seems to be a line a digit may be in pieces; squares join all that is on them.
    heights = pieces.heights if across.any() else _extents(regions, rest)
    as_high = mask.shape[0] < _LONGEST * heights.max()
    mostly = not across.any() and on_line.sum() > 0.5 * regions.areas.sum()
    return bool(pen > _LEAST_PEN * usual_pen and (as_high or mostly))


def _extents(regions: Regions, mask: Bools) -> Integers:
    """From the first to the last row of each region that are in a mask."""
    rows, columns = np.nonzero(mask)
    numbers = regions.labels[rows, columns]
    first = np.full(regions.count + 1, mask.shape[0])
    last = np.full(regions.count + 1, mask.shape[0])
    last[numbers] = rows  # they come in order: the last stays
    first[numbers[::-1]] = rows[::-1]
    return last - first + 1


def _lines_along(mask: Bools) -> Bools:
    """Lines from side to side, perhaps a little turned, that are thinner than the pen."""
    h, w = mask.shape
    none = np.zeros((h, w), bool)
    # A line is in more than half of the columns.
    if w < 60 or np.count_nonzero(mask.any(axis=0)) <= 0.5 * w:
        return none
    columns, starts, ends = find_runs(mask.T)
    drop = int(_STEEPEST * w / 2) + 1
    # Between two slopes the ends of a line differ by two pixels, unless the picture is large.
    steps = min(drop, _MOST_STEPS)
    best: tuple[int, Integers, Bools] | None = None
    for slope in np.linspace(-_STEEPEST, _STEEPEST, 2 * steps + 1):
        shifts = drop - np.rint(slope * (columns - w / 2)).astype(np.int64)
        # Even a thin line changes rows somewhere: where it may, its columns count in the next, too.
        more, less, later = (
            np.bincount(k + shifts, minlength=h + 2 * drop + 2) for k in (starts, ends, ends + 1)
        )
        counts, in_two = np.cumsum(more - less), np.cumsum(more - later)
        full = (counts > 0.5 * w) | (in_two > _UNBROKEN * w)
        # Rows of digits are no lines, however sharp they become.
        sharpness = int(counts[full] @ counts[full])
        if sharpness and (best is None or sharpness > best[0]):
            best = (sharpness, shifts, full)
    if best is None:
        return none
    _, shifts, full = best
    n_lines = int(np.count_nonzero(np.diff(full.astype(np.int8)) == 1))
    full[1:] |= full[:-1]
    full[:-1] |= full[1:]
    lengths = ends - starts
    thickness = np.repeat(lengths, lengths)
    rows = np.arange(len(thickness)) - np.repeat(np.cumsum(lengths) - ends, lengths)
    on_line = full[rows + np.repeat(shifts, lengths)]
    if on_line.all():
        return none
    usual = float(np.median(thickness[on_line]))
    crossed = np.repeat(columns, lengths)
    length, height = np.ptp(crossed[on_line]), np.ptp(rows[~on_line])
    ends_short = length < 0.9 * w and length < _UNDERLINE * height
    pen = float(np.median(thickness[~on_line]))
    # What a low picture holds is a row that was cut out, with a line that is no finer for that.
    under_row = length > max(_ACROSS * w, _UNDERLINE * height)
    under_row &= usual <= min(_THICKEST * h, _FINER * pen)
    # A single line that ends short or is as thick as the pen is the bar of a digit that fills
    # the picture.
    is_bar = n_lines < 2 and (ends_short or usual > 0.6 * pen)
    if not under_row and (usual > 0.03 * h + 2 or is_bar):
        return none
    thin = on_line & (thickness <= usual + 2)
    none[rows[thin], crossed[thin]] = True
    return none


def find_boxes(regions: Regions) -> tuple[Bools, Bools]:
    """Boxes, combs and grids to write in.

    Returns
    -------
    boxes : (count,) bool
    content : (h, w) bool
        What is written in them and hangs together with their lines.
    """
    boxes = np.zeros(regions.count, bool)
    content = np.zeros(regions.mask.shape, bool)
    short = np.minimum(regions.heights, regions.widths)
    hollow = regions.areas < _HOLLOW * regions.heights * regions.widths
    h, w = regions.mask.shape
    # Squares that go on beyond the picture are ruled lines.
    inside = (regions.boxes[:, :2] > 0).all(axis=1) & (regions.boxes[:, 2:] < (h, w)).all(axis=1)
    wanted = hollow & inside & (short >= _LEAST_SIDE)
    for k in np.flatnonzero(wanted).tolist():
        top, left, bottom, right = regions.boxes[k].tolist()
        place = (slice(top, bottom), slice(left, right))
        cut = regions.labels[place] == k + 1
        bands = [_band(cut, turn) for turn in range(4)]
        sides = [np.rot90(cut, turn)[:band] for turn, band in enumerate(bands)]
        # A long one that is tilted has shorter ends than its bounding box.
        drawn = _DRAWN - _TILT * (max(cut.shape) / min(cut.shape) - 1)
        boxes[k] = all(side.any(axis=0).mean() >= drawn for side in sides)
        if boxes[k]:
            content[place] |= _written_in(cut, bands)
    return boxes, content


def _band(cut: Bools, turn: int) -> int:
    """How far from a side of its bounding box a box may be drawn: a long one may be tilted."""
    _, along = np.rot90(cut, turn).shape
    short = min(cut.shape)
    return max(2, round(_BAND * short + _TILT * (along - short)))


def _written_in(cut: Bools, bands: Sequence[int]) -> Bools:
    """What is left of a box when its lines are taken away: (h, w), as the box."""
    rest = cut.copy()
    for turn, band in enumerate(bands):
        side = np.rot90(rest, turn)
        full = np.rot90(cut, turn)
        # From each side on, the first line.
        first = full.argmax(axis=0)
        gone = np.cumsum(~full & (np.arange(len(full))[:, None] > first), axis=0) > 0
        thickness = gone.argmax(axis=0) - first
        usual = max(1, round(float(np.median(thickness[first < band]))))
        rows = np.arange(len(full))[:, None]
        side[(first < band) & (rows < first + usual + 1)] = False
    rest &= ~(_lines_along(cut) | _lines_along(cut.T).T)
    regions = find_regions(rest)
    # Of a line between two cells there may be pieces.
    large = np.minimum(regions.heights, regions.widths) > 0.15 * min(cut.shape)
    high = regions.heights > 0.3 * min(cut.shape)
    inner: Bools = regions.only(large & high).mask
    return inner


def find_badges(regions: Regions) -> Bools:
    """Which regions are the empty outline of a box with round corners, or a perfect circle."""
    badges = np.zeros(regions.count, bool)
    hollow = regions.areas < _HOLLOW * regions.heights * regions.widths
    hollow &= np.minimum(regions.heights, regions.widths) >= 2 * _LEAST_SIDE
    for k in np.flatnonzero(hollow & (regions.sizes > 0.5 * regions.sizes.max())).tolist():
        top, left, bottom, right = regions.boxes[k].tolist()
        own = regions.labels[top:bottom, left:right] == k + 1
        outline = filled(own)
        if find_regions(outline & ~own).count != 1:
            continue
        edge = np.argwhere(outermost(outline))
        radii = np.hypot(*(edge - edge.mean(axis=0)).T)
        badges[k] = outline.mean() > _BOXY or radii.std() < _ROUND * radii.mean()
    return badges


def find_rings(regions: Regions) -> Bools:
    """Which regions are drawn about something of some size."""
    wanted = np.zeros(regions.count, bool)
    large = np.argsort(-regions.sizes)[:_MOST_COMPARED]
    boxes, areas, sizes = regions.boxes[large], regions.areas[large], regions.sizes[large]
    rows, columns = (boxes[:, :2] + boxes[:, 2:]).T // 2
    spans = boxes[:, 2:] - boxes[:, :2]
    hollow = areas < _HOLLOW * np.prod(spans, axis=1)
    upright = spans[:, 1] < _LYING * spans[:, 0]
    for i in np.flatnonzero(hollow).tolist():
        top, left, bottom, right = boxes[i]
        inside = (top < boxes[:, 0]) & (boxes[:, 2] < bottom)
        inside &= (left < boxes[:, 1]) & (boxes[:, 3] < right)
        inside &= upright & (sizes >= 0.3 * sizes[i]) & (areas >= 0.1 * areas[i])
        if inside.any():
            y, x = np.nonzero(regions.labels[top:bottom, left:right] == large[i] + 1)
        for j in np.flatnonzero(inside).tolist():
            angles = np.arctan2(y - (rows[j] - top), x - (columns[j] - left)) / (2 * np.pi)
            seen = np.unique(np.floor(angles * _DIRECTIONS) % _DIRECTIONS)
            wanted[large[i]] |= len(seen) >= _AROUND * _DIRECTIONS
    return wanted
