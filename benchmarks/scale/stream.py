"""Test error, time and memory over the digits of a stream: python -m benchmarks.scale.stream."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import markdown_table, write_results
from benchmarks.scale.running import run_watched
from benchmarks.store import Record
from ovr_digits.progress import percent

_SIZES = (60_000, 600_000, 2_000_000, 8_000_000)
_QUICK_SIZES = (3_000, 6_000)
_COLUMNS = (
    "digits",
    "test error",
    "validation error",
    "detectors, s",
    "microseconds a digit",
    "all, s",
    "peak memory, MB",
)
_IN_POINTS: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8}
_NOTES = """\
Each line is one run of `ovr-digits train-stream --augment N`: the training images as they are, then
copies of them, each distorted anew. *validation error* is that of detectors that have seen no copy
of the images held out. *detectors* is the time of the stage that grows with N, without what
comes before and after; *peak memory* is that of all processes together, and what they share
counts once.
"""


def run_size(n: int, options: list[str], folder: Path) -> Record:
    """Train on a stream of n digits."""
    output = folder / f"{n}.pkl"
    ran = run_watched(["train-stream", "--augment", str(n), "--output", str(output), *options])
    if ran.said["samples"] != n:
        raise click.ClickException(f"{ran.said['samples']} digits were learnt from, not {n}")
    return {
        "digits": n,
        "test_error": 1 - ran.said["test_accuracy"],
        "validation_error": 1 - ran.said["validation_accuracy"],
        "detectors_seconds": ran.stages["detectors"],
        "seconds": ran.seconds,
        "stages": ran.stages,
        "peak_mb": ran.peak_mb,
        "model_bytes": output.stat().st_size,
    }


def _row(found: Record) -> list[str]:
    return [
        f"{found['digits']:,}",
        percent(found["test_error"]),
        percent(found["validation_error"]),
        f"{found['detectors_seconds']:.0f}",
        f"{1e6 * found['detectors_seconds'] / found['digits']:.0f}",
        f"{found['seconds']:.0f}",
        f"{found['peak_mb']:,.0f}",
    ]


def draw(runs: list[Record], path: Path) -> None:
    """Draw both errors over the digits seen."""
    from matplotlib.figure import Figure

    from ovr_digits.report.plots.style import WINNER, WRONG, open_frame, save_figure, set_title

    figure = Figure(figsize=(6.6, 3.8), layout="constrained")
    axes = figure.subplots()
    sizes = [run["digits"] for run in runs]
    for key, name, colour, marker, shift in (
        ("validation_error", "images held out", WRONG, "s", 7),
        ("test_error", "test images", WINNER, "o", -14),
    ):
        errors = [100 * run[key] for run in runs]
        axes.plot(sizes, errors, marker=marker, color=colour, label=name)
        for size, error in zip(sizes, errors, strict=True):
            place = (0, shift)
            axes.annotate(f"{error:.2f}", (size, error), place, ha="center", **_IN_POINTS)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size / 1e6:g}" for size in sizes])
    axes.minorticks_off()
    axes.set(xlabel="million digits seen, copies distorted anew", ylabel="error, %", ylim=(0, None))
    axes.margins(x=0.08, y=0.15)
    axes.legend(frameon=False)
    open_frame(axes)
    said = errors_said(runs)
    set_title(figure, said[0].upper() + said[1:])
    save_figure(figure, path)


def errors_said(runs: list[Record]) -> str:
    """What the curve shows, in words."""
    first, best = runs[0], min(runs, key=lambda run: run["test_error"])
    if best is first:
        return f"test error does not fall from {percent(first['test_error'])}"
    said = f"test error falls from {percent(first['test_error'])} to {percent(best['test_error'])}"
    return said if best is runs[-1] else f"{said} at {best['digits'] / 1e6:g} million, no further"


@click.command()
@click.option("--sizes", help="Digits of each run, with commas. [default: 0.06 to 8 million]")
@click.option("--dataset", type=click.Choice(["mnist", "digits"]), default="mnist")
@click.option("--preset", default="default", show_default=True)
@click.option("--jobs", type=int, default=-1, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--quick", is_flag=True, help="Few digits, to see that all works.")
@results_option
def main(  # noqa: PLR0913
    sizes: str | None, dataset: str, preset: str, jobs: int, seed: int, quick: bool, output: Path
) -> None:
    """Train on streams of growing length."""
    counts = [int(size) for size in sizes.split(",")] if sizes else [*_SIZES]
    counts = [*_QUICK_SIZES] if quick else counts
    options = ["--dataset", dataset, "--preset", preset, "--jobs", str(jobs), "--seed", str(seed)]
    names = ["scale-stream", *([preset] if preset != "default" else []), *(["quick"] * quick)]
    stem = output / "-".join(names)
    runs: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="ovr-digits-") as folder:
        for n in counts:
            runs.append(run_size(n, options, Path(folder)))
            click.echo("  ".join(_row(runs[-1])))
            about = {**machine.conditions(), "dataset": dataset, "preset": preset}
            about |= {"jobs": jobs, "seed": seed, "quick": quick}
            title = (
                f"A stream of distorted digits ({dataset}, preset {preset}): {errors_said(runs)}"
            )
            table = markdown_table(_COLUMNS, [_row(run) for run in runs])
            write_results(stem, title, about, {"runs": runs}, _NOTES, table)
    draw(runs, stem.with_suffix(".png"))


if __name__ == "__main__":
    main()
