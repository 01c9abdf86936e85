"""MNIST's four files: their names, their digests, and whether a folder holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ovr_digits.errors import DigitsError
from ovr_digits.idx import read_content

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


def is_sound(folder: Path, name: str, digest: str) -> bool:
    """Whether a folder holds a file with the uncompressed bytes that its digest tells."""
    try:
        (path,) = find_files(folder, [name])
        return hashlib.sha256(read_content(path)).hexdigest() == digest
    except DigitsError:
        return False
