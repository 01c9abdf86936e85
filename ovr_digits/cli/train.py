"""``ovr-digits train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli import terminal
from ovr_digits.cli.ending import tidy_errors
from ovr_digits.cli.options import (
    CONTEXT_SETTINGS,
    data_dir_option,
    dataset_option,
    figure_option,
    given_parameters,
    jobs_option,
    json_option,
    models_option,
    print_json,
    refuse_given,
    scheduler_option,
    seed_option,
)
from ovr_digits.cli.outputs import OutputFile
from ovr_digits.learn.presets import DETECTOR_LOSSES, NEGATIVES, PARTS, PRESETS

if TYPE_CHECKING:
    from ovr_digits.learn.training import TrainingResult

#: Options of a training from a stream, by the names that its settings have.
_OF_STREAM = (
    *("augment", "scheduler", "parts", "dataset", "data_dir", "output", "preset", "seed"),
    *("epochs", "negatives", "checkpoint", "resume"),
)
#: Options of a training that has its images in memory.
_NOT_WITH_STREAM = ("patience", "log", "plot", "limit")
#: Options of a training from the beginning alone.
_NOT_WITH_EXTRA = (
    *_NOT_WITH_STREAM,
    *("preset", "epochs", "detector_loss", "negatives", "checkpoint", "resume"),
    *("source", "augment", "scheduler", "parts"),
)


@click.command(context_settings=CONTEXT_SETTINGS)
@dataset_option
@data_dir_option
@click.option(
    "--output",
    type=OutputFile(replaces="models"),
    default=Path("models.pkl"),
    show_default=True,
    help="The file to write; an older one is replaced only when all is done.",
)
@seed_option(0, "Settles every random choice: the same seed gives the same models.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="default",
    show_default=True,
    help="How much time to spend on accuracy: more copies of each image, more views of it.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 1000),
    help="Passes of SGD over the images. [default: the preset's; with --patience 50]",
)
@click.option(
    "--patience",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Stop when N epochs have not lowered the loss on held-out images, and keep the best.",
)
@click.option(
    "--log",
    type=OutputFile(),
    metavar="FILE",
    help="Write loss and accuracy to a file as each epoch ends, one JSON object a line.",
)
@figure_option("--plot", "Draw loss and accuracy over the epochs")
@click.option(
    "--detector-loss",
    type=click.Choice(DETECTOR_LOSSES),
    default=DETECTOR_LOSSES[0],
    show_default=True,
    help="What SGD minimises for each detector.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train on the first N images only, for a quick try.",
)
@click.option(
    "--negatives",
    type=click.FloatRange(0, 2),
    default=NEGATIVES,
    show_default=True,
    metavar="SHARE",
    help="Pictures of no digit (letters, scribbles, textures), drawn for each image, "
    "which every detector learns to say no to.",
)
@click.option(
    "--extra",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Do not train anew: let the models learn from the corrections that draw --keep DIR "
    "has kept, in seconds.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="With --extra: write the models even if they lose more than 0.3 points of accuracy on "
    "training images that were held out.",
)
@models_option
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Learn from digits that need not fit into memory: IDX files, a folder 0...9 of pictures, "
    "Parquet files of images and labels.",
)
@click.option(
    "--augment",
    type=click.IntRange(min=1),
    metavar="N",
    help="Learn from a stream of N digits: the images, then copies, each distorted anew. Memory "
    "does not grow with N.",
)
@scheduler_option
@click.option(
    "--parts",
    type=click.IntRange(1, 10_000),
    default=PARTS,
    show_default=True,
    metavar="N",
    help="Of a stream: how many parts are learnt from side by side, before the mean of what they "
    "come to is taken. Settles the models, and how many workers can be busy.",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Of a stream: keep what was learnt so far in a folder, so that it survives whatever ends "
    "the training.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from the state in --checkpoint DIR, if there is one, to the same models.",
)
@jobs_option
@json_option
@tidy_errors
def train(
    dataset: str,
    data_dir: Path | None,
    output: Path,
    seed: int,
    preset: str,
    epochs: int | None,
    patience: int | None,
    log: Path | None,
    plot: Path | None,
    detector_loss: str,
    limit: int | None,
    negatives: float,
    extra: Path | None,
    accept_loss: bool,
    models: Path | None,
    source: Path | None,
    augment: int | None,
    scheduler: str | None,
    parts: int,
    checkpoint: Path | None,
    resume: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Train ten detectors and write models.pkl.

    With --extra, models that are there learn from corrected drawings instead,
    while images of the data set that they were trained on are rehearsed.

    With --source or --augment the images are read piece by piece, by processes of
    this machine or, with --scheduler, by the workers of a Dask cluster, to the
    same models.

    \b
    Examples:
      ovr-digits train
      ovr-digits train --preset best
      ovr-digits train --patience 3 --plot curves.png
      ovr-digits train --limit 5000 --output quick.pkl
      ovr-digits train --dataset digits --seed 7
      ovr-digits train --extra corrections
      ovr-digits train --augment 2000000 --checkpoint unfinished --resume
      ovr-digits train --source archive/ --scheduler tcp://10.0.0.1:8786
    """
    if extra is not None:
        _learn_hand(extra, as_json)
        return
    if accept_loss:
        raise click.UsageError(
            "--accept-loss is about what --extra learns; without it there is none."
        )
    if models is not None:
        raise click.UsageError("--models names what --extra begins from; without it there is none.")
    if resume and checkpoint is None:
        raise click.UsageError("--resume needs --checkpoint DIR, where the state is.")
    if source is not None or augment is not None:
        _train_stream(source, as_json)
        return
    if checkpoint is not None:
        raise click.UsageError(
            "--checkpoint is for --source or --augment; what fits into memory takes minutes."
        )
    if scheduler is not None:
        raise click.UsageError(
            "--scheduler is for --source or --augment; what fits into memory is learnt here."
        )

    from ovr_digits.files import check_writable
    from ovr_digits.learn.curves import EpochLog, EpochResult
    from ovr_digits.learn.training import TrainingOptions
    from ovr_digits.learn.training import train as run
    from ovr_digits.progress import TerminalProgress

    options = TrainingOptions(
        dataset=dataset,  # type: ignore[arg-type]
        data_dir=data_dir,
        output=output,
        preset=preset,
        seed=seed,
        epochs=epochs,
        patience=patience,
        loss=detector_loss,
        limit=limit,
        negatives=negatives,
        n_jobs=jobs,
    )
    if plot is not None:
        check_writable(plot)
    epoch_log = None if log is None else EpochLog(log)
    curve: list[EpochResult] = []

    def on_epoch(result: EpochResult) -> None:
        curve.append(result)
        if epoch_log is not None:
            epoch_log(result)
        progress.note(terminal.epoch_text(result))

    is_watched = patience is not None or log is not None or plot is not None
    with TerminalProgress() as progress:
        result = run(options, progress, on_epoch if is_watched else None)
    if plot is not None:
        from ovr_digits.report.plots import plot_curves, save_figure

        save_figure(plot_curves(curve, result.kept_epoch), plot)
    if as_json:
        print_json(result.as_json())
        return
    lines = _result_lines(result)
    if patience is not None:
        lines.insert(
            1, f"epoch {result.kept_epoch} of {len(curve)} is kept, with the lowest validation loss"
        )
    terminal.echo("\n".join(lines))


def _train_stream(source: Path | None, as_json: bool) -> None:
    """What --source and --augment ask for."""
    refuse_given(_NOT_WITH_STREAM, "of images in memory; leave out with --source and --augment.")
    if source is not None:
        refuse_given(["dataset", "data_dir"], "the images come from --source; leave out.")
    given = click.get_current_context().params

    from ovr_digits.progress import TerminalProgress
    from ovr_digits.scale.training import StreamOptions, train_stream
    from ovr_digits.temporary import temporary_files

    options = StreamOptions(
        source=source,
        loss=given["detector_loss"],
        n_jobs=given["jobs"],
        **{name: given[name] for name in _OF_STREAM},
    )
    with temporary_files(), TerminalProgress() as progress:
        result = train_stream(options, progress)
    if as_json:
        print_json(result.as_json())
        return
    terminal.echo("\n".join(_result_lines(result)))


def _result_lines(result: TrainingResult) -> list[str]:
    test = "none: there is no test set"
    if result.test_accuracy is not None:
        test = f"{result.test_accuracy:8.2%}  on {result.test_samples:,} images"
    return [
        f"trained on {result.samples:,} images from {result.source}",
        f"validation accuracy  {result.validation_accuracy:8.2%}  on images held out",
        f"test accuracy        {test}",
        f"written to {result.output} after {result.seconds:.0f} s",
    ]


def _learn_hand(extra: Path, as_json: bool) -> None:
    """What --extra asks for."""
    refuse_given(_NOT_WITH_EXTRA, "of a training from the beginning; leave out with --extra.")
    asked, given = click.get_current_context().params, given_parameters()

    from ovr_digits.models.place import is_shipped

    if "output" not in given and is_shipped(asked["output"]):
        raise click.UsageError(
            "here the default output is the models.pkl that ships; name another with --output."
        )

    from ovr_digits.learn.retraining import RetrainingOptions, retrain
    from ovr_digits.progress import TerminalProgress

    options = RetrainingOptions(
        extra=extra,
        dataset=asked["dataset"] if "dataset" in given else None,
        n_jobs=asked["jobs"],
        **{name: asked[name] for name in ("models", "output", "data_dir", "seed", "accept_loss")},
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
