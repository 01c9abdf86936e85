"""``ovr-digits train-stream``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command
from ovr_digits.cli.train import result_lines, training_options
from ovr_digits.learn.presets import PARTS, PRESETS, STREAM_EPOCHS

if TYPE_CHECKING:
    from ovr_digits.data.splits import Dataset


@command
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Learn from digits that need not fit into memory: IDX files, a folder of pictures in "
    "subfolders 0 to 9, or Parquet files of images and labels.",
)
@click.option(
    "--augment",
    type=click.IntRange(min=1),
    metavar="N",
    help="Learn from a stream of N digits: the images, then distorted copies, each different. "
    "Memory does not grow with N.",
)
@training_options
@click.option(
    "--epochs",
    type=click.IntRange(1, 1000),
    default=STREAM_EPOCHS,
    show_default=True,
    help="Passes of SGD over each part.",
)
@options.scheduler
@click.option(
    "--parts",
    type=click.IntRange(1, 10_000),
    default=PARTS,
    show_default=True,
    metavar="N",
    help="How many parts of the stream are learnt side by side before their weights are "
    "averaged. Changes the models, and limits how many workers can be busy.",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep what has been learnt so far in this folder, so that no crash loses it.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from the checkpoint in DIR, if there is one; the models come out the same.",
)
def train_stream(  # noqa: PLR0913
    source: Path | None,
    augment: int | None,
    dataset: Dataset,
    data_dir: Path | None,
    output: Path,
    seed: int,
    preset: str,
    detector_loss: str,
    negatives: float,
    jobs: int,
    as_json: bool,
    epochs: int,
    scheduler: str | None,
    parts: int,
    checkpoint: Path | None,
    resume: bool,
) -> None:
    """Train ten detectors on more digits than fit into memory.

    The images are read piece by piece, by processes of this machine or, with
    --scheduler, by the workers of a Dask cluster; the models are the same.

    \b
    Examples:
      ovr-digits train-stream --augment 2000000
      ovr-digits train-stream --source archive/ --preset best
      ovr-digits train-stream --source digits.parquet --checkpoint unfinished --resume
      ovr-digits train-stream --source archive/ --scheduler tcp://10.0.0.1:8786
    """
    if source is not None:
        options.refuse_given(["dataset", "data_dir"], "the images come from --source; leave out.")
    if resume and checkpoint is None:
        raise click.UsageError("--resume needs --checkpoint DIR.")

    from ovr_digits.progress import TerminalProgress
    from ovr_digits.scale import training
    from ovr_digits.temporary import temporary_files

    chosen = training.StreamOptions(
        dataset=dataset,
        data_dir=data_dir,
        output=output,
        preset=PRESETS[preset].changed(loss=detector_loss),
        seed=seed,
        negatives=negatives,
        n_jobs=jobs,
        source=source,
        augment=augment,
        scheduler=scheduler,
        parts=parts,
        epochs=epochs,
        checkpoint=checkpoint,
        resume=resume,
    )
    with temporary_files(), TerminalProgress() as progress:
        result = training.train_stream(chosen, progress)
    if as_json:
        options.print_json(result.as_json())
        return
    terminal.echo("\n".join(result_lines(result)))
