"""``ovr-digits train``."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from ovr_digits.cli import terminal
from ovr_digits.cli.options import (
    CONTEXT_SETTINGS,
    data_dir_option,
    dataset_option,
    figure_option,
    jobs_option,
    json_option,
    models_option,
    print_json,
    seed_option,
    tidy_errors,
)
from ovr_digits.presets import DETECTOR_LOSSES, NEGATIVES, PRESETS

#: Options of a training from the beginning alone.
_NOT_WITH_EXTRA = (
    *("preset", "epochs", "patience", "log", "plot"),
    *("detector_loss", "limit", "negatives", "checkpoint", "resume"),
)


@click.command(context_settings=CONTEXT_SETTINGS)
@dataset_option
@data_dir_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
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
    type=click.Path(path_type=Path),
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
@models_option
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the state of the training in a folder while it runs (up to 3 GB), "
    "so that it survives whatever ends it.",
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
    models: Path | None,
    checkpoint: Path | None,
    resume: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Train ten detectors and write models.pkl.

    With --extra, models that are there learn from corrected drawings instead,
    while images of the data set that they were trained on are rehearsed.

    \b
    Examples:
      ovr-digits train
      ovr-digits train --preset best
      ovr-digits train --patience 3 --plot curves.png
      ovr-digits train --limit 5000 --output quick.pkl
      ovr-digits train --dataset digits --seed 7
      ovr-digits train --extra corrections
      ovr-digits train --preset best --checkpoint unfinished --resume
    """
    if extra is not None:
        _learn_hand(extra, models, output, data_dir, seed, jobs, as_json)
        return
    if models is not None:
        raise click.UsageError("--models names what --extra begins from; without it there is none.")
    files = [path for path in (output, log, plot) if path is not None]
    if len(set(files)) < len(files):
        raise click.UsageError("--output, --log and --plot need a file each.")
    if resume and checkpoint is None:
        raise click.UsageError("--resume needs --checkpoint DIR, where the state is.")

    from ovr_digits.atomic import check_writable
    from ovr_digits.curves import EpochLog, EpochResult
    from ovr_digits.progress import TerminalProgress
    from ovr_digits.training import TrainingOptions
    from ovr_digits.training import train as run

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
        checkpoint=checkpoint,
        resume=resume,
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
        from ovr_digits.plots import plot_curves, save_figure

        save_figure(plot_curves(curve, result.kept_epoch), plot)
    if as_json:
        print_json(result.as_json())
        return
    lines = [
        f"trained on {result.samples:,} images from {result.source}",
        f"validation accuracy  {result.validation_accuracy:8.2%}  on images held out",
        f"test accuracy        {result.test_accuracy:8.2%}  on {result.test_samples:,} images",
        f"written to {result.output} after {result.seconds:.0f} s",
    ]
    if patience is not None:
        lines.insert(
            1, f"epoch {result.kept_epoch} of {len(curve)} is kept, with the lowest validation loss"
        )
    terminal.echo("\n".join(lines))


def _learn_hand(
    extra: Path,
    models: Path | None,
    output: Path,
    data_dir: Path | None,
    seed: int,
    jobs: int,
    as_json: bool,
) -> None:
    """What --extra asks for."""
    context = click.get_current_context()
    given = [
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    refused = [f"--{name.replace('_', '-')}" for name in _NOT_WITH_EXTRA if name in given]
    if refused:
        raise click.UsageError(
            f"{', '.join(refused)}: of a training from the beginning; leave out with --extra."
        )

    from ovr_digits.modelfile import is_shipped

    if "output" not in given and is_shipped(output):
        raise click.UsageError(
            "here the default output is the models.pkl that ships; name another with --output."
        )

    from ovr_digits.progress import TerminalProgress
    from ovr_digits.retraining import RetrainingOptions, retrain

    options = RetrainingOptions(
        extra=extra,
        models=models,
        output=output,
        dataset=context.params["dataset"] if "dataset" in given else None,
        data_dir=data_dir,
        seed=seed,
        n_jobs=jobs,
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
        f"test accuracy        {result.old_test_accuracy:8.2%}  before, on "
        f"{result.test_samples:,} images\n"
        f"{'':21}{result.test_accuracy:8.2%}  after\n"
        f"rehearsed            {result.rehearsed:8,}  images from {result.source}\n"
        f"written to {result.output} after {result.seconds:.0f} s"
    )
