"""Reads whole numbers: finds the digits on a picture, and puts them in reading order."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.errors import BlankPictureError
from ovr_digits.picture.answers import NumberAnswer
from ovr_digits.picture.expected import NOTHING, Expected
from ovr_digits.picture.fields import (
    Field,
    FoundDigit,
    Placed,
    in_columns,
    part_line,
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
    stands_better,
    turned_marks,
)

#: From this height on, in usual heights, what is left out might be taken for a digit.
_TOLD = 1 / 3


def find_number(
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
    source : Source
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
            upright = turned_marks(ink, regions, slant + 90 * turns)
            found_upright = _read(models, upright, left_out, view, expected)
            if stands_better(found_upright.scores, found.scores):
                turned, found = upright, found_upright
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
    whole = photo.whole
    return NumberAnswer(found.fields, told, whole.levels, whole.scale, turn, missing)


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
    scores = [max(vote.scores) for reading in marks.readings for _, vote in reading.likeliest]
    return _Page(fields, told, usual_height(boxes) if boxes else 0.0, scores)


def _beyond(lines: Sequence[Placed], n_lines: int | None) -> list[int]:
    """The lines that look least like digits, of more than there are."""
    likely = [
        sum(item.vote.confidence for _, item in line if isinstance(item, FoundDigit))
        for line in lines
    ]
    order = sorted(range(len(lines)), key=lambda k: -likely[k])
    return order[n_lines:] if n_lines is not None else []
