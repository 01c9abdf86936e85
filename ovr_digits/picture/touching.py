"""Parts marks into the digits that touch in them, where ten detectors say that it is several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

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
_LEAD = 8.0
#: Pieces of a mark that are voted on at once, before others are left out by what is known then.
_AT_ONCE = 12

#: A piece, the vote of the ten on it, and its worth.
_Voted = tuple[Piece, Vote, float]


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
    wholes = _voted(models, [piece_of(mark, mark.ink, bounding_box(mark.ink)) for mark in marks])
    touching = [
        _may_touch(mark, vote, part_all) for mark, (_, vote, _) in zip(marks, wholes, strict=True)
    ]
    worths = [
        worth - _too_wide(mark, vote) for mark, (_, vote, worth) in zip(marks, wholes, strict=True)
    ]
    parts = _likely_parts(models, parted_marks(marks, touching), worths, part_all)
    for whole, worth, voted in zip(wholes, worths, parts, strict=True):
        ways = _best_paths(voted)
        if 1 not in ways or worth >= ways[1][0]:
            ways[1] = worth, [whole[:2]]
        best = max(ways.values(), key=lambda way: (way[0], way[1][0][0] is whole[0]))
        yield Reading(best[1], ways)


def _likely_parts(
    models: DetectorArrays, parted: list[list[Piece]], wholes: Sequence[float], every: bool
) -> list[list[_Voted]]:
    """Of each mark's pieces, those that may matter, with the votes on them.

    ``wholes`` are the worths of the marks as one digit; ``every`` number of digits may matter, or
    the likeliest alone and how far it leads.
    """
    voted: list[dict[int, _Voted]] = [{} for _ in parted]
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
        for (k, number), each in zip(asked, found, strict=True):
            voted[k][number] = each
            worths[k][number] = each[2]


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


def _voted(models: DetectorArrays, pieces: Sequence[Piece]) -> list[_Voted]:
    """Pieces, the votes on them, and their worths."""
    if not pieces:
        return []
    # The same ink may be a part between several edges.
    images = {id(piece.ink): piece.image.ravel() for piece in pieces}
    X = np.array([*images.values()])
    votes = dict(zip(images, count_votes(models.decision_function(X)), strict=True))
    none = np.zeros((len(X), len(PIECE_CLASSES)))
    scores = none if models.pieces is None else models.pieces.scores(X)
    cuts = dict(zip(images, scores, strict=True))
    return [
        (piece, votes[ink], piece.worth(votes[ink].scores, cuts[ink]))
        for piece, ink in ((piece, id(piece.ink)) for piece in pieces)
    ]


def _too_wide(mark: Mark, vote: Vote) -> float:
    """What is taken away from the worth of a wide mark that no detector takes for its digit."""
    return 0.0 if vote.fired else _TOO_WIDE * max(mark.width - MOST_WIDTH, 0.0)


def _may_touch(mark: Mark, vote: Vote, part_all: bool) -> bool:
    """Whether a mark may be several digits."""
    is_sure = not part_all and vote.verdict == "sure" and max(vote.scores) >= _SURE
    if mark.width <= (_WIDE if is_sure else _NARROW) or len(mark.ink) > _HIGHEST * mark.height:
        return False
    return not find_regions(mark.ink > 0).are_bars().all()


def _best_paths(
    voted: Sequence[_Voted],
) -> dict[int, tuple[float, list[tuple[Piece, Vote]]]]:
    """Pieces from the first edge to the last, -1, with the most worth in all, by their number."""
    paths: dict[int, dict[int, tuple[float, list[tuple[Piece, Vote]]]]] = {0: {0: (0.0, [])}}
    for piece, vote, own in sorted(voted, key=lambda item: (item[0].start, item[0].end)):
        for count, (before, path) in paths.get(piece.start, {}).items():
            ways, worth = paths.setdefault(piece.end, {}), before + own
            if count + 1 not in ways or worth > ways[count + 1][0]:
                ways[count + 1] = (worth, [*path, (piece, vote)])
    return {count: (worth, _told(path)) for count, (worth, path) in paths.get(-1, {}).items()}
