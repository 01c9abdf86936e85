"""Programs that are killed, and places that fail them: ``python -m benchmarks.robustness.crashes``.

Each job runs in a process of its own, which is ended with kill -9 at a random moment, and at each
of its steps in the file system. Then what it was to replace has to be there whole, the old or the
new, and another run has to bring all to a good end and leave nothing behind.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import conditions_text, markdown_table
from benchmarks.robustness.crash_jobs import Job, download_jobs, keeping_job, training_jobs
from benchmarks.robustness.crash_kills import Tally, kill_at_random, kill_at_steps
from benchmarks.robustness.crash_places import try_places
from benchmarks.store import write_json, write_text

#: In a process of the pool: what there is to try.
_JOBS: list[Job] = []
_NOTES = """\
Every job ran in a process of its own. *Random* is kill -9 at a moment drawn evenly over the time
that the job takes; *steps* is kill -9 just before its first, second, third … opening, renaming or
removing of a file. Each time all that the job replaces was there whole, the old or the new, or it
is counted as failed; and after each kill the job was run again, and had to succeed and to leave
no temporary file. The others fail the job. *quota*: no file may grow beyond so many bytes. *full
disk*: a small file system, which is made larger for the next run. *read-only*: the folder may not
be written. *folder removed*: all of it, at a random moment. *file removed*: at a random moment one
file or folder in it, every other time after a kill -9. *clock back*: each time that the job asks
for the time of day it is an hour earlier than before (put in its place inside the process; the
machine's own clock is left alone). *two at once*: the same job twice, side by side. Each time the
job had to succeed, or to say in one line why not, and after all but a read-only or removed folder
another run had to succeed (but for a checkpoint without its `checkpoint.json`, which is refused
in a line). What is downloaded are small files in the place of MNIST's, from 127.0.0.1; training
is on digits inside scikit-learn, and of few features, so that it takes no time.
"""


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
@click.option("--places", type=click.IntRange(0), default=4, help="Trials of each; 0 is none.")
@click.option("--only", multiple=True, help="Only jobs whose name holds this.")
@click.option("--at-once", type=click.IntRange(1), default=2, help="Jobs tried side by side.")
@click.option("--seed", type=int, default=0)
@results_option
def main(
    count: int,
    steps: int,
    places: int,
    only: tuple[str, ...],
    at_once: int,
    seed: int,
    output: Path,
) -> None:
    """Kill and fail every job that writes; exit status 1 where a promise was not kept."""
    os.environ |= {"no_proxy": "*"}
    with tempfile.TemporaryDirectory(prefix="crashes-") as home, _server(Path(home)) as url:
        os.environ["OVR_DIGITS_MIRRORS"] = url
        os.environ.pop("OVR_DIGITS_DATA", None)
        jobs = [
            *training_jobs(Path(home, "reference.pkl")),
            *download_jobs(Path(home)),
            keeping_job(),
        ]
        jobs = [job for job in jobs if not only or any(text in job.name for text in only)]
        pool = ProcessPoolExecutor(
            at_once, multiprocessing.get_context("fork"), _JOBS.extend, (jobs,)
        )
        with pool:
            each = -(-count // len(jobs))
            done = [pool.submit(_try, k, each, steps, places, seed) for k in range(len(jobs))]
            tallies = [tally for of_job in done for tally in of_job.result()]
    failed = sum(len(tally.failures) for tally in tallies)
    tried = sum(tally.tried for tally in tallies)
    kills = sum(tally.tried for tally in tallies if tally.trial in ("random", "steps"))
    click.echo(f"{tried} trials, {kills} of them kills, {failed} failed")
    about = {
        **machine.conditions(),
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


def _try(index: int, count: int, steps: int, places: int, seed: int) -> list[Tally]:
    """All trials of a job, in a process of the pool."""
    job, tallies = _JOBS[index], []
    for tally in _trials(job, count, steps, places, random.Random(f"{seed} {job.name}")):
        click.echo(f"{tally.job}, {tally.trial}: {tally.tried} tried, {len(tally.failures)} failed")
        for failure in dict.fromkeys(tally.failures):
            click.echo(f"    {failure}")
        tallies.append(tally)
    return tallies


def _trials(job: Job, count: int, steps: int, places: int, rng: random.Random) -> Iterator[Tally]:
    yield kill_at_random(job, count, rng)
    if steps:
        yield kill_at_steps(job, steps)
    if places:
        yield from try_places(job, rng, places)


if __name__ == "__main__":
    main()
