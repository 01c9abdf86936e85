"""A picture file seen as a whole and, where that is too coarse, more closely."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Array, Float32, Grey
from ovr_digits.picture.decoding import MAX_PIXELS, Content, as_array, opened, upright
from ovr_digits.picture.pages import Source, page_of
from ovr_digits.picture.regions import bounding_box

#: Longest side to which a picture is reduced before the ink is looked for.
WORKING_SIDE = 900
#: Digits smaller than this many pixels on the reduced picture are looked at more closely, ...
_SMALL = 60
#: ... so that they are about as large as this, ...
_CLOSE = 100
#: ... in a picture whose longer side is at most this.
_CLOSE_SIDE = 1600
#: What both looks found, in shares of what either did, from which they saw the same.
_SEEN_AGAIN = 0.3
#: How much about what is looked at closely is seen on each side, in sizes of a digit.
_MARGIN = 1.0


@dataclass(frozen=True, eq=False)
class View:
    """A picture or a part of it, upright.

    Attributes
    ----------
    picture : (h, w, 3) float32 in 0..1, read only
        Transparency shows white or black paper, whichever the strokes stand out from.
    scale : float
        Its pixels to a pixel of the file.
    corner : (x, y)
        Where its top left corner lies, in pixels of the file.
    """

    picture: Float32
    scale: float
    corner: tuple[float, float]

    @property
    def levels(self) -> Grey:
        """The picture as (h, w, 3) uint8."""
        return np.rint(255 * self.picture).astype(np.uint8)

    def box_in_file(self, box: tuple[slice, slice]) -> tuple[int, int, int, int]:
        """A box of rows and columns of the view as (x, y, w, h) in pixels of the file."""
        rows, columns = box
        x, y = self.corner
        return (
            round(x + columns.start / self.scale),
            round(y + rows.start / self.scale),
            round((columns.stop - columns.start) / self.scale),
            round((rows.stop - rows.start) / self.scale),
        )


class Photo:
    """A picture file, seen as a whole and, where that is too coarse, more closely.

    Parameters
    ----------
    source : Source
    page : int
        Of a file that has several, from 1.

    Attributes
    ----------
    whole : View
        Reduced so that the longer side is at most ``WORKING_SIDE``.

    Raises
    ------
    DigitsError
        Where there is no such file or page, or it is no picture that can be read.
    """

    def __init__(self, source: Source, page: int = 1) -> None:
        self._content = page_of(source, page)
        self._decoded, self._fineness = _decode(self._content, 0.0)
        shrink = min(1.0, WORKING_SIDE / max(self._decoded.size))
        self.whole = self._view(self._decoded, self._fineness * shrink, (0, 0))

    def closer(self, mask: Array, size: float) -> View | None:
        """Look more closely at what is small on the whole picture.

        Parameters
        ----------
        mask : (h, w)
            What is not 0 on the whole picture is to be seen.
        size : float
            How large the digits are in it, in pixels.

        Returns
        -------
        View or None
            None where the digits are large enough, or the file shows no more of them.
        """
        coarse = self.whole.scale
        rows, columns = bounding_box(mask)
        margin = _MARGIN * size
        longer = max(rows.stop - rows.start, columns.stop - columns.start) + 2 * margin
        scale = min(1.0, coarse * min(_CLOSE / size, _CLOSE_SIDE / longer))
        if size >= _SMALL or scale < 1.25 * coarse:
            return None
        if self._fineness < scale:
            self._decoded, self._fineness = _decode(self._content, scale)
        zoom = self._fineness / coarse
        width, height = self._decoded.size
        box = (
            max(0, round(zoom * (columns.start - margin))),
            max(0, round(zoom * (rows.start - margin))),
            min(width, round(zoom * (columns.stop + margin))),
            min(height, round(zoom * (rows.stop + margin))),
        )
        return self._view(self._decoded.crop(box), scale, box[:2])

    def shows_again(self, marks: Array, view: View, found: Array) -> bool:
        """Whether what was found on a closer view is what was seen on the whole picture.

        Noise is stronger there, as fewer pixels are put together to one: what is lost in it has
        been seen better from afar.

        Parameters
        ----------
        marks : (h, w)
            Not 0 where ink was seen on the whole picture.
        view : View
            As ``closer`` gives it.
        found : (h', w')
            Not 0 where ink was found on that.
        """
        corner = np.array(view.corner)[::-1] * self.whole.scale
        places = (np.argwhere(found) + 0.5) * (self.whole.scale / view.scale) + corner
        again, seen = np.zeros(marks.shape, bool), marks != 0
        again[tuple(np.minimum(places.astype(np.int64), np.array(marks.shape) - 1).T)] = True
        return bool(np.count_nonzero(again & seen) >= _SEEN_AGAIN * np.count_nonzero(again | seen))

    def _view(self, part: Image.Image, scale: float, corner: tuple[int, int]) -> View:
        """Part of the decoded picture, whose corner (x, y) is in pixels of that."""
        shrink = scale / self._fineness
        if shrink < 1:
            width, height = (max(1, round(side * shrink)) for side in part.size)
            part = part.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
        x, y = (place / self._fineness for place in corner)
        return View(as_array(part), scale, (x, y))


def as_seen(content: Content) -> Image.Image:
    """A picture (RGB) as it is looked at: upright, on paper, and shrunk to the finest view."""
    with opened(content, MAX_PIXELS) as picture:
        decoded = upright(picture, _CLOSE_SIDE)
    decoded.thumbnail((_CLOSE_SIDE, _CLOSE_SIDE))
    return Image.fromarray(np.rint(255 * as_array(decoded)).astype(np.uint8))


def _decode(content: Content, scale: float) -> tuple[Image.Image, float]:
    """A picture: F in 0..1, RGB or RGBA, upright.

    Where its format can do so it is decoded at a reduced scale, yet not below the
    one that is given, nor below ``WORKING_SIDE``. The scale comes with it.
    """
    with opened(content, MAX_PIXELS) as picture:
        longer = max(picture.size)
        decoded = upright(picture, max(WORKING_SIDE, math.ceil(longer * scale)))
        return decoded, max(decoded.size) / longer
