"""How whole numbers are read, drawn or in a folder, by ovr-digits and by others side by side:
python -m benchmarks.numbers [--folder DIR].

DIR holds the pictures, and ``labels.jsonl`` (file, digits) or ``labels.csv`` (file, text) that name
them; where they tell a ``part``, each is tabled by itself.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks import machine
from benchmarks.drawing import draw_number
from benchmarks.drawing_signs import Box, draw_text, random_text, random_with_others
from benchmarks.measure import measured
from benchmarks.peers import NUMBER_READERS, Entry
from benchmarks.peers.asking import ask
from benchmarks.report import markdown_table, write_results
from benchmarks.setting import Setting, common_options
from ovr_digits.progress import percent

_COLUMNS = ["", "pictures", "exactly right", "by character", "CPU, ms", "peak memory, MB"]
_NOTE = """\
All read the same picture files, each in a process of its own that has read one before, with one
thread. *exactly right* compares the digits alone, and where there are signs these too, but no
spaces; *by character* is 1 - edit distance / length over all pictures. A recogniser of lines, and
Tesseract told of one (`--psm 7`), cannot read two.
"""
_DIGITS, _SIGNS = "0123456789", ".,-/:"
#: Of the kinds that are drawn the one whose signs are compared too.
_WITH_SIGNS = "dates, amounts and marks"
_MOST_DIGITS = 8


@dataclass(frozen=True)
class Picture:
    """The content of a file, and what is written on it."""

    content: bytes
    text: str


@dataclass(frozen=True)
class Result:
    """What a reader made of the pictures of a suite.

    Attributes
    ----------
    reader, suite : str
    wanted, read : list of str
        The characters that are compared.
    milliseconds : float
        Processor time for a picture.
    peak_bytes : int
        Of the process so far.
    """

    reader: str
    suite: str
    wanted: list[str]
    read: list[str]
    milliseconds: float
    peak_bytes: int

    def row(self) -> list[str]:
        """Cells of the table."""
        pairs = list(zip(self.wanted, self.read, strict=True))
        right = np.mean([wanted == read for wanted, read in pairs])
        edits = sum(edit_distance(*pair) for pair in pairs)
        return [
            f"{self.suite}: {self.reader}",
            f"{len(pairs):,}",
            percent(float(right), 1),
            percent(1 - edits / sum(map(len, self.wanted)), 1),
            f"{self.milliseconds:.0f}",
            f"{self.peak_bytes / 1e6:.0f}",
        ]


def edit_distance(one: str, other: str) -> int:
    """How many characters must be put in, taken out or changed to make one text the other."""
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            row.append(min(row[-1] + 1, above[j] + 1, above[j - 1] + (a != b)))
        above = row
    return above[-1]


def letters_of(suite: str) -> str:
    """The characters that count in what is read of a suite."""
    return _DIGITS + _SIGNS if suite == _WITH_SIGNS else _DIGITS


def compared(text: str, letters: str) -> str:
    """Of a text the characters that count."""
    return "".join(letter for letter in text if letter in letters)


def draw_random(X: Any, y: Any, kind: str, rng: np.random.Generator) -> Picture:
    """A picture of random digits X (n, 784) with labels y (n,)."""
    n_lines = 2 if kind == "in two lines" else 1
    length = int(rng.integers(2 * n_lines, _MOST_DIGITS + 1))
    chosen: NDArray[np.int64] = rng.integers(0, len(X), length)
    lines = np.array_split(chosen, n_lines)
    n_touching = int(rng.integers(1, 4)) if kind == "touching" else 0
    content = draw_number([X[line].reshape(-1, 28, 28) for line in lines], n_touching, rng)
    return Picture(content, "\n".join("".join(map(str, y[line])) for line in lines))


def draw_suites(setting: Setting, count: int) -> dict[str, list[Picture]]:
    """Numbers of each kind, and dates, amounts and marks."""
    suites = {}
    for place, kind in enumerate(("separated", "touching", "in two lines")):
        rng = np.random.default_rng([setting.seed, place])
        suites[kind] = [draw_random(setting.X, setting.y, kind, rng) for _ in range(count)]
    rng = np.random.default_rng([setting.seed, 3])
    drawn = (draw_text(random_text(rng), setting.X, setting.y, rng) for _ in range(count))
    return {**suites, _WITH_SIGNS: [Picture(each.content, each.text) for each in drawn]}


def load_suites(folder: Path, part: str | None = None) -> dict[str, list[Picture]]:
    """The pictures of a folder by part, or those of one part."""
    if (path := folder / "labels.jsonl").exists():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        with (folder / "labels.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
    suites: dict[str, list[Picture]] = {}
    for row in rows:
        suite = row.get("part") or folder.name
        if part in (None, suite):
            picture = Picture((folder / row["file"]).read_bytes(), row.get("digits") or row["text"])
            suites.setdefault(suite, []).append(picture)
    return suites


def read_suites(
    name: str, entry: Entry, suites: Mapping[str, Sequence[Picture]], models: Any
) -> list[Result]:
    """What a reader makes of each suite."""
    make: Any = entry.load()
    reader = make(models) if name == "ours" else make()
    results = []
    for suite, pictures in suites.items():
        contents = [picture.content for picture in pictures]
        letters = letters_of(suite)
        with threadpool_limits(1):
            reader.read(contents[:1], letters)
            with measured() as cost:
                texts = reader.read(contents, letters)
        wanted = [compared(picture.text, letters) for picture in pictures]
        read = [compared(text, letters) for text in texts]
        milliseconds = 1000 * cost.cpu / len(contents)
        results.append(Result(entry.title, suite, wanted, read, milliseconds, cost.peak_bytes))
    return results


def count_left_out(setting: Setting, count: int) -> tuple[int, int]:
    """Of symbols and letters beside drawn numbers, how many are left out, and how many there are.

    One that is left out has a box among what is, and none among the digits.
    """
    from ovr_digits import read
    from ovr_digits.errors import DigitsError

    rng = np.random.default_rng([setting.seed, 3])
    n_left_out = n_others = 0
    for _ in range(count):
        drawn = draw_text(random_with_others(rng), setting.X, setting.y, rng)
        others = [
            box for sign, box in zip(drawn.text, drawn.boxes, strict=True) if not sign.isdigit()
        ]
        n_others += len(others)
        try:
            number = read(drawn.content, models=setting.models)
        except DigitsError:
            continue
        left_out = [box for box, _ in number.left_out]
        digits = [found.box for found in number.digits]
        n_left_out += sum(_is_among(box, left_out) and not _is_among(box, digits) for box in others)
    return n_left_out, n_others


def _is_among(box: Box, boxes: Sequence[Box]) -> bool:
    """Whether one of the boxes shares more than a third of what it and ``box`` cover."""
    x, y, w, h = box
    for left, top, width, height in boxes:
        across = min(x + w, left + width) - max(x, left)
        down = min(y + h, top + height) - max(y, top)
        shared = max(across, 0) * max(down, 0)
        if 3 * shared > w * h + width * height - shared:
            return True
    return False


@click.command()
@common_options(100, "Pictures of each kind, and of symbols and letters beside numbers.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read the pictures in it rather than drawn ones.",
)
@click.option("--part", help="Of the folder only this part.")
@click.option("--only", type=click.Choice(list(NUMBER_READERS)), multiple=True)
def main(
    setting: Setting, count: int, folder: Path | None, part: str | None, only: tuple[str, ...]
) -> None:
    """Have pictures of whole numbers read by ovr-digits and by others."""
    suites = load_suites(folder, part) if folder else draw_suites(setting, count)
    if not suites:
        raise click.UsageError(f"--part: there is no part {part} in {folder}")
    results, notes = [], [_NOTE]
    for name, entry in NUMBER_READERS.items():
        if only and name not in only:
            continue
        found = ask(entry, read_suites, name, entry, suites, setting.models)
        if isinstance(found, str):
            notes.append(f"**{entry.title}** skipped: {found}\n")
        else:
            results += found
    if folder is None:
        with threadpool_limits(1):
            n_left_out, n_others = count_left_out(setting, count)
        share = percent(n_left_out / max(n_others, 1), 1)
        notes.append(
            f"Of {n_others} symbols and letters beside numbers ovr-digits leaves {share} out.\n"
        )
    results.sort(key=lambda result: list(suites).index(result.suite))
    table = markdown_table(_COLUMNS, [result.row() for result in results])
    records = {"numbers": [vars(result) for result in results]}
    packages = [package for entry in NUMBER_READERS.values() for package in entry.packages]
    if folder is None:
        setting.store("numbers", records, table, notes, packages)
    else:
        about = {**machine.conditions(packages), "quick": False}
        stem = setting.output / f"numbers-{folder.resolve().name}"
        write_results(stem, f"Numbers: {folder}", about, records, *notes, table)
    click.echo("\n".join([*notes, table]), nl=False)


if __name__ == "__main__":
    main()
