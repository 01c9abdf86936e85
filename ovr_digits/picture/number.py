"""Reads whole numbers: finds the digits on a picture, and puts them in reading order."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ovr_digits.core.arrays import Float32, Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Vote
from ovr_digits.errors import BlankPictureError
from ovr_digits.picture.ink import Ground, find_marks
from ovr_digits.picture.lines import MOST_MARKS, find_layout, usual_height
from ovr_digits.picture.pages import Source
from ovr_digits.picture.photo import Photo, View
from ovr_digits.picture.regions import Box, LeftOut
from ovr_digits.picture.touching import Piece, marks_of, read_marks
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
    image: Grey
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
    left_out : sequence of (box, reason)
        What might be taken for a digit and is not read, and why; boxes as those of digits.
    picture : (h, w, 3) float32 in 0..1
        The picture, upright; perhaps reduced.
    scale : float
        Its pixels to a pixel of the boxes.
    turn : int
        By how many degrees, counter-clockwise, it had to be turned for its digits to stand.
    """

    lines: Sequence[Sequence[FoundDigit]]
    left_out: Sequence[tuple[tuple[int, int, int, int], str]]
    picture: Float32
    scale: float
    turn: int = 0

    @property
    def digits(self) -> list[FoundDigit]:
        """Of all lines, in reading order."""
        return [found for line in self.lines for found in line]

    @property
    def confidence(self) -> float:
        """That of the least certain digit."""
        return min(found.vote.confidence for found in self.digits)

    @property
    def verdict(self) -> str:
        """The worst of any digit: "sure" where all are."""
        verdicts = {found.vote.verdict for found in self.digits}
        return next(worst for worst in ("none", "conflict", "sure") if worst in verdicts)

    @property
    def text(self) -> str:
        """The digits as a person would type them, a line for each."""
        return "\n".join("".join(str(found.vote.digit) for found in line) for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "text": self.text,
            "lines": self.text.split("\n"),
            "confidence": round(self.confidence, 6),
            "verdict": self.verdict,
            "digits": [found.as_json() for found in self.digits],
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
    page_read = turned_marks(ink, regions, slant)
    found, doubted, usual = _read(models, page_read, view)
    if is_poor([max(digit.vote.scores) for line in found for digit in line]):
        turns = quarter_turns(models, page_read)
        if turns:
            page_read = turned_marks(ink, regions, slant + 90 * turns)
            found, doubted, usual = _read(models, page_read, view)
    if not found:
        raise BlankPictureError("no digit on the picture; write the digits darker or larger")
    told = [
        (view.box_in_file((slice(top, bottom), slice(left, right))), reason)
        for (top, left, bottom, right), reason in (
            (left.box, left.reason) for left in left_out + doubted
        )
        if bottom - top >= _TOLD * usual
    ]
    return NumberAnswer(
        found, told, photo.whole.picture, photo.whole.scale, round(page_read.degrees % 360)
    )


def _read(
    models: DetectorArrays, page: Turned, view: View
) -> tuple[list[list[FoundDigit]], list[LeftOut], float]:
    """The digits on a page line by line, what is none of them, and their usual height."""
    layout = find_layout(page.regions)
    marks = [mark for line in layout.lines for mark in marks_of(page.ink, page.regions, line)]
    parts = read_marks(models, marks)
    found = []
    left_out = layout.left_out
    bars = page.regions.are_bars()
    for line in layout.lines:
        digits = []
        for group in line:
            read = next(parts)
            # What does not look like its neighbours is a digit only where a detector says so.
            doubt = group.doubt or ("a line" if bars[group.regions - 1].all() else "")
            if doubt and any(vote.verdict != "sure" for _, vote in read):
                left_out.append(LeftOut(group.box, doubt))
            else:
                digits += [
                    _found(page.box_before(piece.box), piece, vote, view) for piece, vote in read
                ]
        if digits:
            found.append(digits)
    boxes = [group.box for line in layout.lines for group in line]
    usual = usual_height(boxes) if boxes else 0.0
    return found, [replace(left, box=page.box_before(left.box)) for left in left_out], usual


def _found(place: Box, piece: Piece, vote: Vote, view: View) -> FoundDigit:
    top, left, bottom, right = place
    box = view.box_in_file((slice(top, bottom), slice(left, right)))
    return FoundDigit(box, piece.image, vote)
