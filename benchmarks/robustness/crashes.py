"""Programs that are killed, and places that fail them: ``python -m benchmarks.robustness.crashes``.

Each job runs in a process of its own, which is ended with kill -9 at a random moment, and at each
of its steps in the file system. Then what it was to replace has to be there whole, the old or the
new, and another run has to bring all to a good end and leave nothing behind.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.report import conditions_text, markdown_table
from benchmarks.store import write_json, write_text
from ovr_digits import corrections, data, download, load_models
from ovr_digits.cli import main as ovr_digits
from ovr_digits.core.vote import count_votes
from ovr_digits.corrections import keep_correction, load_corrections
from ovr_digits.data import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.idx import idx_bytes
from ovr_digits.mnist import MNIST_FILES

_FORK = multiprocessing.get_context("fork")
_TRAIN = ("train", "--dataset", "digits", "--limit", "120", "--preset", "fast", "--epochs", "3")
_NOTES = """\
Every job ran in a process of its own. *Random* is kill -9 at a moment drawn evenly over the time
that the job takes; *steps* is kill -9 just before its first, second, third … opening, renaming or
removing of a file. Each time all that the job replaces was there whole, the old or the new, or it
is counted as failed; and after each kill the job was run again, and had to succeed and to leave
no temporary file. *Places* are those that fail the job: a full disk, a quota, a folder that may
not be written, one that is removed meanwhile, a clock that jumps back, and the same job twice at
once. What is downloaded are small files in the place of MNIST's, from 127.0.0.1; training is on
the digits inside scikit-learn.
"""
#: Steps in the file system, as Python's audit hooks name them.
_STEPS = ("open", "os.rename", "os.remove", "os.mkdir")


@dataclass(frozen=True)
class Job:
    """Something that writes.

    Attributes
    ----------
    name : str
    prepare : callable
        Makes what is there before, in an empty folder.
    run : callable
        Does the job in the folder; ends like a command.
    wrong : callable
        What is not as it should be in the folder, or None; told whether the job has succeeded.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    wrong: Callable[[Path, bool], str | None]


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


# --- the jobs ---------------------------------------------------------------------------------


def _command(*arguments: str) -> None:
    ovr_digits(list(arguments), prog_name="ovr-digits")


def _weights(path: Path) -> bytes:
    models = load_models(path)
    return models.coef.tobytes() + models.intercept.tobytes()


def _leftovers(folder: Path, expected: set[str]) -> str | None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return None if found == expected else f"left behind or lacking: {sorted(found ^ expected)}"


def training_jobs(reference: Path) -> Iterator[Job]:
    """Training over an older models.pkl, and the same with a checkpoint."""
    old = b"the old one"

    @functools.cache
    def new() -> bytes:
        assert Run(lambda: _command(*_TRAIN, "--output", str(reference))).wait() == 0
        return _weights(reference)

    def prepare(folder: Path) -> None:
        (folder / "models.pkl").write_bytes(old)

    def wrong(folder: Path, done: bool) -> str | None:
        content = (folder / "models.pkl").read_bytes()
        if content != old and _weights(folder / "models.pkl") != new():
            return "models.pkl is neither the old nor the new"
        if done and content == old:
            return "models.pkl was not replaced"
        return _leftovers(folder, {"models.pkl"}) if done else _broken_stage(folder)

    def _broken_stage(folder: Path) -> str | None:
        for path in folder.rglob("*.npz"):
            with np.load(path, allow_pickle=False) as stage:
                for name in stage.files:
                    stage[name]
        return None

    def train(folder: Path, *options: str) -> None:
        _command(*_TRAIN, "--output", str(folder / "models.pkl"), *options)

    yield Job("train", prepare, train, wrong)
    yield Job(
        "train --checkpoint",
        prepare,
        lambda folder: train(folder, "--checkpoint", str(folder / "unfinished"), "--resume"),
        wrong,
    )


def download_jobs(bodies: Path) -> Iterator[Job]:
    """The download by command, and the one that another command needs."""
    rng = np.random.default_rng(0)
    shapes = [(12, 28, 28), (12,), (6, 28, 28), (6,)]
    files = {}
    for name, shape in zip(MNIST_FILES, shapes, strict=True):
        content = idx_bytes(rng.integers(0, 10, shape, np.uint8))
        files[name] = hashlib.sha256(content).hexdigest()
        (bodies / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    download.download_mnist.__defaults__ = (files, None)
    data.MNIST_FILES = files  # type: ignore[misc]

    def wrong_in(place: str, names: list[str]) -> Callable[[Path, bool], str | None]:
        def wrong(folder: Path, done: bool) -> str | None:
            cache = folder / place
            for path in cache.glob("*.gz"):
                if path.read_bytes() != (bodies / path.name).read_bytes():
                    return f"{path.name} is not whole"
            if not done:
                return None
            return _leftovers(cache, {f"{name}.gz" for name in names})

        return wrong

    def nothing(folder: Path) -> None:
        pass

    names = list(MNIST_FILES)
    yield Job(
        "data download",
        nothing,
        lambda folder: _command("data", "download", "--data-dir", str(folder / "cache")),
        wrong_in("cache", names),
    )

    def evaluate(folder: Path) -> None:
        os.environ["OVR_DIGITS_CACHE"] = str(folder / "cache")
        _command("evaluate", "--dataset", "mnist")

    yield Job("evaluate, which downloads", nothing, evaluate, wrong_in("cache/mnist", names[2:]))


def keeping_job() -> Job:
    """A picture that is kept beside others."""
    image = load_split("digits", "train").X[3].reshape(28, 28)
    content = io.BytesIO()
    Image.fromarray(255 - image).resize((140, 140)).save(content, "PNG")
    (answer,) = count_votes(np.arange(10.0)[None])

    def keep(folder: Path) -> None:
        try:
            keep_correction(folder / "kept", content.getvalue(), 3, answer)
        except DigitsError as error:
            print(f"ovr-digits: {error}", file=sys.stderr)
            sys.exit(1)

    def lines(folder: Path) -> int:
        log = folder / "kept" / corrections.FILE_NAME
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def prepare(folder: Path) -> None:
        for _ in range(2):
            keep(folder)

    def wrong(folder: Path, done: bool) -> str | None:
        said: list[str] = []
        load_corrections(folder / "kept", said.append)
        n_files = len(list((folder / "kept").glob("*.png")))
        n_parts = len(list((folder / "kept").glob(".*.part")))
        if [text for text in said if "not a whole JSON object" not in text] or lines(folder) < 2:
            return f"a line without its picture: {said}"
        if done and n_parts:
            return f"{n_parts} temporary files left"
        return "a kept picture is lost" if n_files < 2 + done else None

    return Job("keep", prepare, keep, wrong)


# --- the trials -------------------------------------------------------------------------------


class Run:
    """A job in a process of its own, which first calls ``before``."""

    def __init__(self, work: Callable[[], None], before: Callable[[], None] = lambda: None) -> None:
        def run() -> None:
            for number in (1, 2):
                os.dup2(writing, number)
            before()
            work()

        # A pipe, which no quota applies to; far more goes into it than a job says.
        self._reading, writing = os.pipe()
        self._process = _FORK.Process(target=run)
        self._process.start()
        os.close(writing)

    def wait(self, seconds: float = 900) -> int | None:
        """The status it ended with; None where it runs yet."""
        self._process.join(seconds)
        return self._process.exitcode

    def kill(self) -> bool:
        """End it with kill -9; whether it was running."""
        was_running = self._process.exitcode is None
        self._process.kill()
        self._process.join()
        return was_running

    def said(self) -> str:
        """What it printed, once it has ended."""
        with os.fdopen(self._reading, "rb") as said:
            return said.read().decode(errors="replace")


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


def ended(job: Job, folder: Path, run: Run) -> str | None:
    """Wait for a job that has to succeed; what is wrong."""
    status = run.wait()
    if status != 0:
        run.kill()
        return f"status {status}: {run.said()[-300:]}"
    run.said()
    return _wrong(job, folder, True)


def _wrong(job: Job, folder: Path, done: bool) -> str | None:
    try:
        return job.wrong(folder, done)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


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
    with prepared(job) as folder:
        started = time.monotonic()
        wrong = ended(job, folder, begin(job, folder))
        duration = time.monotonic() - started
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
                    tally.count(_wrong(job, folder, False))
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
            tally.count(_wrong(job, folder, False))
            wrong = ended(job, folder, begin(job, folder))
            if wrong:
                tally.failures.append(f"step {step} not healed: {wrong}")
    return tally


# --- places that fail the job -----------------------------------------------------------------


def _refused(job: Job, folder: Path, run: Run) -> str | None:
    """Wait for a job that cannot succeed, or can: one line where not, and nothing spoilt."""
    status = run.wait()
    run.kill()
    said = run.said()
    if status not in (0, 1) or "Traceback" in said:
        return f"status {status}: {said[-300:]}"
    if status == 1 and not said.splitlines()[-1:][0].startswith("ovr-digits: "):
        return f"no line that tells why: {said[-300:]}"
    return _wrong(job, folder, False) if folder.exists() and any(folder.iterdir()) else None


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
                with contextlib.suppress(OSError, DigitsError, SystemExit):
                    job.prepare(folder)
                    tally.count(_refused(job, folder, begin(job, folder)))
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


def removed(job: Job, tally: Tally, rng: random.Random, count: int) -> None:
    """The folder, or a file in it, is removed at a random moment."""
    with prepared(job) as folder:
        started = time.monotonic()
        ended(job, folder, begin(job, folder))
        duration = time.monotonic() - started
    for _ in range(count):
        with prepared(job) as folder:
            run = begin(job, folder)
            run.wait(rng.uniform(0, duration))
            shutil.rmtree(folder, ignore_errors=True)
            run.wait()
            shutil.rmtree(folder, ignore_errors=True)
            tally.count(_refused(job, folder, run))


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
        ("removed", lambda tally: removed(job, tally, rng, count)),
        ("clock back", lambda tally: clock_back(job, tally)),
        ("two at once", lambda tally: two_at_once(job, tally, count)),
    ]
    for name, trial in trials:
        tally = Tally(job.name, name)
        trial(tally)
        yield tally


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The files in a folder, served on loopback."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().split(" port ")[1].split()[0]
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


@click.command()
@click.option("--count", type=click.IntRange(1), default=200, help="Random kills, of all jobs.")
@click.option("--steps", type=click.IntRange(0), default=200, help="Most steps of each job.")
@click.option("--places", type=click.IntRange(0), default=10, help="Trials of each; 0 is none.")
@click.option("--only", multiple=True, help="Only jobs whose name holds this.")
@click.option("--seed", type=int, default=0)
@click.option(
    "--output",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=ROOT / "benchmarks" / "results",
    help="Folder for the results. [default: benchmarks/results]",
)
def main(
    count: int, steps: int, places: int, only: tuple[str, ...], seed: int, output: Path
) -> None:
    """Kill and fail every job that writes; exit status 1 where a promise was not kept."""
    rng = random.Random(seed)
    os.environ |= {"no_proxy": "*"}
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="crashes-") as home, _server(Path(home)) as url:
        os.environ["OVR_DIGITS_MIRRORS"] = url
        os.environ.pop("OVR_DIGITS_DATA", None)
        jobs = [
            *training_jobs(Path(home, "reference.pkl")),
            *download_jobs(Path(home)),
            keeping_job(),
        ]
        jobs = [job for job in jobs if not only or any(text in job.name for text in only)]
        for job in jobs:
            for tally in _trials(job, -(-count // len(jobs)), steps, places, rng):
                _print(tally)
                tallies.append(tally)
    failed = sum(len(tally.failures) for tally in tallies)
    tried = sum(tally.tried for tally in tallies)
    kills = sum(tally.tried for tally in tallies if tally.trial in ("random", "steps"))
    click.echo(f"{tried} trials, {kills} of them kills, {failed} failed")
    about = {
        **machine.describe_machine(),
        "versions": machine.installed_versions(),
        "date": machine.utc_now(),
        "seed": seed,
        "quick": count < 200 or not steps or not places or bool(only),
    }
    stem = output / f"robustness-crashes{'-quick' if about['quick'] else ''}"
    output.mkdir(parents=True, exist_ok=True)
    records = [
        {"job": t.job, "trial": t.trial, "tried": t.tried, "failures": t.failures} for t in tallies
    ]
    write_json(stem.with_suffix(".json"), {"conditions": about, "trials": records})
    rows = [[t.job, t.trial, str(t.tried), str(len(t.failures))] for t in tallies]
    table = markdown_table(["job", "trial", "tried", "failed"], rows)
    title = "# Robustness: programs that are killed, and places that fail them\n"
    write_text(stem.with_suffix(".md"), "\n".join([title, conditions_text(about), _NOTES, table]))
    sys.exit(1 if failed else 0)


def _trials(job: Job, count: int, steps: int, places: int, rng: random.Random) -> Iterator[Tally]:
    yield kill_at_random(job, count, rng)
    if steps:
        yield kill_at_steps(job, steps)
    if places:
        yield from try_places(job, rng, places)


def _print(tally: Tally) -> None:
    click.echo(f"{tally.job}, {tally.trial}: {tally.tried} tried, {len(tally.failures)} failed")
    for failure in dict.fromkeys(tally.failures):
        click.echo(f"    {failure}")


if __name__ == "__main__":
    main()
