"""How many drawings a second the service answers, and how soon: python -m benchmarks.service."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import machine
from benchmarks.handwriting import make_writer, write
from benchmarks.measure import ROOT
from benchmarks.options import results_option
from benchmarks.processes import cpu_of, memory_of, processes_of
from benchmarks.report import markdown_table, write_results
from benchmarks.store import Record

_SIDE = 280
_N_DRAWINGS = 40
#: Seconds at the start that do not count: the workers come up, memory is first taken.
_WARM_UP = 5.0
_COLUMNS = [
    "",
    "answers a second",
    "median, ms",
    "99 %, ms",
    "errors",
    "client, cores",
    "server, cores",
    "server, MB",
]
_NOTES = """\
Drawings of 280 × 280 pixels, sent as the page sends them (`POST /api/predict?form=true`), by a
client in Python on the same cores. *open loop*: sent at random moments at a given mean rate,
whatever becomes of them, and timed from the moment at which they were to be sent. *closed loop*:
every connection sends the next one when it has the answer to the last.
"""


@contextmanager
def running_service(
    workers: int,
    models: Path | None,
    *options: str,
    program: list[str] | None = None,
    **more: Any,
) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Run a server (of a program that takes our options), with what else ``Popen`` takes."""
    command = [*(program or [sys.executable, "-m", "ovr_digits"]), "serve", "--port", "0", *options]
    command += ["--workers", str(workers)]
    command += [] if models is None else ["--models", str(models)]
    more = {"cwd": ROOT, **more}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more) as process:
        try:
            assert process.stdout is not None
            match = re.search(r"http://(\S+):(\d+)/", process.stdout.readline())
            if match is None:
                raise click.ClickException("the server did not start")
            yield process, match[1], int(match[2])
        finally:
            process.terminate()


class Client:
    """Sends requests over some connections, and times the answers."""

    def __init__(self, host: str, port: int, n_connections: int, requests: list[bytes]) -> None:
        self._address = (host, port)
        self._n_connections = n_connections
        self._requests = requests

    async def run(self, seconds: float, rate: float | None, rng: np.random.Generator) -> Record:
        """Send at a mean rate (open loop), or as fast as answers come (closed loop).

        The figures count from the end of the warm-up to the last answer.
        """
        waiting: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
        self._latencies: list[float] = []
        self._errors = 0
        self._counts_from = time.perf_counter() + _WARM_UP
        self._ends = self._counts_from + seconds
        connections = [
            asyncio.create_task(self._connection(waiting, rate is None))
            for _ in range(self._n_connections)
        ]
        cpu = time.process_time()
        if rate is None:
            for number in range(self._n_connections):
                waiting.put_nowait((number, time.perf_counter()))
            await asyncio.sleep(self._ends - time.perf_counter())
        else:
            due, number = time.perf_counter(), 0
            while due < self._ends:
                await asyncio.sleep(due - time.perf_counter())
                waiting.put_nowait((number, due))
                due, number = due + rng.exponential(1 / rate), number + 1
        await waiting.join()
        took = time.perf_counter() - self._counts_from
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        ordered = sorted(self._latencies)
        return {
            "answers": len(ordered),
            "answers_per_second": len(ordered) / took,
            "median_milliseconds": 1000 * statistics.median(ordered),
            "p99_milliseconds": 1000 * ordered[int(0.99 * (len(ordered) - 1))],
            "errors": self._errors,
            "client_cores": (time.process_time() - cpu) / (took + _WARM_UP),
        }

    async def _connection(self, waiting: asyncio.Queue[tuple[int, float]], again: bool) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        while True:
            number, due = await waiting.get()
            try:
                writer.write(self._requests[number % len(self._requests)])
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                now = time.perf_counter()
                if due >= self._counts_from:
                    if head.startswith(b"HTTP/1.1 200 "):
                        self._latencies.append(now - due)
                    else:
                        self._errors += 1
                if again and now < self._ends:
                    waiting.put_nowait((number + self._n_connections, now))
            except (OSError, asyncio.IncompleteReadError):
                self._errors += 1
                reader, writer = await asyncio.open_connection(*self._address)
            finally:
                waiting.task_done()


async def measure(client: Client, pid: int, seconds: float, rate: float | None) -> Record:
    """One run, with what the server took for it."""
    rng = np.random.default_rng(0)
    run = asyncio.create_task(client.run(seconds, rate, rng))
    await asyncio.sleep(_WARM_UP)
    pids = processes_of(pid)
    memory, cpu, started = memory_of(pids), cpu_of(pids), time.perf_counter()
    load = await run
    took = time.perf_counter() - started
    return {
        "loop": "closed" if rate is None else f"open, {rate:g} a second",
        **load,
        "server_cores": (cpu_of(pids) - cpu) / took,
        "memory_mb": [memory, memory_of(pids)],
        "processes_replaced": len(set(processes_of(pid)) ^ set(pids)),
    }


def _row(found: Record) -> list[str]:
    return [
        f"**{found['loop']}**",
        f"{found['answers_per_second']:.0f}",
        f"{found['median_milliseconds']:.1f}",
        f"{found['p99_milliseconds']:.1f}",
        str(found["errors"]),
        f"{found['client_cores']:.2f}",
        f"{found['server_cores']:.2f}",
        f"{found['memory_mb'][0]:.0f} → {found['memory_mb'][1]:.0f}",
    ]


@click.command()
@click.option("--rate", type=click.FloatRange(1), default=220.0, help="Of the open loop, a second.")
@click.option("--seconds", type=click.FloatRange(1), default=60.0, help="Of each of the two loops.")
@click.option("--connections", type=click.IntRange(1), default=32)
@click.option("--workers", type=click.IntRange(1), default=None, help="[default: cores]")
@click.option(
    "--models", "models", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None
)
@click.option("--quick", is_flag=True, help="A few seconds, to see that all works.")
@results_option
def main(  # noqa: PLR0913
    rate: float,
    seconds: float,
    connections: int,
    workers: int | None,
    models: Path | None,
    quick: bool,
    output: Path,
) -> None:
    """Start a server on the loopback, and send it drawings."""
    seconds = 3.0 if quick else seconds
    workers = workers or machine.count_cores()
    rng = np.random.default_rng(0)
    head = "POST /api/predict?form=true HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
    person = make_writer("test", 0, rng)
    drawings = [write(person, number % 10, rng, _SIDE) for number in range(_N_DRAWINGS)]
    requests = [head.format(len(drawing)).encode() + drawing for drawing in drawings]
    found = []
    with running_service(workers, models, "--quiet") as (process, host, port):
        client = Client(host, port, connections, requests)
        for each in (rate, None):
            found.append(asyncio.run(measure(client, process.pid, seconds, each)))
            click.echo("  ".join(_row(found[-1])))
    about = {
        **machine.conditions(("fastapi", "uvicorn", "pebble")),
        "quick": quick,
        "workers": workers,
        "connections": connections,
        "seconds": seconds,
    }
    table = markdown_table(_COLUMNS, [_row(each) for each in found])
    stem = output / f"service{'-quick' if quick else ''}"
    title = f"The service with {workers} workers, {connections} connections"
    write_results(stem, title, about, {"loops": found}, _NOTES, table)


if __name__ == "__main__":
    main()
