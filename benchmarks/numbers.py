"""How many drawn numbers are read, separated and touching: python -m benchmarks.numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.drawing import draw_number
from benchmarks.drawing_signs import Box, draw_text, random_text, random_with_others
from benchmarks.report import markdown_table
from benchmarks.setting import Setting, common_options

_COLUMNS = ["digits", "pictures", "fully right", "milliseconds"]
_LENGTHS = (2, 8)


@dataclass(frozen=True)
class NumberResult:
    """What became of the picture of one number.

    Attributes
    ----------
    kind : "separated", "touching" or "signs"
    text : str
        What is written, line by line.
    read : str
        What was read, or why nothing was.
    seconds : float
    """

    kind: str
    text: str
    read: str
    seconds: float

    @property
    def length(self) -> int:
        """How many digits are written."""
        return len(self.text.replace("\n", ""))


def draw_random(X: Any, y: Any, kind: str, rng: np.random.Generator) -> tuple[bytes, str]:
    """A picture of random digits X (n, 784) with labels y (n,), and what is written on it."""
    length = int(rng.integers(_LENGTHS[0], _LENGTHS[1] + 1))
    chosen: NDArray[np.int64] = rng.integers(0, len(X), length)
    two_lines = length >= 4 and rng.random() < 0.2
    lines = np.split(chosen, [length // 2] if two_lines else [])
    n_touching = int(rng.integers(1, 4)) if kind == "touching" else 0
    content = draw_number([X[line].reshape(-1, 28, 28) for line in lines], n_touching, rng)
    return content, "\n".join("".join(str(digit) for digit in y[line]) for line in lines)


def read_random(setting: Setting, kind: str, count: int) -> list[NumberResult]:
    """Draw numbers of a kind, and read them."""
    rng = np.random.default_rng([setting.seed, kind == "touching"])
    drawn = (draw_random(setting.X, setting.y, kind, rng) for _ in range(count))
    return [_read(setting, kind, content, text) for content, text in drawn]


def _read(setting: Setting, kind: str, content: bytes, text: str) -> NumberResult:
    from ovr_digits.errors import DigitsError
    from ovr_digits.picture.number import read_number

    start = time.perf_counter()
    try:
        read = read_number(setting.models, content).text
    except DigitsError as error:
        read = str(error)
    return NumberResult(kind, text, read, time.perf_counter() - start)


def read_signs(setting: Setting, count: int) -> list[NumberResult]:
    """Draw dates, amounts and marks, and read them with their signs."""
    rng = np.random.default_rng([setting.seed, 2])
    texts = (random_text(rng) for _ in range(count))
    drawn = (draw_text(text, setting.X, setting.y, rng) for text in texts)
    return [_read(setting, "signs", each.content, each.text) for each in drawn]


def count_left_out(setting: Setting, count: int) -> tuple[int, int]:
    """Of symbols and letters beside drawn numbers, how many are left out, and how many there are.

    One that is left out has a box among what is, and none among the digits.
    """
    from ovr_digits.errors import DigitsError
    from ovr_digits.picture.number import read_number

    rng = np.random.default_rng([setting.seed, 3])
    n_left_out = n_others = 0
    for _ in range(count):
        drawn = draw_text(random_with_others(rng), setting.X, setting.y, rng)
        others = [
            box for sign, box in zip(drawn.text, drawn.boxes, strict=True) if not sign.isdigit()
        ]
        n_others += len(others)
        try:
            number = read_number(setting.models, drawn.content)
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


def _row(name: str, results: list[NumberResult]) -> list[str]:
    if not results:
        return [name, "0", "", ""]
    right = np.mean([result.read == result.text for result in results])
    milliseconds = 1000 * np.mean([result.seconds for result in results])
    return [name, str(len(results)), f"{right:.1%}".replace("%", " %"), f"{milliseconds:.0f}"]


@click.command()
@common_options(500, "Pictures in all; in half of them some digits touch.")
@click.option(
    "--signs", is_flag=True, help="Draw dates, amounts and marks, and symbols and letters instead."
)
def main(setting: Setting, count: int, signs: bool) -> None:
    """Draw pictures of whole numbers, and read them with a models.pkl."""
    if signs:
        _measure_signs(setting, count)
        return
    rows, everything = [], []
    for kind, share in (("separated", count - count // 2), ("touching", count // 2)):
        with threadpool_limits(1):  # one picture at a time, as a person asks
            results = read_random(setting, kind, share)
        everything += results
        rows.append(_row(f"**{kind}**", results))
        for length in range(_LENGTHS[0], _LENGTHS[1] + 1):
            some = [result for result in results if result.length == length]
            rows.append(_row(f"{kind}, {length} digits", some))
    table = markdown_table(_COLUMNS, rows)
    setting.store("numbers", {"numbers": [vars(result) for result in everything]}, table)
    click.echo(table, nl=False)


def _measure_signs(setting: Setting, count: int) -> None:
    with threadpool_limits(1):
        results = read_signs(setting, count // 2)
        n_left_out, n_others = count_left_out(setting, count - count // 2)
    share = f"{n_left_out / max(n_others, 1):.1%}".replace("%", " %")
    note = f"Of {n_others} symbols and letters beside numbers {share} are left out."
    table = markdown_table(_COLUMNS, [_row("dates, amounts and marks", results)])
    setting.store("signs", {"signs": [vars(result) for result in results]}, table, [note])
    click.echo(f"{note}\n\n{table}", nl=False)


if __name__ == "__main__":
    main()
