"""Broken strokes: which pieces one pen wrote, and what it left out between them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from ovr_digits.core.arrays import Array, Float32, Float64, Integers
from ovr_digits.picture.mnist_form import pen_width
from ovr_digits.picture.regions import Regions, bounding_box, find_regions
from ovr_digits.picture.shapes import outermost

#: What one pen wrote is no further apart than this, in widths of the thinner piece, ...
_APART = 3.5
#: ... and no piece is as many times as thick as another.
_AS_THICK = 2.5
#: Only so many of the largest regions may be pieces; a text in print has more.
_MOST_PIECES = 200
#: The widest digit, in its height: what is wider is a word.
_WIDEST = 1.5
#: Two pieces, together not so many times as high as the higher, may be two digits in a row.
_HIGHER = 1.3

#: What is less long than this, in its own width, is a dot: beside a single stroke no piece of it.
_LONG = 2.5

#: From so many pieces on a digit is broken; with fewer its strokes may just not touch.
_BROKEN = 3
#: The longer side in pixels to which ink is reduced before its pieces are joined.
_SIDE = 160
#: The least piece, in squares of the pen's width.
_LEAST_PIECE = 0.15
#: The longest gap, in widths of the pen; and that of one which closes a ring, in usual gaps.
_GAP, _CLOSING = 4.0, 1.5


def pens(regions: Regions) -> Float64:
    """How wide regions (count,) are if they are even bars; of a dot about half its width."""
    half = regions.edges / 2
    return (half - np.sqrt(np.maximum(half**2 - 4.0 * regions.areas, 0))) / 2


def find_strokes(regions: Regions) -> Integers:
    """For each region the number of the broken stroke that it is a piece of: (count,) int."""
    numbers = np.arange(regions.count)
    if regions.count < 2:
        return numbers
    large = np.argsort(-regions.areas, kind="stable")[:_MOST_PIECES]
    wide, boxes = pens(regions)[large], regions.boxes[large]
    thinner = np.minimum(wide[:, None], wide)
    thicker = np.maximum(wide[:, None], wide)
    gaps = np.hypot(_gaps(boxes[:, 0], boxes[:, 2]), _gaps(boxes[:, 1], boxes[:, 3]))
    near = (gaps < _APART * thinner) & (thicker < _AS_THICK * thinner)
    while True:
        joined = np.where(near, numbers[large], regions.count).min(axis=1)
        if (joined == numbers[large]).all():
            break
        numbers[large] = joined
    for number in np.flatnonzero(np.bincount(numbers) > 1).tolist():
        own = numbers == number
        top, left = regions.boxes[own, :2].min(axis=0)
        bottom, right = regions.boxes[own, 2:].max(axis=0)
        is_row = bottom - top < _HIGHER * regions.heights[own].max()
        is_dot = (regions.sizes[large] < _LONG * wide)[own[large]].any()
        few = np.count_nonzero(own) < _BROKEN
        if (few and (is_row or is_dot)) or right - left > _WIDEST * (bottom - top):
            numbers[own] = np.flatnonzero(own)
    return numbers


def _gaps(starts: Integers, ends: Integers) -> Integers:
    """How far intervals (n,) are apart: (n, n)."""
    apart: Integers = starts[:, None] - ends
    return np.maximum(np.maximum(apart, apart.T), 0)


def mended(ink: Float32) -> Float32:
    """Ink (h, w) in 0..1 with the gaps of a broken digit filled; as it is where it is whole."""
    ink = ink[bounding_box(ink)]
    if find_regions(ink > 0.5).count < _BROKEN:
        return ink
    scale = min(1.0, _SIDE / max(ink.shape))
    h, w = (max(1, round(side * scale)) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((w, h), Image.Resampling.BOX))
    pen = pen_width(small)
    pieces = find_regions(small > 0.5)
    pieces = pieces.only(pieces.areas > _LEAST_PIECE * pen**2)
    if not _BROKEN <= pieces.count <= _MOST_PIECES:
        return ink
    page = Image.fromarray(np.rint(255 * small).astype(np.uint8))
    draw = ImageDraw.Draw(page)
    for one, other in _links(pieces, _GAP * pen):
        draw.line([*one, *other], fill=255, width=max(1, round(pen)))
    return np.asarray(page, np.float32) / np.float32(255)


def _links(pieces: Regions, longest: float) -> list[tuple[Array, Array]]:
    """Points (x, y) of pieces between which a stroke goes on."""
    rows, columns = np.nonzero(outermost(pieces.mask))
    numbers = pieces.labels[rows, columns] - 1
    order = np.argsort(numbers, kind="stable")
    points = np.stack([columns, rows], axis=1)[order]
    starts = np.searchsorted(numbers[order], np.arange(pieces.count + 1))
    n = pieces.count
    lengths, ends = np.full((n, n), np.inf), np.zeros((n, n), np.int64)
    for k in range(n):
        own = points[starts[k] : starts[k + 1]]
        away = np.hypot(*(points[:, None] - own).astype(np.float32).transpose(2, 0, 1))
        nearest = away.argmin(axis=1)
        for j in range(n):
            if j != k:
                best = int(away[starts[j] : starts[j + 1]].min(axis=1).argmin()) + int(starts[j])
                lengths[j, k] = away[best, nearest[best]]
                ends[j, k] = best
    tree: list[tuple[int, int]] = []
    joined = np.arange(n)
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    pairs = pairs[np.argsort(lengths[tuple(pairs.T)], kind="stable")]
    for j, k in pairs.tolist():
        if lengths[j, k] > longest:
            break
        if joined[j] != joined[k]:
            joined[joined == joined[k]] = joined[j]
            tree.append((j, k))
    if tree:
        usual = float(np.median([lengths[pair] for pair in tree]))
        for j, k in pairs.tolist():
            # A ring of pieces is closed where no other piece lies between the two.
            is_free = lengths[j, k] <= np.maximum(lengths[j], lengths[k]).min()
            if (j, k) not in tree and lengths[j, k] < _CLOSING * usual and is_free:
                tree.append((j, k))
    return [(points[ends[j, k]], points[ends[k, j]]) for j, k in tree]
