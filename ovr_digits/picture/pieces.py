"""Cuts marks that may be several digits into the pieces that may be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from ovr_digits.core.arrays import Bools, Float32, Float64, Grey, Integers
from ovr_digits.core.detectors import PIECE_CLASSES
from ovr_digits.picture.cuts import find_cuts, pairs_of_cuts
from ovr_digits.picture.lines import Group, usual_height
from ovr_digits.picture.loops import Loop, find_loops
from ovr_digits.picture.mnist_form import fine_pen_width, pen_width, usual_form
from ovr_digits.picture.regions import Box, Regions, bounding_box, slices_of, without_crumbs

#: How many cuts are tried to a height of a mark's width.
_CUTS = 9
#: Of all marks on a picture, and for each mark: how many heights are looked at for cuts, ...
_CUT_WIDTH, _CUT_WIDTH_EACH = 30.0, 0.1
#: ... and how many pieces between cuts are voted on. Both bound the time that a picture takes.
_MOST_PIECES, _MOST_PIECES_EACH = 300, 0.4
#: Digits higher than twice that many pixels are cut on a reduced picture.
_DETAIL = 60
#: How soon a piece's worth changes with what the detectors say of it, and how much the ten count
#: beside those of pieces; found, as all these, on drawn numbers and on amounts of cheques.
_SCALE, _TEN = 0.175, 0.5
#: The ten are hardly ever surer of a part than that.
_MOST_TEN = 10.0
#: What is taken away from a piece's worth: for every piece, for each height of ink that its
#: cuts cross, and for being wider than a digit.
_PIECE, _CROSSED, _WIDER = 0.54, 1.04, 2.0
#: What is taken away from the worth of a symbol, as they are seldom joined to digits.
_SYMBOL = 1.0
#: How wide a digit is, and how wide one may be, in heights.
_WIDTH, MOST_WIDTH = 0.95, 1.5
#: From what height down a piece is worth less, and how much for each height; zeros are often
#: smaller. What ink that is left out costs, for each square of a usual digit's height.
_LOW, _LOW_ZERO, _LEFT_OUT = (0.76, 5.6), (0.6, 2.0), 20.0
#: Where ink runs along a cut for so many heights, its neighbours may share a stroke, as joined
#: zeros do; a part with such a stroke of the other side is worth that much less.
_ALONG, _SHARING = 0.3, 0.4
#: How far from a loop an edge runs along it, in heights, and what is taken away from its worth for
#: each height of a stroke between its edges that is none of it.
_BESIDE, _REST = 0.5, 3.6
#: How high a dash at a mark's end is at most, in heights, how far down it is, in shares of the
#: mark, from and to, and what is taken away from the worth of the digit before it.
_TAIL, _TAIL_AT, _TAIL_COST = 0.45, (0.3, 0.8), 0.8
_OTHER, _NONE = PIECE_CLASSES.index("other"), PIECE_CLASSES.index("none")
#: Numbers of two edges, and how many pixels beyond the first and the second a part goes.
_Way = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Mark:
    """Ink that is a digit, or digits that touch.

    Attributes
    ----------
    ink : (h, w) float32 in 0..1
    corner : (top, left)
        Of the ink, in pixels of the picture.
    height : float
        Of a usual digit, in pixels of the ink.
    factor : int
        Pixels of the picture to one of the ink, on a side.
    """

    ink: Float32
    corner: tuple[int, int]
    height: float
    factor: int = 1

    @property
    def width(self) -> float:
        """In heights of a usual digit."""
        return self.ink.shape[1] / self.height

    @cached_property
    def pen(self) -> float:
        """Width of its strokes, in pixels of the ink."""
        return fine_pen_width(self.ink, self.height)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a mark that may be a digit, or a symbol that is joined to digits.

    Attributes
    ----------
    start, end : int
        Where it is cut off, as numbers of the mark's edges from left to right.
    box : (top, left, bottom, right)
        In pixels of the picture.
    ink : (h, w) float32 in 0..1
    pen : float or None
        How wide its strokes are, in pixels; None where they tell themselves.
    height : float
        In heights of a usual digit.
    faults : float
        What its width and its cuts take away from its worth.
    crumbs : float
        Ink beside it that is left out, in squares of a usual digit's height.
    is_symbol : bool
        Whether it is taken for one.
    """

    start: int
    end: int
    box: Box
    ink: Float32
    pen: float | None
    height: float
    faults: float
    crumbs: float = 0.0
    is_symbol: bool = False

    @cached_property
    def image(self) -> Grey:
        """In the form of MNIST's digits, (28, 28)."""
        return usual_form(self.ink, self.pen)

    @property
    def is_part(self) -> bool:
        """Whether there are others beside it."""
        return (self.start, self.end) != (0, -1)

    @property
    def most_worth(self) -> float:
        """What it is worth at most, whatever the detectors say."""
        low = min(_too_low(self.height, _LOW), _too_low(self.height, _LOW_ZERO))
        return -min(low, _SYMBOL) - self._lost

    @property
    def _lost(self) -> float:
        return self.faults + _LEFT_OUT * self.crumbs

    def worth(self, digits: Sequence[float], pieces: Float64) -> float:
        """How much it looks like one whole digit: about a log-likelihood.

        ``digits`` (10,) is what the ten detectors say, ``pieces`` (12,) what those of
        ``PIECE_CLASSES`` do, in log-odds.
        """
        digit = int(np.argmax(digits))
        low = _too_low(self.height, _LOW if digit else _LOW_ZERO)
        return _likely(pieces[digit] + _TEN * digits[digit] - pieces[_NONE]) - low - self._lost

    def worth_at_most(self, pieces: Float64) -> float:
        """``worth``, or that as a symbol, whatever the ten say: they are seldom so sure of one."""
        margin = float(pieces[:_OTHER].max()) + _TEN * _MOST_TEN - float(pieces[_NONE])
        return max(self.most_worth + _likely(margin), self.worth_as_symbol(pieces))

    def worth_as_symbol(self, pieces: Float64) -> float:
        """How much it looks like a whole symbol, as ``worth``."""
        margin = float(pieces[_OTHER] - np.delete(pieces, _OTHER).max())
        return _likely(margin) - _SYMBOL - self._lost


def _likely(margin: float) -> float:
    return -float(np.logaddexp(0, -_SCALE * margin))


def _too_low(height: float, low: tuple[float, float]) -> float:
    least, cost = low
    return cost * max(least - height, 0)


def marks_of(ink: Float32, regions: Regions, line: Sequence[Group]) -> list[Mark]:
    """The ink of each group of regions in a line, without that of its neighbours."""
    usual = usual_height([group.box for group in line])
    marks = []
    for group in line:
        top, left, bottom, _ = group.box
        part = slices_of(group.box)
        own = np.where(np.isin(regions.labels[part], group.regions), ink[part], 0)
        own = own.astype(np.float32)
        marks.append(Mark(own, (top, left), min(usual, bottom - top)))
    return marks


def parted_marks(marks: Sequence[Mark], touching: Sequence[bool]) -> list[list[Piece]]:
    """Of each mark that may be several digits, the pieces that may be one; of others none.

    There is a bound to them: narrow marks come first, and where all have more pieces than are
    voted on, fewer cuts are tried, those that cross the least ink.
    """
    left = _CUT_WIDTH + _CUT_WIDTH_EACH * len(marks)
    cut, loops = {}, {}
    for k in sorted(np.flatnonzero(touching).tolist(), key=lambda k: marks[k].width):
        left -= marks[k].width
        if left < 0:
            break
        mark = _reduced(marks[k])
        loops[k] = find_loops(mark.ink, mark.height)
        cuts = find_cuts(mark.ink, mark.height, round(_CUTS * mark.width))
        cut[k] = mark, *cuts, _between_loops(mark, loops[k])
    most = _MOST_PIECES + _MOST_PIECES_EACH * len(marks)
    for share in np.linspace(1, 0, _CUTS + 1):
        chosen = {k: _fewer(*each, share) for k, each in cut.items()}
        pairs = {k: pairs_of_cuts(*each, cut[k][0].height) for k, each in chosen.items()}
        if sum(map(len, pairs.values())) <= most:
            break
    ways = {k: [(*pair, 0, 0) for pair in pairs[k]] for k in cut}
    sharing = {k: _with_shared_strokes(cut[k][0], chosen[k][0], pairs[k]) for k in cut}
    if sum(map(len, sharing.values())) <= most:
        ways = sharing
    pieces: list[list[Piece]] = [[] for _ in marks]
    for k, (mark, *_) in cut.items():
        edges = chosen[k][0]
        parts = _parts(mark, *chosen[k], ways[k]) + _looped(mark, edges, loops[k])
        pieces[k] = parts + _without_tails(mark, edges, parts)
    return pieces


def _without_tails(mark: Mark, edges: Integers, pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces that may be the last, if a dash is what is behind them."""
    last = []
    for end in sorted({piece.end for piece in pieces} - {-1}):
        behind = np.arange(mark.ink.shape[1]) >= edges[end][:, None]
        tail = np.where(behind, mark.ink, 0)
        inked = np.flatnonzero(tail.any(axis=1)) / len(tail)
        if not len(inked) or np.ptp(inked) * len(tail) > _TAIL * mark.height:
            continue
        # At the foot it is that of a 2, and at the top the bar of a 5.
        if _TAIL_AT[0] < inked.mean() < _TAIL_AT[1]:
            crumbs = float(tail.sum()) / mark.height**2
            last += [
                replace(piece, end=-1, faults=piece.faults + _TAIL_COST, crumbs=crumbs)
                for piece in pieces
                if piece.end == end
            ]
    return last


def _looped(mark: Mark, edges: Integers, loops: Sequence[Loop]) -> list[Piece]:
    """Parts that are loops, each between any two edges that run along its sides."""
    pieces = []
    rows = np.arange(len(mark.ink))
    before = np.pad(np.cumsum(mark.ink, axis=1), ((0, 0), (1, 0)))
    for loop in loops:
        body, sides = bounding_box(loop.ink)
        part = piece_of(mark, loop.ink, (body, sides), pen=mark.pen)
        middles = edges[:, body].mean(axis=1)
        off = max(_BESIDE * mark.height, 2.5 * loop.pen)
        firsts = np.flatnonzero((middles > loop.left - off) & (middles <= loop.left))
        lasts = np.flatnonzero((middles >= loop.right) & (middles < loop.right + off))
        own = float(loop.ink.sum())
        for i, j in product(firsts.tolist(), lasts.tolist()):
            between = float((before[rows, edges[j]] - before[rows, edges[i]]).sum())
            rest = max(between - own, 0) / loop.pen / mark.height
            faults = _PIECE + _REST * rest
            end = j if j < len(edges) - 1 else -1
            pieces.append(replace(part, start=i, end=end, faults=faults))
    return pieces


def _reduced(mark: Mark) -> Mark:
    """A mark with no more pixels than telling digits apart takes."""
    factor = int(mark.height // _DETAIL)
    if factor < 2:
        return mark
    h, w = (-(-side // factor) for side in mark.ink.shape)
    sides = zip((h, w), mark.ink.shape, strict=True)
    ink = np.pad(mark.ink, [(0, factor * side - length) for side, length in sides])
    ink = ink.reshape(h, factor, w, factor).mean(axis=(1, 3))
    return Mark(ink, mark.corner, mark.height / factor, factor)


def _fewer(
    mark: Mark, cuts: Integers, crossed: Float32, straight: Integers, share: float
) -> tuple[Integers, Float32]:
    """The edges of a mark and the ink that they cross, with a share of its cuts."""
    h, w = mark.ink.shape
    kept = np.sort(np.argsort(crossed, kind="stable")[: round(share * len(cuts))])
    cuts = np.concatenate([cuts[kept], np.repeat(straight[:, None], h, axis=1)])
    crossed = np.concatenate([crossed[kept], np.full(len(straight), np.inf, np.float32)])
    order = np.argsort(cuts.mean(axis=1), kind="stable")
    edges = np.concatenate([np.zeros((1, h), np.int64), cuts[order], np.full((1, h), w)])
    return edges, np.pad(crossed[order], 1)


def _between_loops(mark: Mark, loops: Sequence[Loop]) -> Integers:
    """Columns between two loops, where one may end and the next begin."""
    columns = set()
    for one, other in product(loops, loops):
        if 0 <= other.left - one.right < max(_BESIDE * mark.height, 2.5 * one.pen):
            columns.add((one.right + other.left) // 2)
    return np.array(sorted(columns), np.int64)


def _with_shared_strokes(
    mark: Mark, edges: Integers, pairs: Sequence[tuple[int, int]]
) -> list[_Way]:
    """Two edges, and how many pixels beyond each a stroke of the neighbour's may be shared."""
    h, w = mark.ink.shape
    pen = max(1, round(pen_width(mark.ink)))
    before = np.pad(np.cumsum(mark.ink, axis=1), ((0, 0), (1, 0)))
    rows = np.arange(h)

    def along(step: int) -> Bools:
        beside = before[rows, np.clip(edges + step, 0, w)] - before[rows, edges]
        shared: Bools = (np.abs(beside) > 0.5 * pen).sum(axis=1) > _ALONG * mark.height
        return shared

    lefts, rights = along(-pen), along(pen)
    return [
        (i, j, left, right)
        for i, j in pairs
        for left, right in product((0, pen)[: 1 + lefts[i]], (0, pen)[: 1 + rights[j]])
    ]


def _parts(mark: Mark, edges: Integers, crossed: Float32, ways: Sequence[_Way]) -> list[Piece]:
    """Those between two edges that may be digits."""
    if not ways:
        return []
    w = mark.ink.shape[1]
    i, j, left, right = np.array(ways).T
    firsts = np.maximum(edges[i] - left[:, None], 0).T
    lasts = np.minimum(edges[j] + right[:, None], w).T
    starts = firsts.min(axis=0)
    # All parts side by side, (h, n, width), with a gap between them.
    columns = starts[:, None] + np.arange((lasts.max(axis=0) - starts).max() + 1)
    inside = (columns >= firsts[:, :, None]) & (columns < lasts[:, :, None])
    inks = mark.ink.take(np.minimum(columns, w - 1), axis=1) * inside
    kept, boxes = without_crumbs(inks)
    crumbs = (inks - kept).sum(axis=(0, 2)) / mark.height**2
    costs = _SHARING * ((left > 0).astype(int) + (right > 0))
    parts = []
    for k, (top, start, bottom, stop) in enumerate(boxes.tolist()):
        size = max(bottom - top, stop - start) / mark.height
        if size <= 0.45 or stop - start >= MOST_WIDTH * mark.height:
            continue
        y, x = mark.corner
        ends = int(i[k]), int(j[k]) if j[k] < len(edges) - 1 else -1
        crossing = float(crossed[i[k]] + crossed[j[k]])
        corner = (y, x + int(starts[k]) * mark.factor)
        place = Mark(mark.ink, corner, mark.height, mark.factor)
        where = np.s_[top:bottom, start:stop]
        part = piece_of(place, kept[:, k], where, ends, crossing, mark.pen)
        faults = part.faults + float(costs[k])
        parts.append(replace(part, faults=faults, crumbs=float(crumbs[k])))
    return parts


def piece_of(
    mark: Mark,
    ink: Float32,
    where: tuple[slice, slice],
    ends: tuple[int, int] = (0, -1),
    crossed: float = 0.0,
    pen: float | None = None,
) -> Piece:
    """The part of a mark that is all the ``ink`` in a place."""
    rows, columns = where
    sides = (rows.start, columns.start, rows.stop, columns.stop)
    top, left, bottom, right = (mark.factor * side for side in sides)
    y, x = mark.corner
    height = (rows.stop - rows.start) / mark.height
    width = (columns.stop - columns.start) / mark.height
    faults = _PIECE + _CROSSED * crossed + _WIDER * max(width - _WIDTH, 0)
    box = (y + top, x + left, y + bottom, x + right)
    return Piece(*ends, box, ink[where], pen, height, faults)
