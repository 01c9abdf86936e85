"""What a source of digits is made of: pieces that any worker can read for itself."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from ovr_digits.errors import DigitsError

#: Digits in a piece, about.
PIECE = 1024
#: Pieces that a source has at least, if it has as many digits.
_MIN_PIECES = 48

#: The label of what has none, or one that is no digit.
NO_DIGIT = 255


@dataclass(frozen=True, eq=False)
class Reading:
    """The digits of a piece.

    Attributes
    ----------
    X : (n, 784) uint8
        MNIST form: ink is 255, paper is 0. Zeros where a digit could not be read.
    y : (n,) uint8 or None
        Labels, where the source has them; ``NO_DIGIT`` where one is missing.
    places : sequence of (str, int or None)
        Where each comes from: the file, as it is named below the source, and the row in it;
        None where the file is one picture.
    errors : mapping of int to str
        Why a digit could not be read, or not be learnt from, in one line, by its position.
    """

    X: NDArray[np.uint8]
    y: NDArray[np.uint8] | None
    places: Sequence[tuple[str, int | None]]
    errors: Mapping[int, str]


class Piece(Protocol):
    """About ``PIECE`` digits of a source: paths and numbers, so that it costs little to send."""

    @property
    def n(self) -> int:
        """How many digits."""
        ...

    @property
    def origin(self) -> int:
        """The number of the piece of the undistorted source that it is made of."""
        ...

    def read(self) -> Reading:
        """Read the digits.

        Raises
        ------
        DigitsError
            Where the source as a whole is not there any more, or has changed.
        """
        ...


@dataclass(frozen=True)
class Source:
    """Digits that are read piece by piece.

    Attributes
    ----------
    name : str
        For people.
    pieces : sequence of Piece
        In the order of the source.
    n : int
        Digits in all of them.
    has_labels : bool
    digest : str
        Hex; another one where files have been added, removed or written since. It is made of
        names, sizes and times, not of what is in the files.
    """

    name: str
    pieces: Sequence[Piece]
    n: int
    has_labels: bool
    digest: str


def piece_size(n: int) -> int:
    """How many digits are a piece of a source that has n."""
    return max(1, min(PIECE, n // _MIN_PIECES))


class LazyPieces(Sequence[Piece]):
    """Pieces that are made when they are asked for.

    Parameters
    ----------
    count : int
    make : callable
        Takes the number of a piece, 0 to count - 1.
    """

    def __init__(self, count: int, make: Callable[[int], Piece]) -> None:
        self._numbers, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Piece: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Piece]: ...
    def __getitem__(self, index: int | slice) -> Piece | Sequence[Piece]:
        if isinstance(index, slice):
            return [self._make(number) for number in self._numbers[index]]
        return self._make(self._numbers[index])


def fingerprint(parts: Iterable[object]) -> str:
    """SHA-256 in hex of anything that its ``repr`` tells apart."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode() + b"\n")
    return digest.hexdigest()


def checked_labels(
    labels: NDArray[np.integer[Any]], required: bool
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Labels (n,) as uint8, and what is said of those that are no digit, where they are required.

    Elsewhere such a label means that there is none, as -1 does in test data whose labels are
    kept secret.
    """
    wrong = (labels < 0) | (labels > 9)
    errors = {
        int(k): f"its label is {labels[k]}, not a digit 0 to 9" for k in np.flatnonzero(wrong)
    }
    y = np.where(wrong, NO_DIGIT, labels).astype(np.uint8)
    return y, errors if required else {}


def name_below(root: Path, path: Path) -> str:
    """What a file is called in answers: its path below a folder, what is no UTF-8 in it escaped."""
    return os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")


def file_state(root: Path, path: Path) -> tuple[str, int, int]:
    """What tells whether a file was written since: its name, size and time."""
    state = path.stat()
    return name_below(root, path), state.st_size, state.st_mtime_ns


def unreachable(path: str, error: Exception) -> DigitsError:
    """What is said where a worker finds a file gone, or shorter, that the source was made of."""
    reason = getattr(error, "strerror", None) or error
    return DigitsError(
        f"{path}: cannot be read on {socket.gethostname()} ({reason}); "
        "each machine that works needs it, unchanged"
    )
