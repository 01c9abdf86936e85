"""Options that several commands share, and what becomes of errors."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from ovr_digits.errors import INTERRUPTED, DigitsError
from ovr_digits.files import format_of, is_same_file

if TYPE_CHECKING:
    from types import FrameType

    from matplotlib.figure import Figure

F = TypeVar("F", bound=Callable[..., Any])

#: Until an interrupt that would have been lost is tried again.
_LATER_SECONDS = 0.05

#: Of every command, which are also run on their own by training.py and testing.py.
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}

models_option = click.option(
    "--models",
    type=click.Path(path_type=Path),
    help="The models.pkl to use. [default: the one in this folder, else the one that ships]",
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the four MNIST files. [default: $OVR_DIGITS_DATA, else a per-user cache, "
    "else they are downloaded into it]",
)
dataset_option = click.option(
    "--dataset",
    type=click.Choice(["mnist", "digits"]),
    default="mnist",
    show_default=True,
    help="MNIST, or the 1,797 digits that come with scikit-learn and need no network.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a line and nothing else."
)


class OutputFile(click.Path):
    """The type of an option that names a file to write.

    Parameters
    ----------
    replaces : str, optional
        A parameter that may name the same file, which is read before it is replaced.
    dir_okay : bool
    """

    def __init__(self, replaces: str = "", dir_okay: bool = True) -> None:
        super().__init__(path_type=Path, dir_okay=dir_okay)
        self.replaces = replaces


def check_files() -> None:
    """Refuse two outputs of the command that are one file, or an output that is read as well."""
    for parameter in click.get_current_context().command.params:
        if isinstance(parameter.type, OutputFile):
            for path in _paths_of(parameter):
                _check_file(parameter, path, parameter.type.replaces)


def check_files_of(name: str, file_names: Iterable[str]) -> None:
    """``check_files`` for the files that are written into the folder of a parameter."""
    parameters = {p.name: p for p in click.get_current_context().command.params}
    for folder in _paths_of(parameters[name]):
        for file_name in file_names:
            _check_file(parameters[name], folder / file_name)


def _check_file(output: click.Parameter, path: Path, replaces: str = "") -> None:
    for other in click.get_current_context().command.params:
        if other is output or other.name == replaces:
            continue
        if any(is_same_file(path, other_path) for other_path in _paths_of(other)):
            called = other.opts[0] if isinstance(other, click.Option) else other.human_readable_name
            raise click.UsageError(
                f"{output.opts[0]} and {called} name one file, {path}; give a file each."
            )


def _paths_of(parameter: click.Parameter) -> list[Path]:
    """Files, or the folder, that the command line names by a parameter."""
    value = click.get_current_context().params.get(parameter.name or "")
    if parameter.name == "images":
        return [Path(name) for name in value or () if name != "-"]
    if value is None or not isinstance(parameter.type, click.Path):
        return []
    if parameter.name == "data_dir":
        from ovr_digits.data.mnist import MNIST_FILES

        return [value / f"{name}{packed}" for name in MNIST_FILES for packed in ("", ".gz")]
    return [value]


def figure_option(name: str, text: str) -> Callable[[F], F]:
    """An option that names a picture to draw; what cannot be its format is refused at once."""
    return click.option(
        name,
        type=OutputFile(dir_okay=False),
        metavar="FILE",
        callback=lambda context, option, value: _check_format(context, value),
        help=f"{text} (.png, .svg or .pdf).",
    )


def _check_format(context: click.Context, path: Path | None) -> Path | None:
    if path is not None:
        try:
            format_of(path)
        except DigitsError as error:
            fail(str(error))
            context.exit(1)
    return path


save_option = figure_option("--save", "Save the answers as a picture")
show_option = click.option(
    "--show", is_flag=True, help="Open the picture in a window, where there is a screen."
)
#: How a picture shows its ink; the command takes ``ground`` and ``level``, see ``ink.find_ink``.
_GROUNDS = {"auto": "auto", "yes": "light ink", "no": "dark ink"}
ground_option = click.option(
    "--invert",
    "ground",
    type=click.Choice(list(_GROUNDS)),
    default="auto",
    show_default=True,
    callback=lambda context, option, value: _GROUNDS[value],
    help="Light ink on dark ground (yes), dark on light (no), or find out.",
)
level_option = click.option(
    "--threshold",
    "level",
    type=click.FloatRange(0.05, 0.95),
    help="Share of the ink's own strength from which it is ink. [default: 0.4]",
)
jobs_option = click.option(
    "--jobs",
    type=int,
    default=-1,
    show_default=True,
    callback=lambda context, option, value: _check_jobs(value),
    help="Cores to use; -1 is all of them.",
)

scheduler_option = click.option(
    "--scheduler",
    metavar="URL",
    help="Let the workers of a Dask cluster do the work, instead of the cores of this machine: "
    "tcp://HOST:8786.",
)


def _check_jobs(value: int) -> int:
    if value == 0 or value < -1:
        raise click.BadParameter("give a number of cores from 1 on, or -1 for all of them")
    return value


def given_parameters() -> dict[str, str]:
    """Which parameters the command line gives, and what they are called there."""
    context = click.get_current_context()
    return {
        parameter.name: parameter.opts[0] if isinstance(parameter, click.Option) else "pictures"
        for parameter in context.command.params
        if parameter.name is not None
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    }


def refuse_given(names: Iterable[str], reason: str) -> None:
    """Refuse those of some options that are given, as wrong usage."""
    given = given_parameters()
    if refused := [given[name] for name in names if name in given]:
        raise click.UsageError(f"{', '.join(refused)}: {reason}")


def seed_option(default: int | None, text: str) -> Callable[[F], F]:
    """``--seed``, with a default and an explanation of what it settles."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=default,
        show_default=default is not None,
        help=text,
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


def note(message: str) -> None:
    """One line on stderr, where that can still be written."""
    with contextlib.suppress(OSError):
        click.echo(f"ovr-digits: {printable(message)}", err=True)


def check_index(index: int, n_samples: int, name: str) -> None:
    """Refuse a ``--index`` that a set of samples does not have."""
    if index >= n_samples:
        raise click.BadParameter(
            f"{index} is not in 0..{n_samples - 1}: the {name} has {n_samples:,} samples.",
            param_hint="'--index'",
        )


def put_out(figure: Figure, save: Path | None, show: bool) -> None:
    """Do with a picture what ``--save`` and ``--show`` ask for."""
    from ovr_digits.report.plots import save_figure, show_figure

    if save is not None:
        save_figure(figure, save)
    if show and not show_figure(figure):
        fail("there is no screen to open a window on; use --save FILE.png")
        sys.exit(1)


def fail(message: str) -> None:
    """One line on stderr that names a failure."""
    note(message)


def printable(text: str) -> str:
    """The text in one line without control characters, which a file name may hold."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _open_streams() -> None:
    """Let standard streams that are closed lead nowhere.

    Else the next file that is opened takes the place of one, and what is
    printed is written into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _drop_output() -> None:
    """What is still to be printed goes nowhere, not even when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail_for(error: OSError) -> None:
    """What no command foresees of the system: no room for the output, no files left to open."""
    where = f"{error.filename}: " if error.filename else ""
    fail(f"cannot go on: {where}{error.strerror or error}")
    _drop_output()


def _is_loading(frame: FrameType | None, outermost: FrameType) -> bool:
    """Whether a module is being loaded, where an exception may be lost."""
    while frame is not None and frame is not outermost:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _interrupt_later() -> None:
    signal.signal(signal.SIGALRM, lambda signum, frame: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, _LATER_SECONDS)


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Not to be lost in a finalizer either."""
    if lost.exc_type is KeyboardInterrupt:
        _interrupt_later()
    else:
        sys.__unraisablehook__(lost)


def tidy_errors(command: F) -> F:
    """Turn what can go wrong in a command body into one line and exit status 1."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        interrupts: list[int] = []
        outermost = sys._getframe()

        def interrupt(signum: int, frame: FrameType | None) -> None:
            interrupts.append(signum)
            sys.unraisablehook = _interrupt_again
            if _is_loading(frame, outermost):
                _interrupt_later()
            else:
                raise KeyboardInterrupt

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupt)
        try:
            _open_streams()
            check_files()
            return command(*arguments, **options)
        except DigitsError as error:
            fail(str(error))
        except MemoryError:
            fail("the memory at hand does not suffice")
        except BrokenPipeError:
            # Whoever read the output has gone; nothing more can be said on it.
            _drop_output()
        except BaseException as error:
            # An extension module may make another exception of an interrupt.
            if interrupts:
                fail(INTERRUPTED)
                sys.stdout.flush()
                # Threads may still be at work in NumPy, and tidying up under them can crash.
                os._exit(1)
            if not isinstance(error, OSError):
                raise
            fail_for(error)
        finally:
            if interrupts:
                signal.setitimer(signal.ITIMER_REAL, 0)
        sys.exit(1)

    return run  # type: ignore[return-value]
