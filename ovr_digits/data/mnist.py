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


def find_files(folder: Path, names: Sequence[str], endings: Sequence[str] = (".gz",)) -> list[Path]:
    """The path of every file, compressed (with one of the endings) or plain.

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
    found = [next((name + e for e in (*endings, "") if name + e in there), None) for name in names]
    if lacking := [name for name, hit in zip(names, found, strict=True) if hit is None]:
        packed = ", ".join(endings)
        raise DigitsError(
            f"{folder}: lacks {' and '.join(f'{name}({packed})' for name in lacking)}"
        )
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
        SHA-256 in hex of what is in it, where that can be read.
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


@dataclass(frozen=True)
class FileSet:
    """A data set that is kept in files.

    Attributes
    ----------
    title : str
        What people are told that it is.
    files : mapping of str to str
        Names, without the endings of packed files, and the digests of what is in them.
    digest_of : callable
        Takes the uncompressed content of a file and what messages call it; gives its digest, or
        raises DigitsError where the content is none of such a file.
    advice : str
        What to do where they cannot be downloaded.
    endings : tuple of str
        Of packed files.
    """

    title: str
    files: Mapping[str, str]
    digest_of: Callable[[bytes, str], str]
    advice: str
    endings: tuple[str, ...] = (".gz",)

    def check(self, folder: Path, name: str) -> FileCheck:
        """Compare a file of a folder, packed or plain, with what it should be."""
        try:
            (path,) = find_files(folder, [name], self.endings)
        except DigitsError:
            return FileCheck(name)

        def compare(_content: bytes, found: str) -> str:
            if found != self.files[name]:
                raise DigitsError("digest wrong")
            return "digest right"

        return check_content(name, path, compare, self.digest_of)


def sha256_of(content: bytes, _name: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def _idx_digest(content: bytes, name: str) -> str:
    parse_idx(content, name)  # tells better what is wrong with a cut file
    return sha256_of(content, name)


def mnist_file_set(files: Mapping[str, str]) -> FileSet:
    """``MNIST_FILES``, some of them, or others of their kind."""
    advice = (
        "name a folder that holds its files with --data-dir or OVR_DIGITS_DATA, "
        "or use --dataset digits to work without MNIST"
    )
    return FileSet("MNIST", files, _idx_digest, advice)


def check_content(
    name: str,
    path: Path,
    check: Callable[[bytes, str], str],
    digest_of: Callable[[bytes, str], str] = sha256_of,
) -> FileCheck:
    """Read a file, and tell what is wrong with it in place of raising an error.

    Parameters
    ----------
    name : str
    path : Path
    check : callable
        Takes the uncompressed content and its digest. Gives the state where
        they are what they should be, else raises DigitsError.
    digest_of : callable
        See ``FileSet``.
    """
    n_bytes = digest = None
    is_sound = False
    try:
        n_bytes = path.stat().st_size
        content = read_content(path)
        digest = digest_of(content, str(path))
        state, is_sound = check(content, digest), True
    except OSError as error:
        state = f"cannot be read ({error.strerror})"
    except DigitsError as error:
        state = str(error).removeprefix(f"{path}: ")
    return FileCheck(name, path, n_bytes, digest, is_sound, state)
