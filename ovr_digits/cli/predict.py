"""``ovr-digits predict``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli import terminal
from ovr_digits.cli.options import (
    CONTEXT_SETTINGS,
    fail,
    figure_option,
    ground_option,
    json_option,
    level_option,
    models_option,
    note,
    print_json,
    printable,
    save_option,
    source_of,
    tidy_errors,
)

if TYPE_CHECKING:
    from ovr_digits.ink import Ground


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--brief", is_flag=True, help="One line for each picture.")
@ground_option
@level_option
@save_option
@figure_option("--explain", "Draw the way from each picture to its answer")
@models_option
@json_option
@tidy_errors
def predict(
    images: tuple[str, ...],
    brief: bool,
    ground: Ground,
    level: float | None,
    save: Path | None,
    explain: Path | None,
    models: Path | None,
    as_json: bool,
) -> None:
    """Read the digit on each picture.

    PNG, JPEG, WebP, TIFF, GIF and others; - is standard input. Ink and paper may have
    any colour, and the paper lines, shadows and edges. A picture that can't be
    read is named, and the others are answered all the same.

    \b
    Examples:
      ovr-digits predict seven.png
      ovr-digits predict scans/*.jpg --brief
      ovr-digits predict board.jpg --invert yes
      ovr-digits predict seven.png --explain why.png
      cat seven.png | ovr-digits predict - --json
    """
    if save is not None and save == explain:
        raise click.UsageError("--save and --explain need a file each.")

    from ovr_digits.modelfile import load_models
    from ovr_digits.prediction import answer_pictures

    detectors = load_models(models)
    pictures = ((name, source_of(name)) for name in images)
    titles, forms, votes, explanations = [], [], [], []
    failed = False
    for answer in answer_pictures(detectors, pictures, ground, level):
        if as_json:
            print_json(answer.as_json())
        if answer.found is None or answer.vote is None:
            failed = True
            if not as_json:
                fail(f"{answer.path}: {answer.error}")
            continue
        image, vote = answer.found.image, answer.vote
        verdict = terminal.verdict_text(vote) if image.any() else terminal.BLANK
        if brief and not as_json:
            terminal.echo(f"{printable(answer.path)}: {verdict}")
        elif not as_json:
            terminal.echo(terminal.panel(image, vote, printable(answer.path), verdict))
        if not as_json and (n_digits := answer.n_digits) > 1:
            note(
                f"this picture seems to hold {n_digits} digits: "
                f"ovr-digits read {shlex.quote(printable(answer.path))}"
            )
        titles.append(f"{printable(Path(answer.path).name)}: {vote.digit}, {vote.verdict}")
        forms.append(image)
        votes.append(vote)
        if explain is not None:
            from ovr_digits.explanation import explain as explain_vote

            explanations.append(explain_vote(detectors, answer.found, vote))
    if save is not None and votes:
        from ovr_digits.plots import plot_votes, save_figure

        save_figure(plot_votes(forms, votes, titles), save)
    if explain is not None and explanations:
        from ovr_digits.plots import plot_explanations, save_figure

        save_figure(plot_explanations(explanations, titles), explain)
    if failed:
        sys.exit(1)
