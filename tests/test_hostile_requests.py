"""Whatever is sent to the service, it answers others as before, and tells and writes nothing more.

The long form is ``python -m benchmarks.robustness.web``.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the service needs the extra web")

from click.testing import CliRunner

from benchmarks.robustness import web
from benchmarks.robustness.web_cases import KINDS, Case, case, forms
from benchmarks.robustness.web_clients import BEHAVIOURS, ask, behave
from benchmarks.robustness.web_watch import Sample, Watched
from benchmarks.robustness.web_words import MARK
from ovr_digits.errors import DigitsError
from ovr_digits.web.http.guard import HEADERS
from ovr_digits.web.http.multipart import picture_in


def test_cases_are_the_same_again_and_of_every_kind() -> None:
    some = [case(number, 3) for number in range(500)]
    assert some == [case(number, 3) for number in range(500)]
    assert some != [case(number, 4) for number in range(500)]
    assert Counter(each.kind for each in some) == {
        kind: 5 * share for kind, (_, share) in KINDS.items()
    }
    assert len({each.content for each in some}) > 450


def test_a_service_under_hostile_load(tiny_models: Path, tmp_path: Path) -> None:
    """Some hundred requests, and clients that dawdle, vanish and never end."""
    options = ["--seconds", "6", "--count", "40", "--arrival", "0.5", "--workers", "1"]
    done = CliRunner().invoke(
        web.main, [*options, "--models", str(tiny_models), "--output", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert " 0 failed" in done.output
    found = json.loads((tmp_path / "robustness-web-quick.json").read_text())
    assert found["kinds"].keys() >= KINDS.keys()
    assert len(found["kinds"].keys() & BEHAVIOURS.keys()) > 6
    assert sum(found["kinds"]["random bodies"].values()) >= 40
    for kind in KINDS:
        assert f"| {kind} |" in (tmp_path / "robustness-web-quick.md").read_text()


def test_damaged_forms() -> None:
    """More of them than over the network: each is read, or refused in one way."""
    n_sound = 0
    for number in range(3000):
        head, _, body = forms(np.random.default_rng([1, number])).content.partition(b"\r\n\r\n")
        kind = head.partition(b"Content-Type: ")[2].partition(b"\r\n")[0].decode("latin-1")
        try:
            picture_in(kind, body)
        except DigitsError:
            continue
        n_sound += 1
    assert 100 < n_sound < 2900


# --- what the program itself finds ---------------------------------------------------------------

GOOD = b"".join(b"%b: %b\r\n" % header for header in HEADERS) + b"Cache-Control: no-store\r\n"
JSON = b"Content-Type: application/json\r\n"
MARKED = MARK.encode()


def answer(status: bytes, headers: bytes, content: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(content)
    return b"HTTP/1.1 " + status + b"\r\n" + length + headers + b"\r\n" + content


def faults_of(sent: bytes, statuses: frozenset[int] = frozenset({200, 404, 500, 503})) -> str:
    """What is found in what a server sends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    async def run() -> str:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()[:2]
            each = Case("", b"GET / HTTP/1.1\r\n\r\n", statuses)
            tried = await ask(address, each, [b"a secret"])
        return "; ".join(tried.faults)

    return asyncio.run(run())


def test_an_answer_in_order_has_no_faults() -> None:
    assert faults_of(answer(b"200 OK", GOOD, b"<html>")) == ""
    assert faults_of(answer(b"404 Not Found", GOOD + JSON, b'{"error": "no"}')) == ""
    told = b'{"path": "' + MARKED + b'"}'
    assert faults_of(answer(b"200 OK", GOOD + JSON, told)) == ""


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (answer(b"500 Oh", GOOD + JSON, b'{"error": "failed"}'), "status 500"),
        (answer(b"503 Oh", GOOD + JSON, b'{"error": "busy"}'), "Retry-After"),
        (answer(b"200 OK", GOOD.replace(b"nosniff", b"sniff"), b""), "x-content-type-options"),
        (answer(b"200 OK", GOOD + b"Server: x\r\n", b""), "header server"),
        (answer(b"200 OK", GOOD + b"X-Injected: 1\r\n", b""), "header x-injected"),
        (answer(b"200 OK", GOOD + b"X: " + MARKED + b"\r\n", b""), "in a header"),
        (answer(b"200 OK", GOOD, b"<p>" + MARKED), "in the body"),
        (answer(b"200 OK", GOOD, b"this is a secret"), "told: b'a secret'"),
        (answer(b"404 Not Found", GOOD, b"nothing"), "no JSON object"),
        (answer(b"404 Not Found", GOOD + JSON, b'{"error": "a\\nb"}'), "no line"),
        (answer(b"200 OK", GOOD + JSON, b'{"path": '), "no JSON object"),
        (answer(b"413 Too large", GOOD + JSON, b'{"error": "no"}'), "413, not of"),
        (answer(b"200 OK", GOOD, b"x") + b"more", "behind the answer"),
        (answer(b"200 OK", GOOD, b"xx")[:-1], "no answer"),
        (b"HTTP/1.1 200 OK\r\n" + GOOD + b"\r\n", "with lengths"),
        (b"SSH-2.0\r\n\r\n", "no status line"),
        (b"", "no answer"),
    ],
)
def test_faults_of_answers(sent: bytes, fault: str) -> None:
    assert fault in faults_of(sent)


def test_a_client_that_is_listened_to_for_ever_is_told_of() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    async def run(kind: str) -> list[str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()[:2]
            return (await behave(address, kind, np.random.default_rng(0), -9.5)).faults

    assert asyncio.run(run("connection, no request")) == ["is not ended"]
    assert asyncio.run(run("chunks without end")) == ["is still listened to"]


def test_faults_in_the_log_and_in_files(tmp_path: Path) -> None:
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
    (tmp_path / "keep" / "..png").write_text("x")
    (tmp_path / "canary.txt").write_text("changed")
    assert list(service.faults_in_files()) == [
        *("written: canary.txt", "written: evil.png", "written: keep/..png")
    ]


def test_memory_that_grows_is_told_of() -> None:
    def samples(grown: float) -> list[Sample]:
        return [
            Sample(second, 50 + (grown if second > 500 else 0), 100, 17, 20)
            for second in range(0, 602, 2)
        ]

    assert web._memory(samples(5), 600)[1] == []
    assert "server: 50 MB in the second minute, 80 MB" in web._memory(samples(30), 600)[1][0]
