"""What is put on a service side by side: ordinary clients, hostile requests, hostile clients."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.robustness.web_cases import Case, case, pictures, request
from benchmarks.robustness.web_clients import BEHAVIOURS, Tried, ask, behave
from benchmarks.robustness.web_watch import Sample, Watched

#: Ordinary clients, seconds that each waits before it asks again, and connections of hostile ones.
N_GOOD, _PAUSE, N_HOSTILE = 4, 0.1, 10
GOOD = "**ordinary clients**"
#: Seconds in which the service has to be as before when all have gone.
_RECOVERY = 30.0


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
        if tried.kind == GOOD:
            self.good_seconds.append(tried.seconds)

    def total(self) -> int:
        """All that was tried."""
        return sum(hows.total() for hows in self.hows.values())

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
    return kind != GOOD, kind in BEHAVIOURS, kind


def _good_cases() -> Iterator[Case]:
    ok = frozenset({200})
    for picture in pictures():
        for target in ("/api/predict?form=true", "/api/read"):
            yield Case(GOOD, request("POST", target, picture), ok)
    for path in ("/", "/static/main.js", "/healthz", "/api/models"):
        yield Case(GOOD, request("GET", path), ok)


class Trial:
    """A load on a service.

    Parameters
    ----------
    service : Watched
    seed : int
    arrival : float
        Seconds in which the service wants a request to arrive.

    Attributes
    ----------
    tally : Tally
    faults : list of str
        What was wrong with the service as a whole.
    medians : dict
        Seconds for an answer to an ordinary client before, under and after the load.
    files : list of int
        That the server had open before and after.
    """

    def __init__(self, service: Watched, seed: int, arrival: float) -> None:
        self.tally = Tally()
        self.faults: list[str] = []
        self.medians: dict[str, float] = {}
        self.files = [0, 0]
        self._service = service
        self._seed = seed
        self._arrival = arrival
        self._secrets = service.secrets()
        self._expected: dict[Case, bytes] = {}

    async def run(self, seconds: float, count: int) -> None:
        """All of it, from the quiet before to the quiet after.

        Parameters
        ----------
        seconds : float
            Of the load.
        count : int
            Of random bodies; it goes on until there were as many.
        """
        await self._ask_quietly()
        before = await self._ask_quietly()
        start = self._service.sample()
        await self._load(seconds, count)
        under_load = statistics.median(self.tally.good_seconds or [0.0])
        files = await self._files_come_back(start)
        end = time.monotonic() + _RECOVERY
        while (after := await self._ask_quietly()) > 2 * before + 0.05:
            if time.monotonic() > end:
                self.faults.append(f"an answer takes {after:.3f} s, {before:.3f} s before")
                break
        self.medians = {"before": before, "under load": under_load, "after": after}
        self.files = [start.server_files, files]

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
        tasks += [self._good(place) for place in range(N_GOOD)]
        tasks += [self._requests(numbers) for _ in range(N_HOSTILE)]
        for number, (kind, (_, many)) in enumerate(BEHAVIOURS.items()):
            tasks += [self._behaviour(kind, [self._seed, number, k]) for k in range(many)]
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
            sample = self._service.samples[-1]
            print(
                f"{end - time.monotonic():4.0f} s to go, {self.tally.total():,} tried, "
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
