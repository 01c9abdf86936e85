"""Temporary files of a command, in a folder that the next one removes where this one is killed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ovr_digits.files import own_name, remove_disowned

_PREFIX = "ovr-digits-run-"


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
    place = Path(tempfile.gettempdir())
    remove_disowned(place, _PREFIX)
    with own_name(place, _PREFIX) as folder:
        folder.mkdir(mode=0o700)
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = earlier
            shutil.rmtree(folder, ignore_errors=True)
