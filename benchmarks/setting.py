"""What the programs that draw pictures share: whose digits, which models, where results go."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import machine
from benchmarks.data import Data
from benchmarks.options import results_option
from benchmarks.report import write_results
from benchmarks.store import Record

if TYPE_CHECKING:
    from ovr_digits.core.detectors import DetectorArrays


@dataclass(frozen=True, eq=False)
class Setting:
    """What pictures are drawn from, and what reads them.

    Attributes
    ----------
    data : Data
    split : str
    X, y : the images (n, 784) uint8 and digits (n,) uint8
    seed : int
    models : DetectorArrays
    output : Path
        Folder for the results.
    """

    data: Data
    split: str
    X: Any
    y: Any
    seed: int
    models: DetectorArrays
    output: Path

    def store(
        self,
        name: str,
        results: Record,
        table: str,
        notes: Sequence[str] = (),
        packages: Sequence[str] = (),
    ) -> Path:
        """Write results as JSON, and their table as Markdown; their path with no suffix.

        Notes are paragraphs over the table; packages are named with their versions.
        """
        about = {
            **machine.conditions(tuple(packages)),
            "dataset": self.data.dataset,
            "split": self.split,
            "seed": self.seed,
            "quick": self.data.quick,
            "options": self.models.provenance.get("options"),
        }
        is_main = (self.data.dataset, self.split) == ("mnist", "test")
        name_of_digits = "" if is_main else f"-{self.data.dataset}-{self.split}"
        stem = self.output / f"{name}{name_of_digits}{'-quick' if self.data.quick else ''}"
        title = f"{name.capitalize()}: {self.data.dataset}, {self.split} digits"
        write_results(stem, title, about, results, *notes, table)
        return stem


def common_options(count: int, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options of these programs; the command takes a ``setting`` and a ``count``."""
    options = [
        click.option("--count", type=click.IntRange(min=1), default=count, help=text),
        click.option("--seed", type=int, default=0),
        click.option(
            "--split",
            type=click.Choice(["test", "train"]),
            default="test",
            help="Digits to draw; develop on those of train.",
        ),
        click.option("--dataset", type=click.Choice(["mnist", "digits"]), default="mnist"),
        click.option(
            "--data-dir", type=click.Path(exists=True, file_okay=False, resolve_path=True)
        ),
        click.option(
            "--models", "models_path", type=click.Path(exists=True, dir_okay=False, path_type=Path)
        ),
        click.option("--quick", is_flag=True, help="Few digits, to see that all works."),
        results_option,
    ]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(  # noqa: PLR0913
            count: int,
            seed: int,
            split: str,
            dataset: str,
            data_dir: str | None,
            models_path: Path | None,
            quick: bool,
            output: Path,
            **others: Any,
        ) -> None:
            from ovr_digits import load_models
            from ovr_digits.models.place import find_models

            data = Data(dataset, data_dir, quick)
            models = load_models(find_models(models_path))
            setting = Setting(data, split, *data.load(split), seed, models, output)
            command(setting, count=count, **others)

        wrapped: Callable[..., None] = run
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return with_options
