"""What is found on a page: digits and signs, in fields that wide spaces part, in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from ovr_digits.core.arrays import Bools, Float64, Grey, Integers
from ovr_digits.core.vote import Verdict, Vote, Voted
from ovr_digits.picture.certainty import DENIED, SURE, features, probability
from ovr_digits.picture.regions import Box

#: Left, top, width, height.
_Box = tuple[int, int, int, int]

# How spaces are told from gaps within a number; in heights of a line's digits, and found on drawn
# lines.
#: No gap below the first parts a line, every gap beyond the second does.
_LEAST_SPACE, _MOST_GAP = 0.6, 2.5
#: How far a space is beyond a usual gap of the line at least: so much, and such a share of it.
_BEYOND, _BEYOND_SHARE = 0.5, 0.9
#: From a digit to the next, measured at their left sides, middles or right sides, whichever is
#: nearest, is as much further as this, in usual ones of the line.
_PITCH = 1.25
#: The usual gap of a line and its usual pitch are those that this share of them is below.
_USUAL = 0.4
#: A single gap, which nothing in the line is like, is a space from here on.
_SINGLE = 1.4
#: What may be a digit that was left out: its height at least and sides at most, and how far from
#: the field it is, in the field's height.
_DIGIT, _NEAR = (0.5, 1.6), 1.0
#: Share of the narrower of two fields that lies above or below the other where they make a column.
_OVERLAP = 0.3


@dataclass(frozen=True, eq=False)
class FoundDigit(Voted):
    """One digit of a picture, with what the detectors say of it.

    Attributes
    ----------
    box : (x, y, w, h)
        In pixels of the picture as it is stored, but turned upright.
    image : (28, 28) uint8
        What the detectors saw.
    vote : Vote
    lead : float
        How much likelier its mark is to be as many digits as it was read as than any other number
        of them, as a log-likelihood; infinite where it cannot be another.
    """

    box: tuple[int, int, int, int]
    image: Grey
    vote: Vote
    lead: float = float("inf")

    @property
    def text(self) -> str:
        """As a person would type it."""
        return str(self.vote.digit)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        vote = self.vote.as_json()
        names = ("digit", "confidence", "verdict", "votes")
        return {"box": list(self.box), **{name: vote[name] for name in names}}


@dataclass(frozen=True, eq=False)
class FoundSign:
    """A sign beside digits.

    Attributes
    ----------
    box : (x, y, w, h)
        As those of digits.
    sign : "." or "," or "-" or "/" or ":"
    confidence : float in 0..1
        What the detector of that sign says.
    """

    box: tuple[int, int, int, int]
    sign: str
    confidence: float

    @property
    def text(self) -> str:
        """As a person would type it."""
        return self.sign

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        confidence = round(self.confidence, 6)
        return {"box": list(self.box), "sign": self.sign, "confidence": confidence}


Item: TypeAlias = FoundDigit | FoundSign
#: What stands in a line or a field, from left to right, and where on the page.
Placed: TypeAlias = Sequence[tuple[Box, Item]]


@dataclass(frozen=True, eq=False)
class Field:
    """Digits of a line that no wide space parts.

    Attributes
    ----------
    line, column : int
        From 0. Fields that stand under one another share a column.
    items : sequence of FoundDigit and FoundSign
        From left to right.
    fits : bool
        Whether it is a credible reading as what is known beforehand, if anything is.
    n_beside : int
        How much was left out in it or beside it that might be one of its digits.
    """

    line: int
    column: int
    items: Sequence[Item]
    fits: bool = True
    n_beside: int = 0

    @property
    def digits(self) -> list[FoundDigit]:
        """Its items but for the signs."""
        return [item for item in self.items if isinstance(item, FoundDigit)]

    @property
    def signs(self) -> list[FoundSign]:
        """Its items but for the digits."""
        return [item for item in self.items if isinstance(item, FoundSign)]

    @property
    def text(self) -> str:
        """As a person would type it."""
        return "".join(item.text for item in self.items)

    @property
    def box(self) -> _Box:
        """About all of it, as the boxes of its items."""
        return around([item.box for item in self.items])

    @cached_property
    def confidence(self) -> float:
        """How likely all of it is right, 0..1."""
        return probability(self.features)

    @property
    def features(self) -> Float64:
        """What tells whether it is right, see ``certainty.features``."""
        votes, leads = [found.vote for found in self.digits], [found.lead for found in self.digits]
        return features(votes, leads, [found.confidence for found in self.signs], self.n_beside)

    @property
    def verdict(self) -> Verdict:
        """How sure all of it is.

        It is "sure" where it is likely to be right, nothing that might be one of its digits was
        left out, some digit is one to its detector, and none is clearly denied by all detectors;
        "none" where it does not fit; else the worst of any digit, at most "conflict".
        """
        if not self.fits:
            return "none"
        scores = [max(found.vote.scores) for found in self.digits]
        are_digits = max(scores) > 0 and min(scores) > DENIED
        if self.confidence >= SURE and not self.n_beside and are_digits:
            return "sure"
        return worst_verdict(["conflict", *(found.vote.verdict for found in self.digits)])

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints, but for which digits it holds."""
        return {
            "line": self.line,
            "column": self.column,
            "text": self.text,
            "box": list(self.box),
            "confidence": round(self.confidence, 6),
            "verdict": self.verdict,
        }


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """The one of some verdicts that says least."""
    return min(verdicts, key=("none", "conflict", "sure").index)


def part_line(line: Placed) -> list[Placed]:
    """Part what stands in a line, from left to right, into fields."""
    boxes = [_sides(box) for box, _ in line]
    parts = part_boxes(boxes, [isinstance(item, FoundSign) for _, item in line]) if line else []
    return [line[part] for part in parts]


def in_columns(
    lines: Sequence[Sequence[tuple[Placed, bool]]], left_out: Sequence[Box]
) -> list[Field]:
    """Put what stands in fields, and whether it fits, line by line, into columns.

    What is left out may be a digit of the field that it stands in or beside.
    """
    beside = np.array([_sides(box) for box in left_out]).reshape(-1, 4)
    boxes = [[around([_sides(box) for box, _ in placed]) for placed, _ in line] for line in lines]
    return [
        Field(row, column, [item for _, item in placed], fits, _count_beside(box, beside))
        for row, (line, around_them, columns) in enumerate(
            zip(lines, boxes, find_columns(boxes), strict=True)
        )
        for (placed, fits), box, column in zip(line, around_them, columns, strict=True)
    ]


def _sides(box: Box) -> _Box:
    top, left, bottom, right = box
    return left, top, right - left, bottom - top


def _count_beside(field: _Box, boxes: Integers) -> int:
    """How many boxes (n, 4) in a field or beside it are about as large as its digits."""
    x, y, w, h = boxes.T
    left, top, width, height = field
    down = np.minimum(y + h, top + height) - np.maximum(y, top)
    away = np.maximum(x, left) - np.minimum(x + w, left + width)
    sizes = np.array([h, w]) / height
    alike = (sizes[0] > _DIGIT[0]) & (sizes < _DIGIT[1]).all(axis=0)
    return int((alike & (down > h / 2) & (away < _NEAR * height)).sum())


def around(boxes: Sequence[_Box]) -> _Box:
    """The box about some boxes."""
    x, y, w, h = np.array(boxes).T
    left, top = int(x.min()), int(y.min())
    return left, top, int((x + w).max()) - left, int((y + h).max()) - top


def part_boxes(boxes: Sequence[_Box], are_signs: Sequence[bool] = ()) -> list[slice]:
    """Part a line at its wide spaces.

    Parameters
    ----------
    boxes : sequence of (x, y, w, h)
        Of what stands in the line, from left to right.
    are_signs : sequence of bool, optional
        Which of these are signs: they make no field alone.

    Returns
    -------
    list of slice
        Which boxes make each field.

    Examples
    --------
    >>> part_boxes([(0, 0, 10, 20), (14, 0, 10, 20), (50, 0, 10, 20)])
    [slice(0, 2, None), slice(2, 3, None)]
    """
    spaces = np.flatnonzero(_are_spaces(np.array(boxes, np.float64))) + 1
    edges = [0, *spaces.tolist(), len(boxes)]
    if any(are_signs):
        alone = {
            edge
            for start, end in pairwise(edges)
            if all(are_signs[start:end])
            for edge in (start, end)
        }
        edges = [0, *(edge for edge in edges[1:-1] if edge not in alone), len(boxes)]
    return [slice(start, end) for start, end in pairwise(edges)]


def _are_spaces(boxes: Float64) -> Bools:
    """Which gaps between boxes (n, 4) are wide spaces: (n - 1,) bool."""
    x, _, w, h = boxes.T
    height = float(np.median(h[h >= 0.5 * h.max()]))
    gaps = (x[1:] - np.maximum.accumulate(x + w)[:-1]) / height
    pitches = np.min([np.diff(x), np.diff(x + w / 2), np.diff(x + w)], axis=0) / height
    if len(gaps) < 2:
        return gaps > _SINGLE
    usual_gap, usual_pitch = (
        max(float(np.quantile(those, _USUAL, method="lower")), 0.0) for those in (gaps, pitches)
    )
    beyond = gaps > usual_gap + max(_BEYOND, _BEYOND_SHARE * usual_gap)
    # A 1 has wide gaps on both sides in a comb, but its pitch is that of the others.
    wide: Bools = (gaps > _LEAST_SPACE) & beyond & (pitches > _PITCH * usual_pitch)
    return wide | (gaps > _MOST_GAP)


def find_columns(lines: Sequence[Sequence[_Box]]) -> list[list[int]]:
    """Of fields of boxes (x, y, w, h), line by line from left to right, the columns from 0.

    Lines with the most fields tell where the columns are; a field that lies across several is in
    the first.
    """
    columns: list[tuple[int, int, list[tuple[int, int]]]] = []  # left, right, fields by line, place
    for line in sorted(range(len(lines)), key=lambda line: -len(lines[line])):
        column = -1
        for place, (left, _, width, _) in enumerate(lines[line]):
            right = left + width
            before = column + 1  # in a line columns rise
            for column in range(before, len(columns)):
                start, end, members = columns[column]
                if min(end, right) - max(start, left) > _OVERLAP * min(end - start, width):
                    members.append((line, place))
                    break
            else:
                column = max(before, sum(s + e < left + right for s, e, _ in columns))
                columns.insert(column, (left, right, [(line, place)]))
    found = [[0] * len(line) for line in lines]
    for column, (_, _, members) in enumerate(columns):
        for line, place in members:
            found[line][place] = column
    return found
