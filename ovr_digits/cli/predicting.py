"""``ovr-digits predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command, note, printable
from ovr_digits.cli.pictures import answer_given, find_pictures
from ovr_digits.files import quoted
from ovr_digits.progress import counted, duration, percent

if TYPE_CHECKING:
    from ovr_digits.picture.answers import DigitAnswer
    from ovr_digits.picture.decoding import Content
    from ovr_digits.picture.ink import Ground
    from ovr_digits.scale.bulk import BulkResult

#: Parameters of single pictures, and of a batch.
_OF_PICTURES = ("images", "brief", "ground", "level", "save", "explain")
_OF_BATCH = ("jobs", "scheduler")

#: Columns of a table: a row is a picture.
_COLUMNS = {
    "file": str,
    "page": int,
    "digit": int,
    "confidence": float,
    "verdict": str,
    "fired": list[int],
    "votes": list[float],
    "error": str,
}


@command
@click.argument("images", metavar="IMAGE...", nargs=-1)
@click.option("--brief", is_flag=True, help="One line for each picture.")
@options.ground
@options.level
@options.save
@options.figure("--explain", "Draw the way from each picture to its answer")
@options.models
@click.option(
    "--batch",
    "source",
    type=click.Path(path_type=Path),
    metavar="SOURCE",
    help="Read all digits of a folder of pictures (the first page of each), of IDX or of Parquet "
    "files, and write the answers to --output (Parquet, unless it ends in .csv or .jsonl). "
    "Interrupted, the same command goes on where it stopped.",
)
@options.table
@options.jobs
@options.scheduler
@options.as_json
def predict(  # noqa: PLR0913
    images: tuple[str, ...],
    brief: bool,
    ground: Ground,
    level: float | None,
    save: Path | None,
    explain: Path | None,
    models: Path | None,
    source: Path | None,
    output: Path | None,
    jobs: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Read the digit on each picture.

    PNG, JPEG, WebP, TIFF, GIF, PDF and others; - is standard input. All pages of a
    file are read, and all pictures of an animation. Ink and paper may
    have any colour, and the paper may have lines, shadows and edges. A picture
    that cannot be read is named, and the others are answered all the same.

    \b
    Examples:
      ovr-digits predict seven.png
      ovr-digits predict scans/*.jpg --brief
      ovr-digits predict scans --output answers.csv
      ovr-digits predict board.jpg --invert yes
      ovr-digits predict seven.png --explain why.png
      cat seven.png | ovr-digits predict - --json
      ovr-digits predict --batch scans --output answers.parquet
      ovr-digits predict --batch t10k-images-idx3-ubyte --output answers.parquet
    """
    if source is not None:
        options.refuse_given(_OF_PICTURES, "not with --batch.")
        if output is None:
            raise click.UsageError("--batch needs --output FILE, for the answers.")
        _predict_batch(source, output, models, jobs, scheduler, as_json)
        return
    options.refuse_given(_OF_BATCH, "only with --batch.")
    if not images:
        raise click.UsageError("Missing argument 'IMAGE...', or --batch SOURCE.")

    options.check_table(output)
    given = find_pictures(images, [save, explain, output])

    from ovr_digits.models.modelfile import load_models
    from ovr_digits.picture.answers import DigitAnswer, Unreadable, answer_picture
    from ovr_digits.picture.explanation import explain as explain_vote

    detectors = load_models(models)
    titles, forms, votes, explanations = [], [], [], []
    rows: list[dict[str, Any]] = []
    failed = False

    def answer_one(picture: Content) -> DigitAnswer:
        found, vote = answer_picture(detectors, picture, ground, level)
        if explain is not None:
            explanations.append(explain_vote(detectors, found, vote))
        return DigitAnswer.of(found, vote)

    for answer in answer_given(given, answer_one, as_json):
        if as_json:
            options.print_json(answer.as_json())
        if output is not None:
            rows += options.table_rows(output, answer.as_json(), [answer.as_json()])
        if isinstance(answer, Unreadable):
            failed = True
            if not as_json:
                note(f"{answer.name}: {answer.error}")
            continue
        image, vote = answer.image, answer.vote
        verdict = terminal.verdict_text(vote) if image.any() else terminal.BLANK
        if brief and not as_json:
            terminal.echo(f"{printable(answer.name)}: {verdict}")
        elif not as_json:
            terminal.echo(terminal.panel(image, vote, printable(answer.name), verdict))
        if not as_json and (n_digits := answer.n_digits) > 1:
            note(
                f"this picture seems to hold {n_digits} digits; read them with "
                f"ovr-digits read {quoted(printable(answer.path or ''))}"
            )
        title = printable(Path(answer.name).name)
        if save is not None or explain is not None:
            titles.append(f"{title}: {vote.digit}, {vote.verdict}")
            forms.append(image)
            votes.append(vote)
    if output is not None:
        from ovr_digits.scale.rows import SPREAD_VOTES

        options.put_table(output, rows, _COLUMNS, SPREAD_VOTES)
    if save is not None and votes:
        from ovr_digits.report.plots.answers import plot_votes

        options.put_out(plot_votes(forms, votes, titles), save)
    if explain is not None and explanations:
        from ovr_digits.report.plots.answers import plot_explanations

        options.put_out(plot_explanations(explanations, titles), explain)
    if failed:
        sys.exit(1)


def _predict_batch(
    source: Path,
    output: Path,
    models: Path | None,
    jobs: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """What --batch asks for."""
    if scheduler is not None:
        options.refuse_given(["jobs"], "not with --scheduler, whose workers do the work.")

    from ovr_digits.progress import TerminalProgress
    from ovr_digits.scale.bulk import predict_batch
    from ovr_digits.temporary import temporary_files

    with temporary_files(), TerminalProgress() as progress:
        result = predict_batch(source, output, models, jobs, scheduler, progress)
    for line in result.listed:
        note(line)
    if result.labelled == 0 and result.digits:
        note("the labels are not used: none of them is a digit 0 to 9")
    if result.errors > len(result.listed):
        note(f"and {result.errors - len(result.listed):,} more: see the column error")
    if as_json:
        options.print_json(result.as_json())
    else:
        terminal.echo("\n".join(_batch_lines(result)))
    if result.errors:
        sys.exit(1)


def _batch_lines(result: BulkResult) -> list[str]:
    lines = [f"{counted(result.digits, 'digit')} from {printable(result.source)}"]
    if result.earlier:
        lines.append(f"{result.earlier:,} of them had already been read")
    if result.errors:
        lines.append(f"{result.errors:,} could not be read")
    if result.accuracy is not None:
        right = percent(result.accuracy)
        lines.append(f"{right} of the {result.labelled:,} with a label are right")
    if result.digits > result.earlier:
        rate = round(result.per_second)
        pace = f", {counted(rate, 'digit')} per second" if rate else ""
        lines.append(duration(result.seconds) + pace)
    return [*lines, f"written to {printable(str(result.output))}"]
