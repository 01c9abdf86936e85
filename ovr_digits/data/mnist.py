"""MNIST's four files: their names, their digests, and what a folder holds of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ovr_digits.data.idx import parse_idx, read_content
from ovr_digits.errors import DigitsError

#: The files of MNIST and the SHA-256 of their uncompressed bytes.
MNIST_FILES: Mapping[str, str] = MappingProxyType(
    {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    }
)

#: The images and the labels of each part.
MNIST_PARTS: Mapping[str, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def find_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """The path of every file, compressed or plain.

    Raises
    ------
    DigitsError
        Where the folder cannot be read, or lacks one.
    """
    try:
        there = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        raise DigitsError(f"{folder}: no such folder") from None
    except NotADirectoryError:
        raise DigitsError(f"{folder}: not a folder") from None
    except OSError as error:
        raise DigitsError(f"{folder}: cannot be read ({error.strerror})") from None
    found = [next((n for n in (name + ".gz", name) if n in there), None) for name in names]
    if lacking := [name for name, hit in zip(names, found, strict=True) if hit is None]:
        raise DigitsError(f"{folder}: lacks {' and '.join(f'{name}(.gz)' for name in lacking)}")
    return [folder / hit for hit in found if hit is not None]


@dataclass(frozen=True)
class FileCheck:
    """What is known of one data file.

    Attributes
    ----------
    name : str
        Without .gz.
    path : Path or None
        None where it is missing.
    n_bytes : int or None
        Its size on disk.
    digest : str or None
        SHA-256 in hex of the uncompressed bytes, where they can be read.
    is_sound : bool
        Whether they are what they should be.
    state : str
        Why, or what is wrong, in a few words.
    """

    name: str
    path: Path | None = None
    n_bytes: int | None = None
    digest: str | None = None
    is_sound: bool = False
    state: str = "missing"

    def as_json(self) -> dict[str, Any]:
        """Plain values of the attributes."""
        return {
            "name": self.name,
            "path": None if self.path is None else str(self.path),
            "bytes": self.n_bytes,
            "sha256": self.digest,
            "sound": self.is_sound,
            "state": self.state,
        }


def check_file(folder: Path, name: str, digest: str) -> FileCheck:
    """Compare a file of a folder, compressed or plain, with the SHA-256 of its true content."""
    try:
        (path,) = find_files(folder, [name])
    except DigitsError:
        return FileCheck(name)

    def check(content: bytes, found: str) -> str:
        if found != digest:
            parse_idx(content, str(path))  # tells better what is wrong with a cut file
            raise DigitsError("digest wrong")
        return "digest right"

    return check_content(name, path, check)


def check_content(name: str, path: Path, check: Callable[[bytes, str], str]) -> FileCheck:
    """Read a file, and tell what is wrong with it in place of raising an error.

    Parameters
    ----------
    name : str
    path : Path
    check : callable
        Takes the uncompressed content and its digest. Gives the state where
        they are what they should be, else raises DigitsError.
    """
    n_bytes = digest = None
    is_sound = False
    try:
        n_bytes = path.stat().st_size
        content = read_content(path)
        digest = hashlib.sha256(content).hexdigest()
        state, is_sound = check(content, digest), True
    except OSError as error:
        state = f"cannot be read ({error.strerror})"
    except DigitsError as error:
        state = str(error).removeprefix(f"{path}: ")
    return FileCheck(name, path, n_bytes, digest, is_sound, state)


def is_sound(folder: Path, name: str, digest: str) -> bool:
    """Whether a folder holds a file with the uncompressed bytes that its digest tells."""
    return check_file(folder, name, digest).is_sound
