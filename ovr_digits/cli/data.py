"""``ovr-digits data`` and its commands."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.core import ParameterSource

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import CONTEXT_SETTINGS, command, note, printable, tidy_errors

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
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Download into this folder. [default: the per-user cache]",
)
@options.as_json
def download(data_dir: Path | None, as_json: bool) -> None:
    """Download what is missing of MNIST's four files.

    Sound files that are already there are left alone; damaged ones are
    replaced. Every file is checked before it is put in place.

    \b
    Examples:
      ovr-digits data download
      ovr-digits data download --data-dir mnist
    """
    from ovr_digits.data.download import download_mnist
    from ovr_digits.data.splits import cache_folder, place_in_use
    from ovr_digits.progress import TerminalProgress

    folder = cache_folder() if data_dir is None else data_dir
    with TerminalProgress() as progress:
        fetched = download_mnist(folder, progress=progress)
    if as_json:
        options.print_json({"folder": str(folder), "downloaded": fetched})
        return
    if fetched:
        terminal.echo(f"MNIST: {len(fetched)} of 4 files downloaded into {printable(str(folder))}")
    else:
        terminal.echo(f"MNIST is already there and complete: {printable(str(folder))}")
    place, used = place_in_use()
    if used.resolve() != folder.resolve():
        terminal.echo(terminal.elsewhere_text(place, used, folder))


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
@options.data
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
    """Show random samples with their labels, or one with its grey levels.

    \b
    Examples:
      ovr-digits data show
      ovr-digits data show --digit 4 --count 50 --save fours.png
      ovr-digits data show --index 0 --split test
    """
    if index is not None:
        for name in ("digit", "count", "seed"):
            if context.get_parameter_source(name) != ParameterSource.DEFAULT:
                raise click.UsageError(f"--index is one sample: --{name} does not go with it.")

    from ovr_digits.data.splits import load_split
    from ovr_digits.data.summary import choose_samples
    from ovr_digits.progress import TerminalProgress

    with TerminalProgress() as progress:
        split = load_split(dataset, part, data_dir, progress)  # type: ignore[arg-type]
    name = terminal.split_name(split)
    if index is not None:
        options.check_index(index, len(split), name)
        indices = [index]
    else:
        indices = choose_samples(split.y, count, digit, seed)
    images = [split.X[i].reshape(28, 28) for i in indices]
    labels = [int(split.y[i]) for i in indices]
    if as_json:
        for i, label, image in zip(indices, labels, images, strict=True):
            options.print_json({"index": i, "label": label, "pixels": image.tolist()})
    if index is not None:
        inked = int((images[0] > 0).sum())
        finding = f"sample {index} is a {labels[0]} with ink on {inked} of 784 pixels"
        lines = terminal.pixel_lines(images[0])
    else:
        whole = f"{len(split):,} digits"
        if digit is not None:
            whole = f"{int((split.y == digit).sum()):,} samples of {digit}"
        finding = f"{len(indices)} of the {whole}, chosen at random"
        captions = [f"{label}  #{i}" for i, label in zip(indices, labels, strict=True)]
        lines = terminal.sheet_lines(images, captions)
    if not as_json:
        terminal.echo("\n".join([*terminal.heading_lines(finding, split), *lines]))
    if save is None and not show:
        return

    from ovr_digits.report.plots.data import plot_pixels, plot_sheet

    title = f"{name}: {finding}"
    if index is not None:
        options.put_out(plot_pixels(images[0], title), save, show)
    else:
        options.put_out(plot_sheet(images, labels, indices, title), save, show)


@command
@_split
@_save
@options.show
@options.data
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
    from ovr_digits.data.splits import load_split
    from ovr_digits.data.summary import summarise
    from ovr_digits.progress import TerminalProgress

    with TerminalProgress() as progress:
        split = load_split(dataset, part, data_dir, progress)  # type: ignore[arg-type]
    found = summarise(split.X, split.y)
    if as_json:
        options.print_json({"dataset": split.dataset, "split": split.part, **found.as_json()})
    else:
        heading = terminal.heading_lines(found.finding, split)
        terminal.echo("\n".join([*heading, *terminal.summary_lines(found)]))
    if save is not None or show:
        from ovr_digits.report.plots.data import plot_summary

        title = f"{terminal.split_name(split)}: {found.finding}"
        options.put_out(plot_summary(found, title), save, show)


@click.group(
    context_settings=CONTEXT_SETTINGS,
    invoke_without_command=True,
    commands=[download, show, summary],
)
@options.data
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

    inventory = take_inventory(data_dir)
    usable = inventory.is_usable(dataset)  # type: ignore[arg-type]
    if as_json:
        options.print_json(inventory.as_json(dataset))  # type: ignore[arg-type]
    else:
        terminal.echo("\n".join(terminal.inventory_lines(inventory)))
        conclusion = terminal.inventory_text(inventory, dataset)  # type: ignore[arg-type]
        if usable:
            terminal.echo(f"\n{conclusion}")
        else:
            note(conclusion)
    if not usable:
        sys.exit(1)
