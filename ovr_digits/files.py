"""Files read whole, and what is said where they cannot be."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from ovr_digits.errors import DigitsError

_CHUNK = 1 << 20


class Readable(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


def read_stream(stream: Readable, max_bytes: int) -> bytes:
    """Everything to the end of a stream, but at most one byte more than ``max_bytes``.

    In chunks, so that memory follows what is there and not what is allowed.
    """
    content = bytearray()
    while len(content) <= max_bytes and (chunk := stream.read(_CHUNK)):
        content += chunk
    return bytes(content[: max_bytes + 1])


def read_bytes(path: str | os.PathLike[str], max_bytes: int, wait: bool = True) -> bytes:
    """Read a file, but at most one byte more than ``max_bytes``.

    Without ``wait`` a named pipe is refused, into which nobody may ever write.

    Raises
    ------
    DigitsError
        Where there is no such file or it cannot be read. The text gives the
        reason and leaves the name to the caller.
    """
    try:
        if not wait and stat.S_ISFIFO(Path(path).stat().st_mode):
            raise DigitsError("a named pipe, not a file")
        with Path(path).open("rb") as file:
            return read_stream(file, max_bytes)
    except FileNotFoundError:
        raise DigitsError("no such file") from None
    except IsADirectoryError:
        raise DigitsError("this is a folder, not a file") from None
    except PermissionError:
        raise DigitsError("permission denied; make it readable") from None
    except OSError as error:
        raise DigitsError(f"cannot be read ({error.strerror or error})") from None
    except ValueError:
        raise DigitsError("cannot be read (its name holds a null character)") from None
