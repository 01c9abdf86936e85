"""Places that fail a job: full, forbidden, removed; and jobs that meet one another."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.robustness.crash_jobs import Job
from benchmarks.robustness.crash_kills import Tally, begin, ended, look_wrong, prepared, undisturbed
from benchmarks.robustness.crash_run import Run
from ovr_digits.data import corrections
from ovr_digits.errors import DigitsError
from ovr_digits.learn import checkpoint


def _refused(job: Job, folder: Path, run: Run) -> str | None:
    """Wait for a job that cannot succeed, or can: one line where not, and nothing spoilt."""
    wrong = _told(run)
    if wrong is None and folder.exists() and any(folder.iterdir()):
        wrong = look_wrong(job, folder, False)
    return wrong


def _told(run: Run) -> str | None:
    """Wait for a job that may fail, and then has to say so in one line."""
    status = run.wait()
    run.kill()
    said = run.said()
    if status not in (0, 1) or "Traceback" in said:
        return f"status {status}: {said[-300:]}"
    if status == 1 and not said.splitlines()[-1:][0].startswith("ovr-digits: "):
        return f"no line that tells why: {said[-300:]}"
    return None


def quota(job: Job, tally: Tally) -> None:
    """Files may not grow beyond so many bytes."""
    for size in (0, 1, 50, 500, 5_000, 50_000, 500_000):
        with prepared(job) as folder:
            limits = (size, resource.RLIM_INFINITY)

            def limit() -> None:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)  # noqa: B023

            tally.count(_refused(job, folder, begin(job, folder, limit)))
            wrong = ended(job, folder, begin(job, folder))
            if wrong:
                tally.failures.append(f"not healed after {size} bytes: {wrong}")


def full_disk(job: Job, tally: Tally) -> None:
    """A file system of so many kilobytes, which needs root to be mounted."""
    for size in (16, 64, 256, 1024):
        with tempfile.TemporaryDirectory(prefix="crashes-") as home:
            folder = Path(home, "folder")
            folder.mkdir()
            mount = ("mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder))
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                return
            try:
                try:
                    job.prepare(folder)
                except (OSError, DigitsError, SystemExit):
                    continue  # too small even for what is there before
                tally.count(_refused(job, folder, begin(job, folder)))
                mount = ("mount", "-o", "remount,size=64m", str(folder))
                subprocess.run(mount, check=True)
                wrong = ended(job, folder, begin(job, folder))
                if wrong:
                    tally.failures.append(f"not healed after {size} kB: {wrong}")
            finally:
                subprocess.run(("umount", "-l", str(folder)), check=True)


def read_only(job: Job, tally: Tally) -> None:
    """A folder that may be read and not written, by a user with no rights of root's."""
    with prepared(job) as folder:
        before = sorted(folder.rglob("*"))
        for path in (folder.parent, folder, *before):
            path.chmod(0o555 if path.is_dir() else 0o444)

        def give_up() -> None:
            # All is imported first: the user may not be allowed to read Python's own files.
            with prepared(job) as other, contextlib.suppress(SystemExit):
                job.run(other)
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)

        run = begin(job, folder, give_up)
        wrong = "succeeded" if run.wait() == 0 else _refused(job, folder, run)
        if sorted(folder.rglob("*")) != before:
            wrong = "the folder is changed"
        tally.count(wrong)
        for path in (folder.parent, folder, *before):
            path.chmod(0o755)


def folder_removed(job: Job, tally: Tally, rng: random.Random, count: int) -> None:
    """The folder is removed, with all that is in it, at a random moment."""
    duration, _ = undisturbed(job)
    for _ in range(count):
        with prepared(job) as folder:
            run = begin(job, folder)
            run.wait(rng.uniform(0, duration))
            shutil.rmtree(folder, ignore_errors=True)
            run.wait()
            shutil.rmtree(folder, ignore_errors=True)
            tally.count(_refused(job, folder, run))


def file_removed(job: Job, tally: Tally, rng: random.Random, count: int) -> None:
    """One file, or one folder below, is removed at a random moment; then the job is run again.

    Every other time the job is killed just before. Without the file that says what the others
    are, these are not taken for a checkpoint: that is refused.
    """
    duration, _ = undisturbed(job)
    while tally.tried < count:
        with prepared(job) as folder:
            run = begin(job, folder)
            run.wait(rng.uniform(0, duration))
            if tally.tried % 2:
                run.kill()
            if not (there := sorted(folder.rglob("*"))):
                run.kill()
                run.said()
                continue
            victim = rng.choice(there)
            lost = str(victim.relative_to(folder))
            if victim.is_dir():
                shutil.rmtree(victim, ignore_errors=True)
            else:
                victim.unlink(missing_ok=True)
            wrong = None
            if tally.tried % 2:
                run.said()
            else:
                wrong = _told(run)
            tally.count(wrong and f"without {lost}: {wrong}")
            wrong = ended(job, folder, begin(job, folder), lost)
            if wrong and not (victim.name == checkpoint.FILE_NAME and "other things" in wrong):
                tally.failures.append(f"not healed without {lost}: {wrong}")


def clock_back(job: Job, tally: Tally) -> None:
    """Every time that is asked for is an hour before the last."""

    def turn_back() -> None:
        now = [time.time()]

        def earlier() -> float:
            now[0] -= 3600
            return now[0]

        class Earlier(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.fromtimestamp(earlier(), tz)

        time.time = earlier
        corrections.datetime = Earlier  # type: ignore[misc]

    for _ in range(3):
        with prepared(job) as folder:
            for _ in range(2):
                wrong = ended(job, folder, begin(job, folder, turn_back))
                tally.count(wrong)


def two_at_once(job: Job, tally: Tally, count: int) -> None:
    """The job is begun twice at the same moment; both have to succeed."""
    for _ in range(count):
        with prepared(job) as folder:
            runs = [begin(job, folder) for _ in range(2)]
            for run in runs:
                run.wait()
            tally.count(next(filter(None, [ended(job, folder, run) for run in runs]), None))


def try_places(job: Job, rng: random.Random, count: int) -> Iterator[Tally]:
    """All of these."""
    trials: list[tuple[str, Callable[[Tally], None]]] = [
        ("quota", lambda tally: quota(job, tally)),
        ("full disk", lambda tally: full_disk(job, tally)),
        ("read-only", lambda tally: read_only(job, tally)),
        ("folder removed", lambda tally: folder_removed(job, tally, rng, count)),
        ("file removed", lambda tally: file_removed(job, tally, rng, count)),
        ("clock back", lambda tally: clock_back(job, tally)),
        ("two at once", lambda tally: two_at_once(job, tally, count)),
    ]
    for name, trial in trials:
        tally = Tally(job.name, name)
        trial(tally)
        yield tally
