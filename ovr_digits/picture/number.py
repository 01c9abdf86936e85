"""Reads whole numbers: finds the digits on a picture, and puts them in reading order."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ovr_digits.core.arrays import Float32
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.errors import BlankPictureError
from ovr_digits.picture.fields import Field, FoundDigit, FoundSign, Item, in_fields, worst_verdict
from ovr_digits.picture.ink import Ground, find_marks
from ovr_digits.picture.lines import MOST_MARKS, find_layout, usual_height
from ovr_digits.picture.pages import Source
from ovr_digits.picture.photo import Photo, View
from ovr_digits.picture.regions import Box, LeftOut
from ovr_digits.picture.signs import LineMark, judge_lines
from ovr_digits.picture.touching import marks_of, read_marks
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
    """

    fields: Sequence[Field]
    left_out: Sequence[tuple[tuple[int, int, int, int], str]]
    picture: Float32
    scale: float
    turn: int = 0

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
        """That of the least certain digit."""
        return min(field.confidence for field in self.fields)

    @property
    def verdict(self) -> str:
        """The worst of any digit: "sure" where all are."""
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
        }


def read_number(
    models: DetectorArrays,
    source: Source,
    ground: Ground = "auto",
    level: float | None = None,
    page: int = 1,
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
    found = _read(models, turned, left_out, view)
    if is_poor(found.scores):
        turns = quarter_turns(models, turned)
        if turns:
            turned = turned_marks(ink, regions, slant + 90 * turns)
            found = _read(models, turned, left_out, view)
    if not found.fields:
        raise BlankPictureError("no digit on the picture; write the digits darker or larger")
    told = [
        (_box_in_file(left.box, view), left.reason)
        for left in found.left_out
        if left.box[2] - left.box[0] >= _TOLD * found.usual
    ]
    turn = round(turned.degrees % 360)
    return NumberAnswer(found.fields, told, photo.whole.picture, photo.whole.scale, turn)


@dataclass(frozen=True, eq=False)
class _Reading:
    fields: list[Field]
    left_out: list[LeftOut]
    usual: float  # height of its digits
    scores: list[float]  # the highest of each digit, also of what was taken for a letter then


def _read(models: DetectorArrays, page: Turned, beside: Sequence[LeftOut], view: View) -> _Reading:
    """Read a page that is turned; what is left out is told where it was before."""
    layout = find_layout(page.regions)
    marks = [mark for line in layout.lines for mark in marks_of(page.ink, page.regions, line)]
    reads = list(read_marks(models, marks))
    groups = [(row, group) for row, line in enumerate(layout.lines) for group in line]
    in_lines = [
        LineMark(group.box, mark.ink, row) for (row, group), mark in zip(groups, marks, strict=True)
    ]
    votes = [[vote for _, vote in read] for read in reads]
    # Signs may be among what was left out; on a page that is turned it lies elsewhere.
    small = [*([] if page.degrees else beside), *layout.left_out]
    judged, signs, left_out = judge_lines(models.signs, in_lines, votes, small)
    bars = page.regions.are_bars()

    def place(box: Box) -> tuple[int, int, int, int]:
        return _box_in_file(page.box_before(box), view)

    lines: list[list[tuple[Box, Item]]] = [[] for _ in layout.lines]
    for mark, sign in signs:
        lines[mark.line].append((mark.box, FoundSign(place(mark.box), sign.sign, sign.confidence)))
    for (row, group), read, sign_or_none in zip(groups, reads, judged, strict=True):
        # What does not look like its neighbours is a digit only where a detector says so.
        doubt = group.doubt or ("a line" if bars[group.regions - 1].all() else "")
        if sign_or_none is not None and sign_or_none.sign:
            found = FoundSign(place(group.box), sign_or_none.sign, sign_or_none.confidence)
            lines[row].append((group.box, found))
        elif sign_or_none is not None:
            left_out.append(LeftOut(group.box, "a letter or a symbol"))
        elif doubt and any(vote.verdict != "sure" for _, vote in read):
            left_out.append(LeftOut(group.box, doubt))
        else:
            lines[row] += [
                (piece.box, FoundDigit(place(piece.box), piece.image, vote)) for piece, vote in read
            ]
    for line in lines:
        if all(isinstance(item, FoundSign) for _, item in line):
            left_out += [LeftOut(box, "a sign beside no digit") for box, _ in line]
            line.clear()
        line.sort(key=lambda found: found[0][1] + found[0][3])
    told = [replace(left, box=page.box_before(left.box)) for left in left_out]
    told += beside if page.degrees else []
    boxes = [group.box for _, group in groups]
    fields = in_fields([line for line in lines if line])
    scores = [max(vote.scores) for read in votes for vote in read]
    return _Reading(fields, told, usual_height(boxes) if boxes else 0.0, scores)


def _box_in_file(box: Box, view: View) -> tuple[int, int, int, int]:
    top, left, bottom, right = box
    return view.box_in_file((slice(top, bottom), slice(left, right)))
