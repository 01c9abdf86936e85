"""``ovr-digits read``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command, note, printable

if TYPE_CHECKING:
    from ovr_digits.picture.ink import Ground


@command
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@options.ground
@options.level
@options.save
@options.models
@options.as_json
def read(
    images: tuple[str, ...],
    ground: Ground,
    level: float | None,
    save: Path | None,
    models: Path | None,
    as_json: bool,
) -> None:
    """Read the number on each picture, digit by digit.

    Digits are found wherever they are and put in reading order, line by line.
    With several pictures every line of output begins with the picture's name.
    What might be taken for a digit but is left out, such as a box to write in, is
    counted on stderr; --json tells where it is, and why it was left out.

    \b
    Examples:
      ovr-digits read meter.jpg
      ovr-digits read scans/*.png --json
      ovr-digits read page.png --save found.png
    """
    from ovr_digits.errors import DigitsError
    from ovr_digits.models.modelfile import load_models
    from ovr_digits.picture.number import read_number

    detectors = load_models(models)
    answered = []
    failed = False
    for name in images:
        try:
            number = read_number(detectors, options.source_of(name), ground, level)
        except DigitsError as error:
            failed = True
            if as_json:
                options.print_json({"path": name, "error": str(error)})
            else:
                note(f"{name}: {error}")
            continue
        answered.append((name, number))
        if number.left_out:
            counts = Counter(reason for _, reason in number.left_out).most_common()
            reasons = ", ".join(f"{count}× {reason}" for reason, count in counts)
            note(f"{name}: left out: {reasons}")
        if as_json:
            options.print_json({"path": name, **number.as_json()})
            continue
        for line in number.text.split("\n"):
            terminal.echo(line if len(images) == 1 else f"{printable(name)}: {line}")
    if save is not None and answered:
        from ovr_digits.report.plots.answers import plot_numbers

        titles = [f"{printable(name)}: {' / '.join(n.text.split())}" for name, n in answered]
        options.put_out(plot_numbers([number for _, number in answered], titles), save)
    if failed:
        sys.exit(1)
