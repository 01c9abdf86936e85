"""Reads files as a models.pkl, watched by Python's audit, and in a child by strace too."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hostile.audit import recorded
from ovr_digits.models.modelfile import load_models, parse_models
from ovr_digits.models.place import ModelFileError

#: What reading one file may take: seconds of the processor, and bytes of memory in all.
MAX_SECONDS, MAX_BYTES = 5.0, 700_000_000
#: From here on the child is refused memory.
_LIMIT = 3_000_000_000
_BEGIN = "/ovr-digits-trial-begins-here"
#: What strace may show: files looked at, or opened to be read; and the end.
_QUIET = re.compile(
    r"openat\([^,]*, \"(/proc/self/|[^\"]*/\d+\.pkl\"|[^\"]*/marks\")[^)]*O_RDONLY|"
    r"openat\([^,]*, \"/proc/self/clear_refs\"|"
    r"(new)?f?l?stat(at|x)?\(|access\(|readlink(at)?\(|getcwd\(|exit(_group)?\(|\+\+\+ exited"
)


class BrokenPromiseError(Exception):
    """The reader did what it must not do."""


def check_reading(data: bytes) -> bool:
    """Read some bytes; whether they are a models.pkl.

    Raises
    ------
    BrokenPromiseError
        Where that did anything that Python's audit sees, or gave neither one
        line nor finite arrays.
    """
    models, message = None, ""
    with recorded() as events, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            models = parse_models(data)
        except ModelFileError as error:
            message = str(error)
    if events or warned:
        raise BrokenPromiseError(f"it did something: {events} {[str(w) for w in warned]}")
    if models is None:
        if not (message and message.isprintable() and len(message) < 300):
            raise BrokenPromiseError(f"no short line: {message!r}")
        return False
    arrays: list[Any] = [models.coef, models.intercept]
    for branch in models.branches:
        arrays += [layer.anchors for layer in branch.layers]
        arrays += [layer.whitener for layer in branch.layers if layer.whitener is not None]
        if branch.leading is not None:
            arrays += [branch.leading.axes, branch.leading.offset]
    n_features = sum(branch.n_features(models.image_shape) for branch in models.branches)
    if models.coef.shape != (10, n_features) or models.intercept.shape != (10,):
        raise BrokenPromiseError("weights of the wrong shape")
    if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays):
        raise BrokenPromiseError("numbers that are not finite")
    json.dumps(models.provenance, allow_nan=False, ensure_ascii=False).encode()
    return True


# --- in a child ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What came of one file.

    ``text`` is why it was refused, ``events`` what Python's audit saw besides, ``created`` whether
    the file is there that live cases create, and ``left`` what the process has now and did not
    have before: modules, threads, open files.
    """

    name: str
    text: str
    events: list[str]
    created: bool
    left: list[str]
    seconds: float
    peak_bytes: int

    @property
    def faults(self) -> list[str]:
        """What must not be, in words."""
        found = {
            f"{self.name}: not refused in one short line: {self.text!r}": not (
                self.text.isprintable() and 0 < len(self.text) < 400
            ),
            f"{self.name}: did something: {self.events}": self.events,
            f"{self.name}: created a file": self.created,
            f"{self.name}: left behind: {self.left}": self.left,
            f"{self.name}: took {self.seconds:.1f} s": self.seconds > MAX_SECONDS,
            f"{self.name}: took {self.peak_bytes / 1e6:.0f} MB": self.peak_bytes > MAX_BYTES,
        }
        return [fault for fault, is_so in found.items() if is_so]


def can_trace() -> bool:
    """Whether there is strace, and it may watch."""
    with contextlib.suppress(OSError):
        run = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
        return run.returncode == 0
    return False


def read_all(
    cases: Mapping[str, bytes], folder: Path, plain: bool = False
) -> tuple[list[Reading], list[str]]:
    """Read each case as a models.pkl in a child process, under strace where there is one.

    Parameters
    ----------
    cases : mapping of str to bytes
        The first is sound: it brings in all that a sound file needs.
    folder : Path
        Holds the files, and ``marks``, in which live cases create theirs.
    plain : bool
        Read with ``pickle.loads`` instead, to show that the watch would see it.

    Returns
    -------
    list of Reading
        Of all but the first.
    list of str
        Lines of strace that tell of anything but files opened to be read.
    """
    for index, data in enumerate(cases.values()):
        (folder / f"{index}.pkl").write_bytes(data)
    command = [sys.executable, "-m", __name__, str(folder), str(len(cases)), str(int(plain))]
    if can_trace():
        sets = "trace=%process,%network,%file"
        command = ["strace", "-f", "-qq", "-e", sets, "-o", f"{folder}/trace", *command]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    if not plain and (done.returncode or done.stderr or len(lines) != len(cases) - 1):
        raise RuntimeError(f"the child ended with {done.returncode}: {done.stderr[-2000:]}")
    names = list(cases)[1:]
    readings = [Reading(name, **json.loads(line)) for name, line in zip(names, lines, strict=True)]
    if not can_trace():
        return readings, []
    _, began, traced = (folder / "trace").read_text(errors="replace").partition(_BEGIN)
    assert began, "strace did not see the child begin"
    return readings, [line for line in traced.splitlines()[1:] if not _QUIET.search(line)]


def peak_bytes(anew: bool = False) -> int:
    """The most bytes this process has held, perhaps since it was asked for ``anew``."""
    try:
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
        return 1024 * int(text.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):  # not Linux
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _state() -> set[str]:
    threads = [thread.name for thread in threading.enumerate()]
    return {*sys.modules, *threads, *(str(path) for path in Path("/proc/self").glob("fd/*"))}


def _read(path: Path, plain: bool) -> str:
    """Why a file is refused."""
    if plain:
        import pickle

        with contextlib.suppress(Exception):
            pickle.loads(path.read_bytes())
        return ""
    try:
        load_models(path)
    except ModelFileError as error:
        return str(error).replace(str(path.parent), "")
    except BaseException as error:
        return f"\n{type(error).__name__}: {error}"
    return ""


def main(arguments: Sequence[str]) -> None:
    """What the child does: read the files of a folder one after another."""
    folder, count, plain = Path(arguments[0]), int(arguments[1]), arguments[2] == "1"
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, _LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    load_models(folder / "0.pkl")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a case prints is a fault
    marks = folder / "marks"
    with contextlib.suppress(OSError):
        Path(_BEGIN).stat()
    for index in range(1, count):
        path = folder / f"{index}.pkl"
        peak_bytes(anew=True)
        before, began = _state(), time.process_time()
        with recorded() as events:
            text = _read(path, plain)
        seconds, left = time.process_time() - began, sorted(_state() - before)
        if plain:
            time.sleep(0.05)  # some have begun a process that creates it
        answer = {
            "text": text,
            "events": [event for event in events if event != f"open {path} r"],
            "created": any(marks.iterdir()),
            "left": left,
            "seconds": seconds,
            "peak_bytes": peak_bytes(),
        }
        for mark in marks.iterdir():
            shutil.rmtree(mark) if mark.is_dir() else mark.unlink()
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
