"""Digits in folders of pictures: pieces are lists of files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.arrays import Grey
from ovr_digits.errors import DigitsError
from ovr_digits.picture.digit import read_sample
from ovr_digits.scale.sources.files import FileNames, FoundFile, shown, unreachable
from ovr_digits.scale.sources.pieces import (
    NO_DIGIT,
    PIECE,
    SIZE,
    LazyPieces,
    Piece,
    Reading,
    Source,
    add_to_fingerprint,
    make_reading,
)

#: Pictures in a piece, of which only the answers are wanted.
_PICTURES = 128
#: Pieces that a folder has at least, if it has as many pictures.
_MIN_PIECES = 48

_CLASSES = {b"%d" % digit: digit for digit in range(10)}


class PictureIndex:
    """Picture files as they are found: names below the folder of the source, and a fingerprint.

    The label of each is the digit that names the folder it is in there, or ``NO_DIGIT``.
    """

    def __init__(self) -> None:
        self.names, self.labels = FileNames(), bytearray()
        self.fingerprint = hashlib.sha256()

    def add(self, file: FoundFile) -> None:
        """Add a file at the end."""
        self.names.append(file.name)
        self.labels.append(_CLASSES.get(file.name.partition(b"/")[0], NO_DIGIT))
        add_to_fingerprint(self.fingerprint, file)


def open_folder(name: str, folder: Path, index: PictureIndex, labelled: bool) -> Source:
    """Digits in picture files. Where all lie in folders 0 to 9, these label them.

    Where labels are needed (``labelled``) the digits are mixed, so that every piece has its share
    of each; else they keep their order.
    """
    y = np.frombuffer(index.labels, np.uint8)
    if labelled:
        _check_classes(folder, index.names, y)
    n, place = len(index.names), str(folder.absolute())
    order = _mixed(y) if labelled else None
    has_labels = NO_DIGIT not in index.labels
    # Pictures take long to read: enough pieces for all workers, of few scans or many digits.
    size = max(1, min(PIECE if labelled else _PICTURES, n // _MIN_PIECES))

    def make(_: int, number: int, origin: int) -> Piece:
        places = np.arange(number * size, min((number + 1) * size, n))
        chosen = places if order is None else order[places]
        names = b"\0".join(index.names[int(k)] for k in chosen)
        labels = y[chosen].tobytes() if has_labels else None
        return _FolderPiece(place, names, labels, len(chosen), origin, labelled)

    unused = "" if has_labels or (y == NO_DIGIT).all() else _elsewhere(index.names, y)
    return Source(
        name,
        LazyPieces([-(-n // size)], make),
        n,
        has_labels,
        index.fingerprint.hexdigest(),
        unused,
    )


def _elsewhere(names: FileNames, y: Grey) -> str:
    """What is said where some pictures do not lie in folders 0 to 9, as the labels (n,) tell."""
    count, example = np.count_nonzero(y == NO_DIGIT), shown(names[int(np.argmax(y))])
    return f"not all pictures lie in folders 0 to 9; {count:,} lie elsewhere, as {example}"


def _check_classes(folder: Path, names: FileNames, y: Grey) -> None:
    counts = np.bincount(y, minlength=NO_DIGIT + 1)
    if counts[NO_DIGIT]:
        raise DigitsError(f"{folder}: training needs labels, and {_elsewhere(names, y)}")
    if lacking := [str(digit) for digit in range(10) if not counts[digit]]:
        raise DigitsError(
            f"{folder}: training needs pictures of all ten digits, "
            f"and there are none in {', '.join(lacking)}"
        )


def _mixed(y: Grey) -> NDArray[np.uint32]:
    """An order in which every stretch has about the same share of each class."""
    by_class = np.argsort(y, kind="stable")
    counts = np.bincount(y)
    place = [(np.arange(count, dtype=np.float32) + 0.5) / count for count in counts if count]
    return by_class[np.argsort(np.concatenate(place), kind="stable")].astype(np.uint32)


@dataclass(frozen=True)
class _FolderPiece:
    """Pictures by their names, with null bytes between them, and their labels."""

    folder: str
    names: bytes
    labels: bytes | None
    n: int
    origin: int
    labelled: bool

    def read(self) -> Reading:
        names = self.names.split(b"\0")
        X = np.zeros((self.n, SIZE), np.uint8)
        errors: dict[int, str] = {}
        for k, name in enumerate(names):
            try:
                X[k] = read_sample(f"{self.folder}/{os.fsdecode(name)}").ravel()
            except DigitsError as error:
                errors[k] = str(error)
        if errors and not Path(self.folder).is_dir():
            raise unreachable(self.folder, "no such folder")
        labels = None if self.labels is None else list(self.labels)
        places = [(shown(name), None) for name in names]
        return make_reading(X, labels, places, errors, self.labelled)
