"""Digits, votes and tables as text: with colour on a terminal, plain elsewhere."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli.ending import printable
from ovr_digits.progress import percent

if TYPE_CHECKING:
    from ovr_digits.core.arrays import Grey
    from ovr_digits.core.evaluation import Evaluation
    from ovr_digits.core.vote import Vote
    from ovr_digits.data.inventory import Inventory, Place
    from ovr_digits.data.mnist import FileCheck
    from ovr_digits.data.splits import Split
    from ovr_digits.data.summary import Summary
    from ovr_digits.learn.curves import EpochResult

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
BLANK = "blank: there is no digit on it"
DATASET_NAMES = {"mnist": "MNIST", "digits": "digits"}
PART_NAMES = {"train": "training set", "test": "test set"}

_EPOCH_HEADING = (
    f"{'epoch':8}loss{'':7}votes wrong, %   detectors wrong on images held out, %\n"
    f"{'seen':>11}{'held':>8}{'seen':>5}{'held':>5}" + "".join(f"{digit:5}" for digit in range(10))
)

_HALF_SCALE = 10  # characters to each side of the threshold in a bar of a score
_HALF_BLOCKS = " ▄▀█"  # lower half inked: 1, upper half inked: 2
_ASCII_HALVES = " .'#"
_INKED = 100
#: The dots of a braille character, two across and four down, as bits of its code.
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_SHEET_COLUMNS = 5
_COUNT_WIDTH = 55


def echo(text: str) -> None:
    """Print to stdout, in colour and in such characters as whoever reads it can show."""
    encoding = sys.stdout.encoding or "ascii"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    click.echo(shown, color=False if _is_colour_unwanted() else None)


def has_unicode() -> bool:
    """Whether stdout can show block characters."""
    try:
        "▀█▐▌│".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def has_colour() -> bool:
    """Whether stdout is a terminal that may be coloured."""
    return sys.stdout.isatty() and not _is_colour_unwanted()


def _is_colour_unwanted() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def digit_lines(image: Grey) -> list[str]:
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
    """The ten scores as bars from the threshold, a line each, with the votes and who fired."""
    from ovr_digits.core.vote import SCORE_SPAN

    lines = [f"  {'score, log-odds':<{2 * _HALF_SCALE + 7}}    vote"]
    for digit, (score, share) in enumerate(zip(vote.scores, vote.votes, strict=True)):
        bar, mark = _score_bar(score / SCORE_SPAN), ""
        if digit in vote.fired:
            bar, mark = click.style(bar, fg="green"), "  fired"
        lines.append(f"{digit} {bar} {score:+5.1f} {percent(share, 1, 6)}{mark}")
    ends = f"{-SCORE_SPAN:<+{_HALF_SCALE}.0f}0{SCORE_SPAN:>+{_HALF_SCALE}.0f}"
    return [*lines, f"  {ends}"]


def _score_bar(share: float) -> str:
    """A bar from the threshold, -1..1 of the scale's half; beyond that it ends in an arrow."""
    whole, halves, zero = ("█", "▐▌", "│") if has_unicode() else ("#", "  ", "|")
    n_whole, n_half = divmod(round(min(abs(share), 1) * 2 * _HALF_SCALE), 2)
    bar = whole * n_whole
    if share > 0:
        bar = bar[:-1] + ">" if share > 1 else bar + halves[1] * n_half
        return f"{zero:>{_HALF_SCALE + 1}}{bar:<{_HALF_SCALE}}"
    bar = "<" + bar[1:] if share < -1 else halves[0] * n_half + bar
    return f"{bar:>{_HALF_SCALE}}{zero:<{_HALF_SCALE + 1}}"


def verdict_text(vote: Vote) -> str:
    """The answer in words."""
    name, share = NAMES[vote.digit], percent(vote.confidence, 1)
    if vote.verdict == "sure":
        return f"{vote.digit} ({name}), sure: only its detector fired, with {share}"
    if vote.verdict == "conflict":
        others = ", ".join(str(d) for d in vote.fired[:-1])
        return (
            f"{vote.digit} ({name}) with {share}, in conflict: {others} and {vote.fired[-1]} fired"
        )
    return f"no detector recognises this as its digit; best guess {vote.digit} with {share}"


def panel(image: Grey, vote: Vote, heading: str, closing: str) -> str:
    """A digit with its ten bars beside it, a heading above and the verdict below."""
    left = digit_lines(image)
    right = ["", *vote_lines(vote), ""]
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
    """An epoch of training as a row of a table, the first below its headings."""
    train, validation = result.train, result.validation
    assert validation is not None  # the command always holds some images out
    right = [train.accuracy, validation.accuracy, *validation.detector_accuracy]
    wrong = [100 * (1 - share) for share in right]
    row = f"{result.epoch:3}{train.loss:8.5f}{validation.loss:8.5f}" + "".join(
        f"{share:5.2f}" if share < 9.995 else f"{share:5.1f}" for share in wrong
    )
    return row if result.epoch > 1 else f"{_EPOCH_HEADING}\n{row}"


def table_text(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows under bold headings, within 80 columns: the first ``left`` flush left, others right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(headings))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    # Always styled: echo takes styles away again where they are not wanted.
    console = Console(width=80, color_system="standard", markup=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


# --- data sets -------------------------------------------------------------------------------

_PLACE_NAMES = {
    "--data-dir": "--data-dir",
    "OVR_DIGITS_DATA": "$OVR_DIGITS_DATA",
    "OVR_DIGITS_HANDS": "$OVR_DIGITS_HANDS",
    "cache": "cache",
    "bundled": "bundled digits",
}


def inventory_lines(inventory: Inventory) -> list[str]:
    """Every place and its files, a line each."""
    title = "MNIST" if inventory.dataset == "digits" else inventory.title
    lines = [
        *(credit_lines(inventory.credit) if inventory.credit else ()),
        f"{title} is looked for in this order; the first folder that is given is used:",
        click.style(f"    {'file':<26}{'bytes':>11}  state", dim=True),
    ]
    for i, place in enumerate(inventory.places, 1):
        lines += _place_lines("-" if place.name == "bundled" else f"{i}", place)
    return lines


def credit_lines(credit: Mapping[str, str]) -> list[str]:
    """Who made a data set, and where it is told of."""
    return [
        click.style(credit["title"], bold=True),
        f"by {credit['authors']} ({credit['licence']})",
        f"{credit['page']}, DOI {credit['doi']}",
        "",
    ]


def inventory_text(inventory: Inventory) -> str:
    """Whether a data set can be used, and what to do where it cannot."""
    usable = [part for part, is_usable in inventory.parts.items() if is_usable]
    name = inventory.title
    folder = _folder_text(inventory.in_use)
    if inventory.is_usable:
        return f"{name}: usable, taken from {folder}"
    missing = f"only the {PART_NAMES[usable[0]]} is usable" if usable else "not usable"
    if inventory.dataset == "digits":
        return f"{name}: {missing}; reinstall scikit-learn"
    command = "ovr-digits data download"
    if inventory.credit:
        command += f" --dataset {inventory.dataset}"
    if inventory.in_use.name == "cache":
        advice = f"it is downloaded when it is needed, or now with {command}"
    else:
        advice = f"repair it with {command} --data-dir {folder}"
        if not inventory.credit:
            advice += ", or use --dataset digits"
    return f"{name}: {missing} in {folder}; {advice}"


def elsewhere_text(title: str, variable: str, used: tuple[str, Path], folder: Path) -> str:
    """That a data set lies in a folder, but that commands take it from another one."""
    place, elsewhere = used
    if place == "cache":
        there = printable(str(folder))
        return f"commands use it with --data-dir {there}, or with {variable} set to it"
    there = printable(str(elsewhere))
    return f"but {place} is set: without --data-dir, commands take {title} from {there}"


def split_name(split: Split) -> str:
    """The part of a data set, for people."""
    return f"{DATASET_NAMES[split.dataset]} {PART_NAMES[split.part]}"


def heading_lines(text: str, name: str, source: str) -> list[str]:
    """What is shown, and where it comes from."""
    return [click.style(text, bold=True), printable(f"{name}, from {source}"), ""]


def _place_lines(number: str, place: Place) -> list[str]:
    name = click.style(f"{_PLACE_NAMES[place.name]:<16}", bold=True)
    lines = [f"{number} {name} {_folder_text(place)}"]
    if place.problem is not None:
        lines.append(f"    {click.style(place.problem, fg='red')}")
    for file in place.files:
        lines += _file_lines(file)
    return lines


def _folder_text(place: Place) -> str:
    if place.name == "bundled":
        return "scikit-learn's own data"
    return "not given" if place.folder is None else printable(str(place.folder))


def _file_lines(file: FileCheck) -> list[str]:
    """What is wrong with a file goes on in further lines where it is long."""
    size = "" if file.n_bytes is None else f"{file.n_bytes:,}"
    name = file.name if file.path is None else file.path.name
    start = f"    {name:<26}{size:>11}  "
    first, *rest = textwrap.wrap(file.state, 79 - len(start))
    colour = "green" if file.is_sound else "red"
    return [
        start + click.style(first, fg=colour),
        *(" " * len(start) + click.style(line, fg=colour) for line in rest),
    ]


def sheet_lines(images: Sequence[Grey], captions: Sequence[str]) -> list[str]:
    """Digits (28, 28) at half their size, five in a row, each with its caption above."""
    lines = []
    for start in range(0, len(images), _SHEET_COLUMNS):
        row = slice(start, start + _SHEET_COLUMNS)
        heading = "  ".join(f"{caption:<14}" for caption in captions[row])
        lines.append(click.style(heading.rstrip(), bold=True))
        small = zip(*(_small_digit_lines(image) for image in images[row]), strict=True)
        lines += ["  ".join(parts).rstrip() for parts in small]
        lines.append("")
    return lines[:-1]


def _small_digit_lines(image: Grey) -> list[str]:
    """A digit (28, 28) as 7 lines of 14 characters."""
    blocks = image.reshape(14, 2, 14, 2)
    if has_colour() and has_unicode():
        return digit_lines(blocks.mean(axis=(1, 3)).astype(image.dtype))
    if not has_unicode():
        return digit_lines(blocks.max(axis=(1, 3)))  # keeps thin strokes
    dots = (image > _INKED).reshape(7, 4, 14, 2).swapaxes(1, 2)
    codes = _BRAILLE + (dots * _DOTS).sum(axis=(2, 3))
    return ["".join(map(chr, row)) for row in codes.tolist()]


def pixel_lines(image: Grey) -> list[str]:
    """The grey levels of a digit (28, 28) in hexadecimal, two characters each; paper is a dot."""
    places = "".join(f"{column:<8}" for column in range(0, 28, 4))
    lines = [click.style(f"   {places.rstrip()}", dim=True)]
    for number, row in enumerate(image.tolist()):
        cells = "".join(_pixel_text(grey) for grey in row)
        end = "\x1b[0m" if has_colour() else ""
        lines.append(f"{click.style(f'{number:2}', dim=True)} {cells}{end}")
    return [*lines, "grey levels in hexadecimal: ff is full ink, . is paper (00)"]


def _pixel_text(grey: int) -> str:
    text = f"{grey:02x}" if grey else " ."
    if not has_colour():
        return text
    ground = 232 + grey * 23 // 255
    letters = 240 if grey == 0 else 231 if grey < 128 else 16
    return f"\x1b[38;5;{letters};48;5;{ground}m{text}"


def summary_lines(summary: Summary) -> list[str]:
    """How many there are of each digit as bars, then the mean images."""
    full = "█" if has_unicode() else "#"
    lines = []
    for digit, count in enumerate(summary.counts.tolist()):
        bar = full * round(count / summary.counts.max() * _COUNT_WIDTH)
        lines.append(f"{digit} {count:>7,} {percent(count / summary.samples, width=6)} {bar}")
    means = summary.means.round().astype("uint8")
    captions = [f"mean of {digit}" for digit in range(10)]
    return [*lines, "", *sheet_lines(list(means), captions)]
