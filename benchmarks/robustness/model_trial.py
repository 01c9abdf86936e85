"""A child process that reads files as a models.pkl, and what is seen of it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import ROOT
from benchmarks.robustness.audit import recorded
from benchmarks.robustness.model_cases import CANARY

#: What reading one file may take: seconds of the processor, and bytes of memory in all.
MAX_SECONDS, MAX_BYTES = 5.0, 700_000_000
#: From here on the child is refused memory.
_LIMIT = 3_000_000_000
_BEGIN = "/ovr-digits-trial-begins-here"


@dataclass(frozen=True)
class Reading:
    """What came of one file.

    Attributes
    ----------
    name : str
    refused : bool
        Whether ModelFileError came of it.
    text : str
        Why; else the name of what came instead.
    events : tuple of str
        What Python's audit saw, other than that the file itself was opened.
    created : bool
        Whether the file is there now that live cases create.
    left : str
        What the process has now and did not have before: modules, threads, open files.
    seconds : float
    peak_bytes : int
    """

    name: str
    refused: bool
    text: str
    events: tuple[str, ...]
    created: bool
    left: str
    seconds: float
    peak_bytes: int

    @property
    def faults(self) -> list[str]:
        """What must not be, in words."""
        found = {
            f"not refused: {self.text}": not self.refused,
            f"not one short line: {self.text!r}": not self.text.isprintable()
            or not 0 < len(self.text) < 400,
            f"did something: {', '.join(self.events)}": bool(self.events),
            "created a file": self.created,
            f"left behind: {self.left}": bool(self.left),
            f"took {self.seconds:.1f} s": self.seconds > MAX_SECONDS,
            f"took {self.peak_bytes / 1e6:.0f} MB": self.peak_bytes > MAX_BYTES,
        }
        return [fault for fault, is_so in found.items() if is_so]


def can_trace() -> bool:
    """Whether there is strace, and it may watch."""
    try:
        done = subprocess.run(
            ["strace", "-o", os.devnull, "true"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def read_all(
    cases: Mapping[str, bytes], plain: bool = False, trace: bool = False
) -> tuple[list[Reading], list[str]]:
    """Read each case as a models.pkl in a child process.

    Parameters
    ----------
    cases : mapping of str to bytes
    plain : bool
        Read with ``pickle.loads`` instead, to show that the watch would see it.
    trace : bool
        Let strace watch the child, too.

    Returns
    -------
    list of Reading
    list of str
        Lines of strace that tell of anything but files opened to be read, since the child began
        to read cases; none where it was not asked for.
    """
    with tempfile.TemporaryDirectory(prefix="models-") as name:
        folder = Path(name)
        marks = folder / "marks"
        marks.mkdir()
        for index, data in enumerate(cases.values()):
            path = str(marks / f"{index}").ljust(len(CANARY), "x")
            (folder / f"{index}.pkl").write_bytes(data.replace(CANARY.encode(), path.encode()))
        command = [sys.executable, "-m", __name__, str(folder), str(len(cases)), str(int(plain))]
        if trace:
            sets = "%process,%network,%file"
            command = ["strace", "-f", "-qq", "-e", f"trace={sets}", "-o", f"{folder}/t", *command]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.splitlines()
        if not plain and (done.returncode or done.stderr or len(lines) != len(cases)):
            raise RuntimeError(f"the child ended with {done.returncode}: {done.stderr[-2000:]}")
        readings = []
        for name, line in zip(cases, lines, strict=False):
            answer = json.loads(line)
            readings.append(Reading(name, **answer | {"events": tuple(answer["events"])}))
        traced = (folder / "t").read_text(errors="replace") if trace else ""
    return readings, _effects(traced)


def _effects(trace: str) -> list[str]:
    """Lines of a trace that tell of more than of files opened to be read, and of the end."""
    _, began, lines = trace.partition(_BEGIN)
    if trace and not began:
        raise RuntimeError("strace did not see the child begin")
    quiet = re.compile(
        r"openat\([^,]*, \"(/proc/self/|[^\"]*/\d+\.pkl\")[^)]*O_RDONLY|"
        r"(new)?f?l?stat(at|x)?\(|access\(|readlink(at)?\(|getcwd\(|exit(_group)?\(|"
        r"openat\([^,]*, \"(/proc/self/clear_refs\"|[^\"]*/marks\", O_RDONLY)|\+\+\+ exited"
    )
    return [line for line in lines.splitlines()[1:] if not quiet.search(line)]


# --- in the child --------------------------------------------------------------------------


def _state() -> dict[str, set[str]]:
    return {
        "modules": set(sys.modules),
        "threads": {thread.name for thread in threading.enumerate()},
        "open files": {path.name for path in Path("/proc/self").glob("fd/*")},
    }


def _peak(anew: bool = False) -> int:
    """The most bytes this process has held, perhaps since it was asked for ``anew``."""
    try:
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
        return 1024 * int(text.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):  # not Linux
        return 0


def _run(folder: Path, count: int, plain: bool) -> None:
    from benchmarks.robustness.small_models import small_models
    from ovr_digits.models.modelfile import load_models, parse_models
    from ovr_digits.models.place import ModelFileError

    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, _LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    parse_models(small_models())  # so that what is imported for a sound file is there
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a case prints is a fault
    if plain:
        import pickle

        sys.stdin.close()
    marks = folder / "marks"
    with contextlib.suppress(OSError):
        Path(_BEGIN).stat()
    for index in range(count):
        path = folder / f"{index}.pkl"
        data = path.read_bytes() if plain else b""
        _peak(anew=True)
        before, began = _state(), time.process_time()
        refused, text = False, "nothing"
        with recorded() as events:
            try:
                if plain:
                    pickle.loads(data)
                else:
                    load_models(path)
            except ModelFileError as error:
                refused, text = True, str(error).replace(str(folder), "")
            except BaseException as error:
                text = type(error).__name__
        seconds, after = time.process_time() - began, _state()
        left = [f"{kind} {after[kind] - before[kind]}" for kind in after]
        answer = {
            "refused": refused,
            "text": text,
            "events": [event for event in events if event != f"open {path} r"],
            "created": any(marks.iterdir()),
            "left": ", ".join(line for line in left if not line.endswith("set()")),
            "seconds": seconds,
            "peak_bytes": _peak(),
        }
        for mark in marks.iterdir():
            shutil.rmtree(mark) if mark.is_dir() and not mark.is_symlink() else mark.unlink()
        out.write(json.dumps(answer) + "\n")
        out.flush()


def main(arguments: Sequence[str]) -> None:
    """What the child does."""
    folder, count, plain = arguments
    _run(Path(folder), int(count), plain == "1")


if __name__ == "__main__":
    main(sys.argv[1:])
