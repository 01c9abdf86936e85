"""Files that a command writes: no two are one file, and none is read as well."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from ovr_digits.files import is_same_file


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
