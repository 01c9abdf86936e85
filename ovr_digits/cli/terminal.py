"""Digits, votes and tables as text: with colour on a terminal, plain elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ovr_digits.core.vote import Vote
    from ovr_digits.curves import EpochResult
    from ovr_digits.evaluation import Evaluation

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
BLANK = "no ink on it, and so no digit"
DATASET_NAMES = {"mnist": "MNIST", "digits": "digits"}

_EPOCH_HEADING = (
    f"{'epoch':8}loss{'':7}votes wrong, %   detectors wrong on images held out, %\n"
    f"{'seen':>11}{'held':>8}{'seen':>5}{'held':>5}" + "".join(f"{digit:5}" for digit in range(10))
)

_BAR_WIDTH = 24
_HALF_BLOCKS = " ▄▀█"  # lower half inked: 1, upper half inked: 2
_ASCII_HALVES = " .'#"
_INKED = 100


def echo(text: str) -> None:
    """Print to stdout, in colour and in such characters as whoever reads it can show."""
    encoding = sys.stdout.encoding or "ascii"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    click.echo(shown, color=False if _is_colour_unwanted() else None)


def has_unicode() -> bool:
    """Whether stdout can show block characters."""
    try:
        "▀█▏·".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def has_colour() -> bool:
    """Whether stdout is a terminal that may be coloured."""
    return sys.stdout.isatty() and not _is_colour_unwanted()


def _is_colour_unwanted() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def digit_lines(image: NDArray[np.uint8]) -> list[str]:
    """A digit (28, 28) as 14 lines of 28 characters, two pixels in each."""
    upper, lower = image[0::2], image[1::2]
    if has_colour() and has_unicode():
        return [
            "".join(_two_greys(int(u), int(v)) for u, v in zip(above, below, strict=True))
            + "\x1b[0m"
            for above, below in zip(upper, lower, strict=True)
        ]
    glyphs = _HALF_BLOCKS if has_unicode() else _ASCII_HALVES
    cells = 2 * (upper > _INKED) + (lower > _INKED)
    return ["".join(glyphs[int(cell)] for cell in row) for row in cells]


def _two_greys(upper: int, lower: int) -> str:
    """One character whose upper and lower half have a grey each, of the 256-colour ramp."""
    return f"\x1b[38;5;{232 + upper * 23 // 255};48;5;{232 + lower * 23 // 255}m▀"


def vote_lines(vote: Vote) -> list[str]:
    """Ten bars, a line each, with who fired."""
    full = "█" if has_unicode() else "#"
    lines = []
    for digit, share in enumerate(vote.votes):
        length = round(share * _BAR_WIDTH)
        bar = (full * length).ljust(_BAR_WIDTH)
        if digit in vote.fired:
            bar = click.style(bar, fg="green")
        mark = "  fired" if digit in vote.fired else ""
        lines.append(f"{digit} {bar} {100 * share:5.1f} %{mark}")
    return lines


def verdict_text(vote: Vote) -> str:
    """The answer in words."""
    name, share = NAMES[vote.digit], f"{100 * vote.confidence:.1f} %"
    if vote.verdict == "sure":
        return f"{vote.digit} ({name}), sure: only its detector fired, with {share}"
    if vote.verdict == "conflict":
        others = ", ".join(str(d) for d in vote.fired[:-1])
        return (
            f"{vote.digit} ({name}) with {share}, in conflict: {others} and {vote.fired[-1]} fired"
        )
    return f"no detector recognises this as its digit; best guess {vote.digit} with {share}"


def panel(image: NDArray[np.uint8], vote: Vote, heading: str, closing: str) -> str:
    """A digit with its ten bars beside it, a heading above and the verdict below."""
    left = digit_lines(image)
    right = ["", "", *vote_lines(vote), "", ""]
    rows = [f"  {a}   {b}".rstrip() for a, b in zip(left, right, strict=True)]
    return "\n".join([click.style(heading, bold=True), *rows, closing, ""])


def confusion_lines(result: Evaluation) -> list[str]:
    """The confusion table with precision, recall and F1 of each digit, within 80 columns."""
    heading = "".join(f"{digit:5}" for digit in range(10))
    lines = [click.style(f"  {heading}  precision  recall      F1", bold=True)]
    for scores, row in zip(result.per_digit, result.confusion.tolist(), strict=True):
        counts = "".join(f"{count or '.':>5}" for count in row)
        shares = f"{100 * scores.precision:11.2f}{100 * scores.recall:8.2f}{100 * scores.f1:8.2f}"
        lines.append(f"{click.style(str(scores.digit), bold=True)} {counts}{shares}")
    return lines


def epoch_text(result: EpochResult) -> str:
    """An epoch of training for stderr: a row of a table on a terminal, a sentence elsewhere."""
    train, validation = result.train, result.validation
    assert validation is not None  # the command always holds some images out
    if not sys.stderr.isatty():
        return (
            f"epoch {result.epoch}: loss {train.loss:.5f} (validation {validation.loss:.5f}), "
            f"vote {train.accuracy:.2%} (validation {validation.accuracy:.2%})"
        )
    right = [train.accuracy, validation.accuracy, *validation.detector_accuracy]
    wrong = [100 * (1 - share) for share in right]
    row = f"{result.epoch:3}{train.loss:8.5f}{validation.loss:8.5f}" + "".join(
        f"{share:5.2f}" if share < 9.995 else f"{share:5.1f}" for share in wrong
    )
    return row if result.epoch > 1 else f"{_EPOCH_HEADING}\n{row}"
