"""Pictures: any file that Pillow reads, brought to the 28×28 form in which MNIST shows a digit."""

from __future__ import annotations

import io
import os
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ovr_digits.errors import DigitsError
from ovr_digits.reading import read_bytes

Float32 = NDArray[np.float32]

#: The most pixels that a picture may claim before any of them is decoded.
MAX_PIXELS = 100_000_000
#: The most bytes that a picture file may have.
MAX_BYTES = 200_000_000
#: The smallest side in pixels in which a digit can be told.
MIN_SIDE = 5
#: Longest side to which a picture is reduced before the ink is looked for.
WORKING_SIDE = 1024
#: The least difference between ink and paper, of 1, for the picture not to be blank.
MIN_CONTRAST = 0.04

IMAGE_SHAPE = (28, 28)
_BOX = 20  # MNIST scales the ink to fit a 20×20 box


def to_mnist_form(ink: Float32) -> NDArray[np.uint8]:
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
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        raise ValueError("no ink")
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    small = np.asarray(
        Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC), np.float32
    )
    small = np.clip(small, 0.0, 1.0)
    small /= max(float(small.max()), 1e-6)
    return np.rint(_centred(small) * 255).astype(np.uint8)


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


def find_ink(grey: Float32) -> Float32:
    """Tell ink from paper in a grey picture.

    Whichever of dark and light fills the border is the paper. What differs
    from it by less than the level that best parts the two (Otsu 1979) is
    paper too.

    Parameters
    ----------
    grey : (h, w) float32 in 0..1

    Returns
    -------
    (h, w) float32 in 0..1, paper 0.

    Raises
    ------
    DigitsError
        Where the picture is blank.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = float(np.median(border))
    darker, lighter = paper - float(grey.min()), float(grey.max()) - paper
    contrast = max(darker, lighter)
    if contrast < MIN_CONTRAST:
        raise DigitsError("the picture is blank: no ink on it; write the digit darker or larger")
    ink = (paper - grey if darker >= lighter else grey - paper) / contrast
    ink = np.clip(ink, 0.0, 1.0)
    ink[ink < 0.5 * _otsu_level(ink)] = 0.0
    return ink


def _otsu_level(values: Float32) -> float:
    """The level that parts values in 0..1 in two classes of least spread (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[int(np.nanargmax(spread))])


def read_grey(source: str | os.PathLike[str] | bytes) -> Float32:
    """Decode a picture to grey.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.

    Returns
    -------
    (h, w) float32 in 0..1
        Reduced so that the longer side is at most about ``WORKING_SIDE``.
        Transparency shows white or black paper, whichever the strokes stand out from.

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
                return _decode(picture)
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
    picture.draft("L", (WORKING_SIDE, WORKING_SIDE))
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    factor = max(picture.size) // WORKING_SIDE
    if picture.mode.startswith(("I", "F")):
        grey = _deep_grey(picture)
    else:
        if picture.has_transparency_data:
            picture = _on_paper(picture.convert("RGBA"))
        grey = np.asarray(picture.convert("L"), np.float32) / np.float32(255)
    if factor > 1:
        reduced = Image.fromarray(grey).reduce(factor)
        grey = np.asarray(reduced, np.float32)
    return grey


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


def read_digit(source: str | os.PathLike[str] | bytes) -> NDArray[np.uint8]:
    """Bring the one digit on a picture to MNIST form.

    Parameters
    ----------
    source : path or bytes
        A picture file, or its content.

    Returns
    -------
    (28, 28) uint8
        Paper is 0, ink is 255.

    Raises
    ------
    DigitsError
        Where it cannot be read, or holds no ink.
    """
    return to_mnist_form(find_ink(read_grey(source)))
