"""A service under hostile load beside ordinary clients: python -m benchmarks.robustness.web."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.report import conditions_text, markdown_table
from benchmarks.robustness.web_cases import Case, case, pictures, request
from benchmarks.robustness.web_clients import BEHAVIOURS, Tried, ask, behave
from benchmarks.robustness.web_watch import Sample, Watched, median_mb, watched
from benchmarks.store import write_json, write_text

_RESULTS = Path(__file__).resolve().parents[1] / "results"
_STATIC = ROOT / "ovr_digits" / "web" / "static"
#: Ordinary clients, seconds that each waits before it asks again, and connections of hostile ones.
_N_GOOD, _PAUSE, _N_HOSTILE = 4, 0.1, 10
_GOOD = "**ordinary clients**"
#: A shorter run is a quick one, and tells nothing of memory.
_LONG = 600.0
#: Memory may grow so much between the second minute and the last, and besides some MB.
_GROWTH, _FREE_MB = 1.15, 10.0
#: Seconds in which the service has to be as before when all have gone.
_RECOVERY = 30.0
#: Failures that are stored in full.
_SHOWN = 20
_NOTES = """\
One `ovr-digits serve` with {workers} workers on the loopback, {seconds:.0f} s of all of this side
by side. Requests come over {hostile} connections, from a list that the seed fixes; the other kinds
of clients are there all the time, {others} at a time, and begin anew when the service has ended
them. *ordinary clients* ({good}) ask for digits, numbers and files of the page: each answer has to
be what it was, byte for byte, before the load. Of every answer it is checked that it is whole and
strict HTTP, has one of the documented statuses (5xx: 503 alone, with Retry-After), the headers that
every answer carries and none that tell more, one line of JSON where it refuses, nothing of what was
sent but in JSON, and nothing of files and folders that are none of the client's. *waits*: nothing
came to what was no whole request, and the client went. *no answer*, *ended*, *reset*: the service
ended the connection, as is its right where a request is none or does not arrive.
"""


@dataclass
class Tally:
    """What became of all that was tried, by kind."""

    hows: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slowest: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failed: list[Tried] = field(default_factory=list)
    good_seconds: list[float] = field(default_factory=list)

    def add(self, tried: Tried) -> None:
        """Count one."""
        self.hows[tried.kind][tried.how] += 1
        self.slowest[tried.kind] = max(self.slowest[tried.kind], tried.seconds)
        if tried.faults:
            self.failed.append(tried)
        if tried.kind == _GOOD:
            self.good_seconds.append(tried.seconds)

    def rows(self) -> list[list[str]]:
        """One for each kind: how often it was tried, how often it failed, what came of it."""
        failed = Counter(tried.kind for tried in self.failed)
        return [
            [
                kind,
                f"{hows.total():,}",
                str(failed[kind]),
                f"{self.slowest[kind]:.2f}",
                ", ".join(f"{how}: {number:,}" for how, number in sorted(hows.items())),
            ]
            for kind, hows in sorted(self.hows.items(), key=lambda each: _order(each[0]))
        ]


def _order(kind: str) -> tuple[bool, bool, str]:
    return kind != _GOOD, kind in BEHAVIOURS, kind


_COLUMNS = ["", "tried", "failed", "slowest, s", "what came of it"]


def _good_cases() -> Iterator[Case]:
    ok = frozenset({200})
    for picture in pictures():
        for target in ("/api/predict?form=true", "/api/read"):
            yield Case(_GOOD, request("POST", target, picture), ok)
    for path in ("/", "/static/main.js", "/healthz", "/api/models"):
        yield Case(_GOOD, request("GET", path), ok)


class Trial:
    """A load on a service.

    Parameters
    ----------
    service : Watched
    seed : int
    arrival : float
        Seconds in which the service wants a request to arrive.
    """

    def __init__(self, service: Watched, seed: int, arrival: float) -> None:
        self.tally = Tally()
        self.faults: list[str] = []
        self.medians: dict[str, float] = {}
        self._service = service
        self._seed = seed
        self._arrival = arrival
        self._secrets = service.secrets()
        self._expected: dict[Case, bytes] = {}

    async def run(self, seconds: float, count: int) -> None:
        """All of it, from the quiet before to the quiet after."""
        for _ in range(3):
            await self._ask_quietly()
        before = await self._ask_quietly()
        start = self._service.sample()
        await self._load(seconds, count)
        under_load = statistics.median(self.tally.good_seconds or [0.0])
        files = await self._files_come_back(start)
        after = await self._ask_quietly()
        self.medians = {"before": before, "under load": under_load, "after": after}
        self.files = [start.server_files, files]
        if after > 2 * before + 0.05:
            self.faults.append(f"an answer takes {after:.3f} s, {before:.3f} s before")

    async def _ask_quietly(self) -> float:
        """The median of the seconds for an answer where nothing else is asked."""
        took = []
        for each in _good_cases():
            tried = await self._ask_well(each)
            self.faults += tried.faults
            took.append(tried.seconds)
        return statistics.median(took)

    async def _ask_well(self, each: Case) -> Tried:
        """What an ordinary client asks; the answer is the same at all times."""
        tried = await ask(self._service.address, each, self._secrets)
        if tried.answers:
            content = tried.answers[0].content
            if content != self._expected.setdefault(each, content):
                tried.faults.append(f"another answer than before: {content[:200]!r}")
        return tried

    async def _load(self, seconds: float, count: int) -> None:
        numbers = itertools.count()
        tasks = [self._service.keep_watching(min(2.0, seconds / 10)), self._show(seconds)]
        tasks += [self._good(place) for place in range(_N_GOOD)]
        tasks += [self._requests(numbers) for _ in range(_N_HOSTILE)]
        for number, (kind, (_, count)) in enumerate(BEHAVIOURS.items()):
            tasks += [self._behaviour(kind, [self._seed, number, k]) for k in range(count)]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(task) for task in tasks]
            await asyncio.sleep(seconds)
            while self.tally.hows["random bodies"].total() < count:
                await asyncio.sleep(1)
            for each in running:
                each.cancel()

    async def _good(self, place: int) -> None:
        for each in itertools.islice(itertools.cycle(_good_cases()), 5 * place, None):
            self.tally.add(await self._ask_well(each))
            await asyncio.sleep(_PAUSE)

    async def _requests(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            each = case(number, self._seed)
            try:
                tried = await ask(self._service.address, each, self._secrets)
            except OSError as error:
                tried = Tried(each.kind, "no connection", 0.0, [str(error)])
            self.tally.add(tried)

    async def _behaviour(self, kind: str, seed: list[int]) -> None:
        rng = np.random.default_rng(seed)
        while True:
            self.tally.add(await behave(self._service.address, kind, rng, self._arrival))

    async def _show(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            await asyncio.sleep(10)
            tried = sum(hows.total() for hows in self.tally.hows.values())
            sample = self._service.samples[-1]
            print(
                f"{end - time.monotonic():4.0f} s to go, {tried:,} tried, "
                f"{len(self.tally.failed)} failed, {sample.server_mb:.0f} + "
                f"{sample.workers_mb:.0f} MB, {sample.server_files} files",
                file=sys.stderr,
            )

    async def _files_come_back(self, start: Sample) -> int:
        """The open files of the service when it has noticed that all have gone."""
        end = time.monotonic() + _RECOVERY
        while True:
            now = self._service.sample()
            same = now.server_files <= start.server_files
            if same and now.workers_files <= start.workers_files:
                return now.server_files
            if time.monotonic() > end:
                self.faults.append(f"open files: {start} before, {now} after")
                return now.server_files
            await asyncio.sleep(0.5)


def _memory(samples: list[Sample], seconds: float) -> tuple[dict[str, list[float]], list[str]]:
    """MB in the second minute and in the last, of server and workers; and what is too much."""
    if seconds < _LONG:
        return {}, []
    end = samples[-1].seconds
    early, late = median_mb(samples, 60, 120), median_mb(samples, end - 60, end + 1)
    names = ("server", "workers")
    found = {name: [a, b] for name, a, b in zip(names, early, late, strict=True)}
    faults = [
        f"memory of the {name}: {a:.0f} MB in the second minute, {b:.0f} MB in the last"
        for name, (a, b) in found.items()
        if b > _GROWTH * a + _FREE_MB
    ]
    return found, faults


@click.command()
@click.option("--seconds", type=click.FloatRange(1), default=_LONG, show_default=True)
@click.option(
    "--count",
    type=click.IntRange(0),
    default=10_000,
    show_default=True,
    help="Of random bodies; it goes on until there were as many.",
)
@click.option("--seed", type=int, default=0)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--arrival",
    type=click.FloatRange(0.5),
    default=30.0,
    show_default=True,
    help="Seconds in which the service wants a request to arrive.",
)
@click.option(
    "--models", type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=_RESULTS,
    help="Folder for the results. [default: benchmarks/results]",
)
def main(
    seconds: float,
    count: int,
    seed: int,
    workers: int,
    arrival: float,
    models: Path | None,
    output: Path,
) -> None:
    """Load a service with everything that means no good; exit status 1 where something failed."""
    with (
        tempfile.TemporaryDirectory(prefix="ovr-digits-web-") as folder,
        watched(Path(folder), workers, models, arrival) as service,
    ):
        trial = Trial(service, seed, arrival)
        asyncio.run(trial.run(seconds, count))
        memory, faults = _memory(service.samples, seconds)
        faults += [*trial.faults, *service.stop()]
        faults += [*service.faults_in_log(), *service.faults_in_files()]
    tally = trial.tally
    rows = tally.rows()
    tried = sum(hows.total() for hows in tally.hows.values())
    n_failed = len(tally.failed) + len(faults)
    lines = [f"Answers to ordinary clients (median): {_milliseconds(trial.medians)}."]
    lines += [f"Open files of the server: {trial.files[0]} before, {trial.files[1]} after."]
    lines += [
        f"Memory of the {name}: {a:.0f} MB in the second minute, {b:.0f} MB in the last."
        for name, (a, b) in memory.items()
    ]
    lines += [f"- {fault}" for fault in faults[:_SHOWN]]
    shown = [
        {"kind": each.kind, "faults": each.faults, "sent": repr(each.content[:2000])}
        for each in tally.failed[:_SHOWN]
    ]
    about: dict[str, Any] = {
        **machine.describe_machine(),
        "versions": machine.installed_versions(("fastapi", "uvicorn", "h11", "pebble")),
        "date": machine.utc_now(),
        "quick": seconds < _LONG,
        "seed": seed,
        "command": f"python -m benchmarks.robustness.web --seconds {seconds:g} --seed {seed}",
    }
    results = {
        "seconds": round(service.samples[-1].seconds),
        "workers": workers,
        "arrival": arrival,
        "tried": tried,
        "failed": shown,
        "faults": faults,
        "kinds": {kind: dict(hows) for kind, hows in tally.hows.items()},
        "answer_seconds": trial.medians,
        "open_files": trial.files,
        "memory_mb": memory,
        "samples": [
            asdict(sample) for sample in service.samples[:: len(service.samples) // 60 + 1]
        ],
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = output / f"robustness-web{'-quick' if seconds < _LONG else ''}"
    write_json(stem.with_suffix(".json"), {"conditions": about, **results})
    title = f"# A service under hostile load: {tried:,} tried, {n_failed} failures\n"
    notes = _NOTES.format(
        workers=workers,
        seconds=service.samples[-1].seconds,
        hostile=_N_HOSTILE,
        others=sum(count for _, count in BEHAVIOURS.values()),
        good=_N_GOOD,
    )
    table = markdown_table(_COLUMNS, rows)
    text = "\n".join(lines) + "\n"
    write_text(
        stem.with_suffix(".md"), "\n".join([title, conditions_text(about), notes, table, text])
    )
    click.echo(table + text)
    for each in shown:
        click.echo(f"{each['kind']}: {'; '.join(each['faults'])}\n    {each['sent'][:300]}")
    click.echo(f"{tried:,} tried, {n_failed} failed")
    sys.exit(bool(n_failed))


def _milliseconds(medians: dict[str, float]) -> str:
    return ", ".join(f"{1000 * value:.0f} ms {name}" for name, value in medians.items())


if __name__ == "__main__":
    main()
