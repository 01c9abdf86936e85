"""A service under hostile load beside ordinary clients: python -m benchmarks.robustness.web."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import conditions_text, markdown_table
from benchmarks.robustness.web_clients import BEHAVIOURS
from benchmarks.robustness.web_load import N_GOOD, N_HOSTILE, Trial
from benchmarks.robustness.web_watch import Sample, median_mb, watched
from benchmarks.store import write_json, write_text

#: A shorter run is a quick one, and tells nothing of memory.
_LONG = 600.0
#: Memory may grow so much between the second minute and the last, and besides some MB.
_GROWTH, _FREE_MB = 1.15, 10.0
#: Failures that are stored in full.
_SHOWN = 20
_NOTES = """\
One `ovr-digits serve` with {workers} workers on the loopback, {seconds} s of all of this side
by side. Requests come over {hostile} connections, from a list that the seed fixes; the other kinds
of clients are there all the time, {others} at a time, and begin anew when the service has ended
them. *ordinary clients* ({good}) ask for digits, numbers and files of the page: each answer has to
be what it was, byte for byte, before the load. Of every answer it is checked that it is whole and
strict HTTP, has one of the documented statuses (5xx: 503 alone, with Retry-After), the headers that
every answer carries and none that tell more, one line of JSON where it refuses, nothing of what was
sent but in JSON, and nothing of files and folders that are none of the client's. *waits*: nothing
came to what was no whole request, and the client went. *no answer*, *ended*, *reset*: the service
ended the connection, as is its right where a request is none or does not arrive.

Memory may be 15 % and 10 MB more in the last minute than in the second: what the largest request
so far has taken is not all given back. A kilobyte lost with each of 80,000 would be 80 MB.
"""
_COLUMNS = ["", "tried", "failed", "slowest, s", "what came of it"]


def _memory(samples: Sequence[Sample], seconds: float) -> tuple[dict[str, list[float]], list[str]]:
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
@results_option
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
    about: dict[str, Any] = {
        **machine.conditions(("fastapi", "uvicorn", "h11", "pebble")),
        "quick": seconds < _LONG,
        "seed": seed,
        "command": f"python -m benchmarks.robustness.web --seconds {seconds:g} --seed {seed}",
    }
    samples = service.samples
    results = {
        "seconds": round(samples[-1].seconds),
        "workers": workers,
        "arrival": arrival,
        "tried": trial.tally.total(),
        "failed": len(trial.tally.failed) + len(faults),
        "kinds": {kind: dict(hows) for kind, hows in trial.tally.hows.items()},
        "answer_seconds": trial.medians,
        "open_files": trial.files,
        "memory_mb": memory,
        "faults": faults[:_SHOWN],
        "failures": [
            {"kind": each.kind, "faults": each.faults, "sent": repr(each.content[:2000])}
            for each in trial.tally.failed[:_SHOWN]
        ],
        "samples": [asdict(sample) for sample in samples[:: len(samples) // 60 + 1]],
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = output / f"robustness-web{'-quick' if seconds < _LONG else ''}"
    write_json(stem.with_suffix(".json"), {"conditions": about, **results})
    table = markdown_table(_COLUMNS, trial.tally.rows()) + "\n" + _in_words(results)
    write_text(stem.with_suffix(".md"), _page(about, results, table))
    click.echo(table)
    for each in results["failures"]:
        click.echo(f"{each['kind']}: {'; '.join(each['faults'])}\n    {each['sent'][:300]}")
    click.echo(f"{results['tried']:,} tried, {results['failed']} failed")
    sys.exit(bool(results["failed"]))


def _in_words(results: dict[str, Any]) -> str:
    """How the service itself bore it."""
    took = (f"{1000 * took:.0f} ms {when}" for when, took in results["answer_seconds"].items())
    before, after = results["open_files"]
    lines = [f"- Answers to ordinary clients took (median): {', '.join(took)}."]
    lines += [f"- Files that the server had open: {before} before, {after} after."]
    lines += [
        f"- Memory of the {name}: {early:.0f} MB in the second minute, {late:.0f} MB in the last."
        for name, (early, late) in results["memory_mb"].items()
    ]
    lines += [f"- **Failed**: {fault}" for fault in results["faults"]]
    return "\n".join(lines) + "\n"


def _page(about: dict[str, Any], results: dict[str, Any], table: str) -> str:
    title = (
        f"# A service under hostile load: {results['tried']:,} tried, "
        f"{results['failed']} failures\n"
    )
    notes = _NOTES.format(
        **results,
        hostile=N_HOSTILE,
        others=sum(count for _, count in BEHAVIOURS.values()),
        good=N_GOOD,
    )
    return "\n".join([title, conditions_text(about), notes, table])


if __name__ == "__main__":
    main()
