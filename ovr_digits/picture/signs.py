"""Tells signs, and what is neither a sign nor a digit, from the digits of a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby, pairwise, takewhile

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Float32, Float64, Grey
from ovr_digits.core.detectors import SIGN_CLASSES, DetectorArrays
from ovr_digits.core.vote import Vote
from ovr_digits.picture.lines import usual_height
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.picture.regions import Box, LeftOut

#: Side of the square in which a mark is seen, in heights of a digit.
_SIDE = 1.4
#: How far a small mark may be from the middle of its line, and from what stands beside it, in
#: heights of the line's digits; how small it may be, in their pens.
_OFF_LINE, _BESIDE, _LEAST = 0.9, 1.3, 0.6
#: How much likelier a small mark has to be one sign than anything else, in log-odds.
_PLAIN = 5.0
#: A line has at most so many small signs more than digits: others are a texture.
_FEW = 1
#: How many of a line's marks on either side tell where it runs.
_NEIGHBOURS = 2
#: The dots of a colon: their longer side at most, how far apart their middles are, across and down.
_DOT, _ABOVE, _APART = 0.32, 0.2, (0.15, 0.8)
#: Of more small marks than these on a page none is looked at: they are a texture.
_MOST_SMALL = 1000

#: A mark of so many usual heights tells where its line runs.
_HIGH = 0.6
#: From what margin on a mark is neither a sign nor a digit: between digits, and at the ends of its
#: line; how much more it takes where ten detectors are sure of a digit; and for a pair of brackets,
#: which look like a 1 to them.
_INSIDE, _AT_END, _SURE, _BRACKET = 8.0, 5.0, 14.0, 4.0
#: What is wider, in heights of a digit, is digits that touch.
_WIDE = 1.3
#: How much likelier a date's slashes are, and less likely any other, and one without digits on
#: both sides, in log-odds; and how unlikely a slash is at most.
_DATE, _NO_DATE, _BARE, _LEAST_SLASH = 4.0, 8.0, 8.0, -7.0
#: All other signs are lower than this.
_LOW = 0.8
#: How much likelier a slash is for each height that it is higher than this.
_PER_HEIGHT, _USUAL_SLASH = 6.0, 1.1
#: So many of a line's likeliest slashes are looked at.
_MOST_SLASHES = 5

_N_SIGNS = SIGN_CLASSES.index("digit")
_SLASH, _COLON = SIGN_CLASSES.index("/"), SIGN_CLASSES.index(":")
_DIGIT, _OTHER = SIGN_CLASSES.index("digit"), SIGN_CLASSES.index("other")


@dataclass(frozen=True, eq=False)
class LineMark:
    """Something that stands in a line.

    Attributes
    ----------
    box : (top, left, bottom, right)
    ink : (h, w) float32 in 0..1
    line : int
        Its number.
    """

    box: Box
    ink: Float32
    line: int

    @property
    def x(self) -> float:
        """Of its middle."""
        return (self.box[1] + self.box[3]) / 2

    @property
    def y(self) -> float:
        """Of its middle."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def height(self) -> int:
        """Of its box."""
        return self.box[2] - self.box[0]

    @property
    def pen(self) -> float:
        """About how wide its strokes are: twice its area for its edge."""
        inside = np.pad(self.ink > 0.5, 1)
        edge = sum(np.count_nonzero(np.diff(inside, axis=axis)) for axis in (0, 1))
        return 2 * float(inside.sum()) / max(edge, 1)


@dataclass(frozen=True, eq=False)
class Line:
    """Where a line runs.

    Attributes
    ----------
    marks : sequence of LineMark
        Those in it that are as high as digits, from left to right.
    height, pen : float
        The usual ones of its digits, in pixels.
    """

    marks: Sequence[LineMark]
    height: float
    pen: float

    @classmethod
    def through(cls, marks: Sequence[LineMark]) -> Line:
        """The line that groups of marks make."""
        height = usual_height([mark.box for mark in marks])
        high = [mark for mark in marks if mark.height > _HIGH * height]
        pen = float(np.median([mark.pen for mark in high]))
        return cls(sorted(high, key=lambda mark: mark.x), height, pen)

    def middle(self, mark: LineMark) -> float:
        """Where its middle runs at a mark, as its neighbours tell."""
        others = [other for other in self.marks if other is not mark] or [mark]
        left = [other.y for other in others if other.x < mark.x][-_NEIGHBOURS:]
        right = [other.y for other in others if other.x >= mark.x][:_NEIGHBOURS]
        return float(np.mean(left + right))

    def distance(self, mark: LineMark) -> float:
        """How far, in heights, a small mark is from the line; infinite where it is not in it."""
        away = min(
            max(other.box[1] - mark.box[3], mark.box[1] - other.box[3]) for other in self.marks
        )
        off = abs(mark.y - self.middle(mark)) / self.height
        fits = off < _OFF_LINE and away < _BESIDE * self.height
        return off if fits and mark.ink.sum() > (_LEAST * self.pen) ** 2 else np.inf


def small_marks(lines: Sequence[Line], left_out: Sequence[LeftOut]) -> dict[int, LineMark]:
    """What is too small for a digit and stands in a line, by its place in ``left_out``."""
    if len(left_out) > _MOST_SMALL:
        return {}
    found = {}
    for place, left in enumerate(left_out):
        if left.mask is None:
            continue
        mark = LineMark(left.box, left.mask.astype(np.float32), -1)
        away = [line.distance(mark) for line in lines]
        nearest = int(np.argmin(away))
        if away[nearest] < np.inf:
            found[place] = replace(mark, line=nearest)
    return found


def find_colons(
    lines: Sequence[Line], small: dict[int, LineMark]
) -> list[tuple[LineMark, tuple[int, int]]]:
    """Pairs of small marks, one above the other, that may be a colon, and their places."""
    colons = []
    of_line = sorted(small, key=lambda place: small[place].line)
    for number, places in groupby(of_line, key=lambda place: small[place].line):
        height = lines[number].height
        dots = [place for place in places if max(small[place].ink.shape) < _DOT * height]
        for i, j in combinations(dots, 2):
            one, other = small[i], small[j]
            down = abs(one.y - other.y) / height
            if abs(one.x - other.x) < _ABOVE * height and _APART[0] < down < _APART[1]:
                colons.append((_together(one, other), (i, j)))
    return colons


def _together(one: LineMark, other: LineMark) -> LineMark:
    boxes = np.array([one.box, other.box])
    top, left = boxes[:, :2].min(axis=0).tolist()
    bottom, right = boxes[:, 2:].max(axis=0).tolist()
    ink = np.zeros((bottom - top, right - left), np.float32)
    for mark in (one, other):
        y, x = mark.box[0] - top, mark.box[1] - left
        part = ink[y : y + mark.ink.shape[0], x : x + mark.ink.shape[1]]
        np.maximum(part, mark.ink, out=part)
    return replace(one, box=(top, left, bottom, right), ink=ink)


def sign_scores(
    detectors: DetectorArrays, lines: Sequence[Line], marks: Sequence[LineMark]
) -> Float64:
    """What the detectors of ``SIGN_CLASSES`` say of marks: (n, n_classes), in log-odds."""
    images = np.zeros((len(marks), IMAGE_SHAPE[0] * IMAGE_SHAPE[1]), np.uint8)
    for image, mark in zip(images, marks, strict=True):
        line = lines[mark.line]
        middle = line.middle(mark) - mark.box[0]
        image[:] = place_in_line(mark.ink, middle, line.height).ravel()
    return detectors.scores(images)


def place_in_line(ink: Float32, middle: float, height: float) -> Grey:
    """A mark as it stands in its line: a digit would be 20 of 28 pixels high, and in the middle.

    Parameters
    ----------
    ink : (h, w) float32 in 0..1
    middle : float
        How many pixels below the ink's first row the middle of the line is.
    height : float
        Of the line's digits, in pixels of the ink.

    Returns
    -------
    (28, 28) uint8
        What is wider than that is made narrower; what is higher goes on beyond it.
    """
    side = _SIDE * height
    h, w = ink.shape
    top = middle - side / 2
    above, below = (max(0, int(np.ceil(rows))) + 1 for rows in (-top, top + side - h))
    beside = max(0, int(np.ceil((side - w) / 2))) + 1
    page = Image.fromarray(np.pad(ink, ((above, below), (beside, beside))))
    wide = max(side, w)
    left = beside + (w - wide) / 2
    box = (left, top + above, left + wide, top + above + side)
    seen = page.resize(IMAGE_SHAPE, Image.Resampling.BOX, box=box)
    grey: Grey = np.rint(np.clip(np.asarray(seen), 0, 1) * 255).astype(np.uint8)
    return grey


@dataclass(frozen=True, eq=False)
class Judged:
    """What a mark of a line is, if it is no digit.

    Attributes
    ----------
    sign : str
        Empty where it is none.
    confidence : float in 0..1
        What the detector of that sign says.
    """

    sign: str
    confidence: float


def judge_lines(
    detectors: DetectorArrays | None,
    marks: Sequence[LineMark],
    reads: Sequence[Sequence[Vote]],
    left_out: Sequence[LeftOut],
) -> tuple[list[Judged | None], list[tuple[LineMark, Judged]], list[LeftOut]]:
    """Tell what is a sign, or neither a sign nor a digit.

    Parameters
    ----------
    detectors : DetectorArrays or None
        Those of ``SIGN_CLASSES``; without them all are digits.
    marks : sequence of LineMark
        What may be digits, line by line.
    reads : sequence of sequences of Vote
        The digits that each was read as.
    left_out : sequence of LeftOut
        What else there is.

    Returns
    -------
    judged : list of Judged or None
        Of each mark; None where it is as it was read.
    small : list of (LineMark, Judged)
        Signs among what was left out.
    left_out : list of LeftOut
        The rest of it.
    """
    if detectors is None or not marks:
        return [None] * len(marks), [], list(left_out)
    lines = [Line.through(list(row)) for _, row in groupby(marks, key=lambda mark: mark.line)]
    small = small_marks(lines, left_out)
    candidates = [*find_colons(lines, small), *((mark, (k,)) for k, mark in small.items())]
    scores = sign_scores(detectors, lines, [*marks, *(mark for mark, _ in candidates)])
    found, taken = [], set[int]()
    for (mark, places), row in zip(candidates, scores[len(marks) :], strict=True):
        sign = int(row.argmax())
        is_sign = sign < _N_SIGNS and row[sign] - max(np.delete(row, sign)) > _PLAIN
        if is_sign and not taken & set(places) and (len(places) == 2) == (sign == _COLON):
            taken |= set(places)
            found.append((mark, _sign(row, sign), places))
    heights = np.array([mark.height / lines[mark.line].height for mark in marks])
    judged = _judge_marks(marks, scores[: len(marks)], heights, reads)
    kept = []
    for number in range(len(lines)):
        own = [item for item in found if item[0].line == number]
        if len(own) <= len(lines[number].marks) + _FEW:
            large = [
                (mark, sign)
                for mark, sign in zip(marks, judged, strict=True)
                if mark.line == number and not (sign and not sign.sign)
            ]
            kept += _without_rivals(own, large)
    gone = {place for *_, places in kept for place in places}
    rest = [left for place, left in enumerate(left_out) if place not in gone]
    return judged, [(mark, sign) for mark, sign, _ in kept], rest


_Small = tuple[LineMark, Judged, tuple[int, ...]]


def _without_rivals(
    small: Sequence[_Small], large: Sequence[tuple[LineMark, Judged | None]]
) -> list[_Small]:
    """The small signs of a line that no likelier sign stands beside, but for ".-"."""
    row: list[tuple[float, Judged | None, int]]
    row = [(mark.x, sign, k) for k, (mark, sign, _) in enumerate(small)]
    row = sorted([*row, *((mark.x, sign, -1) for mark, sign in large)], key=lambda item: item[0])
    kept = dict(enumerate(small))
    for (_, one, i), (_, other, j) in pairwise(row):
        if one and other and (one.sign, other.sign) != (".", "-"):
            weaker = i if j < 0 or (i >= 0 and one.confidence < other.confidence) else j
            kept.pop(weaker, None)
    return list(kept.values())


def _judge_marks(
    marks: Sequence[LineMark], scores: Float64, heights: Float64, reads: Sequence[Sequence[Vote]]
) -> list[Judged | None]:
    """What marks are that were read as digits, by the scores (n, n_classes) and heights (n,)."""
    margins = scores[:, _SLASH] - np.delete(scores, _SLASH, axis=1).max(axis=1)
    margins += _PER_HEIGHT * (heights - _USUAL_SLASH)
    doubts = scores[:, _OTHER] - scores[:, _DIGIT] - [_trust(votes) for votes in reads]
    widths = heights * np.array([mark.ink.shape[1] / mark.height for mark in marks])
    doubts[widths > _WIDE] = -np.inf
    judged: list[Judged | None] = [None] * len(marks)
    for _, numbers in groupby(range(len(marks)), key=lambda k: marks[k].line):
        row = sorted(numbers, key=lambda k: marks[k].x)
        slashes = choose_slashes([len(reads[k]) for k in row], margins[row].tolist())
        signs = {row[place]: _SLASH for place in slashes}
        best = scores[row].argmax(axis=1).tolist()
        signs |= {
            k: sign
            for k, sign in zip(row, best, strict=True)
            if sign < _N_SIGNS and sign != _SLASH and heights[k] < _LOW
        }
        for k, sign in signs.items():
            judged[k] = _sign(scores[k], sign)
        doubts[list(signs)] = -np.inf
        others = {k for k in row if doubts[k] > _INSIDE}
        ends = {row[0], row[-1]}
        if len(row) > 2 and all(doubts[k] + _trust(reads[k]) > _BRACKET for k in ends):
            others |= ends
        # Letters and symbols stand before a number and behind it.
        for order in (row, row[::-1]):
            others |= set(takewhile(lambda k: doubts[k] > _AT_END, order))
        for k in others:
            judged[k] = Judged("", 0.0)
    # Signs and symbols stand beside digits: where there are none, all is read as it looks.
    return judged if None in judged else [None] * len(marks)


def _sign(scores: Float64, sign: int) -> Judged:
    return Judged(SIGN_CLASSES[sign], float(1 / (1 + np.exp(-scores[sign]))))


def _trust(votes: Sequence[Vote]) -> float:
    """How much the ten detectors' word for digits counts against their being none."""
    return _SURE if all(vote.verdict == "sure" for vote in votes) else 0.0


def choose_slashes(n_digits: Sequence[int], margins: Sequence[float]) -> set[int]:
    """Which marks of a line are its slashes.

    Parameters
    ----------
    n_digits : sequence of int
        How many digits each mark would be.
    margins : sequence of float
        How much likelier each is a slash than anything else, in log-odds.

    Returns
    -------
    set of int
        The likeliest, considering what dates and shares look like.
    """
    likely = sorted(range(len(margins)), key=lambda k: -margins[k])[:_MOST_SLASHES]
    likely = [k for k in likely if margins[k] > _LEAST_SLASH]
    best, most = set[int](), 0.0
    for count in range(1, len(likely) + 1):
        for chosen in combinations(likely, count):
            edges = [-1, *sorted(chosen), len(margins)]
            counts = [sum(n_digits[i + 1 : j]) for i, j in pairwise(edges)]
            worth = sum(margins[k] for k in chosen)
            if len(counts) == 3 and max(counts[:2]) <= 2 and min(counts) and counts[2] in (2, 4):
                worth += _DATE
            else:
                worth -= _NO_DATE * count
            worth -= _BARE * counts.count(0)
            if worth > most:
                best, most = set(chosen), worth
    return best
