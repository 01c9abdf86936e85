"""Digits a second over the number of workers: python -m benchmarks.scale.workers."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import markdown_table, write_results
from benchmarks.scale.running import run_watched
from benchmarks.store import Record
from ovr_digits.progress import percent

_COUNTS = (1, 2, 4)
_COLUMNS = ("", "workers", "digits a second", "efficiency", "bytes a digit", "peak memory, MB")
_NOTES = """\
Training is `ovr-digits train-stream --augment`, and counts the stage in which detectors learn from
the stream; prediction is `ovr-digits predict --batch` on IDX files, and counts all of it.
*Processes* are those of `--jobs`; *Dask* is a scheduler and workers of one thread each in
processes of their own, on the loopback, over which *bytes a digit* went, both ways and by the
scheduler counted twice, what every worker gets once included. *efficiency* is the rate against
that of one worker of the same kind, times their number. *peak memory* is that of the processes of
the command, without a cluster's.
"""


@contextlib.contextmanager
def engine_options(engine: str, n_workers: int) -> Iterator[list[str]]:
    """The options that make a command use so many workers."""
    if engine == "processes":
        yield ["--jobs", str(n_workers)]
        return
    from tests.cluster import Cluster

    with Cluster(n_workers) as cluster:
        yield ["--scheduler", cluster.address]


def loopback_bytes() -> int:
    """What has gone over the loopback since the machine was started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise click.ClickException("no loopback among the network devices")


def measure(kind: str, engine: str, n_workers: int, n: int, work: Path) -> Record:
    """Train on n digits, or answer n, with so many workers."""
    output = work / ("models.pkl" if kind == "training" else "answers.parquet")
    with engine_options(engine, n_workers) as options:
        before = loopback_bytes()
        if kind == "training":
            ran = run_watched(
                ["train-stream", "--augment", str(n), "--output", str(output), *options]
            )
            seconds = ran.stages["detectors"]
        else:
            source = str(work / "many-images-idx3-ubyte")
            ran = run_watched(["predict", "--batch", source, "--output", str(output), *options])
            seconds = ran.seconds
        moved = loopback_bytes() - before
    return {
        "kind": kind,
        "engine": engine,
        "workers": n_workers,
        "digits": n,
        "rate": n / seconds,
        "bytes_a_digit": moved / n if engine == "dask" else None,
        "peak_mb": ran.peak_mb,
        "seconds": ran.seconds,
    }


def write_many(n: int, work: Path) -> None:
    """Write n digits, those of MNIST again and again, as IDX files."""
    import numpy as np

    from ovr_digits.data.idx import idx_bytes
    from ovr_digits.data.splits import load_split

    split = load_split("mnist", "train")
    with (work / "many-images-idx3-ubyte").open("wb") as file:
        file.write(idx_bytes(np.zeros((0, 28, 28), np.uint8))[:4])
        file.write(np.array([n, 28, 28], ">u4").tobytes())
        for start in range(0, n, len(split)):
            file.write(split.X[: n - start].tobytes())


@click.command()
@click.option("--digits", type=click.IntRange(min=1000), default=262_144, show_default=True)
@click.option("--kind", "kinds", type=click.Choice(["training", "prediction"]), multiple=True)
@click.option("--quick", is_flag=True, help="Few digits, to see that all works.")
@results_option
def main(digits: int, kinds: tuple[str, ...], quick: bool, output: Path) -> None:
    """Train and predict with 1, 2 and 4 workers, here and on a cluster."""
    digits = 20_000 if quick else digits
    os.environ["OMP_NUM_THREADS"] = "1"
    counts = [count for count in _COUNTS if count <= machine.count_cores()]
    runs: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="ovr-digits-") as folder:
        work = Path(folder)
        write_many(digits, work)
        for kind in kinds or ("training", "prediction"):
            for engine in ("processes", "dask"):
                for count in counts:
                    found = measure(kind, engine, count, digits, work)
                    first = next(
                        (r for r in runs if (r["kind"], r["engine"]) == (kind, engine)), found
                    )
                    found["efficiency"] = found["rate"] / (count * first["rate"])
                    runs.append(found)
                    click.echo("  ".join(_row(found)))
    about = machine.conditions(("dask", "distributed", "pyarrow"))
    about |= {"digits": digits, "quick": quick}
    stem = output / f"scale-workers{'-quick' if quick else ''}"
    table = markdown_table(_COLUMNS, [_row(run) for run in runs])
    title = f"{digits:,} digits on 1, 2 and 4 workers"
    write_results(stem, title, about, {"runs": runs}, _NOTES, table)


def _row(found: Record) -> list[str]:
    engine = {"dask": "Dask", "processes": "processes"}[found["engine"]]
    moved = found["bytes_a_digit"]
    return [
        f"{found['kind']}, {engine}",
        str(found["workers"]),
        f"{found['rate']:,.0f}",
        percent(found["efficiency"], 0),
        "" if moved is None else f"{moved:,.0f}",
        f"{found['peak_mb']:,.0f}",
    ]


if __name__ == "__main__":
    main()
