"""Reads whole numbers: finds the digits on a picture, and puts them in reading order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Vote, count_votes
from ovr_digits.cutting import find_cuts
from ovr_digits.form import to_mnist_form, with_usual_pen
from ovr_digits.image import Photo, View
from ovr_digits.ink import Ground, find_marks
from ovr_digits.layout import Box, box_of, find_lines, usual_height
from ovr_digits.regions import Regions, bounding_box, find_regions

Float32 = NDArray[np.float32]
#: A mark that is less wide, in heights of the usual digit, is one digit.
_NARROW = 0.4
#: From this width on a mark may be digits that touch, however sure the vote on it is;
_WIDE = 0.85
#: below it, where the winner's score is less than that.
_SURE = 2.5
#: The most marks that are looked at more closely.
_MOST_MARKS = 100
#: Cuts that are farther apart, in heights, have more than a digit between them.
_FARTHEST = 2.5
#: How many cuts are tried to a height of a mark's width.
_CUTS = 9
#: Where a score is as likely that of a digit as that of a piece that is none, and how soon it
#: changes about that; found, as all these, on drawn numbers.
_DOUBT, _SCALE = 8.0, 0.35
#: What is taken away from a piece's worth: for every piece, for each height of ink that its
#: cuts cross, for being wider than a digit, and for being lower.
_FAULTS = np.array([0.1, 2.6, 5.0, 14.0])
#: What a 1 is worth beyond its score for being narrower than this, in heights: what a cut
#: leaves of its neighbour on it lowers its score more than that of other digits.
_NARROW_ONE, _ONE_IS_NARROW = 0.5, 4.0


@dataclass(frozen=True, eq=False)
class FoundDigit:
    """One digit of a picture.

    Attributes
    ----------
    box : (x, y, w, h)
        In pixels of the picture as it is stored, but turned upright.
    image : (28, 28) uint8
        What the detectors saw.
    vote : Vote
    """

    box: tuple[int, int, int, int]
    image: NDArray[np.uint8]
    vote: Vote

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        vote = self.vote.as_json()
        names = ("digit", "confidence", "verdict", "votes")
        return {"box": list(self.box), **{name: vote[name] for name in names}}


@dataclass(frozen=True, eq=False)
class NumberAnswer:
    """The digits of a picture.

    Attributes
    ----------
    lines : sequence of sequences of FoundDigit
        Line by line, each from left to right.
    picture : (h, w, 3) float32 in 0..1
        The picture, upright; perhaps reduced.
    scale : float
        Its pixels to a pixel of the boxes.
    """

    lines: Sequence[Sequence[FoundDigit]]
    picture: Float32
    scale: float

    @property
    def text(self) -> str:
        """The digits as a person would type them, a line for each."""
        return "\n".join("".join(str(found.vote.digit) for found in line) for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "text": self.text,
            "lines": self.text.split("\n"),
            "digits": [found.as_json() for line in self.lines for found in line],
        }


def read_number(
    models: DetectorArrays,
    source: str | os.PathLike[str] | bytes,
    ground: Ground = "auto",
    level: float | None = None,
) -> NumberAnswer:
    """Read all digits on a picture.

    Parameters
    ----------
    models : DetectorArrays
    source : path or bytes
        A picture file, or its content.
    ground, level :
        See ``ink.find_ink``.

    Raises
    ------
    DigitsError
        Where it cannot be read, or holds no ink.
    """
    photo = Photo(source)
    view = photo.whole
    ink, regions = find_marks(view.picture, ground, level)
    closer = photo.closer(regions.mask, usual_height(regions.boxes))
    # Marks without end are what is left of ruled lines, and would be no digits more closely.
    if closer is not None and regions.count <= _MOST_MARKS:
        view = closer
        ink, regions = find_marks(view.picture, ground, level)
    lines = [_marks_of(ink, regions, line) for line in find_lines(regions)]
    parts = _read_marks(models, [mark for line in lines for mark in line])
    found = [
        [_found(piece, vote, view) for _ in line for piece, vote in next(parts)] for line in lines
    ]
    return NumberAnswer(found, photo.whole.picture, photo.whole.scale)


@dataclass(frozen=True, eq=False)
class _Mark:
    """Ink that is a digit, or digits that touch.

    Attributes
    ----------
    ink : (h, w) float32 in 0..1
    corner : (top, left)
        Of the ink, in pixels of the picture.
    height : float
        Of a usual digit, in pixels.
    """

    ink: Float32
    corner: tuple[int, int]
    height: float


@dataclass(frozen=True, eq=False)
class _Piece:
    """A part of a mark that may be a digit.

    Attributes
    ----------
    start, end : int
        Where it is cut off, as numbers of the mark's edges from left to right.
    box : (top, left, bottom, right)
        In pixels of the picture.
    image : (28, 28) uint8
    width : float
        In heights of a usual digit.
    faults : float
        What its shape and its cuts take away from its worth.
    """

    start: int
    end: int
    box: Box
    image: NDArray[np.uint8]
    width: float
    faults: float

    def worth(self, scores: tuple[float, ...]) -> float:
        """How much it looks like one digit, by its scores: about a log-likelihood."""
        *_, second, first = sorted(scores)
        likelihood = -float(np.logaddexp(0, _SCALE * (_DOUBT - first))) - 2 * max(second, 0)
        is_one = scores.index(first) == 1
        bonus = _ONE_IS_NARROW * max(_NARROW_ONE - self.width, 0) if is_one else 0.0
        return likelihood + bonus - self.faults


def _marks_of(ink: Float32, regions: Regions, line: Sequence[NDArray[np.int64]]) -> list[_Mark]:
    """The ink of each group of regions in a line, without that of its neighbours."""
    boxes = [box_of(regions, group) for group in line]
    usual = usual_height(boxes)
    marks = []
    for group, (top, left, bottom, right) in zip(line, boxes, strict=True):
        part = (slice(top, bottom), slice(left, right))
        own = np.where(np.isin(regions.labels[part], group), ink[part], 0).astype(np.float32)
        marks.append(_Mark(own, (top, left), min(usual, bottom - top)))
    return marks


def _read_marks(
    models: DetectorArrays, marks: Sequence[_Mark]
) -> Iterator[list[tuple[_Piece, Vote]]]:
    """Of each mark, the digits that it holds: the votes of a page are counted together."""
    wholes = [_piece(mark, mark.ink, (0, -1), 0.0) for mark in marks]
    whole_votes = _votes(models, wholes)
    parted = [
        _parts(mark) if _may_touch(mark, vote) else []
        for mark, vote in zip(marks, whole_votes, strict=True)
    ]
    votes = iter(_votes(models, [piece for pieces in parted for piece in pieces]))
    for whole, whole_vote, pieces in zip(wholes, whole_votes, parted, strict=True):
        voted = [(piece, next(votes)) for piece in pieces]
        best = _best_path(voted)
        worth = sum(piece.worth(vote.scores) for piece, vote in best)
        if not best or whole.worth(whole_vote.scores) >= worth:
            best = [(whole, whole_vote)]
        yield best


def _votes(models: DetectorArrays, pieces: Sequence[_Piece]) -> list[Vote]:
    if not pieces:
        return []
    images = np.array([piece.image.ravel() for piece in pieces])
    return count_votes(models.decision_function(images))


def _may_touch(mark: _Mark, vote: Vote) -> bool:
    """Whether a mark may be several digits."""
    is_sure = vote.verdict == "sure" and max(vote.scores) >= _SURE
    return mark.ink.shape[1] / mark.height > (_WIDE if is_sure else _NARROW)


def _parts(mark: _Mark) -> list[_Piece]:
    """All parts between two cuts that may be digits."""
    h, w = mark.ink.shape
    cuts, crossed = find_cuts(mark.ink, mark.height, round(_CUTS * w / mark.height))
    edges = np.concatenate([np.zeros((1, h), np.int64), cuts, np.full((1, h), w)])
    costs = [0.0, *crossed.tolist(), 0.0]
    firsts, lasts = edges.min(axis=1), edges.max(axis=1)
    top, left = mark.corner
    parts = []
    for i, j in combinations(range(len(edges)), 2):
        if (i, j) == (0, len(edges) - 1) or firsts[j] - lasts[i] > _FARTHEST * mark.height:
            continue
        columns = np.arange(firsts[i], lasts[j])
        inside = (columns >= edges[i][:, None]) & (columns < edges[j][:, None])
        ink = mark.ink[:, firsts[i] : lasts[j]]
        ink = _without_crumbs(np.where(inside, ink, 0).astype(np.float32))
        if not ink.any():
            continue
        rows, sides = bounding_box(ink)
        size = max(rows.stop - rows.start, sides.stop - sides.start) / mark.height
        if size > 0.45 and sides.stop - sides.start < 1.5 * mark.height:
            last = j if j < len(edges) - 1 else -1
            place = replace(mark, corner=(top, left + int(firsts[i])))
            parts.append(_piece(place, ink, (i, last), costs[i] + costs[j]))
    return parts


def _without_crumbs(ink: Float32) -> Float32:
    """Ink without what a cut has left of a neighbour."""
    regions = find_regions(ink > 0)
    if regions.count < 2:
        return ink
    kept = np.concatenate([[False], regions.areas >= 0.15 * regions.areas.max()])
    return np.where(kept[regions.labels], ink, 0).astype(np.float32)


def _piece(mark: _Mark, ink: Float32, ends: tuple[int, int], crossed: float) -> _Piece:
    rows, columns = bounding_box(ink)
    top, left = mark.corner
    box = (top + rows.start, left + columns.start, top + rows.stop, left + columns.stop)
    height, width = (side / mark.height for side in (box[2] - box[0], box[3] - box[1]))
    faults = _FAULTS @ (1, crossed, max(width - 0.95, 0), max(0.76 - height, 0))
    return _Piece(*ends, box, to_mnist_form(with_usual_pen(ink)), width, float(faults))


def _best_path(voted: Sequence[tuple[_Piece, Vote]]) -> list[tuple[_Piece, Vote]]:
    """Pieces from the first edge to the last, -1, with the most worth in all."""
    paths: dict[int, tuple[float, list[tuple[_Piece, Vote]]]] = {0: (0.0, [])}
    for piece, vote in sorted(voted, key=lambda item: (item[0].start, item[0].end)):
        if piece.start not in paths:
            continue
        worth, path = paths[piece.start]
        worth += piece.worth(vote.scores)
        if piece.end not in paths or worth > paths[piece.end][0]:
            paths[piece.end] = (worth, [*path, (piece, vote)])
    return paths[-1][1] if -1 in paths else []


def _found(piece: _Piece, vote: Vote, view: View) -> FoundDigit:
    top, left, bottom, right = piece.box
    box = view.box_in_file((slice(top, bottom), slice(left, right)))
    return FoundDigit(box, piece.image, vote)
