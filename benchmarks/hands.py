"""How well digits of people who taught nobody are read: python -m benchmarks.hands --data DIR.

DIR holds ``labels.csv`` (file, digit, writer, kind, part), the pictures that it names,
``optdigits-orig.windep`` and ``usps-zip.test``, plain or .gz, and the sets of ``data.hands``, which
the models that ship have learnt from. With --peers, other ways to read digits are given the same.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import machine
from benchmarks.data import Data
from benchmarks.options import results_option
from benchmarks.peers import READERS
from benchmarks.peers.asking import ask, read_images
from benchmarks.report import markdown_table, write_results
from ovr_digits import load_models
from ovr_digits.core.vote import count_votes
from ovr_digits.data.hands import SETS, load_hands
from ovr_digits.data.idx import read_content
from ovr_digits.data.mnist import find_files
from ovr_digits.data.splits import enlarge
from ovr_digits.models.place import find_models
from ovr_digits.parallel import collect
from ovr_digits.picture.digit import find_form
from ovr_digits.picture.mnist_form import usual_form
from ovr_digits.progress import percent

#: Sets that a models.pkl may have learnt from; all others are summed up.
_LEARNT = frozenset(SETS)
_SUM = "**all so far**"
_COLUMNS = ["set", "digits", "read rightly", "*sure*", "wrong and *sure*"]
#: Of MNIST's test digits, what a peer's level of *sure* is set by: every such one.
_EVERY = 10
_PEERS_NOTE = """\
All are given the same: the 28×28 pixels that ovr-digits makes of a picture, which is half of the
work. The networks have learnt from MNIST's 60,000 training digits, the two packages are as they
ship. RapidOCR gets the form enlarged, dark on white; a digit is read where its text holds just
one. A peer is *sure* where its own confidence is above the level at which it is so for as many of
MNIST's test digits (every tenth) as the first models here: {share}.
"""

#: The digits (n,) that a reader sees on images, -1 where it sees none, and which (n,) are sure.
Answers = tuple[Any, Any]


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


def measure(name: str, answers: Answers, y: Any) -> Result:
    """Count the answers to images of digits y (n,)."""
    digits, sure = answers
    right = digits == y
    return Result(
        name,
        len(y),
        int(right.sum()),
        int(sure.sum()),
        int((sure & ~right).sum()),
        np.bincount(y, minlength=10).tolist(),
        np.bincount(y[right], minlength=10).tolist(),
    )


def answers_of(models: Any, X: Any) -> Answers:
    """What detectors, which have a ``decision_function``, make of images X (n, 784)."""
    votes = count_votes(collect(models.decision_function, X, -1))
    verdicts = np.array([vote.verdict for vote in votes])
    return np.array([vote.digit for vote in votes]), verdicts == "sure"


def as_sure(digits: Any, confidences: Any, n_known: int, share: float) -> Answers:
    """A peer's answers, sure where it is as confident as in that share of the first n_known."""
    level = np.quantile(confidences[:n_known], 1 - share)
    return digits, (digits >= 0) & (confidences >= level)


def load_sets(folder: Path) -> dict[str, tuple[Any, Any]]:
    """Every set of the folder that is there, as images (n, 784) uint8 and digits (n,)."""
    sets: dict[str, tuple[Any, Any]] = {}
    for part in ("look", "measure"):
        for name, rows in _pictures(folder, part).items():
            X = np.stack([find_form(folder / row["file"]).ravel() for row in rows])
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
    return np.stack([usual_form(ink).ravel() for ink in inks])


def table_of(results: Sequence[Result]) -> str:
    """Markdown: a row for each set, the share that was read of each digit in the last columns."""
    columns = [*_COLUMNS, *map(str, range(10))]
    return markdown_table(columns, [result.row() for result in results])


def summary_of(tables: Mapping[str, Sequence[Result]]) -> str:
    """Markdown: what each reader read rightly of each set, and what was wrong and sure."""
    rows = [
        [of_set[0].name, f"{of_set[0].digits:,}", *(" / ".join(r.row()[2:5:2]) for r in of_set)]
        for of_set in zip(*tables.values(), strict=False)
    ]
    return markdown_table(["rightly / wrong and *sure*", "digits", *tables], rows)


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
@click.option("--peers", is_flag=True, help="Ask peers too; networks learn from MNIST at first.")
@results_option
def main(data: Path, paths: tuple[Path, ...], peers: bool, output: Path) -> None:
    """Read digits of writers whom nobody has learnt from, set by set and digit by digit."""
    models = {path.name: load_models(path) for path in paths or (find_models(None),)}
    sets = load_sets(data)
    tables, notes = {}, []
    for name, each in models.items():
        tables[name] = _results({of: answers_of(each, X) for of, (X, _) in sets.items()}, sets)
        notes.append(f"- {name} has learnt from {each.provenance.get('options', {})}\n")
    if peers:
        unknown = {name: X for name, (X, _) in sets.items() if name not in _LEARNT}
        images = [Data().load("test")[0][::_EVERY], *unknown.values()]
        share = float(answers_of(next(iter(models.values())), images[0])[1].mean())
        notes.append(_PEERS_NOTE.format(share=percent(share, 1)))
        ends = np.cumsum([len(X) for X in images])
        for name, entry in READERS.items():
            everything = np.concatenate(images)
            read = ask(entry, read_images, name, entry, Data(), output, everything)
            if isinstance(read, str):
                notes.append(f"- **{name}** skipped: {read}\n")
                continue
            digits, sure = (np.split(part, ends) for part in as_sure(*read, ends[0], share))
            answers = zip(digits[1:-1], sure[1:-1], strict=True)
            tables[entry.title] = _results(dict(zip(unknown, answers, strict=True)), sets)
    click.echo("\n".join([*notes, *(f"{title}\n\n{table_of(tables[title])}" for title in tables)]))
    packages = [package for entry in READERS.values() for package in entry.packages]
    about = {**machine.conditions(packages if peers else ()), "quick": False}
    records = {title: [vars(result) for result in of_one] for title, of_one in tables.items()}
    pages = [f"## {title}\n\n{table_of(each)}" for title, each in tables.items()]
    parts = [summary_of(tables), *notes, *pages]
    title = "Other people's hands, in per cent"
    write_results(output / "hands", title, about, {"readers": records}, *parts)


def _results(answers: Mapping[str, Answers], sets: Mapping[str, Any]) -> list[Result]:
    """The counts of each set, and of those together that nothing was learnt from."""
    results = [measure(name, answers[name], sets[name][1]) for name in answers]
    others = [result for result in results if result.name not in _LEARNT]
    results.insert(len(others), added(_SUM, others))
    return results


if __name__ == "__main__":
    main()
