"""What the two fuzzers share: libFuzzer in processes of its own, its figures, how they are kept."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import conditions_text, markdown_table
from benchmarks.store import Record, write_json, write_text

#: Inputs after which a process makes place for another: atheris keeps something of each.
_RUNS = 20_000


def fuzz(
    target: str,
    seeds: Mapping[str, bytes],
    seconds: int,
    seed: int,
    folder: Path,
    options: Mapping[str, int],
) -> Record:
    """Fuzz for some seconds; what was done, and what the target stumbled at.

    Parameters
    ----------
    target : str
        The module that is run, with the options of libFuzzer.
    seeds : mapping of str to bytes
        What it begins with, by name.
    seconds, seed : int
    folder : Path
        The corpus, the log and any input that was too much for the target stay here.
    options : mapping of str to int
        Further ones of libFuzzer.
    """
    corpus, first, found = (folder / name for name in ("corpus", "seeds", "found"))
    for part in (corpus, first, found):
        part.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (first / name).write_bytes(content)
    began = time.monotonic()
    logs: list[str] = []
    status = 0
    while not status and (left := round(seconds - (time.monotonic() - began))) > 0:
        common = {"max_total_time": left, "seed": seed + len(logs), "runs": _RUNS}
        given = {**common, "print_final_stats": 1, "artifact_prefix": f"{found}{os.sep}", **options}
        with (folder / "log.txt").open("w+b") as log:
            status = subprocess.run(
                [sys.executable, "-m", target]
                + [f"-{name}={value}" for name, value in given.items()]
                + [str(corpus), str(first)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                check=False,
            ).returncode
            log.seek(0)
            logs.append(log.read().decode(errors="replace"))
    edges = [int(count) for log in logs for count in re.findall(r"cov: (\d+)", log)]
    return {
        "seconds": round(time.monotonic() - began),
        "executions": sum(_figures(logs, "number_of_executed_units")),
        "peak_mb": max(_figures(logs, "peak_rss_mb"), default=0),
        "slowest_seconds": max(_figures(logs, "slowest_unit_time_sec"), default=0),
        "edges_at_first": edges[0] if edges else 0,
        "edges": max(edges, default=0),
        "corpus": sum(1 for _ in corpus.iterdir()),
        "found": sorted(path.name for path in found.iterdir()),
        "status": status,
    }


def _figures(logs: list[str], name: str) -> list[int]:
    return [int(value) for log in logs for value in re.findall(rf"stat::{name}:\s+(\d+)", log)]


def fuzzing_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of both programs."""
    options = [
        click.option("--seconds", type=click.IntRange(min=1), default=3600, show_default=True),
        click.option("--seed", type=click.IntRange(min=1), default=1, show_default=True),
        click.option(
            "--folder",
            type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
            help="Where corpus, log and findings stay. [default: a temporary folder]",
        ),
        results_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def prepare(folder: Path | None) -> Path:
    """The folder to work in; refuses where atheris is missing."""
    if importlib.util.find_spec("atheris") is None:
        raise click.ClickException("needs atheris: pip install 'ovr-digits[fuzz]'")
    folder = folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    click.echo(f"corpus, log and findings: {folder}", err=True)
    return folder


def report(name: str, title: str, notes: str, result: Record, seed: int, output: Path) -> None:
    """Store and print the figures; ends with status 1 where something got through."""
    rows = [
        ["seconds", f"{result['seconds']:,}"],
        ["inputs tried", f"{result['executions']:,}"],
        ["branches reached by the seeds", f"{result['edges_at_first']:,}"],
        ["branches reached in the end", f"{result['edges']:,}"],
        ["inputs kept, as each reached something new", f"{result['corpus']:,}"],
        ["longest time for one, whole seconds", f"{result['slowest_seconds']:,}"],
        ["most memory, the fuzzer's included, MB", f"{result['peak_mb']:,}"],
        ["inputs that got through", f"{len(result['found']):,}"],
    ]
    table = markdown_table(["", ""], rows)
    about: Record = {
        **machine.conditions(("atheris", "pillow")),
        "seed": seed,
        "quick": False,
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = output / f"robustness-{name}"
    write_json(stem.with_suffix(".json"), {"conditions": about, **result})
    page = "\n".join([f"# {title}\n", conditions_text(about), notes, table])
    write_text(stem.with_suffix(".md"), page)
    click.echo(table, nl=False)
    if result["status"] or result["found"] or not result["executions"]:
        sys.exit(1)
