"""``ovr-digits adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command
from ovr_digits.progress import counted, duration, percent

if TYPE_CHECKING:
    from ovr_digits.data.splits import Dataset


@command
@click.argument("corrections", metavar="CORRECTIONS", type=click.Path(path_type=Path))
@options.models
@options.output
@click.option(
    "--dataset",
    type=click.Choice(["mnist", "digits"]),
    help="Images to replay. [default: those that the models were trained on]",
)
@options.data_dir
@options.seed(0, "Fixes which images are replayed, and in which order.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Write the models even if they lose more than 0.3 percentage points of "
    "accuracy on held-out training images.",
)
@options.jobs
@options.as_json
def adapt(  # noqa: PLR0913
    corrections: Path,
    models: Path | None,
    output: Path,
    dataset: Dataset | None,
    data_dir: Path | None,
    seed: int,
    accept_loss: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Let models learn from CORRECTIONS, in seconds.

    CORRECTIONS is a folder with what draw --keep has kept, or read --review with the
    numbers typed into its review.csv; or the file that a page saves which was taught.
    What was said to be no digit is learnt as such by all ten. Images of the data set that the
    models were trained on are replayed, so that nothing is forgotten.

    \b
    Examples:
      ovr-digits adapt corrections
      ovr-digits adapt corrections.jsonl
      ovr-digits adapt corrections --models models.pkl --output mine.pkl
      ovr-digits adapt corrections --accept-loss
    """
    from ovr_digits.models.place import is_shipped

    if "output" not in options.given() and is_shipped(output):
        raise click.UsageError(
            "here the default output is the models.pkl that ships; name another with --output."
        )

    from ovr_digits.learn.retraining import RetrainingOptions, retrain
    from ovr_digits.progress import TerminalProgress

    chosen = RetrainingOptions(
        corrections=corrections,
        models=models,
        output=output,
        dataset=dataset,
        data_dir=data_dir,
        seed=seed,
        n_jobs=jobs,
        accept_loss=accept_loss,
    )
    with TerminalProgress() as progress:
        result = retrain(chosen, progress)
    if as_json:
        options.print_json(result.as_json())
        return
    kept = dict(enumerate(result.kept)) | {"no digit": result.kept_no_digit}
    counts = ", ".join(f"{label}: {count}" for label, count in kept.items() if count)
    n_kept = result.n_kept
    rows = [
        ("corrections", n_kept, result.kept_accuracy, result.left_out_accuracy),
        (
            "held-out training images",
            result.held_out_samples,
            result.old_held_out_accuracy,
            result.held_out_accuracy,
        ),
        ("test images", result.test_samples, result.old_test_accuracy, result.test_accuracy),
    ]
    table = terminal.table_text(
        ["accuracy on", "images", "before", "after"],
        [[name, f"{n:,}", percent(before), percent(after)] for name, n, before, after in rows],
    )
    terminal.echo(
        f"learnt {counted(n_kept, 'correction')} ({counts})\n"
        f"replayed {counted(result.rehearsed, 'image')} from {result.source}\n\n{table}\n\n"
        "corrections, after: each read by models that had not learnt from it\n"
        f"written to {result.output} after {duration(result.seconds)}"
    )
    if result.rehearsed_hands:
        terminal.echo(
            f"replayed digits of other people's hands as well: {', '.join(result.rehearsed_hands)}"
        )
    for name in result.missing_hands:
        terminal.echo(
            f"not replayed, though learnt from: {name}, which is not at hand; "
            f"ovr-digits data download --dataset {name} fetches it"
        )
