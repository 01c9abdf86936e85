"""``ovr-digits inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command, printable
from ovr_digits.cli.outputs import check_files_of
from ovr_digits.progress import duration, percent

if TYPE_CHECKING:
    from ovr_digits.report.inspection import Inspection

#: Of a text out of the file: one that nobody means to read is cut off here.
_LONGEST = 300
_ANCHORS, _DETECTORS = "anchors.png", "detectors.png"


@command
@click.argument("models", metavar="[MODELS]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw the learnt anchors and what each detector looks for: anchors.png and "
    "detectors.png in this folder.",
)
@click.option(
    "--dataset",
    type=click.Choice(list(terminal.DATASET_NAMES)),
    help="Whose test set --save takes images from. [default: what the models were trained on]",
)
@options.data_dir
@options.jobs
@options.as_json
def inspect(
    models: Path | None,
    save: Path | None,
    dataset: str | None,
    data_dir: Path | None,
    jobs: int,
    as_json: bool,
) -> None:
    """Tell what is in a models.pkl, without running any of it.

    Where it comes from, its views and layers, how many bytes each part takes,
    and what each of the ten detectors holds. MODELS is by default the
    models.pkl in this folder, else the one that ships.

    \b
    Examples:
      ovr-digits inspect
      ovr-digits inspect mine.pkl --json
      ovr-digits inspect mine.pkl --save pictures
      ovr-digits inspect --save pictures --dataset digits
    """
    from ovr_digits.report.inspection import inspect_models

    check_files_of("save", (_ANCHORS, _DETECTORS))
    inspection = inspect_models(models)
    if save is not None:
        _save_pictures(inspection, save, dataset, data_dir, jobs)
    if as_json:
        options.print_json(inspection.as_json())
        return
    terminal.echo("\n\n".join(_tables(inspection)))


def _save_pictures(
    inspection: Inspection, folder: Path, dataset: str | None, data_dir: Path | None, jobs: int
) -> None:
    from ovr_digits.data.splits import load_split
    from ovr_digits.progress import TerminalProgress
    from ovr_digits.report.inspection import portray_detectors, show_anchors
    from ovr_digits.report.plots.inspection import plot_anchors, plot_detectors
    from ovr_digits.report.plots.style import make_folder, save_figure

    make_folder(folder)
    trained_on = inspection.models.provenance.get("dataset")
    if dataset is None:
        dataset = trained_on if trained_on in list(terminal.DATASET_NAMES) else "mnist"
    with TerminalProgress() as progress:
        split = load_split(dataset, "test", data_dir, progress)  # type: ignore[arg-type]
        portraits = portray_detectors(inspection.models, split, jobs, progress)
        anchors = show_anchors(inspection.models, split.X, progress)
        progress.stage("drawing", 2)
        save_figure(plot_anchors(anchors), folder / _ANCHORS)
        progress.advance()
        images = split.X.reshape(-1, *inspection.models.image_shape)
        name = f"{terminal.DATASET_NAMES[dataset]} test set"
        figure = plot_detectors(portraits, images, split.y, name)
        save_figure(figure, folder / _DETECTORS)


def _tables(inspection: Inspection) -> list[str]:
    """What ``--json`` gives, for people."""
    said = inspection.as_json()
    provenance = [[_words(key), _text(key, value)] for key, value in said["provenance"].items()]
    total = said["bytes"]
    views = [
        [
            view["view"],
            ", ".join(map(_layer_text, view["layers"])),
            f"{view['leading_axes']}",
            f"{view['features']:,}",
            f"{sum(layer['bytes'] for layer in view['layers']) + view['leading_bytes']:,}",
        ]
        for view in said["views"]
    ]
    parts = {
        "anchors and whiteners": sum(map(sum, inspection.sizes.layers)),
        "leading axes": sum(inspection.sizes.leading),
        "weights and intercepts": said["weight_bytes"],
        "names, settings, provenance": said["other_bytes"],
        "the whole file": total,
    }
    detectors = [
        [f"{digit} ({terminal.NAMES[digit]})", f"{d['intercept']:+.3f}", f"{d['norm']:.3f}"]
        for digit, d in enumerate(said["detectors"])
    ]
    return [
        f"{printable(said['path'])}: ten detectors on {said['features']:,} shared features",
        terminal.table_text(["", ""], provenance, left=2) or "it does not say where it comes from",
        terminal.table_text(
            ["view", "anchors of its layers", "leading axes", "features", "bytes"], views, left=2
        ),
        terminal.table_text(
            ["part", "bytes", "share"],
            [[name, f"{size:,}", percent(size / total)] for name, size in parts.items()],
        ),
        terminal.table_text(["detector", "intercept", "norm of its weights"], detectors),
        "A detector's score is its intercept plus its weights times the features;\n"
        "it fires where that is above 0.",
    ]


def _layer_text(layer: dict[str, Any]) -> str:
    """How many anchors a layer has, and of how many rows, columns and channels."""
    by = "×" if terminal.has_unicode() else "x"
    size = layer["patch_size"]
    return f"{layer['anchors']} of {size}{by}{size}{by}{layer['channels']}"


def _words(name: str) -> str:
    return "training time" if name == "seconds" else printable(name.replace("_", " "))


def _text(name: str, value: Any) -> str:
    """A value of the provenance in words."""
    if isinstance(value, dict):
        given = {key: item for key, item in value.items() if item is not None}
        return ", ".join(f"{_words(key)} {_text(key, item)}" for key, item in given.items())
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "; ".join(_text(name, item) for item in value)
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or None
    if value is None:
        return "none"
    if name.endswith("accuracy") and isinstance(value, float):
        return percent(value)
    if name == "seconds" and isinstance(value, float):
        return duration(value)
    if isinstance(value, int) and not isinstance(value, bool) and name != "seed":
        return f"{value:,}"
    return printable(str(value)[:_LONGEST])
