"""How many drawn pictures are read, style by style: python -m benchmarks.pictures.

Where TensorFlow is installed, a convolutional network reads them too, in two more columns.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from benchmarks.drawing import STYLES, draw
from benchmarks.peers import PEERS
from benchmarks.peers.asking import trained
from benchmarks.report import markdown_table
from benchmarks.setting import Setting, common_options
from ovr_digits.progress import percent

if TYPE_CHECKING:
    from benchmarks.peers.base import Peer
    from ovr_digits.core.detectors import DetectorArrays

_COLUMNS = ["style", "pictures", "read rightly", "*sure*", "wrong but *sure*", "blank"]
_CNN_COLUMNS = ["CNN, fed as apps do", "CNN, inverted as needed"]
_CNN_NOTE = """\
*CNN*: pictures that the Keras network of the contest reads rightly. *fed as apps do*: the whole
picture in grey, resized to 28×28, inverted, divided by 255. *inverted as needed*: the same, but
inverted only where the picture is light on average. It was trained on {samples:,} training digits
of {dataset}.
"""


@dataclass(frozen=True)
class StyleResult:
    """What became of the pictures of one style; counts of pictures.

    The last two are those that the CNN read rightly, always inverted and inverted as needed.
    """

    style: str
    pictures: int
    right: int
    sure: int
    wrong_but_sure: int
    blank: int
    cnn_right: int | None = None
    cnn_auto_right: int | None = None

    def row(self) -> list[str]:
        """Cells of the table."""
        ours = [self._share(n) for n in (self.right, self.sure, self.wrong_but_sure)]
        cnn = [self._share(n) for n in (self.cnn_right, self.cnn_auto_right) if n is not None]
        return [self.style, f"{self.pictures:,}", *ours, str(self.blank), *cnn]

    def _share(self, count: int) -> str:
        return percent(count / self.pictures, 1)


def fed_as_apps_do(content: bytes, auto: bool) -> Any:
    """A picture file as (784,) uint8: all of it in grey, resized and inverted.

    Parameters
    ----------
    content : bytes
    auto : bool
        Invert only where it is light on average.
    """
    with Image.open(io.BytesIO(content)) as picture:
        levels = np.asarray(picture.convert("L").resize((28, 28))).ravel()
    return levels if auto and levels.mean() < 127.5 else 255 - levels


def read_style(
    models: DetectorArrays,
    digits: tuple[Any, Any],
    style: str,
    count: int,
    seed: int,
    cnn: Peer | None = None,
) -> tuple[StyleResult, list[bytes]]:
    """Draw pictures of random digits, of X (n, 784) and y (n,), in a style, and read them."""
    X, y = digits
    from ovr_digits.core.vote import count_votes
    from ovr_digits.errors import DigitsError
    from ovr_digits.picture.digit import find_form

    rng = np.random.default_rng([seed, list(STYLES).index(style)])
    chosen = rng.integers(0, len(X), count)
    files = [draw(X[index].reshape(28, 28), style, rng) for index in chosen]
    right = sure = wrong_but_sure = blank = 0
    for content, label in zip(files, y[chosen], strict=True):
        try:
            form = find_form(content)
        except DigitsError:
            blank += 1
            continue
        vote = count_votes(models.decision_function(form.reshape(1, -1)))[0]
        is_right, is_sure = vote.digit == int(label), vote.verdict == "sure"
        right += is_right
        sure += is_sure
        wrong_but_sure += is_sure and not is_right
    by_cnn: list[int] = []
    if cnn is not None:
        for auto in (False, True):
            fed = np.stack([fed_as_apps_do(content, auto) for content in files])
            by_cnn.append(int((cnn.predict(fed) == y[chosen]).sum()))
    return StyleResult(style, count, right, sure, wrong_but_sure, blank, *by_cnn), files


def save_sheet(path: Path, files: dict[str, list[bytes]]) -> None:
    """A picture with some pictures of each style."""
    from matplotlib.figure import Figure

    from ovr_digits.report.plots.style import save_figure

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
@click.option("--fresh", is_flag=True, help="Train the CNN again.")
@common_options(125, "Pictures of each style.")
def main(setting: Setting, count: int, fresh: bool) -> None:
    """Draw pictures of digits in many styles, and read them with a models.pkl.

    Where TensorFlow is installed, the CNN of the contest is trained once, kept in the output's
    runs/, and given the same pictures.
    """
    cnn, columns, notes, packages = None, _COLUMNS, [], ()
    if (reason := PEERS["cnn"].missing()) is not None:
        click.echo(f"no columns for the CNN: {reason}", err=True)
    else:
        cnn, record = trained("cnn", setting.data, setting.output, fresh)
        columns, packages = _COLUMNS + _CNN_COLUMNS, PEERS["cnn"].packages
        notes = [_CNN_NOTE.format(samples=record["samples"], dataset=setting.data.dataset)]
    results, files = [], {}
    for style in STYLES:
        with threadpool_limits(1):  # one picture at a time, as a person asks
            result, files[style] = read_style(
                setting.models, (setting.X, setting.y), style, count, setting.seed, cnn
            )
        results.append(result)
        click.echo(f"{style}: {percent(result.right / count, 1)}", err=True)
    counts = [list(vars(result).values())[1:] for result in results]
    sums = (None if None in column else sum(column) for column in zip(*counts, strict=True))
    together = StyleResult("**all**", *sums)
    table = markdown_table(columns, [result.row() for result in (*results, together)])
    stem = setting.store("pictures", {"styles": [vars(r) for r in results]}, table, notes, packages)
    if setting.data.dataset == "digits":  # MNIST's own digits are not passed on
        save_sheet(stem.with_suffix(".png"), files)
    click.echo(table, nl=False)


if __name__ == "__main__":
    main()
