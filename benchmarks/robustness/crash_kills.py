"""Jobs that are killed at random moments and at each of their steps, and begun again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.robustness.crash_jobs import Job
from benchmarks.robustness.crash_run import Run

#: Steps in the file system, as Python's audit hooks name them.
_STEPS = ("open", "os.rename", "os.remove", "os.mkdir")


@dataclass
class Tally:
    """What became of one kind of trial of one job."""

    job: str
    trial: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, wrong: str | None) -> None:
        """Count one trial."""
        self.tried += 1
        if wrong:
            self.failures.append(wrong)


def begin(job: Job, folder: Path, before: Callable[[], None] = lambda: None) -> Run:
    """Begin a job."""
    return Run(lambda: job.run(folder), before)


@contextlib.contextmanager
def prepared(job: Job) -> Iterator[Path]:
    """A folder with what is there before the job."""
    with tempfile.TemporaryDirectory(prefix="crashes-", ignore_cleanup_errors=True) as home:
        folder = Path(home, "folder")
        folder.mkdir()
        job.prepare(folder)
        yield folder


def ended(job: Job, folder: Path, run: Run, lost: str = "") -> str | None:
    """Wait for a job that has to succeed; what is wrong in a folder that has lost a file."""
    status = run.wait()
    if status != 0:
        run.kill()
        return f"status {status}: {run.said()[-300:]}"
    run.said()
    return look_wrong(job, folder, True, lost)


def look_wrong(job: Job, folder: Path, done: bool, lost: str = "") -> str | None:
    """What is not as it should be in the folder, a failure to look among it."""
    try:
        return job.wrong(folder, done, lost)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def undisturbed(job: Job) -> tuple[float, str | None]:
    """How long the job takes, and what is wrong then."""
    with prepared(job) as folder:
        started = time.monotonic()
        run = begin(job, folder)
        run.wait()
        return time.monotonic() - started, ended(job, folder, run)


def die_before(number: int) -> None:
    """Kill this process just before its so manyth step in the file system from now on."""
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event not in _STEPS:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & 3):
            return  # only read
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def kill_at_random(job: Job, count: int, rng: random.Random) -> Tally:
    """Kill the job at moments drawn evenly over its time; heal after each."""
    tally = Tally(job.name, "random")
    duration, wrong = undisturbed(job)
    if wrong:
        tally.count(f"undisturbed: {wrong}")
        return tally
    while tally.tried < count:
        with prepared(job) as folder:
            # With a checkpoint the same training is killed again and again.
            for _ in range(3):
                run = begin(job, folder)
                run.wait(rng.uniform(0, duration))
                if run.kill():
                    tally.count(look_wrong(job, folder, False))
            wrong = ended(job, folder, begin(job, folder))
            if wrong:
                tally.failures.append(f"not healed: {wrong}")
    return tally


def kill_at_steps(job: Job, most: int) -> Tally:
    """Kill the job before each step in the file system; heal after each."""
    tally = Tally(job.name, "steps")
    for step in range(most):
        with prepared(job) as folder:
            if begin(job, folder, lambda: die_before(step)).wait() == 0:  # noqa: B023
                break
            tally.count(look_wrong(job, folder, False))
            wrong = ended(job, folder, begin(job, folder))
            if wrong:
                tally.failures.append(f"step {step} not healed: {wrong}")
    return tally
