"""Sound picture files in many formats, and what chance makes of them."""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.service import draw_digit

#: Numbers that programs forget: ends of the ranges of whole numbers, and what lies about them.
_EDGES = [0, 1, 2, 4, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000]
_EDGES += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]
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
    rng = np.random.default_rng(0)
    grey = Image.open(io.BytesIO(draw_digit(5, rng))).convert("L").resize((60, 72))
    other = Image.open(io.BytesIO(draw_digit(8, rng))).convert("L").resize((60, 72))
    colour = Image.merge("RGB", [grey, other, grey])
    clear = colour.copy()
    clear.putalpha(other)
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    floating = grey.convert("F").point(lambda level: level / 255 + 0)
    palette = grey.quantize(8)
    one_bit = grey.convert("1")
    frames: dict[str, Any] = {"save_all": True, "append_images": [other, grey]}
    colour_frames: dict[str, Any] = {"save_all": True, "append_images": [colour, colour]}
    text = {"exif": _exif(6), "icc_profile": bytes(range(256)) * 2}
    plans: list[tuple[str, str, Image.Image, dict[str, Any]]] = [
        ("PNG grey", "PNG", grey, {"dpi": (72, 72)}),
        ("PNG colour, EXIF and ICC", "PNG", colour, text),
        ("PNG clear", "PNG", clear, {}),
        ("PNG palette", "PNG", palette, {"transparency": bytes(range(0, 256, 32))}),
        ("PNG 16 bits", "PNG", deep, {}),
        ("PNG 1 bit", "PNG", one_bit, {}),
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
        ("BMP 1 bit", "BMP", one_bit, {}),
        ("BMP clear", "BMP", clear, {}),
        ("TIFF grey", "TIFF", grey, {"exif": _exif(8)}),
        ("TIFF LZW", "TIFF", colour, {"compression": "tiff_lzw"}),
        ("TIFF deflate", "TIFF", deep, {"compression": "tiff_adobe_deflate"}),
        ("TIFF packbits", "TIFF", palette, {"compression": "packbits"}),
        ("TIFF fax", "TIFF", one_bit, {"compression": "group4"}),
        ("TIFF JPEG", "TIFF", colour, {"compression": "jpeg"}),
        ("TIFF floating", "TIFF", floating, {}),
        ("TIFF CMYK", "TIFF", colour.convert("CMYK"), {}),
        ("TIFF LAB", "TIFF", colour.convert("LAB"), {}),
        ("TIFF YCbCr", "TIFF", colour.convert("YCbCr"), {}),
        ("TIFF of several pages", "TIFF", grey, frames),
        ("TIFF big", "TIFF", grey, {"big_tiff": True}),
        ("WebP", "WEBP", colour, {**text, "xmp": b"<x/>"}),
        ("WebP clear, without loss", "WEBP", clear, {"lossless": True}),
        ("WebP animated", "WEBP", grey.convert("RGB"), colour_frames),
        ("PPM grey", "PPM", grey, {}),
        ("PPM colour", "PPM", colour, {}),
        ("PPM 1 bit", "PPM", one_bit, {}),
        ("PPM 16 bits", "PPM", deep, {}),
        ("PPM floating", "PPM", floating, {}),
        ("ICO", "ICO", clear.resize((48, 48)), {"sizes": [(16, 16), (48, 48)]}),
        ("ICO with BMP", "ICO", clear.resize((32, 32)), {"bitmap_format": "bmp"}),
        ("TGA", "TGA", colour, {}),
        ("TGA runs", "TGA", clear, {"compression": "tga_rle"}),
        ("TGA palette", "TGA", palette, {}),
        ("SGI", "SGI", grey, {}),
        ("SGI runs", "SGI", colour, {"rle": True}),
        ("PCX", "PCX", palette, {}),
        ("PCX colour", "PCX", colour, {}),
        ("JPEG2000", "JPEG2000", colour, {}),
        ("JPEG2000 bare", "JPEG2000", grey, {"no_jp2": True, "irreversible": True}),
        ("JPEG2000 tiles", "JPEG2000", grey, {"tile_size": (32, 32), "num_resolutions": 3}),
        ("AVIF", "AVIF", colour, {"exif": _exif(5), "speed": 10}),
        ("AVIF clear", "AVIF", clear, {"speed": 10}),
        ("AVIF animated", "AVIF", colour, {**colour_frames, "speed": 10}),
        ("QOI", "QOI", clear, {}),
        ("DDS", "DDS", clear, {}),
        ("IM", "IM", grey, {}),
        ("MSP", "MSP", one_bit, {}),
        ("XBM", "XBM", one_bit, {}),
        ("BLP", "BLP", palette, {}),
        ("SPIDER", "SPIDER", floating, {}),
        ("EPS", "EPS", grey, {}),
        ("PDF", "PDF", grey, {}),
    ]
    files = {}
    Image.init()
    for name, kind, picture, options in plans:
        if kind not in Image.SAVE:
            continue
        files[name] = encoded(picture, kind, **options)
    levels = " ".join(map(str, np.asarray(grey).ravel().tolist()))
    files["PPM in words"] = f"P2\n# drawn\n60 72\n255\n{levels}\n".encode()
    inner = chunked("ic07", encoded(clear.resize((128, 128))))
    files["ICNS"] = chunked("icns", inner)
    files["PSD"] = _photoshop(grey)
    files["PNG interlaced"] = _interlaced(grey)
    return files


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of formats that few use
        picture.save(content, kind, **options)
    return content.getvalue()


def chunked(kind: str, content: bytes) -> bytes:
    """A part of ICNS, whose length counts its head."""
    return kind.encode() + struct.pack(">I", 8 + len(content)) + content


def _photoshop(grey: Image.Image) -> bytes:
    width, height = grey.size
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 1, height, width, 8, 1)
    return head + bytes(12) + b"\0\0" + grey.tobytes()


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


# --- what chance makes of them ------------------------------------------------------------------

Rng = np.random.Generator


def _place(data: bytearray, rng: Rng) -> int:
    """Headers are short, and there is most to go wrong in them."""
    end = min(len(data), 160) if rng.random() < 0.5 else len(data)
    return int(rng.integers(max(end, 1)))


def _flip(data: bytearray, rng: Rng, _: bytes) -> None:
    for _time in range(int(rng.integers(1, 8))):
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _set(data: bytearray, rng: Rng, _: bytes) -> None:
    data[_place(data, rng)] = int(rng.integers(256))


def _edge(data: bytearray, rng: Rng, _: bytes) -> None:
    """A number at the end of its range, in either order of bytes."""
    place, size = _place(data, rng), int(rng.choice([1, 2, 2, 4, 4, 4, 8]))
    number = _EDGES[int(rng.integers(len(_EDGES)))] % (1 << 8 * size)
    data[place : place + size] = number.to_bytes(size, rng.choice(["big", "little"]))


def _length(data: bytearray, rng: Rng, _: bytes) -> None:
    """A number that is there is a little or much more or less."""
    place, size = _place(data, rng), int(rng.choice([2, 4]))
    order = rng.choice(["big", "little"])
    number = int.from_bytes(data[place : place + size], order)
    number = int(rng.choice([number - 1, number + 1, number * 2, number // 2, number * 256]))
    data[place : place + size] = (number % (1 << 8 * size)).to_bytes(size, order)


def _cut(data: bytearray, rng: Rng, _: bytes) -> None:
    del data[_place(data, rng) :]


def _leave_out(data: bytearray, rng: Rng, _: bytes) -> None:
    place = _place(data, rng)
    del data[place : place + int(rng.integers(1, 64))]


def _repeat(data: bytearray, rng: Rng, _: bytes) -> None:
    place = _place(data, rng)
    part = data[place : place + int(rng.integers(1, 64))]
    data[place:place] = part * int(rng.integers(1, 20))


def _splice(data: bytearray, rng: Rng, other: bytes) -> None:
    """The end, or a part, of another file."""
    place, start = _place(data, rng), int(rng.integers(len(other)))
    stop = len(other) if rng.random() < 0.5 else start + int(rng.integers(1, 200))
    data[place : place + stop - start] = other[start:stop]


def _shuffle(data: bytearray, rng: Rng, _: bytes) -> None:
    """Chunks come in another order, twice, or not at all; or any parts, where it has none."""
    parts = _parts(bytes(data))
    if len(parts) < 3:
        cuts = np.sort(rng.integers(0, len(data) + 1, 3)).tolist()
        parts = [bytes(data[a:b]) for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    first, second = rng.integers(0 if rng.random() < 0.1 else 1, len(parts), 2).tolist()
    way = rng.integers(3)
    if way == 0:
        parts[first], parts[second] = parts[second], parts[first]
    elif way == 1:
        parts.insert(first, parts[second])
    else:
        del parts[first]
    data[:] = b"".join(parts)


_WAYS: list[Callable[[bytearray, Rng, bytes], None]] = [
    *(_flip, _flip, _set, _set, _edge, _edge, _edge, _length, _length),
    *(_cut, _leave_out, _repeat, _splice, _shuffle),
]


def _parts(data: bytes) -> list[bytes]:
    """The chunks of PNG, JPEG, RIFF (WebP) or boxes (JPEG2000, AVIF); the head is the first."""
    if data.startswith(_PNG):
        start, length, extra = 8, ">I", 12
    elif data.startswith(b"RIFF"):
        start, length, extra = 12, "<4xI", 8
    elif data.startswith(b"\xff\xd8"):
        start, length, extra = 2, ">2xH", 2
    elif data[4:8] in (b"ftyp", b"jP  "):
        start, length, extra = 0, ">I", 0
    else:
        return [data]
    parts = [data[:start]]
    while start + struct.calcsize(length) <= len(data) and len(parts) < 200:
        (size,) = struct.unpack_from(length, data, start)
        size += extra + (size & 1 if length == "<4xI" else 0)
        if size < 4:
            break
        parts.append(data[start : start + size])
        start += size
        if extra == 2 and parts[-1][:2] == b"\xff\xda":
            break
    return [*parts, data[start:]]


def _with_right_sums(data: bytes) -> bytes:
    """A PNG whose chunks Pillow does not turn away for their sums."""
    if not data.startswith(_PNG):
        return data
    head, *chunks = _parts(data)
    whole = [chunk(part[4:8], part[8:-4]) if len(part) >= 12 else part for part in chunks]
    return head + b"".join(whole)


def mutated(number: int, seed: int) -> tuple[str, bytes]:
    """A damaged file, always the same one, and the name of what it was."""
    rng = np.random.default_rng([seed, number])
    files = sound_files()
    names = list(files)
    # Each as often as any other, and each part of a run holds them all.
    name = names[number % len(names)]
    data = bytearray(files[name])
    near = [each for each in names if each.split()[0] == name.split()[0]]
    for _ in range(int(rng.choice([1, 1, 2, 3, 5]))):
        if not data:
            break
        pool: Sequence[str] = near if rng.random() < 0.7 else names
        _WAYS[int(rng.integers(len(_WAYS)))](data, rng, files[pool[int(rng.integers(len(pool)))]])
    whole = bytes(data)
    return name, _with_right_sums(whole) if rng.random() < 0.8 else whole
