"""How a command ends: one line on stderr and a status, whatever has gone wrong."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ovr_digits.cli.outputs import check_files
from ovr_digits.errors import INTERRUPTED, DigitsError

F = TypeVar("F", bound=Callable[..., Any])

#: Of every command: training.py and testing.py run two of them on their own.
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


def command(function: Callable[..., Any]) -> click.Command:
    """Make a command of a function, whose name is the command's and whose options it has."""
    return click.command(context_settings=CONTEXT_SETTINGS)(tidy_errors(function))


def tidy_errors(function: F) -> F:
    """Turn what can go wrong in a command body into one line and exit status 1."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            _open_streams()
            check_files()
            return function(*arguments, **options)
        except DigitsError as error:
            note(str(error))
        except MemoryError:
            note("there is not enough memory")
        except BrokenPipeError:
            # Whoever read the output has gone; nothing more can be said on it.
            _drop_output()
        except OSError as error:
            fail_for(error)
        except KeyboardInterrupt:
            note(INTERRUPTED)
            sys.stdout.flush()
            # Threads may still be at work in NumPy, and tidying up under them can crash.
            os._exit(1)
        sys.exit(1)

    return run  # type: ignore[return-value]


def fail_for(error: OSError) -> None:
    """What no command foresees of the system: no room for the output, no files left to open."""
    where = f"{error.filename}: " if error.filename else ""
    note(f"cannot go on: {where}{error.strerror or error}")
    _drop_output()


def note(message: str) -> None:
    """One line on stderr, where that can still be written."""
    with contextlib.suppress(OSError):
        click.echo(f"ovr-digits: {printable(message)}", err=True)


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
