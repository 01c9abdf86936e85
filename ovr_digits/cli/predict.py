"""``ovr-digits predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli import terminal
from ovr_digits.cli.options import (
    CONTEXT_SETTINGS,
    fail,
    ground_option,
    json_option,
    level_option,
    models_option,
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
@models_option
@json_option
@tidy_errors
def predict(
    images: tuple[str, ...],
    brief: bool,
    ground: Ground,
    level: float | None,
    save: Path | None,
    models: Path | None,
    as_json: bool,
) -> None:
    """Read the digit on each picture.

    Any format that Pillow reads; - is standard input. Ink and paper may have
    any colour, and the paper lines, shadows and edges. A picture that can't be
    read is named, and the others are answered all the same.

    \b
    Examples:
      ovr-digits predict seven.png
      ovr-digits predict scans/*.jpg --brief
      ovr-digits predict board.jpg --invert yes
      cat seven.png | ovr-digits predict - --json
    """
    from ovr_digits.modelfile import load_models
    from ovr_digits.prediction import answer_pictures

    detectors = load_models(models)
    pictures = ((name, source_of(name)) for name in images)
    answered = []
    failed = False
    for answer in answer_pictures(detectors, pictures, ground, level):
        failed |= answer.vote is None
        if as_json:
            print_json(answer.as_json())
        elif answer.vote is None or answer.image is None:
            fail(f"{answer.path}: {answer.error}")
        elif brief:
            terminal.echo(f"{printable(answer.path)}: {terminal.verdict_text(answer.vote)}")
        else:
            verdict = terminal.verdict_text(answer.vote)
            heading = printable(answer.path)
            terminal.echo(terminal.panel(answer.image, answer.vote, heading, verdict))
        if answer.vote is not None and save is not None:
            answered.append(answer)
    if save is not None and answered:
        from ovr_digits.plots import plot_votes, save_figure

        figure = plot_votes(
            [a.image for a in answered if a.image is not None],
            [a.vote for a in answered if a.vote is not None],
            [
                f"{printable(Path(a.path).name)}: {a.vote.digit}, {a.vote.verdict}"
                for a in answered
                if a.vote
            ],
        )
        save_figure(figure, save)
    if failed:
        sys.exit(1)
