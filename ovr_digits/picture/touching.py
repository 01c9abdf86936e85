"""Parts marks into the digits that touch in them, where ten detectors say that it is several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.core.detectors import PIECE_CLASSES, DetectorArrays
from ovr_digits.core.vote import Vote, count_votes
from ovr_digits.picture.paths import pieces_that_matter
from ovr_digits.picture.pieces import MOST_WIDTH, Mark, Piece, parted_marks, piece_of
from ovr_digits.picture.regions import bounding_box, find_regions

#: A mark that is less wide, in heights of the usual digit, is one digit.
_NARROW = 0.4
#: From this width on a mark may be digits that touch, however sure the vote on it is;
_WIDE = 0.85
#: below it, where the winner's score is less than that.
_SURE = 2.5
#: What each height costs that a mark is wider than a digit may be.
_TOO_WIDE = 4.0
#: A mark that is higher than that many digits is no row of them.
_HIGHEST = 2.5
#: How high a score each part of a mark has to have for any of them to be sure, those that are read
#: as 1 and others: letters can be cut into strokes and curves that look a little like digits.
_STRONG_ONE, _STRONG = 13.0, 5.0
#: As much ink, in squares of a digit's height, may be in no part where they are to be sure.
_CRUMBS = 0.005
#: A lead of one number of digits over the others that tells no more than a larger one would.
_LEAD = 2.0
#: Pieces of a mark that are voted on at once, and that the detectors of pieces see at once, which
#: take a third of the time, before others are left out by what is known then.
_AT_ONCE, _SEEN_AT_ONCE = 8, 24

_OTHER = PIECE_CLASSES.index("other")

#: Pieces side by side, and the votes of the ten on them.
Parts = list[tuple[Piece, Vote]]
#: A piece, the vote of the ten on it, and its worth.
_Voted = tuple[Piece, Vote, float]
#: What detectors say of pieces, in log-odds: (n, n_detectors).
_Scores = Callable[[Sequence[Piece]], Float64]


@dataclass(frozen=True, eq=False)
class Reading:
    """What a mark may be read as.

    Attributes
    ----------
    ways : dict of int to (float, list of (Piece, Vote))
        By the number of digits: the worth of the likeliest, and these from left to right, also with
        symbols that are joined to them.
    n_digits : int
        The likeliest number of them.
    other : float
        By how much it looks more like a whole letter or symbol than like a whole digit, or than
        like several digits, to the detectors of pieces, in log-odds.
    others : list of float
        By how much each of ``pieces`` looks more like a whole symbol than like a whole digit.
    """

    ways: dict[int, tuple[float, Parts]]
    n_digits: int
    other: float
    others: list[float]

    def digits(self, n_digits: int) -> Parts:
        """The likeliest so many."""
        parts = self.ways[n_digits][1]
        digits = [part for part in parts if not part[0].is_symbol]
        are_cut_out = len(parts) > 1 or bool(parts[0][0].crumbs)
        return _told(digits) if digits and are_cut_out else digits

    @property
    def likeliest(self) -> Parts:
        """The likeliest digits."""
        return self.digits(self.n_digits)

    @property
    def pieces(self) -> Parts:
        """The likeliest digits, and symbols beside them, from left to right."""
        return self.ways[self.n_digits][1]

    @property
    def symbols(self) -> list[Piece]:
        """Those beside the likeliest digits."""
        return [piece for piece, _ in self.ways[self.n_digits][1] if piece.is_symbol]

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
    pieces = [piece_of(mark, mark.ink, bounding_box(mark.ink)) for mark in marks]
    ten, of_pieces = _once(models.decision_function), _once(_piece_scores(models))
    wholes = [voted[0] for voted in _voted(pieces, ten, of_pieces)]
    touching = [
        _may_touch(mark, vote, part_all) for mark, (_, vote, _) in zip(marks, wholes, strict=True)
    ]
    worths = [
        worth - _too_wide(mark, vote) for mark, (_, vote, worth) in zip(marks, wholes, strict=True)
    ]
    parted = parted_marks(marks, touching)
    parts = _likely_parts(parted, worths, ten, of_pieces, part_all)
    for whole, worth, voted, row in zip(wholes, worths, parts, of_pieces(pieces), strict=True):
        ways = _best_paths(voted)
        if 1 not in ways or worth >= ways[1][0]:
            ways[1] = worth, [whole[:2]]
        n_digits = max(ways, key=lambda n: (ways[n][0], n == 1))
        rows = of_pieces([piece for piece, _ in ways[n_digits][1]])
        others = [_other_margin(each, 1) for each in rows]
        yield Reading(ways, n_digits, _other_margin(row, n_digits), others)


def _other_margin(scores: Float64, n_digits: int) -> float:
    """See ``Reading.other``: several digits are no whole one either."""
    rest = scores[:_OTHER] if n_digits == 1 else scores[_OTHER + 1 :]
    return float(scores[_OTHER] - rest.max())


def _likely_parts(
    parted: list[list[Piece]],
    wholes: Sequence[float],
    ten: _Scores,
    of_pieces: _Scores,
    every: bool,
) -> list[list[_Voted]]:
    """Of each mark's pieces, those that may matter, with the votes on them.

    ``wholes`` are the worths of the marks as one digit; ``every`` number of digits may matter, or
    the likeliest alone and how far it leads.
    """
    voted: list[dict[int, list[_Voted]]] = [{} for _ in parted]
    seen: list[set[int]] = [set() for _ in parted]
    worths = [np.array([piece.most_worth for piece in pieces]) for pieces in parted]
    edges = [np.array([(piece.start, piece.end) for piece in pieces]) for pieces in parted]
    for both in filter(len, edges):
        both[both < 0] = both.max() + 1
    lead = None if every else _LEAD
    unsettled = [k for k, pieces in enumerate(parted) if pieces]
    while True:
        asked, unseen = [], []
        for k in unsettled.copy():
            known = np.isin(np.arange(len(parted[k])), list(voted[k]))
            some = pieces_that_matter(edges[k], worths[k], known, wholes[k], lead).tolist()
            asked += [(k, number) for number in some[:_AT_ONCE]]
            if not seen[k] >= set(some[:_AT_ONCE]):
                unseen += [(k, n) for n in some[:_SEEN_AT_ONCE] if n not in seen[k]]
            if not some:
                unsettled.remove(k)
        if not asked:
            return [[one for number in sorted(found) for one in found[number]] for found in voted]
        some_pieces = [parted[k][number] for k, number in unseen or asked]
        if unseen:
            for (k, number), row in zip(unseen, of_pieces(some_pieces), strict=True):
                seen[k].add(number)
                worths[k][number] = parted[k][number].worth_at_most(row)
            continue
        for (k, number), each in zip(asked, _voted(some_pieces, ten, of_pieces), strict=True):
            voted[k][number] = each
            worths[k][number] = max(worth for *_, worth in each)


def _told(parts: Parts) -> Parts:
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


def _piece_scores(models: DetectorArrays) -> Callable[[Array], Float64]:
    """What gives the scores of the detectors of ``PIECE_CLASSES`` for images."""
    if models.pieces is None:
        return lambda X: np.zeros((len(X), len(PIECE_CLASSES)))
    return models.pieces.scores


def _once(scores: Callable[[Array], Float64]) -> _Scores:
    """Scores of pieces that are there all the while; the same ink between other edges is known."""
    known: dict[int, Float64] = {}

    def of(pieces: Sequence[Piece]) -> Float64:
        new = {id(piece.ink): piece for piece in pieces if id(piece.ink) not in known}
        if new:
            images = np.array([piece.image.ravel() for piece in new.values()])
            known.update(zip(new, scores(images), strict=True))
        return np.array([known[id(piece.ink)] for piece in pieces])

    return of


def _voted(pieces: Sequence[Piece], ten: _Scores, of_pieces: _Scores) -> list[list[_Voted]]:
    """Of pieces, each as a digit and, of a part, as a symbol: the votes on them, their worths."""
    if not pieces:
        return []
    votes, scores = count_votes(ten(pieces)), of_pieces(pieces)
    voted = []
    for piece, vote, row in zip(pieces, votes, scores, strict=True):
        found = [(piece, vote, piece.worth(vote.scores, row))]
        if piece.is_part:
            symbol = replace(piece, is_symbol=True)
            found.append((symbol, vote, piece.worth_as_symbol(row)))
        voted.append(found)
    return voted


def _too_wide(mark: Mark, vote: Vote) -> float:
    """What is taken away from the worth of a wide mark that no detector takes for its digit."""
    return 0.0 if vote.fired else _TOO_WIDE * max(mark.width - MOST_WIDTH, 0.0)


def _may_touch(mark: Mark, vote: Vote, part_all: bool) -> bool:
    """Whether a mark may be several digits."""
    is_sure = not part_all and vote.verdict == "sure" and max(vote.scores) >= _SURE
    if mark.width <= (_WIDE if is_sure else _NARROW) or len(mark.ink) > _HIGHEST * mark.height:
        return False
    return not find_regions(mark.ink > 0).are_bars().all()


def _best_paths(voted: Sequence[_Voted]) -> dict[int, tuple[float, Parts]]:
    """Pieces from the first edge to the last, -1, with the most worth in all, by how many of them
    are digits."""
    paths: dict[int, dict[int, tuple[float, Parts]]] = {0: {0: (0.0, [])}}
    for piece, vote, own in sorted(voted, key=lambda item: (item[0].start, item[0].end)):
        for count, (before, path) in paths.get(piece.start, {}).items():
            ways, worth = paths.setdefault(piece.end, {}), before + own
            n_digits = count + (not piece.is_symbol)
            if n_digits not in ways or worth > ways[n_digits][0]:
                ways[n_digits] = (worth, [*path, (piece, vote)])
    return paths.get(-1, {})
