"""Where digits come from when there are many: IDX, folders of pictures, Parquet, distortion."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.distortion import (
    MEDIUM,
    DistortionStrength,
    apply_distortions,
    draw_distortions,
)
from ovr_digits.core.features import as_images
from ovr_digits.data import Dataset, Split, load_split, place_in_use
from ovr_digits.errors import DigitsError
from ovr_digits.form import IMAGE_SHAPE
from ovr_digits.progress import Progress
from ovr_digits.scale.idx_pieces import open_idx
from ovr_digits.scale.pieces import (
    NO_DIGIT,
    PIECE,
    LazyPieces,
    Piece,
    Reading,
    Source,
    fingerprint,
    piece_size,
)

__all__ = [
    "NO_DIGIT",
    "PIECE",
    "Piece",
    "Reading",
    "Source",
    "dataset_source",
    "distorted",
    "open_source",
]

#: Images that are distorted at a time: as many as stay in the processor's cache.
_BLOCK = 32
_SILENT = Progress()


def open_source(path: str | os.PathLike[str], *, labelled: bool) -> Source:
    """See what lies at a path.

    Parameters
    ----------
    path : path
    labelled : bool
        Whether the labels are needed.

    Raises
    ------
    DigitsError
        Where nothing can be read there, or labels are needed and there are none.
    """
    path = Path(path)
    if not path.exists():
        raise DigitsError(f"{path}: no such file or folder")
    return open_idx(str(path), path.parent, [path], labelled)


# --- a data set ------------------------------------------------------------------------------


def dataset_source(
    dataset: Dataset,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Progress = _SILENT,
) -> Source:
    """The training part of a data set, see ``data.load_split``."""
    split = load_split(dataset, "train", data_dir, progress)
    folder = None
    if dataset == "mnist":
        # Named in full, as a worker has another working folder and environment; but each
        # machine has a cache of its own.
        place, found = place_in_use(data_dir)
        folder = None if place == "cache" else str(found.absolute())
    n = len(split)
    return Source(
        name={"mnist": "MNIST"}.get(dataset, split.source),
        pieces=LazyPieces(-(-n // piece_size(n)), partial(_DatasetPiece, dataset, folder, n)),
        n=n,
        has_labels=True,
        digest=split.digest,
    )


@dataclass(frozen=True)
class _DatasetPiece:
    """Consecutive digits of the training part."""

    dataset: Dataset
    folder: str | None
    n_all: int
    origin: int

    @property
    def rows(self) -> range:
        size = piece_size(self.n_all)
        return range(self.n_all)[self.origin * size : (self.origin + 1) * size]

    @property
    def n(self) -> int:
        return len(self.rows)

    def read(self) -> Reading:
        rows = self.rows
        split = _training_part(self.dataset, self.folder)
        taken = slice(rows.start, rows.stop)
        return Reading(split.X[taken], split.y[taken], [(self.dataset, k) for k in rows], {})


@lru_cache(maxsize=1)
def _training_part(dataset: Dataset, folder: str | None) -> Split:
    """Loaded once in each process."""
    return load_split(dataset, "train", folder)


# --- the stream of distorted digits ----------------------------------------------------------


def distorted(source: Source, n: int, seed: int, strength: DistortionStrength = MEDIUM) -> Source:
    """A stream of n digits: those of a source as they are, then copies, each distorted anew.

    Parameters
    ----------
    source : Source
    n : int
        Where it is less than the source has, the stream is its first n digits.
    seed : int
        At least 0. A piece is drawn from this and its own number alone, whoever reads it.
    strength : DistortionStrength
    """
    if n < 0:
        raise ValueError(f"a stream has 0 digits or more, not {n}")
    if not source.n and n:
        raise DigitsError(f"{source.name}: no digits that could be distorted")
    stream = _Stream(source, n, seed, strength, np.cumsum([piece.n for piece in source.pieces]))
    return Source(
        name=f"{source.name}, distorted",
        pieces=LazyPieces(stream.count(), stream.piece),
        n=n,
        has_labels=source.has_labels,
        digest=fingerprint(["distorted", source.digest, n, seed, strength]),
    )


@dataclass(frozen=True, eq=False)
class _Stream:
    """Makes the pieces of ``distorted``; ``ends`` tells where those of the source end."""

    source: Source
    n: int
    seed: int
    strength: DistortionStrength
    ends: NDArray[np.int64]

    def count(self) -> int:
        passes, rest = divmod(self.n, max(1, self.source.n))
        last = int(np.searchsorted(self.ends, rest)) + 1 if rest else 0
        return passes * len(self.ends) + last

    def piece(self, number: int) -> Piece:
        copy, origin = divmod(number, len(self.ends))
        base = self.source.pieces[origin]
        start = copy * self.source.n + int(self.ends[origin]) - base.n
        n = min(base.n, self.n - start)
        return _DistortedPiece(base, n, number, copy, self.seed, self.strength)


@dataclass(frozen=True)
class _DistortedPiece:
    """The first ``n`` digits of a piece of the source, as they are or distorted."""

    base: Piece
    n: int
    number: int
    copy: int
    seed: int
    strength: DistortionStrength

    @property
    def origin(self) -> int:
        return self.base.origin

    def read(self) -> Reading:
        whole = self.base.read()
        errors = {k: error for k, error in whole.errors.items() if k < self.n}
        y = None if whole.y is None else whole.y[: self.n]
        X = whole.X[: self.n]
        if self.copy:
            X = _distort(X, np.random.SeedSequence([self.seed, self.number]), self.strength)
        return Reading(X, y, whole.places[: self.n], errors)


def _distort(
    X: NDArray[np.uint8], seed: np.random.SeedSequence, strength: DistortionStrength
) -> NDArray[np.uint8]:
    """Distort every row of X (n, 784) in a way of its own."""
    drawn = draw_distortions(len(X), strength, np.random.RandomState(np.random.MT19937(seed)))
    distorted = np.empty((len(X), *IMAGE_SHAPE), np.uint8)
    for first in range(0, len(X), _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, len(X)))
        images = as_images(X[rows], IMAGE_SHAPE)
        distorted[rows] = np.rint(apply_distortions(images, drawn[rows]) * 255)
    return distorted.reshape(X.shape)
