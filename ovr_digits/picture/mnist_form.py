"""Brings the ink of a digit to the form of MNIST: its size, its place and the width of its pen."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ovr_digits.core.arrays import Bools, Float32, Grey, Integers
from ovr_digits.picture.regions import bounding_box

IMAGE_SHAPE = (28, 28)
_BOX = 20  # MNIST scales the ink to fit a 20×20 box
#: How far from the middle of the image, in pixels, the centre of mass of MNIST's digits lies.
_OFF_CENTRE = 1.0
#: Pen widths in pixels of that box between which a pen stays as it is: nine in ten of MNIST's.
KEPT_WIDTHS = (1.8, 4.5)
#: What a thinner pen, and a thicker one, is brought to.
THIN_TO, THICK_TO = 2.4, 3.8
#: Pixels to a pixel of the box while the pen is measured and changed.
_DETAIL = 4
#: Sides of ink in pixels up to which the weights that resize it are kept for the next: few bytes.
_KEPT_SIDE = 128


def to_mnist_form(ink: Float32) -> Grey:
    """Bring ink to the form of MNIST's digits.

    The ink is cropped, scaled to fit a 20×20 box with its aspect kept
    (anti-aliased), and placed with its centre of mass in the centre of 28×28.

    Parameters
    ----------
    ink : (h, w) float32 in 0..1
        Paper is exactly 0, full ink is 1.

    Returns
    -------
    (28, 28) uint8
        Paper is 0, ink is 255.

    Raises
    ------
    ValueError
        Where there is no ink at all.
    """
    return _formed(ink[bounding_box(ink)])


def usual_form(ink: Float32, pen: float | None = None) -> Grey:
    """``to_mnist_form`` of ``with_usual_pen``."""
    return _formed(with_usual_pen(ink, pen))


def _formed(ink: Float32) -> Grey:
    """Cropped ink in MNIST's form."""
    small = _resized(ink, _BOX / max(ink.shape))
    small *= 255 / max(float(small.max()), 1e-6)
    return np.rint(_centred(small)).astype(np.uint8)


def are_mnist_form(images: Grey) -> Bools:
    """Which images (n, 28, 28) have the form of MNIST's digits as they are: (n,) bool.

    Their paper is exactly 0, their ink fills the 20×20 box on its longer side, or all but
    a pixel of it, and lies about the centre, as that of all of MNIST's.
    """
    inked = images != 0
    sides = [_extents(inked.any(axis=axis)) for axis in (2, 1)]
    longer = np.maximum(*sides)
    total = np.maximum(images.sum(axis=(1, 2), dtype=np.int64), 1)
    places = np.arange(IMAGE_SHAPE[0])
    middles = [images.sum(axis=axis, dtype=np.int64) @ places / total for axis in (2, 1)]
    off = np.abs(np.array(middles) - (IMAGE_SHAPE[0] - 1) / 2).max(axis=0)
    return (longer >= _BOX - 1) & (longer <= _BOX) & (off <= _OFF_CENTRE)


def _extents(inked: Bools) -> Integers:
    """From the first to the last that is inked in rows (n, 28), as a number of them."""
    after = inked.shape[1] - inked[:, ::-1].argmax(axis=1)
    return after - inked.argmax(axis=1)


def with_usual_pen(ink: Float32, pen: float | None = None) -> Float32:
    """Ink as if it were written with a pen like those of MNIST.

    A pen that is thinner or thicker than nine in ten of MNIST's is brought to
    the nearest width among these; others stay as they are.

    Parameters
    ----------
    ink : (h, w) float32 in 0..1
        Paper is exactly 0, full ink is 1.
    pen : float, optional
        Its width in pixels; measured where it is not known.

    Returns
    -------
    (h', w') float32 in 0..1
        Of another size where the pen has changed.

    Raises
    ------
    ValueError
        Where there is no ink at all.
    """
    ink = ink[bounding_box(ink)]
    width = _pen_in_box(ink) if pen is None else pen * _BOX / max(ink.shape)
    if KEPT_WIDTHS[0] <= width <= KEPT_WIDTHS[1]:
        return ink
    return _with_pen(ink, width, THIN_TO if width < THIN_TO else THICK_TO)


def fine_pen_width(ink: Float32, height: float) -> float:
    """``pen_width`` of ink, in its pixels, of which a digit is so many high."""
    scale = _BOX * _DETAIL / height
    return pen_width(_resized(ink, scale)) / scale


def with_pen(ink: Float32, wanted: float) -> Float32:
    """Cropped ink (h, w), 0..1, as with a pen so wide, in its pixels; the size may be another."""
    return _with_pen(ink, _pen_in_box(ink), wanted * _BOX / max(ink.shape))


def _pen_in_box(ink: Float32) -> float:
    return fine_pen_width(ink, max(ink.shape)) * _BOX / max(ink.shape)


def _resized(ink: Float32, scale: float) -> Float32:
    down, across = (
        (_kept_bicubic if side <= _KEPT_SIDE else _bicubic)(side, max(1, round(side * scale)))
        for side in ink.shape
    )
    resized = down @ ink @ across.T
    return np.minimum(np.maximum(resized, 0, out=resized), 1, out=resized)


def _bicubic(before: int, after: int) -> Float32:
    """Weights (after, before) that resize an axis as Pillow's ``Resampling.BICUBIC`` does.

    For the few pixels of a digit, one product on each side takes a third of the time.
    """
    scale = before / after
    wide = max(scale, 1.0)
    outputs, inputs = np.arange(0.5, after) * scale, np.arange(0.5, before)
    away = np.abs(np.subtract.outer(outputs / wide, inputs / wide).astype(np.float32))
    far, near = np.maximum(2 - away, 0), np.maximum(1 - away, 0)
    weights: Float32 = far * far * (far - 1) + near * near * (2 - 4 * near)
    return weights / weights.sum(axis=1, keepdims=True)


_kept_bicubic = lru_cache(maxsize=1024)(_bicubic)


def pen_width(ink: Float32) -> float:
    """Width of the strokes of ink (h, w) in pixels.

    Across a stroke, the distance to its edge goes evenly from 0 to half its
    width: four times the mean distance is the width.
    """
    inside = _bordered(ink > 0.5 * float(ink.max()), 1)
    return _width_of(_distances(inside), inside)


def _width_of(depths: Float32, inside: Bools) -> float:
    """Width of the strokes that are inside, and their pixels so deep in them, 0 outside."""
    # Distances to the middle of the nearest pixel outside are half a pixel too long.
    return 4.0 * (float(depths.sum()) / np.count_nonzero(inside) - 0.5) + 1.0


def _bordered(mask: Bools, width: int) -> Bools:
    """A mask (h, w) with nothing about it, so many pixels wide."""
    h, w = mask.shape
    bordered = np.zeros((h + 2 * width, w + 2 * width), bool)
    bordered[width : width + h, width : width + w] = mask
    return bordered


def _with_pen(ink: Float32, width: float, wanted: float) -> Float32:
    """Ink as a pen ``wanted`` wide would have left it, where it is ``width`` wide.

    Both in pixels of the box. The result has about ``_DETAIL`` pixels to each.
    """
    # The middle lines of the strokes fill what the pen leaves of the box.
    long = max(ink.shape)
    scale = _DETAIL * (_BOX - wanted) / (long * max(1 - width / _BOX, 0.25))
    fine = _resized(ink, scale)
    inside = _bordered(fine > 0.5 * float(fine.max()), 1)
    depth = _distances(inside)
    change = (wanted * _DETAIL - _width_of(depth, inside)) / 2
    if change > 0:
        outside = ~_bordered(inside, math.ceil(change))
        depth = 1 - _distances(outside, reach=1 + change)
    changed = np.clip(depth + np.float32(change), 0, 1)
    return changed[bounding_box(changed)] if changed.any() else ink


def _distances(inside: Bools, reach: float = math.inf) -> Float32:
    """Distance of each pixel that is inside to the nearest that is not, 0 outside.

    Beyond ``reach`` it may be too long. For a digit that takes half the time of SciPy's
    ``ndimage.distance_transform_edt``, or less, and SciPy need not be loaded for it.
    """
    h, w = inside.shape
    # Up and down in its own column first; where all of that is inside, too far to count.
    along = inside * np.float32(h + w)
    further = np.empty_like(along)
    for apart in (2**k for k in range((h - 1).bit_length())):
        if apart >= reach:
            break
        np.add(along, np.float32(apart), out=further)
        _take_nearer(along, further, apart)
    # Columns are rows from here on: what is shifted lies in one piece of memory.
    along = np.ascontiguousarray(along.T) ** 2
    nearest, further = along.copy(), np.empty_like(along)
    for apart in range(1, w):
        if apart >= reach or apart**2 >= nearest.max():
            break
        np.add(along, np.float32(apart**2), out=further)
        _take_nearer(nearest, further, apart)
    return np.sqrt(nearest.T)


def _take_nearer(nearest: Float32, further: Float32, apart: int) -> None:
    """Take what is less among rows that are so far apart."""
    np.minimum(nearest[apart:], further[:-apart], out=nearest[apart:])
    np.minimum(nearest[:-apart], further[apart:], out=nearest[:-apart])


def _centred(small: Float32) -> Float32:
    """Place ink of at most 20×20 in 28×28, its centre of mass as near the centre as it fits."""
    total = float(small.sum())
    placed = np.zeros(IMAGE_SHAPE, np.float32)
    corners = []
    for axis, side in enumerate(small.shape):
        profile = small.sum(axis=1 - axis)
        middle = float(profile @ np.arange(side)) / total
        corner = round((IMAGE_SHAPE[axis] - 1) / 2 - middle)
        corners.append(min(max(corner, 0), IMAGE_SHAPE[axis] - side))
    top, left = corners
    placed[top : top + small.shape[0], left : left + small.shape[1]] = small
    return placed
