"""How many drawn numbers are read, separated and touching: python -m benchmarks.numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.drawing import draw_number
from benchmarks.report import markdown_table
from benchmarks.setting import Setting, common_options

_COLUMNS = ["digits", "pictures", "fully right", "milliseconds"]
_LENGTHS = (2, 8)


@dataclass(frozen=True)
class NumberResult:
    """What became of the picture of one number.

    Attributes
    ----------
    kind : "separated" or "touching"
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
    from ovr_digits.errors import DigitsError
    from ovr_digits.picture.number import read_number

    rng = np.random.default_rng([setting.seed, kind == "touching"])
    results = []
    for _ in range(count):
        content, text = draw_random(setting.X, setting.y, kind, rng)
        start = time.perf_counter()
        try:
            read = read_number(setting.models, content).text
        except DigitsError as error:
            read = str(error)
        results.append(NumberResult(kind, text, read, time.perf_counter() - start))
    return results


def _row(name: str, results: list[NumberResult]) -> list[str]:
    if not results:
        return [name, "0", "", ""]
    right = np.mean([result.read == result.text for result in results])
    milliseconds = 1000 * np.mean([result.seconds for result in results])
    return [name, str(len(results)), f"{right:.1%}".replace("%", " %"), f"{milliseconds:.0f}"]


@click.command()
@common_options(500, "Pictures in all; in half of them some digits touch.")
def main(setting: Setting, count: int) -> None:
    """Draw pictures of whole numbers, and read them with a models.pkl."""
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


if __name__ == "__main__":
    main()
