"""The one digit on a picture, brought to MNIST form."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Float32, Grey
from ovr_digits.errors import BlankPictureError
from ovr_digits.files import read_bytes
from ovr_digits.picture.broken import mended
from ovr_digits.picture.decoding import (
    MAX_BYTES,
    MAX_PIXELS,
    Content,
    as_array,
    opened,
    turned,
    upright,
)
from ovr_digits.picture.ink import Ground, find_ink, find_ink_and_marks
from ovr_digits.picture.mnist_form import IMAGE_SHAPE, are_mnist_form, usual_form
from ovr_digits.picture.pages import Source, page_of
from ovr_digits.picture.photo import Photo, View
from ovr_digits.picture.regions import Regions, bounding_box, find_regions


@dataclass(frozen=True, eq=False)
class DigitPicture:
    """A picture and the one digit on it.

    Attributes
    ----------
    whole : View
        The picture, perhaps reduced.
    view : View
        What the digit was found on: the picture, or the part about a small digit.
    ink : (h, w) float32 in 0..1
        What was taken for the digit's ink, in the view; elsewhere 0.
    image : (28, 28) uint8
        The digit in MNIST form: paper is 0, ink is 255. All paper where the picture is blank.
    marks : Regions
        All that may be digits on the whole picture.
    """

    whole: View
    view: View
    ink: Float32
    image: Grey
    marks: Regions

    @property
    def box(self) -> tuple[int, int, int, int]:
        """About the ink (x, y, w, h), in pixels of the picture as it is stored, but upright.

        Four zeros where there is none.
        """
        return self.view.box_in_file(bounding_box(self.ink)) if self.ink.any() else (0, 0, 0, 0)


def find_digit(
    source: Source, ground: Ground = "auto", level: float | None = None, page: int = 1
) -> DigitPicture:
    """Find the one digit on a picture, and bring it to MNIST form.

    Parameters
    ----------
    source : Source
    ground, level :
        See ``ink.find_ink``.
    page : int
        Of a file that has several, from 1, see ``pages.count_pages``.

    Raises
    ------
    DigitsError
        Where it cannot be read.
    """
    content = page_of(source, page)
    photo = Photo(content)
    view = photo.whole
    try:
        ink, marks = find_ink_and_marks(view.picture, ground, level)
        closer = photo.closer(ink, max(ink[bounding_box(ink)].shape))
        if closer is not None:
            with contextlib.suppress(BlankPictureError):
                fine = find_ink(closer.picture, ground, level)
                if photo.shows_again(ink, closer, fine):
                    ink, view = fine, closer
    except BlankPictureError:
        ink = np.zeros(view.picture.shape[:2], np.float32)
        marks = find_regions(ink > 0)
    stored = _mnist_form_of(content) if ground == "auto" and level is None else None
    if stored is not None:
        image = stored
    elif ink.any():
        image = usual_form(mended(ink))
    else:
        image = np.zeros(IMAGE_SHAPE, np.uint8)
    return DigitPicture(photo.whole, view, ink, image, marks)


def find_form(
    source: Source, ground: Ground = "auto", level: float | None = None, page: int = 1
) -> Grey:
    """Find the one digit on a picture, and bring it to MNIST form; nothing is said of which it is.

    Parameters
    ----------
    source : path, bytes, file object, PIL image or array
        As ``predict`` takes it.
    ground : "auto", "dark ink" or "light ink"
        Whether the ink is darker or lighter than the paper.
    level : float in 0..1, optional
        Share of the ink's own strength from which a pixel counts as ink; 0.4 by default.
    page : int
        Of a file that has several, from 1, see ``count_pages``.

    Returns
    -------
    (28, 28) uint8
        Paper is 0, ink is 255. All paper where the picture is blank.

    Raises
    ------
    DigitsError
        Where it cannot be read.

    Examples
    --------
    >>> from PIL import Image, ImageDraw
    >>> paper = Image.new("L", (60, 60), "white")
    >>> ImageDraw.Draw(paper).line([(18, 12), (42, 12), (26, 48)], fill="black", width=5)
    >>> form = find_form(paper)
    >>> form.shape, int(form.max())
    ((28, 28), 255)
    >>> int(load_models().decision_function(form.reshape(1, 784)).argmax())
    7
    """
    return find_digit(source, ground, level, page).image


def read_sample(source: str | os.PathLike[str] | bytes) -> Grey:
    """What ``find_form`` gives, sooner where a picture has MNIST's form: (28, 28) uint8.

    Raises
    ------
    DigitsError
        Where it cannot be read.
    """
    data = source if isinstance(source, bytes) else read_bytes(source, MAX_BYTES, wait=False)
    stored = _mnist_form_of(data)
    return find_form(data) if stored is None else stored


def _mnist_form_of(content: Content) -> Grey | None:
    """The levels of a picture that has MNIST's form already, or that of its negative."""
    with opened(content, MAX_PIXELS) as picture:
        levels = _grey_levels(picture) if picture.size == IMAGE_SHAPE else None
    if levels is None:
        return None
    forms = np.stack([levels, 255 - levels])
    found = np.flatnonzero(are_mnist_form(forms))
    return forms[found[0]] if len(found) else None


def _grey_levels(picture: Image.Image) -> Grey | None:
    """Those of a picture without colours, (h, w); None of one with."""
    longer = max(picture.size)
    if picture.mode == "L" and not picture.has_transparency_data:
        return np.array(turned(picture, longer))
    pixels = as_array(upright(picture, longer))
    if (pixels != pixels[:, :, :1]).any():
        return None
    return np.rint(pixels[:, :, 0] * 255).astype(np.uint8)
