"""Pictures that a command is given by name: files, what lies in folders, standard input."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ovr_digits.cli.ending import note
from ovr_digits.cli.options import source_of
from ovr_digits.errors import DigitsError
from ovr_digits.files import is_same_file
from ovr_digits.progress import Progress, TerminalProgress

if TYPE_CHECKING:
    from ovr_digits.picture.answers import DigitAnswer, NumberAnswer, Unreadable
    from ovr_digits.picture.decoding import Content

A = TypeVar("A", "DigitAnswer", "NumberAnswer")

#: How many files of a folder that are no pictures are named; of the rest the number is told.
_MOST_NAMED = 10


@dataclass(frozen=True)
class Given:
    """What was given.

    Attributes
    ----------
    names : list of str
        Of picture files; "-" is standard input.
    errors : dict of str to str
        Why a folder could not be looked through, by its name.
    is_single : bool
        Whether one file was named, and no folder.
    """

    names: list[str]
    errors: dict[str, str]
    is_single: bool


def find_pictures(arguments: Sequence[str], outputs: Sequence[Path | None]) -> Given:
    """Files as they were given, with the pictures in a folder, at any depth, in its place.

    They are in natural order there, page2 before page10. What is no picture is told on stderr.
    Refused are outputs that would replace one of them.
    """
    names: list[str] = []
    errors = {}
    folders = 0
    for argument in arguments:
        if argument == "-" or not _is_folder(argument):
            names.append(argument)
            continue
        folders += 1
        try:
            names += _in_folder(argument)
        except DigitsError as error:
            errors[argument] = str(error)
    for path in filter(None, outputs):
        if folders and any(is_same_file(path, Path(name)) for name in names):
            raise click.UsageError(f"{path} is one of the pictures to read; name another file.")
    return Given(names, errors, len(arguments) == 1 and not folders)


def _is_folder(name: str) -> bool:
    with contextlib.suppress(ValueError, OSError):  # no name of a file: told where it is read
        return Path(name).is_dir()
    return False


def _in_folder(folder: str) -> list[str]:
    from ovr_digits.picture.pages import endings
    from ovr_digits.scale.sources.files import find_below

    known = endings()
    files = sorted((os.fsdecode(file.name) for file in find_below(Path(folder))), key=_natural)
    pictures = [name for name in files if os.path.splitext(name)[1].lower() in known]  # noqa: PTH122
    others = sorted({*files} - {*pictures}, key=_natural)
    if others:
        more = len(others) - _MOST_NAMED
        rest = f" and {more:,} more" if more > 0 else ""
        note(f"{folder}: not read, as no picture: {', '.join(others[:_MOST_NAMED])}{rest}")
    if not pictures:
        raise DigitsError("no pictures in this folder; predict --batch reads IDX and Parquet files")
    return [os.path.join(folder, name) for name in pictures]  # noqa: PTH118


def _natural(name: str) -> list[tuple[str, int]]:
    """A key to sort by, for which numbers count as such."""
    parts = re.findall(r"(\D*)(\d*)", name.casefold())
    return [(text, int(number or -1)) for text, number in parts]


def answer_given(
    given: Given, answer: Callable[[Content], A], as_json: bool
) -> Iterator[A | Unreadable]:
    """Answer each page of what was given, with a bar; what is no picture has an answer, too."""
    from ovr_digits.picture.answers import Unreadable, answer_pages

    for folder, error in given.errors.items():
        yield Unreadable(error, path=folder)
    with _shown_progress(len(given.names), as_json) as progress:
        for name in given.names:
            yield from answer_pages(answer, [(name, source_of(name))])
            progress.advance()


@contextlib.contextmanager
def _shown_progress(n_files: int, are_objects_printed: bool) -> Iterator[Progress]:
    """A bar on a terminal where there are several files, unless JSON is printed to it."""
    is_shown = n_files > 1 and sys.stderr.isatty()
    if not is_shown or (are_objects_printed and sys.stdout.isatty()):
        yield Progress()
        return
    with TerminalProgress() as progress:
        progress.stage(f"reading {n_files:,} files", n_files)
        yield progress
