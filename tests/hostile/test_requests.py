"""Whatever is sent to the service: it answers others as before, and tells and writes no more."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="the service needs the extra web")

from hostile import LONG_SECONDS
from hostile.answers import MARK
from hostile.clients import BEHAVIOURS, Tried, ask, behave
from hostile.requests import Case, case, damaged_form, pictures, request
from hostile.service import Watched, watched
from ovr_digits.errors import DigitsError
from ovr_digits.web.http.guard import HEADERS
from ovr_digits.web.http.multipart import picture_in

CHANCE = st.randoms(use_true_random=False)
#: Seconds in which the service wants a request to arrive.
ARRIVAL = 2.0
OK = frozenset({200})
GOOD_CASES = [
    *(Case(request("POST", "/api/predict?form=true", picture), OK) for picture in pictures()),
    *(Case(request("POST", "/api/read", picture), OK) for picture in pictures()),
    *(Case(request("GET", path), OK) for path in ("/", "/static/main.js", "/api/models")),
]
#: Hostile connections, and ordinary clients, at a time.
N_HOSTILE, N_GOOD = 6, 2
#: How often they ask at least.
LEAST = {"hostile": 100, "ordinary": 20}


@pytest.fixture
def service(tiny_models: Path, tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path, tiny_models, ARRIVAL) as service:
        yield service


class Load:
    """Ordinary clients, hostile requests and hostile clients side by side."""

    def __init__(self, service: Watched) -> None:
        self.tried: Counter[str] = Counter()
        self.faults: list[str] = []
        self._service = service
        self._secrets = service.secrets()
        self._expected: dict[Case, bytes] = {}

    async def ask(self, each: Case) -> Tried:
        tried = await ask(self._service.address, each, self._secrets)
        self.faults += [f"{fault}, to {each.content[:300]!r}" for fault in tried.faults]
        return tried

    async def ask_well(self, each: Case) -> None:
        """What an ordinary client asks; the answer is the same at all times."""
        for answer in (await self.ask(each)).answers:
            if answer.content != self._expected.setdefault(each, answer.content):
                self.faults.append(f"another answer than before: {answer.content[:200]!r}")

    async def run(self, seconds: float, rng: random.Random) -> None:
        """All of it for some seconds; each client has its turn, however busy the machine is."""
        for each in GOOD_CASES:
            await self.ask_well(each)
        end = time.monotonic() + seconds

        async def again(kind: str, attempt: Callable[[], Awaitable[None]]) -> None:
            least = LEAST.get(kind, 1)
            while time.monotonic() < end or self.tried[kind] < least:
                await attempt()
                self.tried[kind] += 1

        async def good() -> None:
            await asyncio.sleep(0.05)
            await self.ask_well(rng.choice(GOOD_CASES))

        async def bad() -> None:
            await self.ask(case(rng))

        async def slow(kind: str) -> None:
            self.faults += await behave(self._service.address, kind, rng, ARRIVAL)

        async with asyncio.TaskGroup() as group:
            for _ in range(N_HOSTILE):
                group.create_task(again("hostile", bad))
            for _ in range(N_GOOD):
                group.create_task(again("ordinary", good))
            for kind in BEHAVIOURS:
                group.create_task(again(kind, functools.partial(slow, kind)))


def is_borne(service: Watched, seconds: float) -> Load:
    """Load a service; it has to be as before when all have gone."""
    load = Load(service)
    asyncio.run(load.run(1.0, random.Random(1)))
    memory, files = service.held()
    asyncio.run(load.run(seconds, random.Random(0)))
    end = time.monotonic() + 60
    while service.held()[1] > files and time.monotonic() < end:
        time.sleep(0.2)
    assert service.held()[1] <= files
    assert service.held()[0] < 1.15 * memory + 25  # a kilobyte lost with each would be far more
    sys.stdout.write(f"{dict(load.tried)}, {memory:.0f} to {service.held()[0]:.0f} MB\n")
    assert load.faults + service.stop() == []
    return load


def test_a_service_under_hostile_load(service):
    is_borne(service, 1.0)


@pytest.mark.long
def test_a_service_under_hostile_load_for_long(service):
    assert is_borne(service, LONG_SECONDS).tried["hostile"] > LONG_SECONDS


@given(CHANCE)
def test_damaged_forms_are_read_or_refused(rng):
    kind, body = damaged_form(rng)
    with contextlib.suppress(DigitsError):
        picture_in(kind, body)


# --- what the watch itself finds ----------------------------------------------------------------

GOOD = b"".join(b"%b: %b\r\n" % header for header in HEADERS) + b"Cache-Control: no-store\r\n"
JSON = b"Content-Type: application/json\r\n"


def answer(status: bytes, headers: bytes, content: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(content)
    return b"HTTP/1.1 " + status + b"\r\n" + length + headers + b"\r\n" + content


def faults_of(sent: bytes) -> str:
    """What is found in what a server sends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    async def run() -> str:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            each = Case(request("GET", "/"), frozenset({200, 404, 500, 503}))
            address = server.sockets[0].getsockname()[:2]
            return "; ".join((await ask(address, each, [b"a secret"])).faults)

    return asyncio.run(run())


def test_an_answer_in_order_has_no_faults():
    assert faults_of(answer(b"200 OK", GOOD, b"<html>")) == ""
    assert faults_of(answer(b"404 Not Found", GOOD + JSON, b'{"error": "no"}')) == ""
    assert faults_of(answer(b"200 OK", GOOD + JSON, f'{{"path": "{MARK}"}}'.encode())) == ""


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (answer(b"500 Oh", GOOD + JSON, b'{"error": "failed"}'), "status 500"),
        (answer(b"503 Oh", GOOD + JSON, b'{"error": "busy"}'), "Retry-After"),
        (answer(b"200 OK", GOOD.replace(b"nosniff", b"sniff"), b""), "x-content-type-options"),
        (answer(b"200 OK", GOOD + b"X-Injected: 1\r\n", b""), "header x-injected"),
        (answer(b"200 OK", GOOD, b"<p>" + MARK.encode()), "in the body"),
        (answer(b"200 OK", GOOD, b"this is a secret"), "told: b'a secret'"),
        (answer(b"404 Not Found", GOOD + JSON, b'{"error": "a\\nb"}'), "no line"),
        (answer(b"413 Too large", GOOD + JSON, b'{"error": "no"}'), "413, not of"),
        (answer(b"200 OK", GOOD, b"x") + b"more", "behind the answer"),
        (b"SSH-2.0\r\n\r\n", "no status line"),
    ],
)
def test_faults_of_answers(sent, fault):
    assert fault in faults_of(sent)


def test_faults_in_the_log_and_in_files(tmp_path):
    (tmp_path / "canary.txt").write_text("as it was")
    process: Any = None
    service = Watched(process, ("127.0.0.1", 0), tmp_path)
    (tmp_path / "keep").mkdir()
    for name in ("corrections.jsonl", "20261121T164256-0123456789ab.png"):
        (tmp_path / "keep" / name).write_text("kept")
    line = "2026-11-21T16:42:56Z 127.0.0.1 GET /%00 {} 3 ms 12 B\n"
    service.log.write_text(line.format(404) + line.format(503))
    assert [*service.faults_in_log(), *service.faults_in_files()] == []
    service.log.write_text(line.format(500) + "Traceback\n" + line.format(200).replace("%", "\x1b"))
    assert len(list(service.faults_in_log())) == 3
    (tmp_path / "evil.png").write_text("x")
    (tmp_path / "canary.txt").write_text("changed")
    assert list(service.faults_in_files()) == ["written: canary.txt", "written: evil.png"]
