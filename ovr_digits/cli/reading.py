"""``ovr-digits read``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command, note, printable
from ovr_digits.cli.pictures import answer_given, find_pictures

if TYPE_CHECKING:
    from ovr_digits.picture.answers import NumberAnswer
    from ovr_digits.picture.decoding import Content
    from ovr_digits.picture.expected import Expected
    from ovr_digits.picture.ink import Ground

#: Columns of a table: a row is a line of a page, or says why there is none.
_COLUMNS = {
    "file": str,
    "page": int,
    "line": int,
    "fields": list[str],
    "confidence": float,
    "verdict": str,
    "error": str,
}


@command
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@options.ground
@options.level
@click.option(
    "--digits-only", is_flag=True, help="Leave signs, such as , - and /, out of the text."
)
@click.option("--length", metavar="N", help='Digits of each field, as "6", or "4-6".')
@click.option("--pattern", help='What each field looks like, d for a digit: "dd/dd/dddd".')
@click.option("--lines", metavar="N", type=click.IntRange(1), help="How many lines a page has.")
@options.save
@click.option(
    "--review",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write each field that is not sure as a picture, and a table to type what it says.",
)
@options.table
@options.models
@options.as_json
def read(  # noqa: PLR0913
    images: tuple[str, ...],
    ground: Ground,
    level: float | None,
    digits_only: bool,
    length: str | None,
    pattern: str | None,
    lines: int | None,
    save: Path | None,
    review: Path | None,
    output: Path | None,
    models: Path | None,
    as_json: bool,
) -> None:
    """Read the number on each picture, digit by digit.

    Digits are found wherever they are and put in reading order, line by line.
    All pages of a TIFF, GIF or PDF are read, and all pictures in a folder.
    With several pictures every line of output begins with the picture's name.
    A page may lie turned by 90, 180 or 270°, and by up to 30° more.
    What might be taken for a digit but is left out, such as a box to write in, is
    counted on stderr; --json tells where it is, and why it was left out.
    --length, --pattern and --lines tell what is known of the numbers beforehand:
    the best reading that fits is given, with the verdict "none" where none is
    credible. What is typed into DIR/review.csv, adapt learns from.

    \b
    Examples:
      ovr-digits read meter.jpg
      ovr-digits read scans/*.png --json
      ovr-digits read scan.pdf --output numbers.csv
      ovr-digits read birthday.png --pattern dd/dd/dddd
      ovr-digits read forms --review unsure
      ovr-digits read page.png --save found.png
    """
    options.check_table(output)
    expected = _expected(length, pattern, lines)
    given = find_pictures(images, [save, output])

    from ovr_digits.data.reviews import Review
    from ovr_digits.models.modelfile import load_models
    from ovr_digits.picture.answers import Unreadable
    from ovr_digits.picture.number import find_number

    unsure = Review(review) if review is not None else None
    detectors = load_models(models)
    drawn: list[tuple[str, NumberAnswer]] = []
    rows: list[dict[str, Any]] = []
    failed = False

    def answer_one(picture: Content) -> NumberAnswer:
        number = find_number(detectors, picture, ground, level, expected=expected)
        return number.without_signs() if digits_only else number

    for said in answer_given(given, answer_one, as_json):
        name = said.name
        if as_json:
            options.print_json(said.as_json())
        if output is not None:
            found_rows = [said.as_json()] if isinstance(said, Unreadable) else _rows_of(said)
            rows += options.table_rows(output, said.as_json(), found_rows)
        if isinstance(said, Unreadable):
            failed = True
            if not as_json:
                note(f"{name}: {said.error}")
            continue
        if said.left_out:
            counts = Counter(reason for _, reason in said.left_out).most_common()
            reasons = ", ".join(f"{count}× {reason}" for reason, count in counts)
            note(f"{name}: left out: {reasons}")
        if said.turn:
            note(f"{name}: turned by {min(said.turn, said.turn - 360, key=abs)}° to be read")
        if said.missing_lines and lines:
            note(f"{name}: {lines - said.missing_lines} of {lines} lines found")
        if misfits := [field.text for field in said.fields if not field.fits]:
            note(f"{name}: not as expected: {', '.join(misfits)}")
        for line in said.text.split("\n") if not as_json else ():
            is_alone = given.is_single and said.page is None
            terminal.echo(line if is_alone else f"{printable(name)}: {line}")
        if save is not None:
            drawn.append((name, said))
        if unsure is not None:
            unsure.add(said)
    if output is not None:
        most = max((len(row["fields"]) for row in rows if "fields" in row), default=1)
        heads = {"fields": [f"field_{k}" for k in range(1, most + 1)]}
        options.put_table(output, rows, _COLUMNS, heads)
    if unsure is not None:
        count = unsure.finish()
        work = f"{count} to type, each with its picture beside"
        note(f"{unsure.table}: {work if count else 'nothing to type, no field is unsure'}")
    if save is not None and drawn:
        from ovr_digits.report.plots.answers import plot_numbers

        titles = [f"{printable(name)}: {' / '.join(n.text.split())}" for name, n in drawn]
        options.put_out(plot_numbers([number for _, number in drawn], titles), save)
    if failed:
        sys.exit(1)


def _expected(length: str | None, pattern: str | None, lines: int | None) -> Expected:
    """What is known beforehand."""
    from ovr_digits.errors import DigitsError
    from ovr_digits.picture.expected import Expected

    try:
        return Expected(length, pattern, lines)
    except DigitsError as error:
        raise click.UsageError(str(error)) from None


def _rows_of(said: NumberAnswer) -> Iterator[dict[str, Any]]:
    """The lines of a page as rows of a table."""
    from ovr_digits.picture.fields import worst_verdict

    for k, row in groupby(said.fields, key=lambda field: field.line):
        fields = list(row)
        columns = {field.column: field.text for field in fields}
        yield {
            "line": k + 1,
            "fields": [columns.get(place, "") for place in range(max(columns) + 1)],
            "confidence": round(min(field.confidence for field in fields), 6),
            "verdict": worst_verdict(field.verdict for field in fields),
        }
