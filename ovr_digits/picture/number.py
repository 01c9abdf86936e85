"""Reads whole numbers: finds the digits on a picture, and puts them in reading order."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ovr_digits.core.arrays import Float32
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.errors import BlankPictureError
from ovr_digits.picture.expected import NOTHING, Expected
from ovr_digits.picture.fields import (
    Field,
    FoundDigit,
    FoundSign,
    Placed,
    in_columns,
    part_line,
    worst_verdict,
)
from ovr_digits.picture.ink import Ground, find_marks
from ovr_digits.picture.lines import MOST_MARKS, find_layout, usual_height
from ovr_digits.picture.marks import PageMarks
from ovr_digits.picture.pages import Source
from ovr_digits.picture.photo import Photo, View
from ovr_digits.picture.refit import fit_line
from ovr_digits.picture.regions import LeftOut, slices_of
from ovr_digits.picture.turning import (
    Turned,
    is_poor,
    quarter_turns,
    slant_of,
    turned_marks,
)

#: From this height on, in usual heights, what is left out might be taken for a digit.
_TOLD = 1 / 3


@dataclass(frozen=True, eq=False)
class NumberAnswer:
    """The digits and signs of a picture.

    Attributes
    ----------
    fields : sequence of Field
        What wide spaces part, in reading order.
    left_out : sequence of (box, reason)
        What might be taken for a digit and is not read, and why; boxes as those of digits.
    picture : (h, w, 3) float32 in 0..1
        The picture, upright; perhaps reduced.
    scale : float
        Its pixels to a pixel of the boxes.
    turn : int
        By how many degrees, counter-clockwise, it had to be turned for its digits to stand.
    missing_lines : int
        How many of the lines that it is known to have were not found.
    """

    fields: Sequence[Field]
    left_out: Sequence[tuple[tuple[int, int, int, int], str]]
    picture: Float32
    scale: float
    turn: int = 0
    missing_lines: int = 0

    def without_signs(self) -> NumberAnswer:
        """The same with digits alone, in the same fields."""
        return replace(self, fields=[replace(f, items=f.digits) for f in self.fields])

    @property
    def lines(self) -> list[list[FoundDigit]]:
        """The digits line by line, each from left to right."""
        rows = groupby(self.fields, key=lambda field: field.line)
        return [[found for field in row for found in field.digits] for _, row in rows]

    @property
    def digits(self) -> list[FoundDigit]:
        """Of all lines, in reading order."""
        return [found for field in self.fields for found in field.digits]

    @property
    def signs(self) -> list[FoundSign]:
        """Of all lines, in reading order."""
        return [found for field in self.fields for found in field.signs]

    @property
    def confidence(self) -> float:
        """How likely all of it is right, 0..1; 0 where a line is missing."""
        return math.prod(field.confidence for field in self.fields) * (not self.missing_lines)

    @property
    def verdict(self) -> str:
        """That of the worst field; "none" where a line is missing."""
        if self.missing_lines:
            return "none"
        return worst_verdict(field.verdict for field in self.fields)

    @property
    def text(self) -> str:
        """As a person would type it: a line for each, a space between fields."""
        rows = groupby(self.fields, key=lambda field: field.line)
        return "\n".join(" ".join(field.text for field in row) for _, row in rows)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        numbers = {id(found): number for number, found in enumerate(self.digits)}
        return {
            "text": self.text,
            "lines": self.text.split("\n"),
            "confidence": round(self.confidence, 6),
            "verdict": self.verdict,
            "digits": [found.as_json() for found in self.digits],
            "fields": [
                field.as_json() | {"digits": [numbers[id(found)] for found in field.digits]}
                for field in self.fields
            ],
            "signs": [found.as_json() for found in self.signs],
            "left_out": [{"box": list(box), "reason": reason} for box, reason in self.left_out],
            **({"turn": self.turn} if self.turn else {}),
            **({"missing_lines": self.missing_lines} if self.missing_lines else {}),
        }


def read_number(
    models: DetectorArrays,
    source: Source,
    ground: Ground = "auto",
    level: float | None = None,
    page: int = 1,
    expected: Expected = NOTHING,
) -> NumberAnswer:
    """Read all digits on a picture.

    Parameters
    ----------
    models : DetectorArrays
    source : path, bytes or PIL.Image.Image
        A picture file or a PDF, its content, or a picture that is open already.
    ground, level :
        See ``ink.find_ink``.
    page : int
        Of a file that has several, from 1, see ``pages.count_pages``.
    expected : Expected, optional
        What is known beforehand: the best reading that fits it is given.

    Raises
    ------
    DigitsError
        Where it cannot be read, or holds no digit.
    """
    photo = Photo(source, page)
    view = photo.whole
    ink, regions, left_out = find_marks(view.picture, ground, level)
    closer = photo.closer(regions.mask, usual_height(regions.boxes))
    # Marks without end are a texture, and would be no digits more closely.
    if closer is not None and regions.count <= MOST_MARKS:
        with contextlib.suppress(BlankPictureError):
            fine, fine_regions, fine_left_out = find_marks(closer.picture, ground, level)
            if photo.shows_again(regions.mask, closer, fine_regions.mask):
                ink, regions, left_out, view = fine, fine_regions, fine_left_out, closer
    slant = slant_of(regions)
    turned = turned_marks(ink, regions, slant)
    found = _read(models, turned, left_out, view, expected)
    if is_poor(found.scores):
        turns = quarter_turns(models, turned)
        if turns:
            turned = turned_marks(ink, regions, slant + 90 * turns)
            found = _read(models, turned, left_out, view, expected)
    if not found.fields:
        raise BlankPictureError("no digit on the picture; write the digits darker or larger")
    told = [
        (view.box_in_file(slices_of(left.box)), left.reason)
        for left in found.left_out
        if left.box[2] - left.box[0] >= _TOLD * found.usual
    ]
    turn = round(turned.degrees % 360)
    n_lines = 1 + max(field.line for field in found.fields)
    missing = max(0, (expected.lines or 0) - n_lines)
    picture, scale = photo.whole.picture, photo.whole.scale
    return NumberAnswer(found.fields, told, picture, scale, turn, missing)


@dataclass(frozen=True, eq=False)
class _Page:
    fields: list[Field]
    left_out: list[LeftOut]
    usual: float  # height of its digits
    scores: list[float]  # the highest of each digit, also of what was taken for a letter then


def _read(
    models: DetectorArrays,
    turned: Turned,
    beside: Sequence[LeftOut],
    view: View,
    expected: Expected,
) -> _Page:
    """Read a page that is turned; what is left out is told where it was before."""
    layout = find_layout(turned.regions)
    # Signs may be among what was left out; on a page that is turned it lies elsewhere.
    small = [*([] if turned.degrees else beside), *layout.left_out]
    marks = PageMarks.read(models, turned, view, layout.lines, small, expected.is_known)
    lines, left_out = marks.lines()
    parted = [[(field, True) for field in part_line(line)] for line in lines]
    if expected.is_known:
        for line in _beyond(lines, expected.lines):
            left_out += [LeftOut(box, "in a line more than expected") for box, _ in lines[line]]
            parted[line] = []
        parted = [
            fit_line([field for field, _ in fields], candidates, expected) if fields else []
            for fields, candidates in zip(parted, marks.candidates(), strict=True)
        ]
    told = [replace(left, box=turned.box_before(left.box)) for left in left_out]
    told += beside if turned.degrees else []
    boxes = [mark.box for mark in marks.marks]
    fields = in_columns([fields for fields in parted if fields], [left.box for left in left_out])
    scores = [max(vote.scores) for reading in marks.readings for _, vote in reading.digits]
    return _Page(fields, told, usual_height(boxes) if boxes else 0.0, scores)


def _beyond(lines: Sequence[Placed], n_lines: int | None) -> list[int]:
    """The lines that look least like digits, of more than there are."""
    likely = [
        sum(item.vote.confidence for _, item in line if isinstance(item, FoundDigit))
        for line in lines
    ]
    order = sorted(range(len(lines)), key=lambda k: -likely[k])
    return order[n_lines:] if n_lines is not None else []
