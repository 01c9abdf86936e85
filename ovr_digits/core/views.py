"""Views: ways to straighten an image before its patches are compared.

A digit may lean, and the same digit leaning otherwise is still the same
digit. A view takes the leaning out, by moments of the ink, as LeCun, Bottou,
Bengio and Haffner did for MNIST (*Gradient-based learning applied to document
recognition*, 1998, section III.A). The features of two views side by side
tell more than either's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ovr_digits.core.arrays import Floats


def bilinear_sample(images: Floats, rows: Floats, columns: Floats) -> Floats:
    """Read images between their pixels; beyond the edge there is nothing (zeros).

    Parameters
    ----------
    images : (n, h, w) float
    rows, columns : (n, h, w) float, or of a shape that broadcasts to it
        For each pixel of the result, where in the image it is read, in pixels.

    Returns
    -------
    (n, h, w) float
    """
    n, h, w = images.shape
    padded = np.zeros((n, h + 3, w + 3), images.dtype)
    padded[:, 1 : h + 1, 1 : w + 1] = images
    rows = np.clip(rows + np.float32(1), np.float32(0), np.float32(h + 1))
    columns = np.clip(columns + np.float32(1), np.float32(0), np.float32(w + 1))
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = rows - top, columns - left
    stride = w + 3
    corner = top * stride + left
    corner = corner + (np.arange(n, dtype=np.int32) * (h + 3) * stride)[:, None, None]
    flat = padded.ravel()
    upper, lower = flat.take(corner), flat.take(corner + stride)
    upper += right * (flat.take(corner + 1) - upper)
    lower += right * (flat.take(corner + stride + 1) - lower)
    upper += down * (lower - upper)
    return upper


def as_it_is(images: Floats) -> Floats:
    """The image itself."""
    return images


def upright(images: Floats) -> Floats:
    """Shear each image so that its ink no longer leans.

    Parameters
    ----------
    images : (n, h, w) float in 0..1

    Returns
    -------
    (n, h, w) float in 0..1
        Every row moved sideways by its distance from the ink's centre times
        the slant, covariance(row, column) / variance(row), at most 1.
    """
    _, h, w = images.shape
    row_index = np.arange(h, dtype=images.dtype)
    column_index = np.arange(w, dtype=images.dtype)
    mass = images.sum(axis=(1, 2)) + np.float32(1e-6)
    by_row = images.sum(axis=2)
    centre_row = by_row @ row_index / mass
    centre_column = images.sum(axis=1) @ column_index / mass
    row_variance = by_row @ row_index**2 / mass - centre_row**2
    covariance = ((images @ column_index) @ row_index) / mass - centre_row * centre_column
    slant = np.clip(covariance / np.maximum(row_variance, np.float32(0.5)), -1, 1)
    shift = slant[:, None] * (row_index - centre_row[:, None])
    return bilinear_sample(
        images, row_index[None, :, None], column_index[None, None, :] + shift[:, :, None]
    )


#: Every view by its name in models.pkl.
VIEWS: dict[str, Callable[[Floats], Floats]] = {"raw": as_it_is, "upright": upright}
