"""What a source of digits is made of: pieces that any worker can read for itself."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Bools, Grey
from ovr_digits.picture.digit import read_sample
from ovr_digits.picture.mnist_form import IMAGE_SHAPE, are_mnist_form

#: About how many digits a piece has.
PIECE = 1024

#: Pixels of a digit.
SIZE = IMAGE_SHAPE[0] * IMAGE_SHAPE[1]

#: The label of what has none, or one that is no digit.
NO_DIGIT = 255

#: The digit of each label that is one; a number is found whatever its type.
_DIGITS: Mapping[object, int] = {label: d for d in range(10) for label in (d, str(d))}
#: Characters of a label that is no digit, in a message.
_LABEL_CHARACTERS = 40


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

    X: Grey
    y: Grey | None
    places: Sequence[tuple[str, int | None]]
    errors: Mapping[int, str]

    @property
    def is_read(self) -> Bools:
        """Which of the digits could be read: (n,)."""
        is_read = np.ones(len(self.X), bool)
        is_read[list(self.errors)] = False
        return is_read


def make_reading(
    X: Grey,
    labels: Sequence[object] | None,
    places: Sequence[tuple[str, int | None]],
    errors: Mapping[int, str],
    labelled: bool,
) -> Reading:
    """A reading from which no digit is learnt that is blank or has no label.

    Where nothing is to be learnt, labels that are no digits mean that there are none, as -1 does
    in test data whose labels are kept secret.
    """
    y, wrong = (None, {}) if labels is None else _checked_labels(labels)
    if labelled:
        blank = np.flatnonzero(~X.any(axis=1)).tolist()
        errors = dict.fromkeys(blank, "blank: there is no digit on it") | wrong | dict(errors)
    return Reading(X, y, places, errors)


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
    unused_labels : str
        Why there are labels, or what may be labels, that are not used, in one line; or nothing.
    """

    name: str
    pieces: Sequence[Piece]
    n: int
    has_labels: bool
    digest: str
    unused_labels: str = ""


class LazyPieces(Sequence[Piece]):
    """Pieces that are made when they are asked for: there may be millions.

    Parameters
    ----------
    counts : sequence of int
        How many pieces each file of the source has, or each part of a file.
    make : callable
        Takes the number of the file, that of the piece in it, and that of the piece in the source.
    """

    def __init__(self, counts: Sequence[int], make: Callable[[int, int, int], Piece]) -> None:
        self._ends, self._make = np.cumsum([0, *counts]), make

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self))[index]
        file = int(np.searchsorted(self._ends, number, side="right")) - 1
        return self._make(file, number - int(self._ends[file]), number)


def fingerprint(parts: Iterable[object]) -> str:
    """SHA-256 in hex of things that their ``repr`` tells apart."""
    digest = hashlib.sha256()
    for part in parts:
        add_to_fingerprint(digest, part)
    return digest.hexdigest()


def add_to_fingerprint(digest: hashlib._Hash, part: object) -> None:
    """Go on with a fingerprint that is not finished."""
    digest.update(repr(part).encode() + b"\n")


def _checked_labels(labels: Sequence[object]) -> tuple[Grey, dict[int, str]]:
    """Labels (n,) as uint8, and what is said of those that are no digit.

    A digit may be a number of any type, or text.
    """
    labels = [label.strip() if isinstance(label, str) else label for label in labels]
    y = np.array([_DIGITS.get(label, NO_DIGIT) for label in labels], np.uint8)
    return y, {int(k): _no_digit(labels[k]) for k in np.flatnonzero(y == NO_DIGIT)}


def _no_digit(label: object) -> str:
    if label is None or label in ("", -1) or label != label:
        return "no label"
    return f"its label is {repr(label)[:_LABEL_CHARACTERS]}, not a digit 0 to 9"


def in_mnist_form(X: Grey) -> Grey:
    """Images (n, 784), of which those that are not in MNIST form are brought to it."""
    images = X.reshape(-1, *IMAGE_SHAPE)
    others = np.flatnonzero(~are_mnist_form(images) & X.any(axis=1))
    if len(others):
        X = X.copy()
    for k in others:
        X[k] = read_sample(_picture(images[k])).ravel()
    return X


def _picture(image: Grey) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=0)
    return stream.getvalue()
