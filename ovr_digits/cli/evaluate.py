"""``ovr-digits evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli.options import (
    data_dir_option,
    dataset_option,
    jobs_option,
    json_option,
    models_option,
    print_json,
    tidy_errors,
)

if TYPE_CHECKING:
    from ovr_digits.evaluation import Evaluation


@click.command()
@dataset_option
@data_dir_option
@models_option
@jobs_option
@json_option
@tidy_errors
def evaluate(
    dataset: str, data_dir: Path | None, models: Path | None, jobs: int, as_json: bool
) -> None:
    """Measure accuracy on the whole test set.

    Accuracy of the vote, precision, recall and F1 of each digit, the
    confusion table, and how often no detector or several of them fired.

    \b
    Examples:
      ovr-digits evaluate
      ovr-digits evaluate --dataset digits --models mine.pkl --json
    """
    from ovr_digits.data import load_split
    from ovr_digits.evaluation import evaluate_scores
    from ovr_digits.modelfile import load_models
    from ovr_digits.parallel import collect
    from ovr_digits.progress import TerminalProgress

    detectors = load_models(models)
    with TerminalProgress() as progress:
        split = load_split(dataset, "test", data_dir, progress)  # type: ignore[arg-type]
        progress.stage("voting on the test set", len(split))
        scores = collect(detectors.decision_function, split.X, jobs, progress.advance)
    result = evaluate_scores(scores, split.y)
    if as_json:
        print_json({"dataset": split.dataset, "split": split.part, **result.as_json()})
        return
    click.echo(
        f"{result.accuracy:.2%} of {result.samples:,} test images of {split.source} are right; "
        f"{result.errors} are wrong"
    )
    one = result.samples - result.fired_none - result.fired_several
    click.echo(
        f"exactly one detector fired on {one / result.samples:.2%}, "
        f"none on {result.fired_none}, several on {result.fired_several}\n"
    )
    _print_tables(result)


def _print_tables(result: Evaluation) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        title="true digit by row, answer by column; shares in %",
        title_justify="left",
        padding=(0, 1, 0, 0),
    )
    for heading in ("", *"0123456789", "precision", "recall", "F1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for scores, row in zip(result.per_digit, result.confusion.tolist(), strict=True):
        table.add_row(
            str(scores.digit),
            *(str(count) if count else "." for count in row),
            *(f"{100 * share:.2f}" for share in (scores.precision, scores.recall, scores.f1)),
        )
    Console(width=80, highlight=False).print(table)
