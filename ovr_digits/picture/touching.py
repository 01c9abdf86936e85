"""Parts marks into the digits that touch in them, where ten detectors say that it is several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from ovr_digits.core.arrays import Bools, Float32, Grey, Integers
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Vote, count_votes
from ovr_digits.picture.cuts import find_cuts, pairs_of_cuts
from ovr_digits.picture.lines import Group, usual_height
from ovr_digits.picture.loops import Loop, find_loops
from ovr_digits.picture.mnist_form import pen_width, to_mnist_form, with_usual_pen
from ovr_digits.picture.paths import pieces_that_matter
from ovr_digits.picture.regions import Box, Regions, bounding_box, find_regions, without_crumbs

#: A mark that is less wide, in heights of the usual digit, is one digit.
_NARROW = 0.4
#: From this width on a mark may be digits that touch, however sure the vote on it is;
_WIDE = 0.85
#: below it, where the winner's score is less than that.
_SURE = 2.5
#: How many cuts are tried to a height of a mark's width.
_CUTS = 9
#: Of all marks on a picture, and for each mark: how many heights are looked at for cuts, ...
_CUT_WIDTH, _CUT_WIDTH_EACH = 30.0, 0.1
#: ... and how many pieces between cuts are voted on. Both bound the time that a picture takes.
_MOST_PIECES, _MOST_PIECES_EACH = 300, 0.4
#: Digits higher than twice that many pixels are cut on a reduced picture.
_DETAIL = 60
#: A mark that is higher than that many digits is no row of them.
_HIGHEST = 2.5
#: Where a score is as likely that of a digit as that of a piece that is none, and how soon it
#: changes about that; found, as all these, on drawn numbers.
_DOUBT, _SCALE = 8.0, 0.35
#: What is taken away from a piece's worth: for every piece, for each height of ink that its
#: cuts cross, and for being wider than a digit.
_FAULTS = np.array([0.1, 2.6, 5.0])
#: From what height down a piece is worth less, and how much for each height; zeros are often
#: smaller.
_LOW, _LOW_ZERO = (0.76, 14.0), (0.6, 5.0)
#: Where ink runs along a cut for so many heights, its neighbours may share a stroke, as joined
#: zeros do; a part with such a stroke of the other side is worth that much less.
_ALONG, _SHARING = 0.3, 1.0
#: How high a score each part of a mark has to have for any of them to be sure, those that are read
#: as 1 and others: letters can be cut into strokes and curves that look a little like digits.
_STRONG_ONE, _STRONG = 13.0, 5.0
#: As much ink, in squares of a digit's height, may be in no part where they are to be sure.
_CRUMBS = 0.005
#: What a 1 is worth beyond its score for being narrower than this, in heights: what a cut
#: leaves of its neighbour on it lowers its score more than that of other digits.
_NARROW_ONE, _ONE_IS_NARROW = 0.5, 4.0

#: A lead of one number of digits over the others that tells no more than a larger one would.
_LEAD = 8.0
#: Pieces of a mark that are voted on at once, before others are left out by what is known then.
_AT_ONCE = 12

#: How far from a loop an edge runs along it, in heights, and what is taken away from its worth for
#: each height of a stroke between its edges that is none of it.
_BESIDE, _REST = 0.5, 9.0

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


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a mark that may be a digit.

    Attributes
    ----------
    start, end : int
        Where it is cut off, as numbers of the mark's edges from left to right.
    box : (top, left, bottom, right)
        In pixels of the picture.
    ink : (h, w) float32 in 0..1
    width, height : float
        In heights of a usual digit.
    faults : float
        What its width and its cuts take away from its worth.
    crumbs : float
        Ink beside it that is left out, in squares of a usual digit's height.
    """

    start: int
    end: int
    box: Box
    ink: Float32
    width: float
    height: float
    faults: float
    crumbs: float = 0.0

    @cached_property
    def image(self) -> Grey:
        """In the form of MNIST's digits, (28, 28)."""
        return to_mnist_form(with_usual_pen(self.ink))

    @property
    def most_worth(self) -> float:
        """What it is worth at most, whatever its scores."""
        one = _ONE_IS_NARROW * max(_NARROW_ONE - self.width, 0) - _too_low(self.height, _LOW)
        return max(one, -_too_low(self.height, _LOW_ZERO)) - self.faults

    def worth(self, scores: tuple[float, ...]) -> float:
        """How much it looks like one digit, by its scores: about a log-likelihood."""
        *_, second, first = sorted(scores)
        likelihood = -float(np.logaddexp(0, _SCALE * (_DOUBT - first))) - 2 * max(second, 0)
        digit = scores.index(first)
        bonus = _ONE_IS_NARROW * max(_NARROW_ONE - self.width, 0) if digit == 1 else 0.0
        low = _too_low(self.height, _LOW if digit else _LOW_ZERO)
        return likelihood + bonus - self.faults - low


def _too_low(height: float, low: tuple[float, float]) -> float:
    least, cost = low
    return cost * max(least - height, 0)


def marks_of(ink: Float32, regions: Regions, line: Sequence[Group]) -> list[Mark]:
    """The ink of each group of regions in a line, without that of its neighbours."""
    usual = usual_height([group.box for group in line])
    marks = []
    for group in line:
        top, left, bottom, right = group.box
        part = (slice(top, bottom), slice(left, right))
        own = np.where(np.isin(regions.labels[part], group.regions), ink[part], 0)
        own = own.astype(np.float32)
        marks.append(Mark(own, (top, left), min(usual, bottom - top)))
    return marks


@dataclass(frozen=True, eq=False)
class Reading:
    """What a mark may be read as.

    Attributes
    ----------
    digits : list of (Piece, Vote)
        The likeliest, from left to right.
    ways : dict of int to (float, list of (Piece, Vote))
        By the number of digits: the worth of the likeliest, and these.
    """

    digits: list[tuple[Piece, Vote]]
    ways: dict[int, tuple[float, list[tuple[Piece, Vote]]]]

    def lead(self, n_digits: int) -> float:
        """How much more worth so many digits are than any other number of them."""
        others = [worth for n, (worth, _) in self.ways.items() if n != n_digits]
        return self.ways[n_digits][0] - max(others, default=-np.inf)


def read_marks(
    models: DetectorArrays, marks: Sequence[Mark], part_all: bool = False
) -> Iterator[Reading]:
    """Of each mark, the digits that it holds: the votes of a page are counted together.

    ``part_all`` also parts marks that are surely one digit, if they are wide enough for two.
    """
    wholes = _voted(models, [_piece(mark, mark.ink, bounding_box(mark.ink)) for mark in marks])
    touching = [
        _may_touch(mark, vote, part_all) for mark, (_, vote) in zip(marks, wholes, strict=True)
    ]
    worths = [whole.worth(vote.scores) for whole, vote in wholes]
    parts = _likely_parts(models, _parted(marks, touching), worths, part_all)
    for whole, worth, voted in zip(wholes, worths, parts, strict=True):
        ways = _best_paths(voted)
        if 1 not in ways or worth >= ways[1][0]:
            ways[1] = worth, [whole]
        best = max(ways.values(), key=lambda way: (way[0], way[1][0] is whole))
        yield Reading(best[1], ways)


def _likely_parts(
    models: DetectorArrays, parted: list[list[Piece]], wholes: Sequence[float], every: bool
) -> list[list[tuple[Piece, Vote]]]:
    """Of each mark's pieces, those that may matter, and the votes on them.

    ``wholes`` are the worths of the marks as one digit; ``every`` number of digits may matter, or
    the likeliest alone and how far it leads.
    """
    voted: list[dict[int, tuple[Piece, Vote]]] = [{} for _ in parted]
    worths = [np.array([piece.most_worth for piece in pieces]) for pieces in parted]
    edges = [np.array([(piece.start, piece.end) for piece in pieces]) for pieces in parted]
    for both in filter(len, edges):
        both[both < 0] = both.max() + 1
    while True:
        asked = []
        for k, pieces in enumerate(parted):
            if pieces:
                known = np.isin(np.arange(len(pieces)), list(voted[k]))
                lead = None if every else _LEAD
                some = pieces_that_matter(edges[k], worths[k], known, wholes[k], lead)
                asked += [(k, number) for number in some[:_AT_ONCE].tolist()]
        if not asked:
            return [[found[number] for number in sorted(found)] for found in voted]
        found = _voted(models, [parted[k][number] for k, number in asked])
        for (k, number), (piece, vote) in zip(asked, found, strict=True):
            voted[k][number] = piece, vote
            worths[k][number] = piece.worth(vote.scores)


def _told(parts: list[tuple[Piece, Vote]]) -> list[tuple[Piece, Vote]]:
    """Parts are no surer than their mark is likely to be a row of digits."""
    margin = min(_margin(vote) for _, vote in parts)
    if margin < 0 or _is_unlike_digits(parts):
        return [(piece, _doubted(vote, min(margin, 0.0))) for piece, vote in parts]
    return parts


def _margin(vote: Vote) -> float:
    """How far the score of a part is above what makes it strong."""
    return max(vote.scores) - (_STRONG_ONE if vote.digit == 1 else _STRONG)


def _is_unlike_digits(parts: Sequence[tuple[Piece, Vote]]) -> bool:
    """Whether some ink of a mark is in no part, or it may be the strokes of an M, an n or a W."""
    strokes = any({one.digit, other.digit} <= {1, 7} for (_, one), (_, other) in pairwise(parts))
    return strokes or sum(piece.crumbs for piece, _ in parts) > _CRUMBS


def _doubted(vote: Vote, score: float) -> Vote:
    """The same order of the digits, the highest score being ``score``."""
    scores = np.array(vote.scores)
    return count_votes(scores[None] - scores.max() + score)[0]


def _voted(models: DetectorArrays, pieces: Sequence[Piece]) -> list[tuple[Piece, Vote]]:
    """Pieces and the votes on them."""
    if not pieces:
        return []
    images = np.array([piece.image.ravel() for piece in pieces])
    return list(zip(pieces, count_votes(models.decision_function(images)), strict=True))


def _may_touch(mark: Mark, vote: Vote, part_all: bool) -> bool:
    """Whether a mark may be several digits."""
    is_sure = not part_all and vote.verdict == "sure" and max(vote.scores) >= _SURE
    if mark.width <= (_WIDE if is_sure else _NARROW) or len(mark.ink) > _HIGHEST * mark.height:
        return False
    return not find_regions(mark.ink > 0).are_bars().all()


def _parted(marks: Sequence[Mark], touching: Sequence[bool]) -> list[list[Piece]]:
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
    return [
        _parts(cut[k][0], *chosen[k], ways[k]) + _looped(cut[k][0], chosen[k][0], loops[k])
        if k in cut
        else []
        for k in range(len(marks))
    ]


def _looped(mark: Mark, edges: Integers, loops: Sequence[Loop]) -> list[Piece]:
    """Parts that are loops, each between any two edges that run along its sides."""
    pieces = []
    rows = np.arange(len(mark.ink))
    before = np.pad(np.cumsum(mark.ink, axis=1), ((0, 0), (1, 0)))
    for loop in loops:
        body, sides = bounding_box(loop.ink)
        part = _piece(mark, loop.ink, (body, sides))
        middles = edges[:, body].mean(axis=1)
        off = max(_BESIDE * mark.height, 2.5 * loop.pen)
        firsts = np.flatnonzero((middles > loop.left - off) & (middles <= loop.left))
        lasts = np.flatnonzero((middles >= loop.right) & (middles < loop.right + off))
        own = float(loop.ink.sum())
        for i, j in product(firsts.tolist(), lasts.tolist()):
            between = float((before[rows, edges[j]] - before[rows, edges[i]]).sum())
            rest = max(between - own, 0) / loop.pen / mark.height
            faults = float(_FAULTS[0] + _REST * rest)
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
    inks = np.where(inside, mark.ink[:, np.minimum(columns, w - 1)], 0)
    kept, boxes = without_crumbs(inks)
    crumbs = (inks - kept).sum(axis=(0, 2)) / mark.height**2
    costs = _SHARING * ((left > 0).astype(int) + (right > 0))
    parts = []
    for k, (top, start, bottom, stop) in enumerate(boxes.tolist()):
        size = max(bottom - top, stop - start) / mark.height
        if size <= 0.45 or stop - start >= 1.5 * mark.height:
            continue
        y, x = mark.corner
        ends = int(i[k]), int(j[k]) if j[k] < len(edges) - 1 else -1
        crossing = float(crossed[i[k]] + crossed[j[k]])
        place = replace(mark, corner=(y, x + int(starts[k]) * mark.factor))
        part = _piece(place, kept[:, k], np.s_[top:bottom, start:stop], ends, crossing)
        faults = part.faults + float(costs[k])
        parts.append(replace(part, faults=faults, crumbs=float(crumbs[k])))
    return parts


def _piece(
    mark: Mark,
    ink: Float32,
    where: tuple[slice, slice],
    ends: tuple[int, int] = (0, -1),
    crossed: float = 0.0,
) -> Piece:
    """The part of a mark that is all the ``ink`` in a place."""
    rows, columns = where
    sides = (rows.start, columns.start, rows.stop, columns.stop)
    top, left, bottom, right = (mark.factor * side for side in sides)
    y, x = mark.corner
    height = (rows.stop - rows.start) / mark.height
    width = (columns.stop - columns.start) / mark.height
    faults = float(_FAULTS @ (1, crossed, max(width - 0.95, 0)))
    box = (y + top, x + left, y + bottom, x + right)
    return Piece(*ends, box, ink[where], width, height, faults)


def _best_paths(
    voted: Sequence[tuple[Piece, Vote]],
) -> dict[int, tuple[float, list[tuple[Piece, Vote]]]]:
    """Pieces from the first edge to the last, -1, with the most worth in all, by their number."""
    paths: dict[int, dict[int, tuple[float, list[tuple[Piece, Vote]]]]] = {0: {0: (0.0, [])}}
    for piece, vote in sorted(voted, key=lambda item: (item[0].start, item[0].end)):
        own = piece.worth(vote.scores)
        for count, (before, path) in paths.get(piece.start, {}).items():
            ways, worth = paths.setdefault(piece.end, {}), before + own
            if count + 1 not in ways or worth > ways[count + 1][0]:
                ways[count + 1] = (worth, [*path, (piece, vote)])
    return {count: (worth, _told(path)) for count, (worth, path) in paths.get(-1, {}).items()}
