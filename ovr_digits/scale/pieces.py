"""What a source of digits is made of: pieces that any worker can read for itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from ovr_digits.form import IMAGE_SHAPE

#: Digits in a piece, about.
PIECE = 1024

#: Pixels of a digit.
SIZE = IMAGE_SHAPE[0] * IMAGE_SHAPE[1]

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

    @property
    def is_read(self) -> NDArray[np.bool_]:
        """Which of the digits could be read: (n,)."""
        is_read = np.ones(len(self.X), bool)
        is_read[list(self.errors)] = False
        return is_read


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
    """SHA-256 in hex of things that their ``repr`` tells apart."""
    digest = hashlib.sha256()
    for part in parts:
        add_to_fingerprint(digest, part)
    return digest.hexdigest()


def add_to_fingerprint(digest: hashlib._Hash, part: object) -> None:
    """Go on with a fingerprint that is not finished."""
    digest.update(repr(part).encode() + b"\n")


def checked_labels(
    labels: NDArray[np.integer[Any]], required: bool
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Labels (n,) as uint8, and what is said of those that are no digit, where they are required.

    Elsewhere such a label means that there is none, as -1 does in test data whose labels are
    kept secret.
    """
    wrong = (labels < 0) | (labels > 9)
    errors = {
        int(k): "no label" if labels[k] == -1 else f"its label is {labels[k]}, not a digit 0 to 9"
        for k in np.flatnonzero(wrong)
    }
    y = np.where(wrong, NO_DIGIT, labels).astype(np.uint8)
    return y, errors if required else {}
