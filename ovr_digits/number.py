"""Reads whole numbers: finds the digits on a picture, and puts them in reading order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Vote, count_votes
from ovr_digits.form import to_mnist_form, with_usual_pen
from ovr_digits.image import Photo, View
from ovr_digits.ink import Ground, find_marks
from ovr_digits.regions import Regions, bounding_box, find_regions

Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]
#: Top, left, bottom, right; the last two are one beyond.
Box = tuple[int, int, int, int]

#: From this width on, in heights of the usual digit, a mark may be digits that touch.
_WIDE = 0.8
#: What a part's score must be above that of the whole for each height that a mark is less
#: wide than 1.3.
_DOUBT = 10.0
#: The most marks that are looked at more closely.
_MOST_MARKS = 100
#: The most digits that one mark is taken for.
_MOST_TOUCHING = 4


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
    closer = photo.closer(regions.mask, _usual_height(regions.heights))
    # Marks without end are what is left of ruled lines, and would be no digits more closely.
    if closer is not None and regions.count <= _MOST_MARKS:
        view = closer
        ink, regions = find_marks(view.picture, ground, level)
    reader = _Reader(models, ink, regions, view)
    lines = [reader.read_line(line) for line in _lines(regions)]
    return NumberAnswer(lines, photo.whole.picture, photo.whole.scale)


def _lines(regions: Regions) -> list[list[NDArray[np.int64]]]:
    """Regions that make a digit each, as arrays of their numbers, in reading order."""
    groups = _grouped(regions)
    boxes = [_box(regions, group) for group in groups]
    usual = _usual_height(np.array([b - t for t, _, b, _ in boxes]))
    lines: list[list[int]] = []
    for k in sorted(range(len(groups)), key=lambda k: boxes[k][0] + boxes[k][2]):
        middle = (boxes[k][0] + boxes[k][2]) / 2
        for line in lines:
            # A tilted line drifts: what counts is the neighbour in it.
            near = min(line, key=lambda other: abs(boxes[other][1] - boxes[k][1]))
            if abs((boxes[near][0] + boxes[near][2]) / 2 - middle) < 0.6 * usual:
                line.append(k)
                break
        else:
            lines.append([k])
    return [[groups[k] for k in sorted(line, key=lambda k: boxes[k][1])] for line in lines]


def _usual_height(heights: NDArray[Any]) -> float:
    """Height of the digits, whatever small marks there are beside them."""
    return float(np.median(heights[heights >= 0.5 * heights.max()]))


def _box(regions: Regions, group: NDArray[np.int64]) -> Box:
    boxes = regions.boxes[group - 1]
    top, left = boxes[:, :2].min(axis=0)
    bottom, right = boxes[:, 2:].max(axis=0)
    return int(top), int(left), int(bottom), int(right)


def _grouped(regions: Regions) -> list[NDArray[np.int64]]:
    """Put the parts of broken digits together, and leave out what is too small for a digit."""
    groups = [np.array([k + 1]) for k in range(regions.count)]
    usual = _usual_height(regions.heights)
    joined = True
    while joined:
        joined = False
        for i, j in combinations(range(len(groups)), 2):
            if _belong_together(_box(regions, groups[i]), _box(regions, groups[j]), usual):
                groups[i] = np.concatenate([groups[i], groups[j]])
                del groups[j]
                joined = True
                break
    sizes = np.array([_size(_box(regions, group)) for group in groups])
    pens = np.array([regions.areas[group - 1].sum() for group in groups]) / sizes
    # What is left of ruled lines is as long as a digit, but far thinner.
    kept = (sizes >= 0.45 * usual) & (pens >= 0.25 * np.median(pens[sizes >= 0.45 * usual]))
    return [group for group, keep in zip(groups, kept, strict=True) if keep]


def _size(box: Box) -> int:
    top, left, bottom, right = box
    return max(bottom - top, right - left)


def _belong_together(one: Box, other: Box, usual: float) -> bool:
    """Whether two marks are parts of one digit: one over the other, or a part close by."""
    shared = min(one[3], other[3]) - max(one[1], other[1])
    narrow = min(one[3] - one[1], other[3] - other[1])
    gap_y = max(one[0] - other[2], other[0] - one[2], 0)
    together = max(one[2], other[2]) - min(one[0], other[0])
    if shared > 0.5 * narrow and gap_y < 0.35 * usual and together < 1.4 * usual:
        return True
    smaller = min(_size(one), _size(other))
    gap = np.hypot(gap_y, max(-shared, 0))
    return bool(smaller < 0.5 * usual and gap < 0.08 * usual and together < 1.4 * usual)


class _Reader:
    """Votes on the digits of one picture."""

    def __init__(self, models: DetectorArrays, ink: Float32, regions: Regions, view: View) -> None:
        self._models, self._ink, self._regions, self._view = models, ink, regions, view

    def read_line(self, groups: Sequence[NDArray[np.int64]]) -> list[FoundDigit]:
        """Read groups of regions, and digits that touch in each."""
        boxes = [_box(self._regions, group) for group in groups]
        usual = _usual_height(np.array([b - t for t, _, b, _ in boxes]))
        return [
            found
            for group, box in zip(groups, boxes, strict=True)
            for found in self._read(group, box, usual)
        ]

    def _read(self, group: NDArray[np.int64], box: Box, usual: float) -> list[FoundDigit]:
        top, left, bottom, right = box
        cut = (slice(top, bottom), slice(left, right))
        mask = np.isin(self._regions.labels[cut], group)
        ink = np.where(mask, self._ink[cut], 0).astype(np.float32)
        alone = self._digit(ink, top, left)
        width = (right - left) / min(usual, bottom - top)
        if width < _WIDE:
            return [alone]
        # Some digits are wide: the nearer to a usual width, the more the parts must be worth.
        best = [alone]
        worth = max(alone.vote.scores) + _DOUBT * max(0.0, 1.3 - width)
        for n in range(2, _MOST_TOUCHING + 1):
            if width < 0.45 * n:
                break
            pieces = [self._digit(piece, top, left + x) for x, piece in _pieces(ink, n)]
            if len(pieces) == n and min(max(p.vote.scores) for p in pieces) > worth:
                best, worth = pieces, min(max(p.vote.scores) for p in pieces)
        return best

    def _digit(self, ink: Float32, top: int, left: int) -> FoundDigit:
        rows, columns = bounding_box(ink)
        image = to_mnist_form(with_usual_pen(ink))
        vote = count_votes(self._models.decision_function(image.reshape(1, -1)))[0]
        on_picture = (
            slice(top + rows.start, top + rows.stop),
            slice(left + columns.start, left + columns.stop),
        )
        return FoundDigit(self._view.box_in_file(on_picture), image, vote)


def _pieces(ink: Float32, n: int) -> Iterator[tuple[int, Float32]]:
    """Ink cut in n at the columns with the least of it, near where even parts would end."""
    w = ink.shape[1]
    profile = np.convolve(ink.sum(axis=0), np.ones(3) / 3, mode="same")
    cuts = [0]
    for k in range(1, n):
        low, high = round(w * (k - 0.3) / n), round(w * (k + 0.3) / n)
        low = max(low, cuts[-1] + 2)
        if high <= low:
            return
        cuts.append(low + int(np.argmin(profile[low:high])))
    cuts.append(w)
    for start, end in pairwise(cuts):
        piece = ink[:, start:end]
        regions = find_regions(piece > 0)
        if not regions.count:
            return
        # Crumbs of the neighbour are left out.
        kept = np.concatenate([[False], regions.areas >= 0.15 * regions.areas.max()])
        yield start, np.where(kept[regions.labels], piece, 0).astype(np.float32)
