"""Views: ways to even out an image before its patches are compared.

A digit may lean or be wide, and is still the same digit. A view deskews it, by moments of the
ink, as LeCun, Bottou, Bengio and Haffner did for MNIST (*Gradient-based learning applied to
document recognition*, 1998, section III.A), or sets width and height too, as Ciresan, Meier and
Schmidhuber did (*Multi-column deep neural networks for image classification*, 2012). Views that
differ much tell more together than views that are alike: the image as it is and the one with all
of this evened out are the best two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ovr_digits.core.arrays import Floats

#: Of ink along an axis, in square pixels; a single dot has none.
LEAST_VARIANCE = 0.5
#: How far ink may be squeezed and stretched: pixels of the image to one of the view, from and to.
HEIGHT_CHANGE, WIDTH_CHANGE = (0.6, 1.5), (0.3, 1.6)
BOX_HEIGHT_CHANGE, BOX_WIDTH_CHANGE = (0.5, 1.3), (0.25, 1.3)


def bilinear_sample(images: Floats, rows: Floats, columns: Floats) -> Floats:
    """Read images (n, h, w) between their pixels; beyond the edge there is nothing (zeros).

    ``rows`` and ``columns``, of a shape that broadcasts to the images', tell for each pixel of
    the result where in the image it is read, in pixels.
    """
    n, h, w = images.shape
    padded = np.zeros((n, h + 3, w + 3), images.dtype)
    padded[:, 1 : h + 1, 1 : w + 1] = images
    rows = np.clip(rows + np.float32(1), np.float32(0), np.float32(h + 1))
    columns = np.clip(columns + np.float32(1), np.float32(0), np.float32(w + 1))
    above, before = np.floor(rows), np.floor(columns)
    down, right = rows - above, columns - before
    # As NumPy counts itself: it would turn other integers into these each time.
    top, left = above.astype(np.intp), before.astype(np.intp)
    stride = w + 3
    corner = top * stride + left
    corner = corner + (np.arange(n) * (h + 3) * stride)[:, None, None]
    flat = padded.ravel()
    upper, lower = flat.take(corner), flat.take(corner + stride)
    upper += right * (flat.take(corner + 1) - upper)
    lower += right * (flat.take(corner + stride + 1) - lower)
    upper += down * (lower - upper)
    return upper


def normalise_moments(
    images: Floats, width: float | None = None, height: float | None = None
) -> Floats:
    """Deskew images (n, h, w) in 0..1, and give their ink a set spread where one is asked for.

    The slant is covariance(row, column) / variance(row) of the ink, at most one. ``width``
    (after deskewing) and ``height`` are standard deviations of the ink about its centre, which
    stays where it is, in pixels. An image is stretched or squeezed only within limits, so that
    a one does not become a smear.
    """
    _, h, w = images.shape
    row = np.arange(h, dtype=images.dtype)
    column = np.arange(w, dtype=images.dtype)
    mass = images.sum(axis=(1, 2)) + images.dtype.type(1e-6)
    by_row, by_column = images.sum(axis=2), images.sum(axis=1)
    centre_row, centre_column = by_row @ row / mass, by_column @ column / mass
    row_variance = np.maximum(by_row @ row**2 / mass - centre_row**2, LEAST_VARIANCE)
    column_variance = by_column @ column**2 / mass - centre_column**2
    covariance = ((images @ column) @ row) / mass - centre_row * centre_column
    slant = np.clip(covariance / row_variance, -1, 1)

    down = row - centre_row[:, None]
    across = column - centre_column[:, None]
    if height is not None:
        down = down * np.clip(np.sqrt(row_variance) / height, *HEIGHT_CHANGE)[:, None]
    if width is not None:
        upright_variance = np.maximum(column_variance - slant * covariance, LEAST_VARIANCE)
        across = across * np.clip(np.sqrt(upright_variance) / width, *WIDTH_CHANGE)[:, None]
    across = across + centre_column[:, None]
    return bilinear_sample(
        images,
        (down + centre_row[:, None])[:, :, None],
        across[:, None, :] + (slant[:, None] * down)[:, :, None],
    )


def fill_box(images: Floats, height: float, width: float) -> Floats:
    """Stretch or squeeze the ink of images (n, h, w) in 0..1, within limits, to a box of pixels.

    The box lies about the middle; the ink's own is where a row or column has over half of full ink.
    """
    rows = _stretched(images.max(axis=2), height, BOX_HEIGHT_CHANGE)
    columns = _stretched(images.max(axis=1), width, BOX_WIDTH_CHANGE)
    return bilinear_sample(images, rows[:, :, None], columns[:, None, :])


def _stretched(darkest: Floats, length: float, change: tuple[float, float]) -> Floats:
    """Where each position of an axis (n, size) is read, so that its ink gets a length."""
    size = darkest.shape[1]
    inked = darkest > 0.5
    first = inked.argmax(axis=1).astype(darkest.dtype)
    last = (size - 1 - inked[:, ::-1].argmax(axis=1)).astype(darkest.dtype)
    factor = np.clip((last - first + 1) / darkest.dtype.type(length), *change)
    position = np.arange(size, dtype=darkest.dtype) - darkest.dtype.type((size - 1) / 2)
    return ((first + last) / 2)[:, None] + factor[:, None].astype(darkest.dtype) * position


@dataclass(frozen=True)
class View:
    """How images are evened out, called with images (n, h, w) in 0..1; lengths are in pixels.

    Attributes
    ----------
    deskewed : bool
    width, height : float, optional
        Spread of the ink, see ``normalise_moments``.
    box : (height, width), optional
        Sides of the ink, see ``fill_box``.
    """

    deskewed: bool = True
    width: float | None = None
    height: float | None = None
    box: tuple[float, float] | None = None

    def __call__(self, images: Floats) -> Floats:
        """The images as they are seen: (n, h, w) in 0..1."""
        if self.deskewed:
            images = normalise_moments(images, self.width, self.height)
        return images if self.box is None else fill_box(images, *self.box)


#: Every view by its name in models.pkl.
VIEWS = {
    "raw": View(deskewed=False),
    "upright": View(),
    "narrow": View(width=3.0),
    "even": View(width=5.0, height=6.0),
    "boxed": View(box=(20.0, 14.0)),
}
