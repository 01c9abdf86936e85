"""Fuzzes the reader of models.pkl: ``python -m benchmarks.robustness.fuzz_models``."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.report import conditions_text, markdown_table
from benchmarks.robustness.model_cases import hostile_models
from benchmarks.robustness.small_models import small_models
from benchmarks.store import Record, write_json, write_text

_MEGABYTES = 1024
_LONGEST_INPUT = 40_000
_NOTES = """\
[Atheris](https://github.com/google/atheris) changes small real files and the hostile ones, byte by
byte and opcode by opcode, and keeps what reaches new branches of the reader and of Python's pickle
module. Nothing but ModelFileError with one short line may come out, or ten detectors of finite
numbers, and Python's audit may see nothing: no import, no file, no process, no socket, no code.
"""


def fuzz(seconds: int, seed: int, folder: Path) -> Record:
    """Fuzz for some seconds in a process of its own; what it did, and what it stumbled at.

    The corpus, the log and any input that was too much for the reader stay in the folder.
    """
    corpus, seeds, found = (folder / name for name in ("corpus", "seeds", "found"))
    for part in (corpus, seeds, found):
        part.mkdir(parents=True, exist_ok=True)
    for protocol in (2, 3, 4, 5):
        (seeds / f"small-{protocol}.pkl").write_bytes(small_models(protocol))
    # Without those that are large: what this process holds would count as the fuzzer's.
    hostile = (data for of in hostile_models(("too much",)).values() for data in of.values())
    for index, data in enumerate(data for data in hostile if len(data) <= _LONGEST_INPUT):
        (seeds / f"hostile-{index}.pkl").write_bytes(data)
    options = {
        "max_total_time": seconds,
        "seed": seed,
        "max_len": _LONGEST_INPUT,
        "rss_limit_mb": _MEGABYTES,
        "timeout": 20,
        "print_final_stats": 1,
        "artifact_prefix": f"{found}{os.sep}",
    }
    began = time.monotonic()
    with (folder / "log.txt").open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.robustness.fuzz_target"]
            + [f"-{name}={value}" for name, value in options.items()]
            + [str(corpus), str(seeds)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            check=False,
        )
    log_text = (folder / "log.txt").read_text(errors="replace")
    figures = {name: int(value) for name, value in re.findall(r"stat::(\w+):\s+(\d+)", log_text)}
    edges = re.findall(r"cov: (\d+)", log_text)
    return {
        "seconds": round(time.monotonic() - began),
        "executions": figures.get("number_of_executed_units", 0),
        "peak_mb": figures.get("peak_rss_mb", 0),
        "edges_at_first": int(edges[0]) if edges else 0,
        "edges": int(edges[-1]) if edges else 0,
        "corpus": sum(1 for _ in corpus.iterdir()),
        "found": sorted(path.name for path in found.iterdir()),
        "status": done.returncode,
    }


@click.command()
@click.option("--seconds", type=click.IntRange(min=1), default=2700, show_default=True)
@click.option("--seed", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    help="Where corpus, log and findings stay. [default: a temporary folder]",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=ROOT / "benchmarks" / "results",
    help="Folder for the results. [default: benchmarks/results]",
)
def main(seconds: int, seed: int, folder: Path | None, output: Path) -> None:
    """Fuzz the reader of models.pkl, guided by coverage."""
    if importlib.util.find_spec("atheris") is None:
        raise click.ClickException("needs atheris: pip install 'ovr-digits[fuzz]'")
    folder = folder or Path(tempfile.mkdtemp(prefix="fuzz-models-"))
    click.echo(f"corpus, log and findings: {folder}", err=True)
    result = fuzz(seconds, seed, folder)
    rows = [
        ["seconds", f"{result['seconds']:,}"],
        ["inputs tried", f"{result['executions']:,}"],
        ["branches reached by the seeds", f"{result['edges_at_first']:,}"],
        ["branches reached in the end", f"{result['edges']:,}"],
        ["inputs kept, as each reached something new", f"{result['corpus']:,}"],
        ["most memory, MB", f"{result['peak_mb']:,}"],
        ["inputs that got through", f"{len(result['found']):,}"],
    ]
    table = markdown_table(["", ""], rows)
    about: Record = {
        **machine.describe_machine(),
        "versions": machine.installed_versions(("atheris",)),
        "date": machine.utc_now(),
        "seed": seed,
        "quick": False,
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = output / "robustness-fuzz-models"
    write_json(stem.with_suffix(".json"), {"conditions": about, **result})
    title = "# The reader of models.pkl, fuzzed\n"
    write_text(stem.with_suffix(".md"), "\n".join([title, conditions_text(about), _NOTES, table]))
    click.echo(table, nl=False)
    if result["status"] or result["found"] or not result["executions"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
