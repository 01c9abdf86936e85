"""The command line: ``python -m benchmarks``, with its ``scaling``, ``accuracy`` and ``speed``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from benchmarks import machine
from benchmarks.contest import Settings, run_contest
from benchmarks.data import Data
from benchmarks.measure import CommandError
from benchmarks.options import results_option
from benchmarks.peers import PEERS
from benchmarks.runs import run_accuracy, run_scaling
from benchmarks.speed import run_speed

_SHARED = (
    click.option("--quick", is_flag=True, help="Few images and epochs, to see that all works."),
    click.option("--dataset", type=click.Choice(["mnist", "digits"]), default="mnist"),
    click.option(
        "--data-dir",
        type=click.Path(exists=True, file_okay=False, resolve_path=True),
        help="Folder of the four MNIST files. [default: as ovr-digits]",
    ),
    results_option,
    click.option("--cores", type=click.IntRange(min=1), help="Use only so many. [default: all]"),
    click.option("--fresh", is_flag=True, help="Measure again what has been measured before."),
)
_preset = click.option(
    "--preset", type=click.Choice(["fast", "default", "best"]), default="default"
)


def _shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SHARED):
        command = option(command)
    return command


def _settings(
    quick: bool, dataset: str, data_dir: str | None, output: Path, cores: int | None, fresh: bool
) -> Settings:
    try:
        machine.hold_to_cores(cores)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cores") from None
    output.mkdir(parents=True, exist_ok=True)
    return Settings(Data(dataset, data_dir, quick), output, fresh)


@click.group(invoke_without_command=True)
@click.option(
    "--only",
    "names",
    type=click.Choice(list(PEERS)),
    multiple=True,
    help="Only this contestant; may be given several times.",
)
@_shared_options
@click.pass_context
def main(context: click.Context, names: tuple[str, ...], **options: Any) -> None:
    """Measure ovr-digits beside other ways to read digits.

    Writes a table, the same as JSON, and a picture. What has been measured before with the
    same machine, versions, code and images is not measured again.
    """
    if context.invoked_subcommand is None:
        chosen = [name for name in PEERS if name in names or not names]
        if not run_contest(_settings(**options), chosen):
            sys.exit(1)
        return
    for name in ("names", *options):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"put options behind {context.invoked_subcommand}")


@main.command()
@_shared_options
@_preset
def scaling(preset: str, **options: Any) -> None:
    """Time and memory of training over 1, 2, 4, 8 times the images and 1, 2, 4 jobs."""
    run_scaling(_settings(**options), preset)


@main.command()
@_shared_options
@_preset
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
def accuracy(preset: str, seeds: int, **options: Any) -> None:
    """Median and spread of accuracy and time over seeds."""
    run_accuracy(_settings(**options), preset, seeds)


@main.command()
@_shared_options
@click.option(
    "--models",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    help="The models.pkl to measure. [default: as ovr-digits]",
)
def speed(models: Path | None, **options: Any) -> None:
    """Time to find a digit and to vote, and of the features beside their matrix products."""
    run_speed(_settings(**options), models)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as for Ctrl-C
    try:
        main(prog_name="python -m benchmarks")
    except CommandError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(1)
