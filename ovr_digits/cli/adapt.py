"""``ovr-digits adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli import terminal
from ovr_digits.cli.ending import tidy_errors
from ovr_digits.cli.options import (
    CONTEXT_SETTINGS,
    data_dir_option,
    given_parameters,
    jobs_option,
    json_option,
    models_option,
    output_option,
    print_json,
    seed_option,
)

if TYPE_CHECKING:
    from ovr_digits.data.splits import Dataset


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("corrections", metavar="DIR", type=click.Path(path_type=Path))
@models_option
@output_option
@click.option(
    "--dataset",
    type=click.Choice(["mnist", "digits"]),
    help="Images to rehearse. [default: those that the models were trained on]",
)
@data_dir_option
@seed_option(0, "Settles what is rehearsed, and in which order is learnt.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Write the models even if they lose more than 0.3 points of accuracy on "
    "training images that were held out.",
)
@jobs_option
@json_option
@tidy_errors
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
    """Let models go on learning from the corrections in DIR, in seconds.

    DIR holds what draw --keep DIR has kept. Images of the data set that the
    models were trained on are rehearsed, so that they are not forgotten.

    \b
    Examples:
      ovr-digits adapt corrections
      ovr-digits adapt corrections --models models.pkl --output mine.pkl
      ovr-digits adapt corrections --accept-loss
    """
    from ovr_digits.models.place import is_shipped

    if "output" not in given_parameters() and is_shipped(output):
        raise click.UsageError(
            "here the default output is the models.pkl that ships; name another with --output."
        )

    from ovr_digits.learn.retraining import RetrainingOptions, retrain
    from ovr_digits.progress import TerminalProgress

    options = RetrainingOptions(
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
        result = retrain(options, progress)
    if as_json:
        print_json(result.as_json())
        return
    counts = ", ".join(f"{digit}: {count}" for digit, count in enumerate(result.kept) if count)
    terminal.echo(
        f"learnt {sum(result.kept)} corrected digits ({counts})\n"
        f"they were right      {result.kept_accuracy:8.2%}  before\n"
        f"{'':21}{result.left_out_accuracy:8.2%}  after, each by models that learnt from others\n"
        f"training accuracy    {result.old_held_out_accuracy:8.2%}  before, on "
        f"{result.held_out_samples:,} images held out\n"
        f"{'':21}{result.held_out_accuracy:8.2%}  after\n"
        f"test accuracy        {result.old_test_accuracy:8.2%}  before, on "
        f"{result.test_samples:,} images\n"
        f"{'':21}{result.test_accuracy:8.2%}  after\n"
        f"rehearsed            {result.rehearsed:8,}  images from {result.source}\n"
        f"written to {result.output} after {result.seconds:.0f} s"
    )
