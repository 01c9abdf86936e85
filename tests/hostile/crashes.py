"""Ends or fails a job at each of its steps on files, and looks at what is left.

``python -m hostile.crashes keep:kill:1`` prints in JSON what was tried, here at every single step,
and what went wrong. It is a process of its own, since it forks.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hostile.crash_jobs import JOBS, Job

#: Steps in the file system, as Python's audit hooks name them.
_STEPS = ("open", "os.rename", "os.remove", "os.mkdir")
#: Trials of a fault that is none of a step's.
_TRIALS = 10


def _at_steps(met: Callable[[int], object]) -> None:
    """Call what a step is met by, just before each from now on."""
    numbers = itertools.count()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        only_read = event == "open" and not (isinstance(arguments[2], int) and arguments[2] & 3)
        if event in _STEPS and not only_read:
            met(next(numbers))

    sys.addaudithook(hook)


#: No file may grow any more, as where a disk is full; and the others, by what they do to a folder.
_FULL = (resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
_AT_STEPS: dict[str, Callable[[Path], object]] = {
    "kill": lambda folder: os.kill(os.getpid(), signal.SIGKILL),
    "full disk": lambda folder: resource.setrlimit(*_FULL),
    "folder removed": lambda folder: shutil.rmtree(folder, ignore_errors=True),
}


class _Run:
    """A job in a process of its own, which first calls ``before``."""

    def __init__(self, job: Job, folder: Path, before: Callable[[], object]) -> None:
        self._output, writing = os.pipe()  # no limit on files applies to it
        self.pid = os.fork()
        if not self.pid:
            try:
                os.dup2(writing, 1)
                os.dup2(writing, 2)
                before()
                job.run(folder)
                os._exit(0)
            except SystemExit as end:
                os._exit(end.code if isinstance(end.code, int) else int(bool(end.code)))
            except BaseException as error:
                os.write(2, f"Traceback: {error!r}".encode())
                os._exit(3)
        os.close(writing)

    def wait(self) -> tuple[int, str]:
        """The status it ended with, and what it printed."""
        with os.fdopen(self._output, "rb") as said:
            text = said.read().decode(errors="replace")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), text


def _looked_at(job: Job, folder: Path, done: bool) -> str | None:
    try:
        return job.wrong(folder, done)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _ended(job: Job, folder: Path, status: int, said: str) -> str | None:
    """What is wrong where a job had to succeed."""
    return f"status {status}: {said[-500:]}" if status else _looked_at(job, folder, True)


def _refused(status: int, said: str) -> str | None:
    """What is wrong where a job may fail, and then has to say so in one line."""
    lines = said.splitlines() or [""]
    if "Traceback" in said or (status == 1 and not lines[-1].startswith("ovr-digits: ")):
        return f"status {status}: {said[-500:]}"
    return None if status in (0, 1) else f"status {status}"


def _trials(job: Job, fault: str, every: int) -> Iterator[str | None]:
    """What was wrong each time; a fault that meets a step is tried at every so manyth."""
    rng, began = random.Random(0), time.monotonic()
    with _prepared(job) as place:  # undisturbed, counting steps
        _, said = _Run(
            job, Path(place, "x"), lambda: _at_steps(lambda _: os.write(1, b"\0"))
        ).wait()
        yield _looked_at(job, Path(place, "x"), True)
    duration = time.monotonic() - began
    for number in range(0, said.count("\0") if fault in _AT_STEPS else _TRIALS, every):
        with _prepared(job) as place:
            folder = Path(place, "x")
            if fault == "two at once":
                runs = [_Run(job, folder, lambda: None) for _ in range(2)]
                ended = [run.wait() for run in runs]  # both, before the folder is looked at
                yield next(filter(None, (_ended(job, folder, *end) for end in ended)), None)
            elif fault == "random kill":
                run = _Run(job, folder, lambda: None)
                time.sleep(rng.uniform(0, duration))
                os.kill(run.pid, signal.SIGKILL)
                run.wait()
                yield _looked_at(job, folder, False)
            else:

                def meet(step: int, at: int = number, folder: Path = folder) -> None:
                    if step == at:
                        _AT_STEPS[fault](folder)

                status, said = _Run(job, folder, lambda: _at_steps(meet)).wait()
                wrong = None if fault == "kill" else _refused(status, said)
                if wrong is None and fault != "folder removed":
                    wrong = _looked_at(job, folder, False)
                yield wrong and f"step {number}: {wrong}"
            if fault != "folder removed":
                yield _ended(job, folder, *_Run(job, folder, lambda: None).wait())  # it is healed


def _prepared(job: Job) -> tempfile.TemporaryDirectory[str]:
    """A folder, with what is there before the job in the folder x below."""
    place = tempfile.TemporaryDirectory(prefix="crashes-", ignore_cleanup_errors=True)
    folder = Path(place.name, "x")
    folder.mkdir()
    job.prepare(folder)
    return place


def main(arguments: list[str]) -> None:
    """Try faults on jobs, each given as ``JOB:FAULT:EVERY``."""
    found = {}
    for each in arguments:
        name, fault, every = each.split(":")
        outcomes = list(_trials(JOBS[name](), fault, int(every)))
        found[each] = {"tried": len(outcomes), "failures": [text for text in outcomes if text]}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
