"""Options that several commands share, and what is done with their values."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from ovr_digits.cli.ending import note
from ovr_digits.cli.outputs import OutputFile
from ovr_digits.errors import DigitsError
from ovr_digits.files import format_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

F = TypeVar("F", bound=Callable[..., Any])

models = click.option(
    "--models",
    type=click.Path(path_type=Path),
    help="The models.pkl to use. [default: the one in this folder, else the one that ships]",
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the four MNIST files. [default: $OVR_DIGITS_DATA, else a per-user cache, "
    "into which they are downloaded]",
)
dataset = click.option(
    "--dataset",
    type=click.Choice(["mnist", "digits"]),
    default="mnist",
    show_default=True,
    help="MNIST, or the 1,797 digits that come with scikit-learn and need no network.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line and nothing else."
)
#: Of models.pkl; it may be the file that --models names, which is read before.
output = click.option(
    "--output",
    type=OutputFile(replaces="models"),
    default=Path("models.pkl"),
    show_default=True,
    help="The file to write; an older one is replaced only at the end.",
)


def data(command: F) -> F:
    """``--dataset`` and ``--data-dir``."""
    return dataset(data_dir(command))


def seed(default: int | None, text: str) -> Callable[[F], F]:
    """``--seed``, with a default and an explanation of what it fixes."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=default,
        show_default=default is not None,
        help=text,
    )


def figure(name: str, text: str) -> Callable[[F], F]:
    """An option that names a picture to draw, of which an unknown format is refused at once."""
    return click.option(
        name,
        type=OutputFile(dir_okay=False),
        metavar="FILE",
        callback=_check_format,
        help=f"{text} (.png, .svg or .pdf).",
    )


def _check_format(context: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        try:
            format_of(path)
        except DigitsError as error:
            note(str(error))
            context.exit(1)
    return path


def _check_jobs(_: click.Context, __: click.Parameter, value: int) -> int:
    if value == 0 or value < -1:
        raise click.BadParameter("give a number of cores from 1 on, or -1 for all of them")
    return value


#: Of read and predict; what it says by its ending is looked at before the work.
table = click.option(
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Write the answers to a table: .csv, .jsonl (JSON lines) or .parquet; an older file is "
    "replaced at the end.",
)


def check_table(path: Path | None) -> None:
    """Refuse, before the work, a table that could not be written after it."""
    from ovr_digits.files import check_writable
    from ovr_digits.scale.rows import kind_of

    if path is None:
        return
    if kind_of(path) == "Parquet":
        import ovr_digits.scale.arrow  # noqa: F401
    check_writable(path)


def table_rows(
    path: Path, answer: dict[str, Any], rows: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What a table holds of a picture: in JSON lines its object, else rows with its name."""
    from ovr_digits.scale.rows import kind_of, writable_name

    if kind_of(path) == "JSON lines":
        return [answer]
    place = {"file": writable_name(answer["path"]), "page": answer.get("page")}
    return [place | row for row in rows]


def put_table(
    path: Path,
    rows: Sequence[dict[str, Any]],
    columns: dict[str, Any],
    spread: Mapping[str, Sequence[str]],
) -> None:
    """Write the table of ``--output``, and say so."""
    from ovr_digits.scale.rows import write_rows

    write_rows(path, rows, columns, spread)
    note(f"written to {path}")


save = figure("--save", "Save the answers as a picture")
show = click.option(
    "--show", is_flag=True, help="Open the picture in a window, where there is a screen."
)
#: How a picture shows its ink; the command takes ``ground`` and ``level``, see ``ink.find_ink``.
_GROUNDS = {"auto": "auto", "yes": "light ink", "no": "dark ink"}
ground = click.option(
    "--invert",
    "ground",
    type=click.Choice(list(_GROUNDS)),
    default="auto",
    show_default=True,
    callback=lambda context, option, value: _GROUNDS[value],
    help="Whether the ink is lighter than the paper: yes, no, or auto to find out.",
)
level = click.option(
    "--threshold",
    "level",
    type=click.FloatRange(0.05, 0.95),
    help="How strong a pixel must be to count as ink, as a share of the full strength of the ink. "
    "[default: 0.4]",
)
jobs = click.option(
    "--jobs",
    type=int,
    default=-1,
    show_default=True,
    callback=_check_jobs,
    help="Cores to use; -1 is all of them.",
)
scheduler = click.option(
    "--scheduler",
    metavar="URL",
    help="Let the workers of a Dask cluster do the work, instead of the cores of this machine: "
    "tcp://HOST:8786.",
)


def moved_to(command: str, *names: str) -> Callable[[F], F]:
    """Options that a command once had, with a value or without: they say where they went."""

    def refuse(_: click.Context, option: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(
                f"{option.opts[0]} is now for `ovr-digits {command}`; see its --help."
            )

    gone: dict[str, Any] = {"is_flag": False, "flag_value": "", "hidden": True, "is_eager": True}

    def add(function: F) -> F:
        for name in names:
            function = click.option(name, callback=refuse, expose_value=False, **gone)(function)
        return function

    return add


def given() -> dict[str, str]:
    """The parameters that are given on the command line, and their names there."""
    context = click.get_current_context()
    return {
        parameter.name: parameter.opts[0] if isinstance(parameter, click.Option) else "pictures"
        for parameter in context.command.params
        if parameter.name is not None
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    }


def refuse_given(names: Iterable[str], reason: str) -> None:
    """Refuse, as wrong usage, those of some options that are given."""
    on_line = given()
    if refused := [on_line[name] for name in names if name in on_line]:
        raise click.UsageError(f"{', '.join(refused)}: {reason}")


def check_index(index: int, n_samples: int, name: str) -> None:
    """Refuse a ``--index`` that a set of samples does not have."""
    if index >= n_samples:
        raise click.BadParameter(
            f"{index} is not in 0..{n_samples - 1}: the {name} has {n_samples:,} samples.",
            param_hint="'--index'",
        )


def source_of(name: str) -> str | bytes:
    """A picture by its name on the command line: "-" is standard input, read here."""
    if name != "-":
        return name
    from ovr_digits.picture.decoding import MAX_BYTES

    return sys.stdin.buffer.read(MAX_BYTES + 1)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:  # a narrow locale, or a file name that is no text
        text = json.dumps(value)
    click.echo(text)


def put_out(picture: Figure, save: Path | None, show: bool = False) -> None:
    """Save a picture, or show it, or both."""
    from ovr_digits.report.plots.style import save_figure, show_figure

    if save is not None:
        save_figure(picture, save)
    if show and not show_figure(picture):
        note("there is no screen to open a window on; use --save FILE.png")
        sys.exit(1)
