"""Sound picture files in many formats, and what chance makes of them."""

from __future__ import annotations

import functools
import io
import random
import struct
import warnings
import zlib
from typing import Any

import numpy as np
from PIL import Image
from strokes import picture_of, write

from hostile.damage import change_bytes

_PNG = b"\x89PNG\r\n\x1a\n"


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    exif[0x011A] = 300.0
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    return exif


@functools.cache
def sound_files() -> dict[str, bytes]:
    """Pictures of drawn digits by names that begin with their format."""
    grey, other = (
        Image.open(io.BytesIO(picture_of(write(digit, 140, 140, 200)))).resize((60, 72))
        for digit in (5, 8)
    )
    colour = Image.merge("RGB", [grey, other, grey])
    clear = colour.copy()
    clear.putalpha(other)
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    palette = grey.quantize(8)
    one_bit = grey.convert("1")
    frames: dict[str, Any] = {"save_all": True, "append_images": [other, grey]}
    colour_frames: dict[str, Any] = {"save_all": True, "append_images": [colour, colour]}
    text = {"exif": _exif(6), "icc_profile": bytes(range(256)) * 2}
    plans: list[tuple[str, str, Image.Image, dict[str, Any]]] = [
        ("PNG grey", "PNG", grey, {"dpi": (72, 72)}),
        ("PNG colour, EXIF and ICC", "PNG", colour, text),
        ("PNG 16 bits", "PNG", deep, {}),
        ("PNG animated", "PNG", grey, frames),
        ("JPEG grey", "JPEG", grey, {}),
        ("JPEG colour, EXIF and ICC", "JPEG", colour, text),
        ("JPEG progressive", "JPEG", colour, {"progressive": True}),
        ("JPEG with restarts", "JPEG", colour, {"restart_marker_rows": 1, "subsampling": 2}),
        ("JPEG CMYK", "JPEG", colour.convert("CMYK"), {"comment": b"a remark"}),
        ("JPEG of many pictures", "MPO", colour, {**colour_frames, "exif": _exif(3)}),
        ("GIF", "GIF", grey, {"comment": b"a remark"}),
        ("GIF animated", "GIF", grey, {**frames, "loop": 0, "transparency": 3}),
        ("BMP colour", "BMP", colour, {}),
        ("BMP palette", "BMP", palette, {}),
        ("TIFF grey", "TIFF", grey, {"exif": _exif(8)}),
        ("TIFF LZW", "TIFF", colour, {"compression": "tiff_lzw"}),
        ("TIFF deflate", "TIFF", deep, {"compression": "tiff_adobe_deflate"}),
        ("TIFF fax", "TIFF", one_bit, {"compression": "group4"}),
        ("TIFF JPEG", "TIFF", colour, {"compression": "jpeg"}),
        ("TIFF big", "TIFF", grey, {"big_tiff": True}),
        ("WebP", "WEBP", colour, {**text, "xmp": b"<x/>"}),
        ("WebP animated", "WEBP", grey.convert("RGB"), colour_frames),
        ("PPM grey", "PPM", grey, {}),
        ("PPM colour", "PPM", colour, {}),
        ("ICO", "ICO", clear.resize((48, 48)), {"sizes": [(16, 16), (48, 48)]}),
        ("TGA runs", "TGA", clear, {"compression": "tga_rle"}),
        ("SGI runs", "SGI", colour, {"rle": True}),
        ("PCX colour", "PCX", colour, {}),
        ("JPEG2000", "JPEG2000", colour, {}),
        ("JPEG2000 bare", "JPEG2000", grey, {"no_jp2": True, "irreversible": True}),
        ("AVIF", "AVIF", colour, {"exif": _exif(5), "speed": 10}),
        ("AVIF animated", "AVIF", colour, {**colour_frames, "speed": 10}),
        ("QOI", "QOI", clear, {}),
        ("EPS", "EPS", grey, {}),
        ("PDF", "PDF", grey, {}),
    ]
    files = {}
    Image.init()
    for name, kind, picture, options in plans:
        if kind in Image.SAVE:  # not every build of Pillow has AVIF
            files[name] = encoded(picture, kind, **options)
    levels = " ".join(map(str, np.asarray(grey).ravel().tolist()))
    files["PPM in words"] = f"P2\n# drawn\n60 72\n255\n{levels}\n".encode()
    files["PNG interlaced"] = _interlaced(grey)
    return files


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of formats that few use
        picture.save(content, kind, **options)
    return content.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """One of PNG, with the right sum."""
    sum_ = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", sum_)


def _interlaced(grey: Image.Image) -> bytes:
    levels = np.asarray(grey)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)]
    passes += [(2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row for y, x, down, right in passes for row in levels[y::down, x::right]]
    head = struct.pack(">IIBBBBB", *grey.size, 8, 0, 0, 0, 1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return _PNG + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


# --- chance -----------------------------------------------------------------------------------


def _with_right_sums(data: bytes) -> bytes:
    """A PNG whose chunks Pillow does not turn away for their sums."""
    place, parts = len(_PNG), [data[: len(_PNG)]]
    while parts[0] == _PNG and place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        parts.append(chunk(data[place + 4 : place + 8], data[place + 8 : end - 4]))
        place = end
    return b"".join([*parts, data[place:]])


def damaged(rng: random.Random) -> bytes:
    """A sound file that chance has changed."""
    files = list(sound_files().values())
    data = rng.choice(files)
    data = change_bytes(data, rng, files)
    return _with_right_sums(data) if rng.random() < 0.8 else data
