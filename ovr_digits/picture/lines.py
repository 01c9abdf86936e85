"""How marks on a page lie together: parts of one digit, digits of one line."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from ovr_digits.core.arrays import Bools, Float64, Integers
from ovr_digits.picture.regions import Box, LeftOut, Regions, as_box

#: Of more marks than these only the largest are looked at: others are a texture, not writing.
MOST_MARKS = 5000
#: How many digits tell how a page is turned, at least and at most, ...
_LEAST_CHAIN, _MOST_CHAIN = 4, 500
#: ... and from where on their neighbours lie in one direction: a mean resultant length.
_ONE_WAY = 0.8
_SMALLER = "far smaller than the others"
#: A mark that is as high as this, in usual heights, is a digit;
_HIGH = 0.45
#: from this height on it may be one that is written smaller.
_LOW = 0.25
#: How high a slanted stroke is that stands alone, what is beside it, and what does not count, in
#: usual heights; how wide it is for its height.
_HIGH_STROKE, _HIGH_NEIGHBOUR, _SPECK, _SLANTED = 0.8, 0.6, 0.15, 0.2
#: How far from a digit's box, how high and how wide a dot or a comma is, how far from all ink, and
#: how far below the tops of digits, in usual heights.
_BESIDE, _SMALL_SIGN, _NARROW_SIGN, _CLEAR, _BELOW_TOP = 0.03, 0.4, 0.3, 0.02, 0.2
#: How high and how long a dash is at most, in usual heights.
_FLAT, _LONG_DASH = 0.25, 0.65
#: How much lower than a digit a comma ends, and how high it is at most, in usual heights.
_HANGING, _HIGH_COMMA = 0.08, 0.55
#: How far down a digit the bar of a five may be that is drawn apart from it, in its heights.
_NEAR_TOP = 0.25
#: Pens, in shares of the usual one, that are thin; and in heights, that write no digit.
_THIN, _HAIR = 0.5, 0.04


@dataclass(frozen=True, eq=False)
class Group:
    """Regions that make one digit, or digits that touch.

    Attributes
    ----------
    regions : (n,) int
        Their numbers, from 1.
    box : (top, left, bottom, right)
    doubt : str
        Why it may be no digit; empty where it looks like its neighbours.
    """

    regions: Integers
    box: Box
    doubt: str


@dataclass(frozen=True, eq=False)
class Layout:
    """How marks lie on a page.

    Attributes
    ----------
    lines : list of lists of Group
        Line by line, each from left to right.
    left_out : list of LeftOut
    """

    lines: list[list[Group]]
    left_out: list[LeftOut]


def find_layout(regions: Regions) -> Layout:
    """Put regions together to digits, or digits that touch, in reading order."""
    groups, left_out = _grouped(regions)
    lines = _in_lines(groups, usual_height([group.box for group in groups]))
    h, w = regions.mask.shape
    whole = [
        any(
            top > 0 and left > 0 and bottom < h and right < w
            for top, left, bottom, right in (group.box for group in line)
        )
        for line in lines
    ]
    kept = []
    for line, keep in zip(lines, whole, strict=True):
        # A comma hangs far below its line; there are no lines of small marks alone.
        if len(lines) > 1 and all(group.doubt == _SMALLER for group in line):
            left_out += [
                LeftOut(group.box, group.doubt, regions.mask_of(group.regions)[1]) for group in line
            ]
            continue
        # What only goes on beyond the picture is its edge, or a shadow.
        if keep or not any(whole):
            kept.append(line)
        else:
            left_out += [LeftOut(group.box, "goes on beyond the picture") for group in line]
    return Layout(kept, left_out)


def find_lines(regions: Regions) -> list[list[Integers]]:
    """Regions that make a digit each, or digits that touch, in reading order.

    What is far smaller or thinner than the others is not among them.

    Returns
    -------
    list of lists of arrays of int
        Line by line, the numbers of the regions of each digit.
    """
    lines = [
        [group.regions for group in line if not group.doubt] for line in find_layout(regions).lines
    ]
    return [line for line in lines if line]


def _in_lines(groups: Sequence[Group], usual: float) -> list[list[Group]]:
    lines: list[list[Group]] = []
    lefts: list[list[int]] = []  # of each line's groups, in order, as the groups are
    lowest: list[float] = []  # middle in each line
    open_lines: list[int] = []  # that may go on
    for group in sorted(groups, key=lambda group: group.box[0] + group.box[2]):
        top, left, bottom, _ = group.box
        middle = (top + bottom) / 2
        # Middles come in order: a line that ended further above has no neighbour for the rest.
        open_lines = [row for row in open_lines if middle - lowest[row] < 0.6 * usual]
        for row in open_lines:
            place = bisect_left(lefts[row], left)
            # A tilted line drifts: what counts is the neighbour in it.
            near = min(
                lines[row][max(0, place - 1) : place + 1], key=lambda near: abs(near.box[1] - left)
            )
            if abs((near.box[0] + near.box[2]) / 2 - middle) < 0.6 * usual:
                break
        else:
            row, place = len(lines), 0
            lines.append([])
            lefts.append([])
            lowest.append(middle)
            open_lines.append(row)
        lines[row].insert(place, group)
        lefts[row].insert(place, left)
        lowest[row] = middle
    return lines


def line_turn(regions: Regions) -> float | None:
    """By how many degrees the lines of marks seem to run downhill: -90 to 90, negative uphill.

    Returns
    -------
    float or None
        None where nearest neighbours do not lie in one direction.
    """
    boxes = regions.boxes[regions.heights >= _HIGH * usual_height(regions.boxes)]
    if len(boxes) < _LEAST_CHAIN:
        return None
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    # Some of a page are enough.
    some = middles[:: -(-len(middles) // _MOST_CHAIN)]
    steps = middles[None] - some[:, None]
    away = np.hypot(*np.moveaxis(steps, 2, 0))
    away[away == 0] = np.inf
    nearest = steps[np.arange(len(some)), away.argmin(axis=1)]
    # A step and its way back are one direction: angles are doubled.
    directions = np.exp(2j * np.arctan2(nearest[:, 0], nearest[:, 1]))
    mean = complex(directions.mean())
    return float(np.degrees(np.angle(mean) / 2)) if abs(mean) > _ONE_WAY else None


def count_digits(regions: Regions) -> int:
    """How many digits the marks seem to be, at least 1; parts of a broken digit are one."""
    if not regions.count:
        return 1
    groups = [group for line in find_lines(regions) for group in line]
    boxes = [regions.box_of(group) for group in groups]
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


def _grouped(regions: Regions) -> tuple[list[Group], list[LeftOut]]:
    """Put the parts of broken digits together, and leave out what is too small for a digit.

    What is too close to be told apart is put together as if it touched.
    """
    largest = np.sort(np.argsort(-regions.areas, kind="stable")[:MOST_MARKS])
    left_out = [
        LeftOut(as_box(regions.boxes[k]), "one of too many marks")
        for k in np.setdiff1d(np.arange(regions.count), largest)
    ]
    usual = usual_height(regions.boxes[largest])
    alone = _stand_alone(regions, largest, usual)
    members, boxes = _joined(largest[~alone] + 1, regions.boxes[largest[~alone]], usual)
    members += [np.array([k + 1]) for k in largest[alone].tolist()]
    boxes = np.concatenate([boxes, regions.boxes[largest[alone]]])
    edges = np.append(0, regions.edges)
    areas = np.append(0, regions.areas)
    heights, widths = (boxes[:, 2:] - boxes[:, :2]).T
    pens = 2 * np.array([areas[group].sum() / edges[group].sum() for group in members])
    usual_pen = float(np.median(pens[heights >= _HIGH * usual]))
    groups = []
    for group, box, height, width, pen in zip(members, boxes, heights, widths, pens, strict=True):
        is_thin = pen < _THIN * usual_pen
        doubt = "far thinner than the others" if is_thin else ""
        reason = ""
        if is_thin and (pen < _HAIR * height or min(height, width) < 2.5 * pen):
            reason = "a thin line"
        elif height < _HIGH * usual:
            doubt = _SMALLER
            # Dots, dashes and commas are strokes alone.
            is_stroke = 0.3 * height < pen or not 0.4 < width / height < 1.6
            reason = doubt if height < _LOW * usual or is_stroke else ""
        if reason:
            left_out.append(LeftOut(as_box(box), reason, regions.mask_of(group)[1]))
        else:
            groups.append(Group(group, as_box(box), doubt))
    return groups, left_out


def _stand_alone(regions: Regions, largest: Integers, usual: float) -> Bools:
    """Which of the largest regions are slanted strokes that are no part of a digit: (n,) bool.

    The box about a slash goes into those of its neighbours.
    """
    boxes, heights, widths = (
        regions.boxes[largest],
        regions.heights[largest],
        regions.widths[largest],
    )
    alone: Bools = regions.are_straight()[largest] & (heights > _HIGH_STROKE * usual)
    alone &= (widths > _SLANTED * heights) & (widths < heights)
    for k in np.flatnonzero(alone).tolist():
        apart_y, apart_x = _apart(boxes[k], boxes)
        near = (np.maximum(apart_y, apart_x) < 0.08 * usual) & (heights > _SPECK * usual)
        near[k] = False
        inside = -apart_x > 0.5 * np.minimum(widths, widths[k])
        alone[k] = not (near & (inside | (heights < _HIGH_NEIGHBOUR * usual))).any()
    small = (heights < _SMALL_SIGN * usual) & (widths < _NARROW_SIGN * usual)
    for k in np.flatnonzero(small).tolist():
        alone[k] = _is_beside(regions, int(largest[k]), usual)
    return alone


def _is_beside(regions: Regions, number: int, usual: float) -> bool:
    """Whether a small region lies beside others, lower than their tops, and touches none.

    Of the box about a slanted digit a dot beside it may be a part.
    """
    top, left, bottom, right = regions.boxes[number].tolist()
    reach = round(max(2, _CLEAR * usual))
    about = regions.labels[
        max(0, top - reach) : bottom + reach, max(0, left - reach) : right + reach
    ]
    if ((about > 0) & (about != number + 1)).any():
        return False
    far = round(0.5 * usual)
    start = max(0, left - far)
    beside = regions.labels[top:bottom, start : right + far]
    for k in np.unique(beside[(beside > 0) & (beside != number + 1)]).tolist():
        columns = start + np.flatnonzero((beside == k).any(axis=0))
        if columns[0] < right and columns[-1] >= left:
            return False
        if regions.heights[k - 1] > _HIGH_NEIGHBOUR * usual and (
            top < regions.boxes[k - 1, 0] + _BELOW_TOP * usual
        ):
            return False
    return True


def _joined(numbers: Integers, boxes: Integers, usual: float) -> tuple[list[Integers], Integers]:
    """Put regions of boxes (n, 4) together that belong together.

    Returns the numbers of the regions of each group, and the groups' boxes.
    """
    members = {k: np.array([number]) for k, number in enumerate(numbers)}
    boxes = boxes.copy()
    # Squares of a page, and what lies in them: what belongs together is never farther apart.
    side = max(1, round(usual))
    squares: dict[tuple[int, int], set[int]] = defaultdict(set)

    def near(k: int) -> list[tuple[int, int]]:
        top, left, bottom, right = ((boxes[k] + (-side, -side, side, side)) // side).tolist()
        return [(y, x) for y in range(top, bottom + 1) for x in range(left, right + 1)]

    def own(k: int) -> list[tuple[int, int]]:
        top, left, bottom, right = (boxes[k] // side).tolist()
        return [(y, x) for y in range(top, bottom + 1) for x in range(left, right + 1)]

    for k in members:
        for square in own(k):
            squares[square].add(k)
    for belong in (_are_parts, _is_stray_part, _are_close):
        waiting = list(members)
        heapify(waiting)
        while waiting:
            i = heappop(waiting)
            if i not in members:
                continue
            others = sorted({k for square in near(i) for k in squares.get(square, ())} - {i})
            partners = belong(boxes[i], boxes[others], usual) if others else np.zeros(0, bool)
            if not partners.any():
                continue
            j = others[int(partners.argmax())]
            for square in own(j):
                squares[square].discard(j)
            members[i] = np.concatenate([members[i], members.pop(j)])
            boxes[i, :2] = np.minimum(boxes[i, :2], boxes[j, :2])
            boxes[i, 2:] = np.maximum(boxes[i, 2:], boxes[j, 2:])
            for square in own(i):
                squares[square].add(i)
            # What is larger now may go with what was looked at before.
            for k in {i, *(k for square in near(i) for k in squares.get(square, ()))}:
                heappush(waiting, k)
    return list(members.values()), boxes[list(members)]


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
    crumb &= ~_may_be_sign(others, one[None], usual)
    return _fit(one, others, usual) & (over | crumb)


def _may_be_sign(ones: Integers, others: Integers, usual: float) -> Bools:
    """Which of ones (n, 4) beside others may be a dot, a dash, or a comma that hangs lower."""
    near, far = np.maximum(ones[:, 1], others[:, 1]), np.minimum(ones[:, 3], others[:, 3])
    apart = (near - far) / usual
    high, wide = (ones[:, 2:] - ones[:, :2]).T / usual
    small = np.maximum(high, wide) < _SMALL_SIGN
    flat = (high < _FLAT) & (wide < _LONG_DASH)
    hangs = (ones[:, 2] > others[:, 2] + _HANGING * usual) & (high < _HIGH_COMMA)
    hangs &= wide < _NARROW_SIGN
    may: Bools = ((apart > _BESIDE) & (small | flat)) | ((apart > -_BESIDE) & hangs)
    return may


def _is_stray_part(one: Integers, others: Integers, usual: float) -> Bools:
    """Whether a low mark is the bar of a five, drawn apart from it on its left."""
    low = others[:, 2] - others[:, 0] < 0.45 * usual
    top = one[0] + _NEAR_TOP * (one[2] - one[0])
    beside = (others[:, 0] + others[:, 2] < 2 * top) & (one[1] < others[:, 1])
    close = _gaps(*_apart(one, others)) < 0.2 * usual
    return _fit(one, others, usual) & low & beside & close


def _are_close(one: Integers, others: Integers, usual: float) -> Bools:
    """Whether marks are parts of a broken digit, or digits with hardly a gap between them."""
    # Halves of one digit may be all there is: then the usual height is half of its own.
    apart_y, apart_x = _apart(one, others)
    close = np.maximum(apart_y, apart_x) < 0.06 * usual
    close &= ~_may_be_sign(others, one[None], usual) & ~_may_be_sign(one[None], others, usual)
    return _fit(one, others, 1.4 * usual) & close


def _gaps(apart_y: Integers, apart_x: Integers) -> Float64:
    return np.hypot(np.maximum(apart_y, 0), np.maximum(apart_x, 0))
