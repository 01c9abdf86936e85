"""Temporary files of a command, in a folder that the next one removes where this one is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX, _LOCK = "ovr-digits-run-", "lock"
#: Folders that are made where another process removes each of them at once.
_TRIES = 100


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Let all that is made with ``tempfile`` meanwhile lie in one folder, and remove it.

    For a process that does nothing else meanwhile: the default folder of ``tempfile`` is the
    process's own. Folders of processes that were killed are removed first.

    Raises
    ------
    OSError
        Where there is no folder for temporary files.
    """
    earlier = tempfile.tempdir
    _remove_abandoned(Path(tempfile.gettempdir()))
    with _locked_folder() as folder:
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = earlier


@contextlib.contextmanager
def _locked_folder() -> Iterator[Path]:
    """A new folder, locked for as long as this process lives and is in the block."""
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with (folder / _LOCK).open("xb") as file:
            with contextlib.suppress(OSError):  # not every file system has locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:  # else removed just before it was locked
                try:
                    yield folder
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                return
    raise OSError("something removes every new folder for temporary files")


def _remove_abandoned(place: Path) -> None:
    """Remove the folders of processes that were killed: those that nobody has locked."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
