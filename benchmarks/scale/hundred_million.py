"""What a hundred million digits would take: python -m benchmarks.scale.hundred_million."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import markdown_table, write_results
from benchmarks.store import Record

_DIGITS = 100_000_000
_MACHINES = (1, 10, 100)
_CORES = 4
#: Digits of a part.
_PART = 4096
#: Parts of a round, and rounds, when there is no work in them.
_PARTS, _ROUNDS = 64, 6
#: Bytes a second of a network of 1 Gbit/s.
_NETWORK = 125e6
_NOTES = """\
The rate of a worker is that of [scale-workers](scale-workers.md), at 4 workers on Dask. The bytes
are those there, less what every worker gets once, which is told from the runs with 1 and with 4
workers, and which the hundred million share. What the process that hands out the parts, and takes
the mean of what comes back, can do was measured with {workers} workers that have no work in their
parts: {rate:.0f} parts a second in rounds of {parts}. The time is that of the slowest of three: the
workers, that process, and a network of 1 Gbit/s that carries all that moves, each way from process
to process counted. Machines have 4 cores, and `--parts` is the number of workers.
"""


def answer_at_once(part: int, weights: Sequence[Any]) -> Any:
    """A part without work: what travels is what travels else."""
    from ovr_digits.scale.part import Learnt

    return Learnt([array + np.float32(part) for array in weights], _PART, ())


def parts_a_second(n_workers: int) -> float:
    """Parts that can be handed out, and their results put together, where they are no work."""
    from ovr_digits.progress import Progress
    from ovr_digits.scale.checkpoint import Checkpoint
    from ovr_digits.scale.engine.opening import open_engine
    from ovr_digits.scale.training import Course
    from tests.cluster import Cluster

    # As those of two committees with the preset default: 1,000 coordinates, and 4,160 products.
    weights = [np.ones((10, 5161), np.float32)] * 2
    course = Course(Checkpoint(), Progress())
    with Cluster(n_workers) as cluster, open_engine(scheduler=cluster.address) as engine:
        for k in range(_ROUNDS + 1):
            if k == 1:  # the first one warms up
                began = time.perf_counter()
            tasks = ((part, weights) for part in range(_PARTS))
            course.end_round(list(engine.run(answer_at_once, tasks)))
        return _PARTS * _ROUNDS / (time.perf_counter() - began)


def work_out(kind: str, runs: Sequence[Record], at_most: float) -> list[Record]:
    """Hours for a hundred million digits, and what holds them up.

    Parameters
    ----------
    kind : str
    runs : sequence of Record
        Of this kind on Dask, from few workers to many.
    at_most : float
        Digits a second that can be handed out.
    """
    few, many = runs[0], runs[-1]
    n_more = many["workers"] - few["workers"]
    # What each worker gets once goes through the scheduler: to this, and on to the worker.
    once = (many["bytes_a_digit"] - few["bytes_a_digit"]) * many["digits"] / n_more
    moved = few["bytes_a_digit"] - once * (few["workers"] + 1) / few["digits"]
    rate = many["rate"] / many["workers"]
    found = []
    for machines in _MACHINES:
        n_workers = _CORES * machines
        limits = {
            "the workers": rate * n_workers,
            "the process that hands out": at_most,
            "the network": _NETWORK / (moved + once * (n_workers + 1) / _DIGITS),
        }
        limit = min(limits, key=limits.__getitem__)
        hours = _DIGITS / limits[limit] / 3600
        found.append({"kind": kind, "machines": machines, "hours": hours, "limit": limit, **limits})
    return found


@click.command()
@results_option
def main(output: Path) -> None:
    """Work out from the figures of scale-workers.json, in --output, how far machines carry."""
    measured = json.loads((output / "scale-workers.json").read_text())["runs"]
    n_workers = max(run["workers"] for run in measured)
    rounds = parts_a_second(n_workers)
    found: list[Record] = []
    for kind in ("training", "prediction"):
        runs = [run for run in measured if (run["kind"], run["engine"]) == (kind, "dask")]
        # Prediction hands out a quarter as many digits at a time, and takes no mean.
        at_most = rounds * (_PART if kind == "training" else 1024)
        found += work_out(kind, runs, at_most)
    about = machine.conditions(("dask", "distributed"))
    about |= {"quick": False, "parts_a_second": rounds}
    rows = [
        [
            f"{row['kind']}, {row['machines']} machine{'s' * (row['machines'] > 1)}",
            _hours(row["hours"]),
            f"{_DIGITS / row['hours'] / 3600:,.0f}",
            row["limit"],
        ]
        for row in found
    ]
    table = markdown_table(["", "time", "digits a second", "held up by"], rows)
    notes = _NOTES.format(workers=n_workers, rate=rounds, parts=_PARTS)
    title = "A hundred million digits on 1, 10 and 100 machines, worked out"
    results = {"found": found}
    write_results(output / "scale-hundred-million", title, about, results, notes, table)
    click.echo(table, nl=False)


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"


if __name__ == "__main__":
    main()
