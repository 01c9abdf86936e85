"""Where a models.pkl lies, and its bytes, without NumPy; what they mean is for ``modelfile``."""

from __future__ import annotations

import os
from pathlib import Path

from ovr_digits.errors import DigitsError
from ovr_digits.files import read_bytes

FILE_NAME = "models.pkl"
#: The most bytes that a models.pkl may have; a trained one has under 5 MB.
MAX_BYTES = 64_000_000


class ModelFileError(DigitsError):
    """A models.pkl that cannot be read, or that is refused."""


def find_models(path: str | os.PathLike[str] | None = None) -> Path:
    """Where models.pkl is: the given path, the working folder's, or the one that ships.

    Raises
    ------
    ModelFileError
        Where none of these exists.
    """
    if path is not None:
        return Path(path)
    for candidate in (Path(FILE_NAME), *_shipped()):
        if candidate.is_file():
            return candidate
    raise ModelFileError("no models.pkl here or in the package; make one with: ovr-digits train")


def _shipped() -> tuple[Path, ...]:
    """Where the file that ships may lie: inside the package, or beside it in a source checkout."""
    package = Path(__file__).parents[1]
    return package / FILE_NAME, package.parent / FILE_NAME


def is_shipped(path: Path) -> bool:
    """Whether a path is that of the models.pkl that ships."""
    return path.resolve() in [shipped.resolve() for shipped in _shipped()]


def read_models(path: Path) -> bytes:
    """At most one byte more than ``MAX_BYTES`` of a file; a ModelFileError names it."""
    try:
        return read_bytes(path, MAX_BYTES)
    except DigitsError as error:
        advice = "; make one with: ovr-digits train" if str(error) == "no such file" else ""
        raise ModelFileError(f"{path}: {error}{advice}") from None
