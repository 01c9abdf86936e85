"""What hangs together in a mask: connected regions, with their boxes and areas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Integers

#: Share of the smallest even bar about a region that a line fills; nobody draws one quite straight.
_STRAIGHT = 0.75
#: Top, left, bottom, right, in pixels; the last two are one beyond.
Box = tuple[int, int, int, int]


def as_box(box: Array) -> Box:
    """A row of four as a box."""
    top, left, bottom, right = box.tolist()
    return top, left, bottom, right


def slices_of(box: Box) -> tuple[slice, slice]:
    """The rows and the columns of a box."""
    top, left, bottom, right = box
    return slice(top, bottom), slice(left, right)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Something on a picture that might be taken for a digit, and is not read.

    Attributes
    ----------
    box : (top, left, bottom, right)
    reason : str
        What it is, or seems to be.
    mask : (h, w) bool, optional
        Which pixels in its box it has, where it may be a sign.
    """

    box: Box
    reason: str
    mask: Bools | None = None

    def moved(self, down: int, right: int) -> LeftOut:
        """The same in another place."""
        box = np.array(self.box) + np.array([down, right, down, right])
        return replace(self, box=as_box(box))


def bounding_box(mask: Array) -> tuple[slice, slice]:
    """Rows and columns of the smallest box about all of (h, w) that is not 0.

    Raises
    ------
    ValueError
        Where all is 0.
    """
    sides = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    if not len(sides[0]):
        raise ValueError("no ink")
    rows, columns = (slice(int(side[0]), int(side[-1]) + 1) for side in sides)
    return rows, columns


@dataclass(frozen=True, eq=False)
class Regions:
    """Pixels that hang together, also over corners.

    Attributes
    ----------
    mask : (h, w) bool
    labels : (h, w) int32
        0 where the mask is not, else the number of the region, from 1.
    boxes : (count, 4) int
        Top, left, bottom, right; the last two are one beyond.
    areas : (count,) int
        Pixels.
    """

    mask: Bools
    labels: NDArray[np.int32]
    boxes: Integers
    areas: Integers

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.areas)

    @property
    def heights(self) -> Integers:
        """Of the boxes."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    @property
    def widths(self) -> Integers:
        """Of the boxes."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    @property
    def sizes(self) -> Float64:
        """Diagonals of the boxes."""
        return np.hypot(self.heights, self.widths)

    def are_bars(self) -> Bools:
        """Which regions are straight and lie, (count,): as a line does, and no row of digits."""
        return self.are_straight() & (self.widths > self.heights)

    def are_straight(self) -> Bools:
        """Which regions are a straight stroke, (count,)."""
        rows, columns = np.nonzero(self.mask)
        numbers = self.labels[rows, columns] - 1

        def mean(values: Array) -> Float64:
            return np.bincount(numbers, values, self.count) / self.areas

        y, x = rows - mean(rows)[numbers], columns - mean(columns)[numbers]
        # A side of an even bar is the root of 12 variances along it; a pixel's own is one of them.
        yy, xx, xy = mean(y * y) + 1 / 12, mean(x * x) + 1 / 12, mean(x * y)
        fills = self.areas / (12 * np.sqrt(yy * xx - xy**2))
        straight: Bools = fills > _STRAIGHT
        return straight

    def box_of(self, numbers: Array) -> Box:
        """The box about the regions of some numbers, from 1."""
        boxes = self.boxes[numbers - 1]
        if len(boxes) == 1:
            return as_box(boxes[0])
        return as_box(np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]))

    def mask_of(self, numbers: Array) -> tuple[Box, Bools]:
        """The box about the regions of some numbers, from 1, and which of its pixels are theirs."""
        box = top, left, bottom, right = self.box_of(numbers)
        labels = self.labels[top:bottom, left:right]
        # Of one region, as specks are, that takes a tenth of the time.
        return box, labels == numbers[0] if len(numbers) == 1 else np.isin(labels, numbers)

    @property
    def edges(self) -> Integers:
        """Of each region, how many sides of pixels are at its edge."""
        labels = np.pad(self.labels, 1)
        counts = np.zeros(self.count + 1, np.int64)
        for step in (labels, labels.T):
            for one, other in ((step[1:], step[:-1]), (step[:-1], step[1:])):
                counts += np.bincount(one[(one > 0) & (other == 0)], minlength=len(counts))
        return counts[1:]

    def only(self, wanted: Bools) -> Regions:
        """Some of the regions, (count,) bool: as if the mask had been theirs alone."""
        if wanted.all():
            return self
        numbers = np.concatenate([[0], np.cumsum(wanted) * wanted]).astype(self.labels.dtype)
        labels = numbers[self.labels]
        return Regions(labels > 0, labels, self.boxes[wanted], self.areas[wanted])


def find_runs(mask: Bools) -> tuple[Integers, Integers, Integers]:
    """Pixels of a mask (h, w) that follow one another in a row.

    Returns
    -------
    rows, starts, ends : (n,) int
        Row by row, from left to right; the columns that are ends are one beyond.
    """
    h, w = mask.shape
    # All rows in one, with a gap before each: what begins and what ends takes turns.
    padded = np.zeros(h * (w + 1) + 1, bool)
    padded[1:].reshape(h, w + 1)[:, :w] = mask
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    rows, starts = np.divmod(changes[::2], w + 1)
    return rows, starts, changes[1::2] - rows * (w + 1)


def find_regions(mask: Bools) -> Regions:
    """Find the regions of a mask (h, w).

    Works on runs of pixels rather than on pixels: a picture has a few thousand. Of digits on a
    page that takes a fifth of the time of SciPy's ``ndimage.label`` with boxes and areas.
    """
    h, w = mask.shape
    rows, starts, ends = find_runs(mask)
    n = len(rows)
    if not n:
        none = np.zeros((0, 4), np.int64)
        return Regions(mask, np.zeros((h, w), np.int32), none, np.zeros(0, np.int64))
    # The runs of the row above that touch a run have places next to one another.
    stride = w + 2
    above_from = np.searchsorted(rows * stride + ends, (rows - 1) * stride + starts, side="left")
    above_to = np.searchsorted(rows * stride + starts, (rows - 1) * stride + ends, side="right")
    counts = np.maximum(above_to - above_from, 0)
    lower = np.repeat(np.arange(n), counts)
    offsets = np.arange(len(lower)) - np.repeat(np.cumsum(counts) - counts, counts)
    upper = np.repeat(above_from, counts) + offsets
    parents = _joined(n, lower, upper)
    is_first = parents == np.arange(n)
    labels_of_runs = (np.cumsum(is_first) - 1)[parents]
    count = np.count_nonzero(is_first)
    areas = np.bincount(labels_of_runs, ends - starts, count).astype(np.int64)
    boxes = np.zeros((count, 4), np.int64)
    # Runs come in order of their rows: the first of a region is its top, and the last stays.
    boxes[:, 0], boxes[:, 1] = rows[is_first], w
    boxes[labels_of_runs, 2] = rows + 1
    np.minimum.at(boxes[:, 1], labels_of_runs, starts)
    np.maximum.at(boxes[:, 3], labels_of_runs, ends)
    labels = np.zeros((h, w), np.int32)
    labels[mask] = np.repeat(labels_of_runs + 1, ends - starts)
    return Regions(mask, labels, boxes, areas)


def without_crumbs(inks: Float32) -> tuple[Float32, Integers]:
    """Parts of ink (h, n, w) without what cuts have left of neighbours, and their boxes (n, 4).

    The parts lie side by side, the last column of each being empty. The box of a part without ink
    is empty, (h, w, 0, 0).
    """
    h, n, w = inks.shape
    regions = find_regions((inks > 0).reshape(h, n * w))
    parts = regions.boxes[:, 1] // w
    largest = np.zeros(n, np.int64)
    np.maximum.at(largest, parts, regions.areas)
    is_kept = regions.areas >= 0.15 * largest[parts]
    kept = np.append(False, is_kept)[regions.labels].reshape(h, n, w)
    boxes = np.tile(np.array([h, w, 0, 0]), (n, 1))
    own = regions.boxes[is_kept] - parts[is_kept, None] * np.array([0, w, 0, w])
    np.minimum.at(boxes[:, :2], parts[is_kept], own[:, :2])
    np.maximum.at(boxes[:, 2:], parts[is_kept], own[:, 2:])
    return inks * kept, boxes


def _joined(n: int, a: Integers, b: Integers) -> Integers:
    """The smallest of all that each of n things is joined with, by pairs (a, b)."""
    parents = np.arange(n)
    while True:
        one, other = parents[a], parents[b]
        apart = one != other
        if not apart.any():
            return parents
        one, other = one[apart], other[apart]
        np.minimum.at(parents, np.maximum(one, other), np.minimum(one, other))
        above = parents[parents]
        while (above != parents).any():
            parents, above = above, above[above]
