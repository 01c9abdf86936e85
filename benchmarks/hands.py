"""How well digits of people who taught nobody are read: python -m benchmarks.hands --data DIR.

DIR holds ``labels.csv`` (file, digit, writer, kind, part), the pictures that it names,
``optdigits-orig.windep`` and ``usps-zip.test``, plain or .gz, and the sets of ``data.hands``, which
the models that ship have learnt from.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import conditions_text, markdown_table
from benchmarks.store import write_json, write_text
from ovr_digits import load_models
from ovr_digits.core.vote import count_votes
from ovr_digits.data.hands import SETS, load_hands
from ovr_digits.data.idx import read_content
from ovr_digits.data.mnist import find_files
from ovr_digits.data.splits import enlarge
from ovr_digits.models.place import find_models
from ovr_digits.parallel import collect
from ovr_digits.picture.digit import read_digit
from ovr_digits.picture.mnist_form import to_mnist_form, with_usual_pen

#: Sets that a models.pkl may have learnt from; all others are summed up.
_LEARNT = frozenset(SETS)
_COLUMNS = ["set", "digits", "read rightly", "*sure*", "wrong and *sure*"]

#: Gives scores (n, 10) of images (n, 784), positive where a detector fires.
Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class Result:
    """What a reader made of a set: numbers of digits, and those that it read, by digit."""

    name: str
    digits: int
    right: int
    sure: int
    wrong_and_sure: int
    of_digit: Sequence[int]
    right_of_digit: Sequence[int]

    def row(self) -> list[str]:
        """Cells of the table."""
        shares = [_share(n, self.digits) for n in (self.right, self.sure, self.wrong_and_sure)]
        each = zip(self.right_of_digit, self.of_digit, strict=True)
        return [self.name, f"{self.digits:,}", *shares, *(_share(*pair, places=0) for pair in each)]


def _share(n: int, of: int, places: int = 2) -> str:
    return f"{100 * n / of:.{places}f}" if of else "-"


def added(name: str, results: Sequence[Result]) -> Result:
    """The sum of some results."""
    counts = [(r.digits, r.right, r.sure, r.wrong_and_sure) for r in results]
    by_digit = [(r.of_digit, r.right_of_digit) for r in results]
    return Result(name, *np.sum(counts, axis=0).tolist(), *np.sum(by_digit, axis=0).tolist())


def measure(name: str, reader: Reader, X: Any, y: Any) -> Result:
    """Count what a reader makes of images X (n, 784) and their digits y (n,)."""
    votes = count_votes(reader(X))
    right = np.array([vote.digit for vote in votes]) == y
    sure = np.array([vote.verdict == "sure" for vote in votes])
    return Result(
        name,
        len(y),
        int(right.sum()),
        int(sure.sum()),
        int((sure & ~right).sum()),
        np.bincount(y, minlength=10).tolist(),
        np.bincount(y[right], minlength=10).tolist(),
    )


def load_sets(folder: Path) -> dict[str, tuple[Any, Any]]:
    """Every set of the folder that is there, as images (n, 784) uint8 and digits (n,)."""
    sets: dict[str, tuple[Any, Any]] = {}
    for part in ("look", "measure"):
        for name, rows in _pictures(folder, part).items():
            X = np.stack([read_digit(folder / row["file"]).ravel() for row in rows])
            sets[f"{name}, {part}"] = X, np.array([int(row["digit"]) for row in rows])
    (windep,) = find_files(folder, ["optdigits-orig.windep"])
    lines = read_content(windep).rstrip().removesuffix(b"EOF")
    content = SETS["optdigits"].parse(lines, str(windep))
    sets["optdigits windep"] = _forms(np.stack(content.drawings)), content.y.astype(int)
    (usps,) = find_files(folder, ["usps-zip.test"])
    rows = np.array([line.split()[:257] for line in read_content(usps).splitlines()], np.float32)
    sets["USPS test"] = _forms((rows[:, 1:].reshape(-1, 16, 16) + 1) / 2), rows[:, 0].astype(int)
    for name in SETS:
        hands = load_hands(name, folder)
        sets[name] = hands.images(0, 0), hands.y.astype(int)
    return sets


def _pictures(folder: Path, part: str) -> Mapping[str, list[dict[str, str]]]:
    """Rows of labels.csv: people's own pictures, and scans of cells and of boxes."""
    found: dict[str, list[dict[str, str]]] = {"people": [], "cells": [], "boxes": []}
    with (folder / "labels.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["part"] == part:
                is_box = row["kind"] == "scan of a printed box"
                found["boxes" if is_box else row["file"].partition("/")[0]].append(row)
    return found


def _forms(small: Any) -> Any:
    """Small pictures (n, h, w) in 0..1 as a picture of each would be read: (n, 784) uint8."""
    inks = (enlarge(image) for image in small.astype(np.float32))
    return np.stack([to_mnist_form(with_usual_pen(ink)).ravel() for ink in inks])


def table_of(results: Sequence[Result]) -> str:
    """Markdown: a row for each set, the share that was read of each digit in the last columns."""
    columns = [*_COLUMNS, *map(str, range(10))]
    return markdown_table(columns, [result.row() for result in results])


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option(
    "--models",
    "paths",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A models.pkl to measure; may be given several times. [default: as ovr-digits]",
)
@results_option
def main(data: Path, paths: tuple[Path, ...], output: Path) -> None:
    """Read digits of writers whom nobody has learnt from, set by set and digit by digit."""
    sets = load_sets(data)
    tables, records = [], {}
    for path in paths or (find_models(None),):
        models = load_models(path)

        def reader(X: Any, models: Any = models) -> Any:
            return collect(models.decision_function, X, -1)

        results = [measure(name, reader, X, y) for name, (X, y) in sets.items()]
        others = [result for result in results if result.name not in _LEARNT]
        results.insert(len(others), added("**all so far**", others))
        title = f"## {path.name}, learnt from {models.provenance.get('options', {})}\n"
        tables.append(f"{title}\n{table_of(results)}")
        records[path.name] = [vars(result) for result in results]
    about = {**machine.conditions(()), "quick": False}
    write_json(output / "hands.json", {"conditions": about, "models": records})
    page = "\n".join(["# Other people's hands, in per cent\n", conditions_text(about), *tables])
    write_text(output / "hands.md", page)
    click.echo("\n".join(tables), nl=False)


if __name__ == "__main__":
    main()
