"""Picture files in the formats that people use, decoded safely and turned upright."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import logging
import math
import re
import struct
import warnings
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from PIL import ExifTags, Image, ImageStat, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.PpmImagePlugin import PpmImageFile

from ovr_digits.core.arrays import Array, Float32
from ovr_digits.errors import DigitsError
from ovr_digits.picture.ink import MIN_CONTRAST

#: The formats that pictures of digits come in; those that Pillow loads at once, and the others.
#: Films, textures of games, data of instruments, icons in icons and drawings that are programs are
#: not among them, nor what Pillow decodes in Python: they are open to whoever sends a file.
_COMMON = ["PNG", "JPEG", "GIF", "BMP", "PPM"]
_OTHERS = ["WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "DIB", "PCX", "SGI", "TGA"]
#: How a stored picture is turned upright, by the orientation in its EXIF.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: The most pixels that a picture may claim before any of them is decoded.
MAX_PIXELS = 52_000_000
#: The most where a pixel takes far longer to decode: JPEG 2000, levels written in words, colours
#: of 16 bits, floating and 32-bit levels, LAB; by Pillow's names of decoders, levels and modes.
_MAX_SLOW = {"jpeg2k": 16_000_000, "ppm_plain": 3_000_000}
_MAX_SLOW |= dict.fromkeys(["RGB;16B", "RGBA;16B", "F", "I", "LAB"], 26_000_000)
#: The most times that pixels of a JPEG are gone over: its scans, times its pixels.
_MAX_SCANNED = 1_000_000_000
#: The most reads from a file.
_MAX_READS = 100_000
#: The most bytes before the pixels, where Pillow joins them anew for each part that it reads.
_MAX_HEAD = {b"GIF": 1_000_000, b"\xff\xd8\xff": 20_000_000}
#: The most bytes that a picture file may have.
MAX_BYTES = 200_000_000
#: The smallest side in pixels in which a digit can be told.
MIN_SIDE = 5

#: A picture file's content, or one of its pages.
Content = bytes | Image.Image

#: Tags of TIFF: where strips begin and how many bytes they have, and the same of tiles.
_STRIPS = ((273, 279), (324, 325))
_PNG_SIZE = re.compile(rb"\x89PNG\r\n\x1a\n.{4}IHDR(.{8})", re.DOTALL)

# What it has to say of a picture is told by the error; else Python would print it.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def check_pixels(content: Content, most: int) -> None:
    """Refuse a picture of more pixels than ``most``; none of them is decoded.

    Raises
    ------
    DigitsError
        Where it has more, or is no picture.
    """
    with opened(content, most):
        pass


@contextlib.contextmanager
def opened(content: Content, max_pixels: int) -> Iterator[Image.Image]:
    """A file's content as a picture of which only the head has been read; a page as it is."""
    if isinstance(content, Image.Image):
        with damage_told(max_pixels):
            check_size(content, b"", max_pixels)
            # One that is not decoded yet would be left reduced to whoever opened it.
            yield content.copy() if isinstance(content, ImageFile) else content
        return
    data = content
    if not data:
        raise DigitsError("the file is empty")
    if len(data) > MAX_BYTES:
        raise DigitsError(f"the file is over {MAX_BYTES // 1_000_000} MB; shrink the picture")
    if data.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        raise DigitsError("EPS is a program, not a picture, and is not run; save it as PNG")
    with damage_told(max_pixels), _identified(data) as picture:
        check_size(picture, data, max_pixels)
        yield picture


@contextlib.contextmanager
def damage_told(max_pixels: int) -> Iterator[None]:
    """Whatever a decoder stumbles over, as DigitsError; nothing is warned of."""
    try:
        with warnings.catch_warnings():
            # Pillow only warns of a large picture; the size is checked here instead.
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError:
        raise too_large(178_000_000, max_pixels, "over ") from None
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


class Parts(io.BytesIO):
    """A file's content that comes to an end.

    Pillow goes through the chunks, segments or tags of a file one by one, however many there
    are, and joins those that belong together.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left, self._bytes_left = _MAX_READS, _MAX_HEAD.get(data[:3], MAX_BYTES)

    def begin_page(self) -> None:
        """What is read from here on is pixels, or another page."""
        self._reads_left, self._bytes_left = _MAX_READS, MAX_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file; raises DigitsError where it has been too much."""
        content = super().read(size)
        self._reads_left -= 1
        self._bytes_left -= len(content)
        if min(self._reads_left, self._bytes_left) < 0:
            raise DigitsError("the picture has too many parts; save it anew as PNG or JPEG")
        return content


def _identified(data: bytes) -> Image.Image:
    """The picture, not yet decoded; Pillow's rarer decoders are imported only where needed."""
    Image.preinit()
    parts = Parts(data)
    try:
        picture = Image.open(parts, formats=_COMMON)
    except UnidentifiedImageError:
        Image.init()
        picture = Image.open(parts, formats=[name for name in _OTHERS if name in Image.OPEN])
    parts.begin_page()
    return picture


def check_size(picture: Image.Image, data: bytes, max_pixels: int) -> None:
    """Refuse what would be decoded to too much, or for too long; ``data`` is the whole file."""
    tiles = getattr(picture, "tile", None) or [("", None, 0, "")]
    codec, _, _, stored = tiles[0]
    kinds = (codec, str(stored), picture.mode)
    most = min(max_pixels, *(_MAX_SLOW.get(kind, max_pixels) for kind in kinds))
    sizes = [picture.size]
    if picture.format == "ICO":  # which may hold a PNG of any other size
        sizes += [struct.unpack(">II", head) for head in _PNG_SIZE.findall(data)]
    for width, height in sizes:
        if width * height > most:
            raise too_large(width * height, most)
    width, height = picture.size
    is_jpeg = codec == "jpeg" or picture.info.get("compression") == "jpeg"
    # In a TIFF every strip, or tile, is a JPEG of its own.
    tags = getattr(picture, "tag_v2", {})
    strips = [
        (start, start + length if length else None)  # without a length it goes on to the end
        for place, of_bytes in _STRIPS
        for start, length in zip(tags.get(place, ()), tags.get(of_bytes, ()), strict=False)
    ] or [(0, None)]
    if not is_jpeg:
        return
    n_scans = sum(data.count(b"\xff\xda", *strip) for strip in strips)
    if n_scans * width * height > len(strips) * _MAX_SCANNED:
        raise DigitsError("the picture goes over its pixels too often; save it anew as PNG")


@functools.cache
def _quiet_libtiff() -> None:
    """Keep libtiff from printing what it finds wrong, which the error that is raised tells.

    Pillow, which turns its warnings off likewise, has no means for it. Where the library cannot be
    reached it prints on.
    """
    with contextlib.suppress(AttributeError, OSError):
        decoders = Image.core.__file__  # type: ignore[attr-defined]
        turn_off = ctypes.CDLL(decoders).TIFFSetErrorHandler
        turn_off.argtypes, turn_off.restype = [ctypes.c_void_p], ctypes.c_void_p
        turn_off(None)


def too_large(pixels: int, most: int, word: str = "") -> DigitsError:
    """What is said of a picture of so many pixels, a ``word`` before their number."""
    size = f"{word}{pixels / 1e6:,.1f}".removesuffix(".0") + " megapixels"
    return DigitsError(f"the picture is too large ({size}, at most {most / 1e6:g}); shrink it")


def upright(picture: Image.Image, side: int) -> Image.Image:
    """F in 0..1, RGB or RGBA; its longer side is ``side`` or more."""
    picture = turned(picture, side)
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(in_range(np.asarray(picture)))
    # A browser's canvas gives RGBA, and yet is mostly opaque.
    is_opaque = "A" in picture.getbands() and picture.getchannel("A").getextrema() == (255, 255)
    return picture.convert("RGBA" if picture.has_transparency_data and not is_opaque else "RGB")


def turned(picture: Image.Image, side: int) -> Image.Image:
    """Decoded and upright, its levels as they are stored."""
    width, height = picture.size
    if min(width, height) < MIN_SIDE:
        raise DigitsError(
            f"the picture is too small ({width}×{height} pixels); "
            f"it takes at least {MIN_SIDE}×{MIN_SIDE}"
        )
    picture.draft("RGB", (side, side))
    if picture.format == "TIFF":
        _quiet_libtiff()
    if isinstance(picture, PpmImageFile) and picture.tile[0][0] == "ppm":
        picture = _of_any_levels(picture)
    picture.load()
    turn = _TURNS.get(_orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _of_any_levels(picture: PpmImageFile) -> Image.Image:
    """A PGM or PPM of other levels than 0 to 255 or 65535; Pillow reads it pixel by pixel."""
    _, _, offset, (*_, most) = cast(tuple[str, Any, int, tuple[str, int]], picture.tile[0])
    width, height = picture.size
    shape = (height, width, 3)[: 3 if picture.mode == "RGB" else 2]
    kind = ">u2" if most > 255 else "u1"
    stored = np.frombuffer(
        cast(io.BytesIO, picture.fp).getvalue(), kind, math.prod(shape), offset
    ).reshape(shape)
    levels = np.minimum(stored / np.float32(most), 1)
    if picture.mode == "I":
        return Image.fromarray(levels)
    return Image.fromarray(np.rint(255 * levels).astype(np.uint8))


def _orientation(picture: Image.Image) -> int:
    """As EXIF tells it, 1..8; damage there is no reason to refuse the picture."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


def in_range(values: Array) -> Float32:
    """16-bit, 32-bit and floating levels, signed too: the range that is there becomes 0..1."""
    least, most = float(values.min()), float(values.max())
    if not math.isfinite(least) or not math.isfinite(most):
        raise DigitsError("the picture has levels that are no numbers (NaN or infinite)")
    top = 1.0 if most <= 1.0 else 255.0
    if most > top:
        top = 65535.0 if most <= 65535 else most
    # Levels below 0 have a range of their own, as floating ones have that would differ too little.
    bottom = 0.0
    if least < 0 or (values.dtype.kind == "f" and 0 < most - least < MIN_CONTRAST * top):
        bottom, top = least, most
    # There may be many of them: nothing of their number is kept beside them and the result.
    levels = values.astype(np.float32)
    levels -= np.float32(bottom)
    levels /= np.float32(max(top - bottom, 1e-30))
    return np.clip(levels, 0.0, 1.0, out=levels)


def as_array(picture: Image.Image) -> Float32:
    """F, RGB or RGBA as (h, w, 3) in 0..1; one channel, broadcast, where it is grey."""
    if picture.mode == "F":
        planes = [np.asarray(picture)]
    else:
        opaque = _on_paper(picture).convert("RGB") if picture.mode == "RGBA" else picture
        planes = [np.asarray(band) for band in opaque.split()]
        is_grey = all(np.array_equal(planes[0], plane) for plane in planes[1:])
        planes = [plane / np.float32(255) for plane in (planes[:1] if is_grey else planes)]
    channels = np.moveaxis(np.stack(planes), 0, 2)
    return np.broadcast_to(channels, (*channels.shape[:2], 3))


def _on_paper(picture: Image.Image) -> Image.Image:
    """Lay transparent ground on white paper, or on black where the strokes are light."""
    *light, opaque = ImageStat.Stat(picture.convert("RGBa")).sum
    paper = Image.new("RGBA", picture.size, "black" if sum(light) > 1.5 * opaque else "white")
    return Image.alpha_composite(paper, picture)


def endings() -> frozenset[str]:
    """How the names of picture files end, in lower case, in the formats that are read."""
    Image.init()
    kinds = {*_COMMON, *_OTHERS}
    return frozenset(end for end, kind in Image.registered_extensions().items() if kind in kinds)
