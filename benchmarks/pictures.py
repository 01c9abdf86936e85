"""How many drawn pictures are read, style by style: python -m benchmarks.pictures."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import machine
from benchmarks.data import Data
from benchmarks.drawing import STYLES, draw
from benchmarks.report import conditions_text, markdown_table
from benchmarks.store import write_json, write_text

if TYPE_CHECKING:
    from ovr_digits.core.detectors import DetectorArrays

_RESULTS = Path(__file__).resolve().with_name("results")
_COLUMNS = ["style", "pictures", "read rightly", "*sure*", "wrong but *sure*", "blank"]


@dataclass(frozen=True)
class StyleResult:
    """What became of the pictures of one style; counts of pictures."""

    style: str
    pictures: int
    right: int
    sure: int
    wrong_but_sure: int
    blank: int

    def row(self) -> list[str]:
        """Cells of the table."""
        shares = (self.right, self.sure, self.wrong_but_sure)
        cells = [f"{100 * count / self.pictures:.1f} %" for count in shares]
        return [self.style, f"{self.pictures:,}", *cells, str(self.blank)]


def read_style(
    models: DetectorArrays, X: Any, y: Any, style: str, count: int, seed: int
) -> tuple[StyleResult, list[bytes]]:
    """Draw pictures of random digits X (n, 784) with labels y (n,) in a style, and read them."""
    from ovr_digits.core.vote import count_votes
    from ovr_digits.errors import DigitsError
    from ovr_digits.image import read_digit

    rng = np.random.default_rng([seed, list(STYLES).index(style)])
    chosen = rng.integers(0, len(X), count)
    files = [draw(X[index].reshape(28, 28), style, rng) for index in chosen]
    right = sure = wrong_but_sure = blank = 0
    for content, label in zip(files, y[chosen], strict=True):
        try:
            form = read_digit(content)
        except DigitsError:
            blank += 1
            continue
        vote = count_votes(models.decision_function(form.reshape(1, -1)))[0]
        is_right, is_sure = vote.digit == int(label), vote.verdict == "sure"
        right += is_right
        sure += is_sure
        wrong_but_sure += is_sure and not is_right
    return StyleResult(style, count, right, sure, wrong_but_sure, blank), files


def save_sheet(path: Path, files: dict[str, list[bytes]]) -> None:
    """A picture with some pictures of each style."""
    from matplotlib.figure import Figure
    from PIL import Image

    from ovr_digits.plots import save_figure

    across = 6
    figure = Figure(figsize=(8, 1.15 * len(files)), layout="constrained")
    axes = figure.subplots(len(files), across, squeeze=False)
    for row, (style, contents) in zip(axes, files.items(), strict=True):
        for axis, content in zip(row, contents[:across], strict=False):
            picture = Image.open(io.BytesIO(content)).convert("RGBA")
            grey = Image.new("RGBA", picture.size, "#9a9a9a")  # shows where a ground is clear
            grey.alpha_composite(picture)
            axis.imshow(np.asarray(grey.convert("RGB")))
        for axis in row:
            axis.set_axis_off()
        row[0].text(
            -0.1, 0.5, style, transform=row[0].transAxes, ha="right", va="center", fontsize=9
        )
    save_figure(figure, path)


@click.command()
@click.option("--count", type=click.IntRange(min=1), default=125, help="Pictures of each style.")
@click.option("--seed", type=int, default=0)
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    help="Digits to draw; develop on those of train.",
)
@click.option("--dataset", type=click.Choice(["mnist", "digits"]), default="mnist")
@click.option("--data-dir", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@click.option(
    "--models", "models_path", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=_RESULTS,
    help="Folder for the results. [default: benchmarks/results]",
)
def main(
    count: int,
    seed: int,
    split: str,
    dataset: str,
    data_dir: str | None,
    models_path: Path | None,
    output: Path,
) -> None:
    """Draw pictures of digits in many styles, and read them with a models.pkl."""
    from ovr_digits import load_models
    from ovr_digits.modelfile import find_models

    data = Data(dataset, data_dir, quick=False)
    X, y = data.load(split)
    models = load_models(find_models(models_path))
    results, files = [], {}
    for style in STYLES:
        with threadpool_limits(1):  # one picture at a time, as a person asks
            result, files[style] = read_style(models, X, y, style, count, seed)
        results.append(result)
        click.echo(f"{style}: {100 * result.right / count:.1f} %", err=True)
    names = ("pictures", "right", "sure", "wrong_but_sure", "blank")
    together = StyleResult("**all**", *(sum(getattr(r, n) for r in results) for n in names))
    table = markdown_table(_COLUMNS, [result.row() for result in (*results, together)])
    about = {
        **machine.describe_machine(),
        "versions": machine.installed_versions(),
        "date": machine.utc_now(),
        "dataset": dataset,
        "split": split,
        "seed": seed,
        "quick": False,
        "options": models.provenance.get("options"),
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = "pictures" if (dataset, split) == ("mnist", "test") else f"pictures-{dataset}-{split}"
    write_json(output / f"{stem}.json", {"conditions": about, "styles": [vars(r) for r in results]})
    title = f"# Pictures drawn from {dataset}'s {split} digits\n"
    write_text(output / f"{stem}.md", "\n".join([title, conditions_text(about), table]))
    if dataset == "digits":  # MNIST's own digits are not passed on
        save_sheet(output / f"{stem}.png", files)
    click.echo(table, nl=False)


if __name__ == "__main__":
    main()
