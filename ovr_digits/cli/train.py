"""``ovr-digits train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command
from ovr_digits.cli.outputs import OutputFile
from ovr_digits.learn.presets import (
    DETECTOR_LOSSES,
    FORMS,
    HAND_SETS,
    MAX_EPOCHS,
    NEGATIVES,
    PRESETS,
)
from ovr_digits.progress import duration, percent

if TYPE_CHECKING:
    from ovr_digits.data.splits import Dataset
    from ovr_digits.learn.training import TrainingResult


class HandSets(click.ParamType[tuple[str, ...]]):
    """Names of sets with commas in between, all, or none: a tuple of names."""

    name = "sets"

    def convert(self, value: Any, param: click.Parameter | None, ctx: Any) -> tuple[str, ...]:
        """Give the names of the sets, in the order in which they are known."""
        named = {"none": [], "all": list(HAND_SETS)}.get(value)
        if named is None:
            named = [name.strip() for name in value.split(",")]
        if unknown := [name for name in named if name not in HAND_SETS]:
            known = ", ".join(HAND_SETS)
            self.fail(f"no set {unknown[0]!r}; there are {known}, all and none", param, ctx)
        return tuple(name for name in HAND_SETS if name in named)


def training_options(function: options.F) -> options.F:
    """Options of every training from the beginning."""
    for option in (
        options.as_json,
        options.jobs,
        click.option(
            "--negatives",
            type=click.FloatRange(0, 2),
            default=NEGATIVES,
            show_default=True,
            metavar="SHARE",
            help="Negatives for each image: drawn letters, scribbles and textures, to which every "
            "detector learns to say no.",
        ),
        click.option(
            "--detector-loss",
            type=click.Choice(DETECTOR_LOSSES),
            default=DETECTOR_LOSSES[0],
            show_default=True,
            help="What SGD minimises for each detector.",
        ),
        click.option(
            "--preset",
            type=click.Choice(list(PRESETS)),
            default="default",
            show_default=True,
            help="How much time to spend on accuracy, in distorted copies and views of each image.",
        ),
        options.seed(0, "Fixes every random choice: the same seed gives the same models."),
        options.output,
        options.data,
    ):
        function = option(function)
    return function


@command
@training_options
@click.option(
    "--epochs",
    type=click.IntRange(1, 1000),
    help="Passes of SGD over the images. [default: the preset's; with --patience 50]",
)
@click.option(
    "--patience",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Stop after N epochs without a lower loss on held-out images, and keep the best.",
)
@click.option(
    "--log",
    type=OutputFile(),
    metavar="FILE",
    help="Write loss and accuracy to this file after each epoch, one JSON object per line.",
)
@options.figure("--plot", "Draw loss and accuracy over the epochs")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train on the first N images only, for a quick try.",
)
@click.option(
    "--hands",
    type=HandSets(),
    default="none",
    show_default=True,
    metavar="SETS",
    help=f"Other people's digits to learn from as well: {', '.join(HAND_SETS)} with commas "
    "in between, all, or none; ovr-digits data download fetches them.",
)
@click.option(
    "--forms",
    type=click.IntRange(0, 100_000),
    default=FORMS,
    show_default=True,
    metavar="N",
    help="Digits to draw in the forms of the world's hands, and as many to cut out of drawn rows, "
    "to learn from as well.",
)
@options.moved_to("train-stream", "--source", "--augment", "--scheduler", "--parts")
@options.moved_to("train-stream", "--checkpoint", "--resume")
@options.moved_to("adapt", "--extra", "--accept-loss", "--models")
def train(  # noqa: PLR0913
    dataset: Dataset,
    data_dir: Path | None,
    output: Path,
    seed: int,
    preset: str,
    detector_loss: str,
    negatives: float,
    jobs: int,
    as_json: bool,
    epochs: int | None,
    patience: int | None,
    log: Path | None,
    plot: Path | None,
    limit: int | None,
    hands: tuple[str, ...],
    forms: int,
) -> None:
    """Train ten detectors and write models.pkl.

    The digits must fit into memory; for more of them use train-stream. To let
    models learn from corrected drawings use adapt.

    \b
    Examples:
      ovr-digits train
      ovr-digits train --preset best --hands all
      ovr-digits train --patience 3 --plot curves.png
      ovr-digits train --limit 5000 --output quick.pkl
      ovr-digits train --dataset digits --seed 7
    """
    from ovr_digits.files import check_writable

    # Before the imports, which take a second.
    for path in filter(None, (output, plot)):
        check_writable(path)

    from ovr_digits.learn.curves import EpochLog, EpochResult
    from ovr_digits.learn.training import TrainingOptions
    from ovr_digits.learn.training import train as run
    from ovr_digits.progress import TerminalProgress

    if patience is not None and epochs is None:
        epochs = MAX_EPOCHS
    chosen = TrainingOptions(
        dataset=dataset,
        data_dir=data_dir,
        output=output,
        preset=PRESETS[preset].changed(loss=detector_loss, epochs=epochs, patience=patience),
        seed=seed,
        negatives=negatives,
        n_jobs=jobs,
        limit=limit,
        hands=hands,
        forms=forms,
    )
    epoch_log = None if log is None else EpochLog(log)
    curve: list[EpochResult] = []

    def on_epoch(result: EpochResult) -> None:
        curve.append(result)
        if epoch_log is not None:
            epoch_log(result)
        progress.note(terminal.epoch_text(result))

    is_watched = patience is not None or log is not None or plot is not None
    with TerminalProgress() as progress:
        result = run(chosen, progress, on_epoch if is_watched else None)
    if plot is not None:
        from ovr_digits.report.plots.training import plot_curves

        options.put_out(plot_curves(curve, result.kept_epoch), plot)
    if as_json:
        options.print_json(result.as_json())
        return
    lines = result_lines(result)
    if patience is not None:
        lines.insert(
            1, f"epoch {result.kept_epoch} of {len(curve)} is kept, with the lowest validation loss"
        )
    terminal.echo("\n".join(lines))


def result_lines(result: TrainingResult) -> list[str]:
    """What people are told of a training."""
    validation = percent(result.validation_accuracy, width=6)
    test = "none: there is no test set"
    if result.test_accuracy is not None:
        test = f"{percent(result.test_accuracy, width=6)}  on {result.test_samples:,} images"
    return [
        f"trained on {result.samples:,} images from {result.source}",
        f"validation accuracy  {validation}  on images held out",
        f"test accuracy        {test}",
        f"written to {result.output} after {duration(result.seconds)}",
    ]
