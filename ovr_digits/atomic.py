"""Files that are replaced whole: at any moment the old one or the new one is there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ovr_digits.errors import DigitsError

#: New files that are made where another process removes each of them at once.
_TRIES = 100


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder, which becomes ``path`` if the block ends well.

    The bytes are on the disk before the name changes, and the new name is on
    the disk before this returns. Where the block fails, the temporary file is
    removed and ``path`` is as it was. Where the process is killed, the next one
    that replaces ``path`` removes it. The new file has the mode of the old one.

    Raises
    ------
    OSError
        Where the folder is missing, cannot be written, or is full, or where
        ``path`` is there and no regular file (a folder, a device).
    """
    path = path.resolve()  # a link keeps pointing at its file
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    remove_abandoned(path.parent, path.name)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    with _locked_temporary(path) as temporary:
        try:
            if mode is not None:  # from the start: nobody else may read the half of it either
                temporary.chmod(mode | stat.S_IRUSR | stat.S_IWUSR)
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            if mode is not None:
                temporary.chmod(mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextlib.contextmanager
def _locked_temporary(path: Path) -> Iterator[Path]:
    """A new file beside ``path``, locked for as long as this process lives and is in the block."""
    for _ in range(_TRIES):
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        with temporary.open("xb") as file:
            with contextlib.suppress(OSError):  # not every file system has locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:  # else removed just before it was locked
                yield temporary
                return
    raise OSError(errno.EBUSY, "something removes every new file here")


def remove_abandoned(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files of processes that were killed: those that nobody has locked.

    Parameters
    ----------
    folder : Path
    name : str, optional
        Of the file that was to be replaced; any where it is not given.
    """
    replaced = "*" if name is None else glob.escape(name)
    for temporary in folder.glob(f".{replaced}.????????.part"):
        with contextlib.suppress(OSError), temporary.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``, or leave it as it was.

    Raises
    ------
    OSError
        Where the folder is missing, cannot be written, or is full.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two names are of one file, however it is spelt or linked, or would be of one."""
    with contextlib.suppress(OSError, ValueError):  # not both are there
        return one.samefile(other)
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # links in a circle
        return os.path.normcase(one.resolve()) == os.path.normcase(other.resolve())
    return False


def check_writable(path: Path) -> None:
    """Find out before the work, not after it, that its result has no place to go.

    Raises
    ------
    DigitsError
    """
    from tempfile import TemporaryFile

    try:
        folder = path.resolve().parent
    except OSError as error:  # the working folder may have been removed
        raise DigitsError(f"{path}: cannot be written ({error.strerror})") from None
    if path.is_dir():
        raise DigitsError(f"{path}: this is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise DigitsError(f"{path}: not a regular file; name another")
    if not folder.is_dir():
        raise DigitsError(f"{path}: the folder {folder} does not exist; make it first")
    try:
        with TemporaryFile(dir=folder):  # without a name, which an interrupt or a kill might leave
            pass
    except OSError as error:
        raise DigitsError(f"{path}: cannot be written ({error.strerror})") from None


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system lets a folder be synced
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
