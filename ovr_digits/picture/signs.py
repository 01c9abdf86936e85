"""Tells signs, and what is neither a sign nor a digit, from the digits of a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Float32, Float64, Grey
from ovr_digits.core.detectors import SIGN_CLASSES, DetectorArrays
from ovr_digits.core.vote import Vote
from ovr_digits.picture.fields import part_boxes
from ovr_digits.picture.lines import usual_height
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.picture.regions import Box, LeftOut

#: Side of the square in which a mark is seen, in heights of a digit.
_SIDE = 1.4
#: How far a small mark may be from the middle of its line, and from what stands beside it, in
#: heights of the line's digits; how small it may be, in their pens.
_OFF_LINE, _BESIDE, _LEAST = 0.9, 1.3, 0.6
#: A line has at most so many small signs more than digits: others are a texture.
_FEW = 1
#: How many of a line's marks on either side tell where it runs.
_NEIGHBOURS = 2
#: The dots of a colon: their longer side at most, how far apart their middles are, across and down.
_DOT, _ABOVE, _APART = 0.32, 0.2, (0.15, 0.8)
#: Of more small marks than these on a page none is looked at: they are a texture.
_MOST_SMALL = 1000

#: A mark of so many usual heights tells where its line runs, and is no dot, comma or dash.
_HIGH = 0.6
#: What each unit of the lowest score that ten detectors give a mark's digits adds to its being
#: digits, what each of the detectors of pieces' margin for a symbol adds to its being one, and how
#: much likelier than symbols digits are, in log-odds; found, as all these, on drawn numbers.
_PER_SCORE, _PER_MARGIN, _USUAL_DIGIT = 0.2, 0.4, 2.2
#: How much less likely a mark that is not high is to be a digit, but for a zero.
_LOW = 4.0
#: What is less likely than the likeliest by that is not looked at, nor more readings of a row than
#: these.
_UNLIKELY, _MOST_READINGS = 12.0, 64
#: How likely rows are to have no symbols around them, some in front or behind, or both, as
#: brackets are; and each inside.
_AROUND, _INSIDE = (0.0, -2.0, 0.0), -5.0
#: What rows of digits and signs look like, "0" being any digit, and how likely they are.
_FORMS = [
    (re.compile(form), worth)
    for form, worth in (
        (r"0+", 0.0),
        (r"00?([./-])00?\1(0|00|0000)", 3.0),
        (r"00?:00", 1.0),
        (r"-?0{1,3}([.,]000)*([.,]00?)?", 0.0),
        (r"00?([.,]00?)?/0{1,3}", -1.0),
        (r"0+([.,]000)*[.,]?-?", -3.0),
    )
]
#: Of no such form, for each sign, and beyond that for each that no digits are around.
_NO_FORM, _STRAY = -3.0, -6.0

_N_SIGNS = SIGN_CLASSES.index("digit")
#: What makes no field alone.
_SMALL = {*SIGN_CLASSES[:_N_SIGNS], ""}
_COLON = SIGN_CLASSES.index(":")
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
    others: Sequence[float],
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
    others : sequence of float
        How much more each looks like a symbol, see ``touching.Reading``.
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
    colons = find_colons(lines, small)
    scores = sign_scores(detectors, lines, [*marks, *(mark for mark, _ in colons), *small.values()])
    likely = -np.logaddexp(0, -scores)
    items = [
        _Item(
            mark, k, (), _options(row, votes, other, mark.height > _HIGH * lines[mark.line].height)
        )
        for k, (mark, row, votes, other) in enumerate(
            zip(marks, likely, reads, others, strict=False)
        )
    ]
    taken = set[int]()
    for (mark, places), row in zip(colons, likely[len(marks) :], strict=False):
        if row.argmax() == _COLON and not taken & set(places):
            taken |= set(places)
            items.append(_Item(mark, -1, places, {":": row[_COLON], "": row[_OTHER]}))
    for (place, mark), row in zip(small.items(), likely[len(marks) + len(colons) :], strict=True):
        if place not in taken and row[:_COLON].max() > row[_OTHER] - _UNLIKELY:
            items.append(_Item(mark, -1, (place,), _options(row, None)))
    judged: list[Judged | None] = [None] * len(marks)
    found = []
    for number in range(len(lines)):
        row = sorted((item for item in items if item.mark.line == number), key=lambda i: i.mark.x)
        large = [item for item in row if item.number >= 0]
        # More small marks than these are a texture.
        row = row if len(row) <= (2 + _FEW) * len(large) else large
        texts = [
            text for part in _fields(row) for text in likeliest([i.options for i in row[part]])
        ]
        for item, text in zip(row, texts, strict=True):
            sign = Judged(text, float(np.exp(item.options[text])))
            if item.number < 0:
                found += [(item, sign)] if text else []
            elif text == "o":
                judged[item.number] = Judged("", 0.0)
            elif "0" not in text:
                judged[item.number] = sign
    # Signs and symbols stand beside digits: where there are none, all is read as it looks.
    if None not in judged:
        return [None] * len(marks), [], list(left_out)
    gone = {place for item, _ in found for place in item.places}
    rest = [left for place, left in enumerate(left_out) if place not in gone]
    return judged, [(item.mark, sign) for item, sign in found], rest


@dataclass(frozen=True, eq=False)
class _Item:
    """A mark that was read as digits, by its number; or small ones, by their places."""

    mark: LineMark
    number: int
    places: tuple[int, ...]
    options: dict[str, float]


def _fields(row: Sequence[_Item]) -> list[slice]:
    """What wide spaces part, of which each is a number or a date alone."""
    boxes = [
        (left, top, right - left, bottom - top)
        for top, left, bottom, right in (item.mark.box for item in row)
    ]
    return part_boxes(boxes, [max(i.options, key=i.options.__getitem__) in _SMALL for i in row])


def _options(
    likely: Float64, votes: Sequence[Vote] | None, other: float = 0.0, is_high: bool = False
) -> dict[str, float]:
    """How likely a mark is what: signs; "o", a symbol, and "0" for each digit, or "", a speck."""
    options = dict(zip(SIGN_CLASSES[:_N_SIGNS], likely.tolist(), strict=False))
    if is_high:
        options = {sign: options[sign] for sign in "/:"}
    if votes is None:
        del options[":"]
        return options | {"": likely[_OTHER]}
    lowest = min((max(vote.scores) for vote in votes), default=0.0)
    symbol = likely[_OTHER] + _PER_MARGIN * other - _PER_SCORE * lowest - _USUAL_DIGIT * len(votes)
    is_low = not is_high and any(vote.digit for vote in votes)
    return options | {"o": symbol, "0" * len(votes): likely[_DIGIT] - _LOW * is_low}


def likeliest(options: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """What each mark of a row is.

    Parameters
    ----------
    options : sequence of mappings of str to float
        What each may be, and how likely: "0" for each digit, a sign, "o" for a symbol, "" for
        nothing; about a log-likelihood.

    Returns
    -------
    tuple of str
        One of each, considering what dates, amounts and marks look like.
    """
    readings: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
    for each in options:
        least = max(each.values()) - _UNLIKELY
        live = [(text, worth) for text, worth in each.items() if worth > least]
        readings = [(sum_ + worth, (*row, text)) for sum_, row in readings for text, worth in live]
        readings = sorted(readings, key=lambda reading: -reading[0])[:_MOST_READINGS]
    return max(readings, key=lambda reading: reading[0] + _form_worth("".join(reading[1])))[1]


def _form_worth(text: str) -> float:
    """How likely rows of such a form are."""
    inner = text.strip("o")
    around = _AROUND[(text[:1] == "o") + (text[-1:] == "o")]
    core = inner.replace("o", "")
    worth = around + _INSIDE * (len(inner) - len(core))
    for form, own in _FORMS:
        if form.fullmatch(core):
            return worth + own
    signs = len(core) - core.count("0")
    stray = len(re.findall(r"(?<!0)[^0]|[^0]$", core))
    return worth + _NO_FORM * signs + _STRAY * stray
