"""Pictures that were made by hand to do harm: each by its name, as what makes the file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from PIL import Image

from hostile.pictures import chunk, encoded, sound_files

PNG = b"\x89PNG\r\n\x1a\n"
_MEGA = 1_000_000


def sound(name: str) -> bytes:
    """One of the sound files."""
    return sound_files()[name]


def zeros(count: int) -> bytes:
    """So many zeros, deflated, with no more memory than they take then."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(_MEGA, count - at))) for at in range(0, count, _MEGA)]
    return b"".join([*parts, packer.flush()])


def png(width: int, height: int, bits: int = 8, colour: int = 0, levels: bytes = b"") -> bytes:
    """A PNG with any head, over deflated levels."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", levels) + chunk(b"IEND", b"")


def png_with(*chunks: bytes) -> bytes:
    """A sound PNG with chunks before its pixels."""
    content = sound("PNG grey")
    return content[:33] + b"".join(chunks) + content[33:]


def png_ended_with(*chunks: bytes) -> bytes:
    """A sound PNG with chunks behind its pixels."""
    return sound("PNG grey")[:-12] + b"".join(chunks) + chunk(b"IEND", b"")


def segment(marker: int, content: bytes) -> bytes:
    """One of JPEG."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def jpeg_with(*segments: bytes) -> bytes:
    """A sound JPEG with segments before all others."""
    content = sound("JPEG grey")
    return content[:2] + b"".join(segments) + content[2:]


def directory(
    entries: list[tuple[int, int, int, int]], after: int = 0, size: int = 0, head: int = 8
) -> bytes:
    """A TIFF: entries are tag, type, count and value or place; padded to a size."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    content = b"II*\0" + struct.pack("<IH", head, len(entries)) + table + struct.pack("<I", after)
    return content + bytes(max(0, size - len(content)))


def overlapping(tags: int, size: int) -> bytes:
    """A directory of which every tag claims all of the file."""
    return directory([(tag, 7, size - 8, 8) for tag in range(1, tags + 1)], size=size)


def tiff(
    width: int, height: int, levels: bytes, compression: int = 1, **more: tuple[int, int, int]
) -> bytes:
    """Grey in one strip; more entries by ``t`` and their tag, as type, count and value."""
    entries = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, compression),
        262: (3, 1, 1),
        273: (4, 1, 0),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, len(levels)),
        **{int(name[1:]): entry for name, entry in more.items()},
    }
    entries[273] = (4, 1, 8 + 2 + 12 * len(entries) + 4)
    return directory([(tag, *entry) for tag, entry in sorted(entries.items())]) + levels


def gif_with(parts: bytes) -> bytes:
    """A sound GIF with blocks before its picture."""
    content = sound("GIF")
    start = 13 + (3 * (2 << (content[10] & 7)) if content[10] & 128 else 0)
    return content[:start] + parts + content[start:]


def endless_gif(frames: int) -> bytes:
    """A sound GIF with its frames over and over."""
    content = sound("GIF animated")
    start = 13 + (3 * (2 << (content[10] & 7)) if content[10] & 128 else 0)
    return content[:start] + content[start:-1] * frames


def progressive(width: int, height: int, scans: int) -> bytes:
    """A flat JPEG whose last scan is there very often."""
    content = encoded(Image.new("L", (width, height), 200), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    tables = content.rfind(b"\xff\xc4", 0, last)
    again = content[tables:-2]
    return content[:-2] + again * scans + content[-2:]


def icon(picture: bytes) -> bytes:
    """An icon file of 48 × 48, as it says, around a picture file."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 48, 48, 0, 0, 1, 32, len(picture), 22) + picture


def large_png(side: int) -> bytes:
    """Flat, of 1 bit."""
    return png(side, side, 1, levels=zeros(side * (side // 8 + 1)))


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of chunks."""
    body = b"".join(
        kind + struct.pack("<I", len(content)) + content + bytes(len(content) & 1)
        for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp_chunk(kind: bytes) -> bytes:
    """The content of a chunk of the sound WebP."""
    content = sound("WebP")
    place = content.index(kind)
    (size,) = struct.unpack_from("<I", content, place + 4)
    return content[place + 8 : place + 8 + size]


def with_size(name: str, place: bytes, offset: int, form: str, *numbers: int) -> bytes:
    """A sound file with other numbers, so many bytes behind where something is."""
    content = bytearray(sound(name))
    struct.pack_into(form, content, content.index(place) + offset, *numbers)
    return bytes(content)


BOMBS: dict[str, Callable[[], bytes]] = {
    # sizes
    "PNG, bomb of deep colour": lambda: png(7070, 7070, 16, 6, levels=zeros(7070 * 56561)),
    "PNG, a bomb that goes on": lambda: png(100, 100, levels=zeros(80 * _MEGA)),
    "JPEG, progressive, hardly any pixels of many": lambda: with_size(
        "JPEG progressive", b"\xff\xc2", 5, ">HH", 9999, 9999
    ),
    "GIF, bomb": lambda: (
        struct.pack("<6sHHBBB6s", b"GIF89a", 7000, 7000, 128, 0, 0, b"\0" * 6)
        + encoded(Image.new("1", (7000, 7000)), "GIF")[19:]
    ),
    "TIFF, bomb, LZW": lambda: encoded(
        Image.new("L", (7000, 7000)), "TIFF", compression="tiff_lzw"
    ),
    "TIFF, one huge tile": lambda: tiff(
        *(100, 100, zeros(10**7), 8),
        **{"t322": (4, 1, 13000), "t323": (4, 1, 13000), "t324": (4, 1, 200), "t325": (4, 1, 9000)},
    ),
    "WebP, bomb": lambda: encoded(
        Image.new("RGB", (7000, 7000)), "WEBP", lossless=True, quality=0, method=0
    ),
    "PPM, remarks without end": lambda: b"P6" + b"#\n" * 1_000_000,
    "PPM in words, many": lambda: b"P2 5000 5000 255\n" + b"0 " * 25_000_000,
    "ICO, a bomb inside": lambda: icon(large_png(13000)),
    "SGI, rows that share their runs": lambda: (
        struct.pack(">HBBHHHHII", 474, 1, 1, 3, 7000, 7000, 3, 0, 255).ljust(512, b"\0")
        + struct.pack(">I", 168512) * 21000
        + struct.pack(">I", 111) * 21000
        + b"\xff\0" * 20
        + b"\x7f\0" * 35
    ),
    "JPEG2000, 49 megapixels of nothing": lambda: with_size(
        "JPEG2000 bare", b"\xff\x51", 6, ">IIIIII", 7000, 7000, 0, 0, 7000, 7000
    ),
    "JPEG2000, tiles of one pixel": lambda: with_size(
        "JPEG2000 bare", b"\xff\x51", 6, ">IIIIII", 3000, 3000, 0, 0, 1, 1
    ),
    "AVIF, 49 megapixels": lambda: with_size("AVIF", b"ispe", 8, ">II", 7000, 7000),
    # parts without end
    "PNG, a bomb of text": lambda: png_with(chunk(b"zTXt", b"a\0\0" + zeros(80 * _MEGA))),
    "PNG, a million empty chunks": lambda: png_with(chunk(b"aaAa", b"") * _MEGA),
    "PNG, a million chunks behind the pixels": lambda: png_ended_with(
        chunk(b"tIME", bytes(7)) * _MEGA
    ),
    "PNG, EXIF that overlaps itself": lambda: png_with(chunk(b"eXIf", overlapping(60000, 900_000))),
    "JPEG, 60 megabytes of EXIF": lambda: jpeg_with(
        segment(0xE1, b"Exif\0\0" + bytes(65000)) * 920
    ),
    "JPEG, EXIF in a million shreds": lambda: jpeg_with(segment(0xE1, b"Exif\0\0aaaa") * _MEGA),
    "JPEG, EXIF in a circle": lambda: jpeg_with(
        segment(0xE1, b"Exif\0\0" + directory([(0x8769, 4, 1, 8), (0x112, 3, 1, 9)], after=8))
    ),
    "JPEG, orientation is a text": lambda: jpeg_with(
        segment(0xE1, b"Exif\0\0" + directory([(0x112, 2, 3, 0x36363600)]))
    ),
    "JPEG, two orientations": lambda: jpeg_with(
        segment(0xE1, b"Exif\0\0" + directory([(0x112, 3, 2, 0x00030006)]))
    ),
    "JPEG, 20 megabytes of filling": lambda: jpeg_with(b"\xff" * 20 * _MEGA),
    "JPEG, one scan, two thousand times": lambda: progressive(5000, 5000, 2000),
    "GIF, nine thousand frames": lambda: endless_gif(3000),
    "GIF, a remark without end": lambda: gif_with(b"!\xfe" + (b"\xff" + b"a" * 255) * 100_000),
    "TIFF, progressive JPEG of many scans": lambda: tiff(
        5000, 5000, progressive(5000, 5000, 2000), 7
    ),
    "WebP, 30 megabytes of EXIF": lambda: riff(
        (b"VP8X", b"\x08\0\0\0" + b"\x3b\0\0\x47\0\0"),
        (b"VP8 ", webp_chunk(b"VP8 ")),
        (b"EXIF", overlapping(60000, 30 * _MEGA)),
    ),
}
