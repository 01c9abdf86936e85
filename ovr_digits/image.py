"""Picture files: any that Pillow reads, decoded safely, and the digit on one in MNIST form."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ovr_digits.errors import BlankPictureError, DigitsError
from ovr_digits.form import IMAGE_SHAPE, to_mnist_form, with_usual_pen
from ovr_digits.ink import Ground, find_ink
from ovr_digits.reading import read_bytes
from ovr_digits.regions import bounding_box

Float32 = NDArray[np.float32]

#: The most pixels that a picture may claim before any of them is decoded.
MAX_PIXELS = 100_000_000
#: The most bytes that a picture file may have.
MAX_BYTES = 200_000_000
#: The smallest side in pixels in which a digit can be told.
MIN_SIDE = 5
#: Longest side to which a picture is reduced before the ink is looked for.
WORKING_SIDE = 900


def read_picture(source: str | os.PathLike[str] | bytes) -> Float32:
    """The picture of ``read_picture_and_scale`` alone."""
    return read_picture_and_scale(source)[0]


def read_picture_and_scale(source: str | os.PathLike[str] | bytes) -> tuple[Float32, float]:
    """Decode a picture to colours, upright, and not larger than it takes.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.

    Returns
    -------
    picture : (h, w, 3) float32 in 0..1
        Reduced so that the longer side is at most ``WORKING_SIDE``.
        Transparency shows white or black paper, whichever the strokes stand out from.
    scale : float
        Its pixels to a pixel of the file.

    Raises
    ------
    DigitsError
        Where there is no such file or it is no picture that can be read.
    """
    data = source if isinstance(source, bytes) else read_bytes(source, MAX_BYTES)
    if not data:
        raise DigitsError("the file is empty")
    if len(data) > MAX_BYTES:
        raise DigitsError(f"the file is over {MAX_BYTES // 1_000_000} MB; shrink the picture")
    try:
        with warnings.catch_warnings():
            # Pillow only warns of a large picture; the size is checked here instead.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as picture:
                longer = max(picture.size)
                decoded = _decode(picture)
                return decoded, max(decoded.shape) / longer
    except Image.DecompressionBombError:
        raise DigitsError(_too_large("over 178 megapixels")) from None
    except UnidentifiedImageError:
        raise DigitsError(
            "not a picture in a format that can be read; save it as PNG or JPEG"
        ) from None
    except MemoryError:
        raise DigitsError("the picture is too large for the memory at hand; shrink it") from None
    except DigitsError:
        raise
    # A broken file can make a decoder stumble in many ways; all of them mean the same here.
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DigitsError(f"the picture is damaged ({detail}); save it again") from error


def _too_large(size: str) -> str:
    return f"the picture is too large ({size}, at most {MAX_PIXELS // 1_000_000}); shrink it"


def _decode(picture: Image.Image) -> Float32:
    if picture.format == "EPS":
        raise DigitsError("EPS is a program, not a picture, and is not run; save it as PNG")
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise DigitsError(_too_large(f"{width * height / 1e6:.0f} megapixels"))
    if min(width, height) < MIN_SIDE:
        raise DigitsError(
            f"the picture is too small ({width}×{height} pixels); "
            f"it takes at least {MIN_SIDE}×{MIN_SIDE}"
        )
    picture.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_deep_grey(picture))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
    elif picture.mode != "RGB":
        picture = picture.convert("RGB")
    if max(picture.size) > WORKING_SIDE:
        picture.thumbnail((WORKING_SIDE, WORKING_SIDE), reducing_gap=2.0)
    if picture.mode == "F":
        return np.repeat(np.asarray(picture, np.float32)[..., None], 3, axis=2)
    if picture.mode == "RGBA":
        picture = _on_paper(picture).convert("RGB")
    return np.asarray(picture, np.float32) / np.float32(255)


def _deep_grey(picture: Image.Image) -> Float32:
    """16-bit, 32-bit and floating grey: the range that is there becomes 0..1."""
    values = np.asarray(picture, np.float64)
    if not np.isfinite(values).all():
        raise DigitsError("the picture is damaged (levels that are no numbers); save it again")
    top = 1.0 if values.max() <= 1.0 and values.min() >= 0.0 else 255.0
    if values.max() > top:
        top = 65535.0 if values.max() <= 65535 else float(values.max())
    return np.clip(values / top, 0.0, 1.0).astype(np.float32)


def _on_paper(picture: Image.Image) -> Image.Image:
    """Lay transparent ground on white paper, or on black where the strokes are light."""
    values = np.asarray(picture, np.float32)
    alpha = values[..., 3]
    strokes = (values[..., :3].mean(axis=2) * alpha).sum() / max(float(alpha.sum()), 1.0)
    paper = Image.new("RGBA", picture.size, "black" if strokes > 127.5 else "white")
    return Image.alpha_composite(paper, picture)


@dataclass(frozen=True, eq=False)
class DigitPicture:
    """A picture and the one digit on it.

    Attributes
    ----------
    picture : (h, w, 3) float32 in 0..1
        Upright; perhaps reduced.
    scale : float
        Its pixels to a pixel of the file.
    ink : (h, w) float32 in 0..1
        What was taken for the digit's ink; elsewhere 0.
    image : (28, 28) uint8
        The digit in MNIST form: paper is 0, ink is 255. All paper where the picture is blank.
    """

    picture: Float32
    scale: float
    ink: Float32
    image: NDArray[np.uint8]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """About the ink (x, y, w, h), in pixels of the picture as it is stored, but upright.

        Four zeros where there is none.
        """
        if not self.ink.any():
            return 0, 0, 0, 0
        rows, columns = bounding_box(self.ink)
        corner = (columns.start, rows.start)
        sides = (columns.stop - columns.start, rows.stop - rows.start)
        x, y, w, h = (round(length / self.scale) for length in (*corner, *sides))
        return x, y, w, h


def find_digit(
    source: str | os.PathLike[str] | bytes, ground: Ground = "auto", level: float | None = None
) -> DigitPicture:
    """Find the one digit on a picture, and bring it to MNIST form.

    Parameters
    ----------
    source : path or bytes
        A picture file, or its content.
    ground, level :
        See ``ink.find_ink``.

    Raises
    ------
    DigitsError
        Where it cannot be read.
    """
    picture, scale = read_picture_and_scale(source)
    try:
        ink = find_ink(picture, ground, level)
    except BlankPictureError:
        h, w = picture.shape[:2]
        return DigitPicture(
            picture, scale, np.zeros((h, w), np.float32), np.zeros(IMAGE_SHAPE, np.uint8)
        )
    return DigitPicture(picture, scale, ink, to_mnist_form(with_usual_pen(ink)))


def read_digit(
    source: str | os.PathLike[str] | bytes, ground: Ground = "auto", level: float | None = None
) -> NDArray[np.uint8]:
    """The ``image`` of ``find_digit`` alone: (28, 28) uint8, paper is 0, ink is 255."""
    return find_digit(source, ground, level).image
