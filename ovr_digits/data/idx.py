"""Reads and writes IDX, the file format of MNIST: a few bytes of header, then the numbers."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ovr_digits.core.arrays import Grey
from ovr_digits.errors import DigitsError
from ovr_digits.files import read_bytes, read_stream

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: The most bytes that a file may hold, before and after decompression.
MAX_BYTES = 100_000_000

#: The most bytes that a header may have.
HEADER_BYTES = 4 + 4 * 255
#: How IDX data begin.
IDX_MAGIC = b"\0\0"
#: How gzip data begin, and those of Unix compress, which are in files named .Z.
GZIP_MAGIC = b"\x1f\x8b"
_COMPRESS_MAGIC = b"\x1f\x9d"
_UNSIGNED_BYTE = 0x08  # the type code of uint8, the only one in MNIST
_OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def read_idx(path: str | os.PathLike[str]) -> Grey:
    """Read an IDX file of unsigned bytes, gzip-compressed or plain, whatever its name.

    The array is read-only. A file of more than ``MAX_BYTES``, compressed or not, is refused.

    Raises
    ------
    DigitsError
        Where it cannot be read, or is no sound IDX file of unsigned bytes.
    """
    return parse_idx(read_content(path), str(path))


def read_content(path: str | os.PathLike[str]) -> bytes:
    """Read a file and decompress it where it is gzip; raises DigitsError as ``read_idx`` does."""
    try:
        data = read_bytes(path, MAX_BYTES, wait=False)
    except DigitsError as error:
        raise DigitsError(f"{path}: {error}") from None
    return decompress(_bounded(data, str(path)), str(path))


def decompress(data: bytes, name: str) -> bytes:
    """Undo gzip or compress (.Z) where the magic bytes tell of it; others come back as they are.

    Raises
    ------
    DigitsError
        Where the data, which it calls ``name``, are truncated or damaged, or hold more than
        ``MAX_BYTES``; those of compress do not tell where they are truncated.
    """
    if data.startswith(_COMPRESS_MAGIC):
        return _uncompress(data, name)
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
            return _bounded(read_stream(stream, MAX_BYTES), name)
    except EOFError:
        raise DigitsError(f"{name}: the gzip data are truncated") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DigitsError(f"{name}: the gzip data are damaged ({error})") from None


class _Bounded(BytesIO):
    """Takes no more than ``MAX_BYTES``, and one piece."""

    def write(self, piece: ReadableBuffer, /) -> int:
        if self.tell() > MAX_BYTES:
            raise OverflowError
        return super().write(piece)


def _uncompress(data: bytes, name: str) -> bytes:
    from ncompress import decompress

    content = _Bounded()
    try:
        decompress(BytesIO(data), content)
    except ValueError as error:
        raise DigitsError(f"{name}: the compressed data are damaged ({error})") from None
    except OverflowError:
        pass
    return _bounded(content.getvalue(), name)


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > MAX_BYTES:
        raise DigitsError(f"{name}: holds more than {MAX_BYTES:,} bytes")
    return content


def parse_idx(data: bytes, name: str) -> Grey:
    """Take the read-only array of unsigned bytes out of uncompressed IDX data, without a copy.

    Raises
    ------
    DigitsError
        Where the data, which it calls ``name``, are no IDX, hold another type of number, or
        more or fewer numbers than their header says.
    """
    shape, start = parse_header(data, len(data), name)
    try:
        return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    except ValueError:  # too many axes for NumPy, or immense ones beside one of size 0
        raise DigitsError(f"{name}: absurd sizes in its header") from None


def parse_header(head: bytes, n_bytes: int, name: str) -> tuple[tuple[int, ...], int]:
    """The shape in the header of uncompressed IDX data, and where their numbers begin.

    ``head`` are at least the first ``HEADER_BYTES`` of the ``n_bytes`` that there are. Raises
    DigitsError where ``parse_idx`` does.
    """
    if not n_bytes:
        raise DigitsError(f"{name}: empty")
    if n_bytes < 4 or head[:2] != IDX_MAGIC or head[3] == 0:
        raise DigitsError(f"{name}: not an IDX file")
    code, n_axes = head[2], head[3]
    if code in _OTHER_TYPES:
        raise DigitsError(f"{name}: holds {_OTHER_TYPES[code]}; only unsigned bytes are read")
    if code != _UNSIGNED_BYTE:
        raise DigitsError(f"{name}: not an IDX file")
    start = 4 + 4 * n_axes
    if n_bytes < start:
        raise DigitsError(f"{name}: truncated within the header")
    shape = struct.unpack_from(f">{n_axes}I", head, 4)
    stated, held = math.prod(shape), n_bytes - start
    if stated != held:
        # Up to 255 sizes can stand there: an error line shows no more than a few.
        sizes = "×".join(map(str, shape[:4])) + ("×…" if n_axes > 4 else "")
        relation = "fewer" if held < stated else "more"
        raise DigitsError(f"{name}: {held:,} numbers, {relation} than the {sizes} of its header")
    return shape, start


def idx_bytes(array: Grey) -> bytes:
    """The uncompressed IDX form of an array of uint8 with at least one axis."""
    if array.dtype != np.uint8 or array.ndim == 0:
        raise ValueError("IDX is written from an array of uint8 with at least one axis")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx(path: str | os.PathLike[str], array: Grey, compress: bool | None = None) -> None:
    """Write an array of uint8 as IDX; compressed where told so, or where the name ends in .gz."""
    path = Path(path)
    data = idx_bytes(array)
    if path.suffix == ".gz" if compress is None else compress:
        # No time of day in the header: the same array always gives the same bytes.
        data = gzip.compress(data, mtime=0)
    path.write_bytes(data)
