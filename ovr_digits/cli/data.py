"""``ovr-digits data`` and its commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import CONTEXT_SETTINGS, command, note, printable, tidy_errors
from ovr_digits.learn.presets import HAND_SETS

if TYPE_CHECKING:
    from ovr_digits.core.arrays import Array, Grey
    from ovr_digits.progress import Progress

_dataset = click.option(
    "--dataset",
    type=click.Choice(["mnist", "digits", *HAND_SETS]),
    default="mnist",
    show_default=True,
    help="MNIST, the 1,797 digits that come with scikit-learn, or a set of other people's hands.",
)
_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the files. [default: $OVR_DIGITS_DATA, of other people's hands "
    "$OVR_DIGITS_HANDS; else a per-user cache, into which they are downloaded]",
)

_split = click.option(
    "--split",
    "part",
    type=click.Choice(["train", "test"]),
    default="train",
    show_default=True,
    help="The training or the test part.",
)
_save = options.figure("--save", "Save what is shown as a picture")


@command
@click.option(
    "--dataset",
    type=click.Choice(["mnist", *HAND_SETS]),
    default="mnist",
    show_default=True,
    help="MNIST, or a set of other people's hands.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Download into this folder. [default: the per-user cache]",
)
@options.as_json
def download(dataset: str, data_dir: Path | None, as_json: bool) -> None:
    """Download what is missing of the files of a data set.

    Sound files that are already there are left alone; damaged ones are
    replaced. Every file is checked before it is put in place.

    \b
    Examples:
      ovr-digits data download
      ovr-digits data download --data-dir mnist
      ovr-digits data download --dataset pendigits
    """
    from ovr_digits.data import hands, splits
    from ovr_digits.data.download import download_mnist
    from ovr_digits.data.mnist import MNIST_FILES
    from ovr_digits.progress import TerminalProgress

    with TerminalProgress() as progress:
        if dataset == "mnist":
            title, variable, n_files = "MNIST", "OVR_DIGITS_DATA", len(MNIST_FILES)
            folder = splits.cache_folder() if data_dir is None else data_dir
            fetched = download_mnist(folder, progress=progress)
            used = splits.place_in_use()
        else:
            title, variable = dataset, "OVR_DIGITS_HANDS"
            n_files = len(hands.SETS[dataset].files)
            folder = splits.cache_folder("hands") if data_dir is None else data_dir
            fetched = hands.download_hands(dataset, folder, progress)
            used = hands.place_in_use(dataset)
    if as_json:
        options.print_json({"folder": str(folder), "downloaded": fetched})
        return
    where = printable(str(folder))
    if fetched:
        terminal.echo(f"{title}: {len(fetched)} of {n_files} files downloaded into {where}")
    else:
        terminal.echo(f"{title} is already there and complete: {where}")
    if used[1].resolve() != folder.resolve():
        terminal.echo(terminal.elsewhere_text(title, variable, used, folder))


@dataclass
class _Labelled:
    """What is looked at: a part of a data set, its labels, and what gives its images."""

    dataset: str
    part: str
    name: str
    source: str
    y: Grey
    images: Callable[[Array], Grey]


def _load(dataset: str, part: str, data_dir: Path | None, progress: Progress) -> _Labelled:
    if dataset not in HAND_SETS:
        from ovr_digits.data.splits import load_split

        split = load_split(dataset, part, data_dir, progress)  # type: ignore[arg-type]
        name = terminal.split_name(split)
        return _Labelled(dataset, part, name, split.source, split.y, split.X.__getitem__)
    from ovr_digits.data.hands import load_hands

    source = click.get_current_context().get_parameter_source("part")
    if source != ParameterSource.DEFAULT:
        raise click.UsageError(f"{dataset} has no parts: --split does not go with it.")
    hands = load_hands(dataset, data_dir, progress)
    images = partial(hands.images, 0, 0, progress=progress)
    return _Labelled(dataset, "all", dataset, hands.source, hands.y, images)


@command
@click.option("--index", type=click.IntRange(min=0), help="This sample, with its grey levels.")
@click.option("--digit", type=click.IntRange(0, 9), help="Samples of this digit only.")
@click.option(
    "--count", type=click.IntRange(1, 100), default=10, show_default=True, help="How many samples."
)
@options.seed(None, "The same seed chooses the same samples. [default: different ones each time]")
@_split
@_save
@options.show
@_dataset
@_data_dir
@options.as_json
@click.pass_context
def show(  # noqa: PLR0913
    context: click.Context,
    index: int | None,
    digit: int | None,
    count: int,
    seed: int | None,
    part: str,
    save: Path | None,
    show: bool,
    dataset: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Show samples with their labels, or one with its grey levels.

    \b
    Examples:
      ovr-digits data show
      ovr-digits data show --digit 4 --count 50 --save fours.png
      ovr-digits data show --index 0 --split test
      ovr-digits data show --dataset semeion --digit 1 --count 50
    """
    if index is not None:
        for name in ("digit", "count", "seed"):
            if context.get_parameter_source(name) != ParameterSource.DEFAULT:
                raise click.UsageError(f"--index is one sample: --{name} does not go with it.")

    import numpy as np

    from ovr_digits.data.summary import choose_samples
    from ovr_digits.progress import TerminalProgress

    with TerminalProgress() as progress:
        found = _load(dataset, part, data_dir, progress)
        if index is not None:
            options.check_index(index, len(found.y), found.name)
            indices = [index]
        else:
            indices = choose_samples(found.y, count, digit, seed)
        images = list(found.images(np.array(indices)).reshape(-1, 28, 28))
    labels = found.y[indices].tolist()
    if as_json:
        for i, label, image in zip(indices, labels, images, strict=True):
            options.print_json({"index": i, "label": label, "pixels": image.tolist()})
    if index is not None:
        inked = int((images[0] > 0).sum())
        finding = f"sample {index} is a {labels[0]} with ink on {inked} of 784 pixels"
        lines = terminal.pixel_lines(images[0])
    else:
        whole = f"{len(found.y):,} digits"
        if digit is not None:
            whole = f"{int((found.y == digit).sum()):,} samples of {digit}"
        finding = f"{len(indices)} of the {whole}, chosen at random"
        captions = [f"{label}  #{i}" for i, label in zip(indices, labels, strict=True)]
        lines = terminal.sheet_lines(images, captions)
    if not as_json:
        heading = terminal.heading_lines(finding, found.name, found.source)
        terminal.echo("\n".join([*heading, *lines]))
    if save is None and not show:
        return

    from ovr_digits.report.plots.data import plot_pixels, plot_sheet

    title = f"{found.name}: {finding}"
    if index is not None:
        options.put_out(plot_pixels(images[0], title), save, show)
    else:
        options.put_out(plot_sheet(images, labels, indices, title), save, show)


@command
@_split
@_save
@options.show
@_dataset
@_data_dir
@options.as_json
def summary(
    part: str,
    save: Path | None,
    show: bool,
    dataset: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Count each digit, and show its mean image.

    \b
    Examples:
      ovr-digits data summary
      ovr-digits data summary --split test --save means.png
      ovr-digits data summary --dataset digits --json
    """
    import numpy as np

    from ovr_digits.data.summary import summarise
    from ovr_digits.progress import TerminalProgress

    with TerminalProgress() as progress:
        whole = _load(dataset, part, data_dir, progress)
        found = summarise(whole.images(np.arange(len(whole.y))), whole.y)
    if as_json:
        options.print_json({"dataset": whole.dataset, "split": whole.part, **found.as_json()})
    else:
        heading = terminal.heading_lines(found.finding, whole.name, whole.source)
        terminal.echo("\n".join([*heading, *terminal.summary_lines(found)]))
    if save is not None or show:
        from ovr_digits.report.plots.data import plot_summary

        title = f"{whole.name}: {found.finding}"
        options.put_out(plot_summary(found, title), save, show)


@click.group(
    context_settings=CONTEXT_SETTINGS,
    invoke_without_command=True,
    commands=[download, show, summary],
)
@_dataset
@_data_dir
@options.as_json
@click.pass_context
@tidy_errors
def data(context: click.Context, dataset: str, data_dir: Path | None, as_json: bool) -> None:
    """Tell which data is at hand; look at it; download it.

    Without a COMMAND: every place where data is looked for, and for each file
    there its size and whether its SHA-256 is right. Exit status 0 where the
    data set is usable as it is, 1 where it is not.

    \b
    Examples:
      ovr-digits data
      ovr-digits data --dataset pendigits
      ovr-digits data download
      ovr-digits data show --digit 4 --save fours.png
      ovr-digits data summary
    """
    if context.invoked_subcommand is not None:
        if any(context.get_parameter_source(n) != ParameterSource.DEFAULT for n in context.params):
            name = context.invoked_subcommand
            raise click.UsageError(f"options go after the command: data {name} OPTIONS")
        return

    from ovr_digits.data.inventory import take_inventory

    inventory = take_inventory(dataset, data_dir)
    if as_json:
        options.print_json(inventory.as_json())
    else:
        terminal.echo("\n".join(terminal.inventory_lines(inventory)))
        conclusion = terminal.inventory_text(inventory)
        if inventory.is_usable:
            terminal.echo(f"\n{conclusion}")
        else:
            note(conclusion)
    if not inventory.is_usable:
        sys.exit(1)
