"""Runs of ``ovr-digits train`` alone: how it scales, and how its accuracy spreads over seeds."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.contest import Settings
from benchmarks.measure import ovr_digits_command, run_command
from benchmarks.report import markdown_table, write_results
from benchmarks.store import Record, result_of
from ovr_digits.progress import percent

#: The smallest training set of the scaling runs; the others are 2, 4 and 8 times as large.
_SMALLEST = {"mnist": 7_500, "digits": 187}
_SMALLEST_QUICK = {"mnist": 250, "digits": 187}
_JOBS = (1, 2, 4)

_SCALING_NOTES = """\
The seconds and the memory are those of the whole `ovr-digits train` command, which also reads
the images and votes on the whole test set, whatever the number of training images.
"""


def run_scaling(settings: Settings, preset: str) -> None:
    """Time and memory over the number of images and of jobs."""
    stem = settings.stem(f"scaling-{preset}")
    smallest = _SMALLEST_QUICK if settings.data.quick else _SMALLEST
    sizes = [smallest[settings.data.dataset] * times for times in (1, 2, 4, 8)]
    cores = machine.count_cores()
    plan = [
        (f"{size}-images-{jobs}-jobs", ["--limit", str(size), "--jobs", str(jobs)], size, jobs)
        for jobs in _JOBS
        if jobs <= cores
        for size in sizes
    ]
    rows: list[Record] = []
    first: dict[int, float] = {}
    for i, (name, options, size, jobs) in enumerate(plan, 1):
        click.echo(f"[{i}/{len(plan)}] {size:,} images, {jobs} jobs: ", err=True, nl=False)
        result = _train(settings, preset, stem, name, options)
        said = f"{result['wall_seconds']:.1f} s, {result['peak_bytes'] / 1e6:,.0f} MB"
        click.echo(said, err=True)
        first.setdefault(jobs, result["wall_seconds"])
        ratio = result["wall_seconds"] / first[jobs]
        rows.append({"images": size, "jobs": jobs, **result, "times_the_smallest": ratio})
        columns = ["images", "jobs", "s", "CPU, s", "times the smallest", "peak memory, MB"]
        table = markdown_table(
            columns,
            [
                [
                    f"{row['images']:,}",
                    str(row["jobs"]),
                    f"{row['wall_seconds']:.1f}",
                    f"{row['cpu_seconds']:.1f}",
                    f"{row['times_the_smallest']:.2f}",
                    f"{row['peak_bytes'] / 1e6:,.0f}",
                ]
                for row in rows
            ],
        )
        title = f"Training, preset {preset}, on {settings.data.dataset}: how it scales"
        _write(settings, stem, preset, rows, [title, table, _SCALING_NOTES])


def run_accuracy(settings: Settings, preset: str, seeds: int) -> None:
    """Median and spread of accuracy and time over seeds."""
    stem = settings.stem(f"accuracy-{preset}")
    rows: list[Record] = []
    limit = settings.data.limit("train")
    for seed in range(seeds):
        click.echo(f"[{seed + 1}/{seeds}] seed {seed}: ", err=True, nl=False)
        options = ["--seed", str(seed)] + (["--limit", str(limit)] if limit is not None else [])
        result = _train(settings, preset, stem, f"seed-{seed}", options)
        click.echo(
            f"validation {percent(result['validation_accuracy'])}, "
            f"test {percent(result['test_accuracy'])}, {result['wall_seconds']:.0f} s",
            err=True,
        )
        rows.append({"seed": seed, **result})
        measures = {
            "validation accuracy": ("validation_accuracy", percent),
            "test accuracy": ("test_accuracy", percent),
            "training, s": ("wall_seconds", "{:.1f}".format),
            "CPU, s": ("cpu_seconds", "{:.1f}".format),
        }
        spread = {key: _spread([row[key] for row in rows]) for key, _ in measures.values()}
        table = markdown_table(
            ["", "median", "min", "max"],
            [
                [name, *(form(spread[key][part]) for part in ("median", "min", "max"))]
                for name, (key, form) in measures.items()
            ],
        )
        title = f"Preset {preset} on {settings.data.dataset}: {len(rows)} seeds"
        _write(settings, stem, preset, rows, [title, table], spread)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _train(settings: Settings, preset: str, stem: str, name: str, options: Sequence[str]) -> Record:
    """One run of the command, or its stored result."""
    arguments = ["--preset", preset, "--dataset", settings.data.dataset, "--forms", "0", *options]
    if settings.data.quick:
        arguments += ["--epochs", "3"]
    conditions = {
        **machine.describe_machine(),
        "versions": machine.installed_versions(),
        "code": machine.code_digest(machine.own_code()),
        "arguments": arguments,
    }

    def run() -> Record:
        with tempfile.TemporaryDirectory() as folder:
            command = [ovr_digits_command(), "train", *arguments, "--json"]
            command += ["--output", str(Path(folder) / "models.pkl")]
            if settings.data.data_dir is not None:
                command += ["--data-dir", settings.data.data_dir]
            cost, printed = run_command(command, Path(folder) / "train.log")
        answer = json.loads(printed)
        return {
            "samples": answer["samples"],
            "validation_accuracy": answer["validation_accuracy"],
            "test_accuracy": answer["test_accuracy"],
            "wall_seconds": cost.wall,
            "cpu_seconds": cost.cpu,
            "peak_bytes": cost.peak_bytes,
            "date": machine.utc_now(),
        }

    path = settings.record_path(stem, name)
    return result_of(path, conditions, settings.fresh, run)[0]


def _write(
    settings: Settings,
    stem: str,
    preset: str,
    rows: Sequence[Record],
    parts: Sequence[str],
    spread: Record | None = None,
) -> None:
    """The table and the JSON after every run, so that an interrupted series leaves both."""
    about = {
        **machine.conditions(),
        "dataset": settings.data.dataset,
        "quick": settings.data.quick,
        "preset": preset,
    }
    results = {"runs": list(rows)} | ({} if spread is None else {"spread": spread})
    title, *others = parts
    write_results(settings.output / stem, title, about, results, *others)
