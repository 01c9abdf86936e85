"""Files below a folder, however many and however they are named."""

# Names are bytes here, of which pathlib knows nothing, and there may be millions of them.
# ruff: noqa: PTH116, PTH122

from __future__ import annotations

import os
import socket
import stat
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ovr_digits.errors import DigitsError


class FoundFile(NamedTuple):
    """A file: its name below the folder, as the system has it, and what its writing changes.

    Size and time are -1 where nothing can be known of it, as of a link that leads nowhere.
    """

    name: bytes
    size: int
    time: int

    @property
    def ending(self) -> str:
        """Of the name, in lower case."""
        return os.path.splitext(self.name)[1].lower().decode("ascii", "replace")


def find_below(folder: Path) -> Iterator[FoundFile]:
    """The files below a folder, in a fixed order: its own by name, then those of its folders.

    Hidden files and folders are left out, and what is no file, as pipes are. Links are followed;
    a folder to which several lead is read once.

    Raises
    ------
    DigitsError
        Where a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        place = os.fsdecode(error.filename)
        raise DigitsError(f"{place}: cannot be read ({error.strerror}); make it readable") from None

    root, seen = os.fsencode(folder), set()
    for place, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        state = os.stat(place)
        if (state.st_dev, state.st_ino) in seen:
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        inside = place[len(root) :].replace(os.fsencode(os.sep), b"/").lstrip(b"/")
        folders[:] = sorted(name for name in folders if not name.startswith(b"."))
        for name in sorted(name for name in names if not name.startswith(b".")):
            below = b"/".join(filter(None, (inside, name)))
            try:
                state = os.stat(root + b"/" + below)
            except OSError:
                yield FoundFile(below, -1, -1)
                continue
            if stat.S_ISREG(state.st_mode):
                yield FoundFile(below, state.st_size, state.st_mtime_ns)


def find_file(path: Path, folder: Path) -> FoundFile:
    """A file as ``find_below`` tells of it."""
    state = path.stat()
    name = os.fsencode(path.relative_to(folder).as_posix())
    return FoundFile(name, state.st_size, state.st_mtime_ns)


class FileNames:
    """Names one after the other in a single piece of memory: their bytes, and 8 for each."""

    def __init__(self, names: Iterable[bytes] = ()) -> None:
        self._joined, self._ends = bytearray(), array("q", [0])
        for name in names:
            self.append(name)

    def append(self, name: bytes) -> None:
        """Add a name at the end."""
        self._joined += name
        self._ends.append(len(self._joined))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> bytes:
        k = range(len(self))[index]
        return bytes(self._joined[self._ends[k] : self._ends[k + 1]])


def shown(name: bytes) -> str:
    """A file's name as text that can be written, another for each name.

    A byte that is no UTF-8 is ``\\xNN`` there, and a backslash is two, so that each can be told
    from the other and the name be had back.
    """
    return name.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")


def unreachable(path: str, error: Exception | str) -> DigitsError:
    """What is said where a worker finds something gone, or changed, that a source is made of."""
    reason = getattr(error, "strerror", None) or error
    return DigitsError(
        f"{path}: cannot be read on {socket.gethostname()} ({reason}); "
        "each machine that works needs it, unchanged"
    )
