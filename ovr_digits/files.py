"""Files: read with a bound, replaced whole, and the formats that figures are saved in."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from ovr_digits.errors import DigitsError

_CHUNK = 1 << 20


def read_stream(stream: BufferedIOBase, max_bytes: int) -> bytes:
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
    except (IsADirectoryError, PermissionError):  # Windows knows only the latter
        if os.path.isdir(Path(path)):  # noqa: PTH112 (Path raises where it may not look)
            raise DigitsError("this is a folder, not a file") from None
        raise DigitsError("permission denied; make it readable") from None
    except OSError as error:
        raise DigitsError(f"cannot be read ({error.strerror or error})") from None
    except ValueError:
        raise DigitsError("cannot be read (its name holds a null character)") from None


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
    with own_name(path.parent, f".{path.name}.", ".part") as temporary:
        try:
            temporary.touch(exist_ok=False)
            if mode is not None:  # from the start: nobody else may read the half of it either
                temporary.chmod(mode | stat.S_IRUSR | stat.S_IWUSR)
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            if mode is not None:
                temporary.chmod(mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_abandoned(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left that were replacing a file of this name, or of any."""
    replaced = "*" if name is None else glob.escape(name)
    remove_disowned(folder, f".{replaced}.", ".part")


#: New names that are tried: another process may be looking at one whether it was left behind.
_TRIES = 100
#: Pattern of the random part of a name.
_ANY = "?" * 8


@contextlib.contextmanager
def own_name(folder: Path, prefix: str, suffix: str = "") -> Iterator[Path]:
    """A new name in a folder, this process's own while it lives and is in the block.

    Beside it lies a lock file, by which ``remove_disowned`` knows. Raises OSError where the
    folder is missing or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        for _ in range(_TRIES):
            path = folder / f"{prefix}{secrets.token_hex(len(_ANY) // 2)}{suffix}"
            try:
                stack.enter_context(locked(_lock_of(path)))
                break
            except BlockingIOError:  # just looked at by another process
                continue
        else:
            raise OSError(errno.EBUSY, "something takes every new name here")
        yield path


def remove_disowned(folder: Path, prefix: str, suffix: str = "") -> None:
    """Remove what processes that were killed left under names of ``own_name``.

    ``prefix`` is a pattern of ``glob``.
    """
    import shutil

    named = {*folder.glob(f"{prefix}{_ANY}{suffix}")}
    for lock in folder.glob(f"{prefix}{_ANY}.lock{suffix}"):
        named.add(lock.with_name(lock.name.removesuffix(f".lock{suffix}") + suffix))
    for path in named:
        with contextlib.suppress(OSError), locked(_lock_of(path)) as is_locked:
            if is_locked and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif is_locked:
                path.unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name.removesuffix(path.suffix)}.lock{path.suffix}")


#: Errors of file systems that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file while this process lives and is in the block; the file goes with the lock.

    Yields
    ------
    bool
        False where the file system has no locks.

    Raises
    ------
    BlockingIOError
        Where another process holds it.
    OSError
        Where the folder is missing or cannot be written.
    """
    from filelock import FileLock, Timeout  # not at the top: most commands need no lock

    path.parent.stat()  # a folder that is missing would be made
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(errno.EAGAIN, "another process is at work here") from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
    try:
        yield lock.is_locked
    finally:
        with contextlib.suppress(OSError):  # Windows removes it as it is released
            path.unlink()
        lock.release()


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``, or leave it as it was; raises as ``replacing`` does."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def quoted(name: str) -> str:
    """A name as the shell of this machine takes it."""
    if sys.platform != "win32":
        return shlex.quote(name)
    from subprocess import list2cmdline

    return list2cmdline([name])


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two names are of one file, however it is spelt or linked, or would be of one."""
    with contextlib.suppress(OSError, ValueError):  # not both are there
        return one.samefile(other)
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # links in a circle
        return os.path.normcase(one.resolve()) == os.path.normcase(other.resolve())
    return False


def check_writable(path: Path) -> None:
    """Raise DigitsError before the work, not after it, where its result has no place to go."""
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


#: Endings of figures' names; some of the other formats of matplotlib need LaTeX.
FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "webp")


def format_of(path: Path) -> str:
    """The one of ``FORMATS`` that a name's ending says; raises DigitsError where it says none."""
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise DigitsError(f"{path}: no picture format ends so; use .png, .svg or .pdf")
    return kind
