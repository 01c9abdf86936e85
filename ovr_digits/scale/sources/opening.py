"""Where digits come from when there are many: IDX, folders of pictures, Parquet, distortion."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ovr_digits.core.arrays import Grey
from ovr_digits.core.distortion import MEDIUM, apply_distortions, draw_distortions
from ovr_digits.core.features import as_images
from ovr_digits.data.idx import GZIP_MAGIC, IDX_MAGIC
from ovr_digits.data.splits import Dataset, Split, load_split, place_in_use
from ovr_digits.errors import DigitsError
from ovr_digits.files import is_same_file, read_bytes
from ovr_digits.picture.decoding import endings
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.progress import Progress
from ovr_digits.scale.sources.files import find_below, shown
from ovr_digits.scale.sources.folder import PictureIndex, open_folder
from ovr_digits.scale.sources.idx import IdxPiece, labels_beside, open_idx
from ovr_digits.scale.sources.pieces import (
    PIECE,
    LazyPieces,
    Piece,
    Reading,
    Source,
    fingerprint,
)

#: How Parquet files begin.
_PARQUET_MAGIC = b"PAR1"
#: Images that are distorted at a time: as many as stay in the processor's cache.
_BLOCK = 32
#: Words in the names of test parts.
_TEST_WORDS = frozenset({b"test", b"testing", b"t10k"})
_SILENT = Progress()


def open_source(path: str | os.PathLike[str], *, labelled: bool) -> Source:
    """See what lies at a path: IDX files, Parquet files or pictures, told by what is there.

    Parameters
    ----------
    path : path
        A file of IDX images (with the labels beside it) or Parquet, or a folder with any number
        of these, or of pictures, at any depth.
    labelled : bool
        Whether the labels are needed, as for training. Then pictures have to lie in folders 0
        to 9, and files that are named a test part are left out where there are others.

    Raises
    ------
    DigitsError
        Where nothing can be read there, or labels are needed and there are none.
    """
    path = Path(path)
    if path.is_dir():
        return _open_below(path, labelled)
    try:
        start = read_bytes(path, len(_PARQUET_MAGIC), wait=False)
    except DigitsError as error:
        raise DigitsError(f"{path}: {error}") from None
    if start.startswith(_PARQUET_MAGIC):
        from ovr_digits.scale.sources.parquet import open_parquet

        return open_parquet(str(path), path.parent, [path], labelled)
    if not start.startswith((IDX_MAGIC, GZIP_MAGIC)) and start:
        raise DigitsError(f"{path}: neither IDX nor Parquet; pictures are read by their folder")
    return open_idx(str(path), path.parent, [path], labelled)


def _open_below(folder: Path, labelled: bool) -> Source:
    """Open all files of a folder, which have to be of one kind."""
    of_pictures = endings()
    pictures = PictureIndex()
    others: dict[str, list[bytes]] = {"IDX": [], "Parquet": []}
    for file in find_below(folder):
        if file.ending in of_pictures:
            pictures.add(file)
        elif file.ending == ".parquet":
            others["Parquet"].append(file.name)
        elif b"idx3" in file.name.rpartition(b"/")[2]:
            others["IDX"].append(file.name)
    examples = {kind: names[0] for kind, names in others.items() if names}
    if pictures.names:
        examples["pictures"] = pictures.names[0]
    if len(examples) > 1:
        told = ", ".join(f"{kind} ({shown(name)})" for kind, name in examples.items())
        raise DigitsError(f"{folder}: holds {told}; name a folder with one kind")
    if not examples:
        raise DigitsError(f"{folder}: no pictures, no IDX and no Parquet files in this folder")
    if pictures.names:
        return open_folder(str(folder), folder, pictures, labelled)
    (kind,) = examples
    names, name, opener = others[kind], str(folder), open_idx
    if kind == "IDX":  # unpacking may leave both
        names = [n for n in names if not (n.endswith(b".gz") and n[:-3] in names)]
    if labelled and (learnt := [n for n in names if not _is_test_part(n)]) and learnt != names:
        names, name = learnt, f"{name}, but for its test part"
    if kind == "Parquet":
        from ovr_digits.scale.sources.parquet import open_parquet as opener
    return opener(name, folder, [folder / os.fsdecode(n) for n in names], labelled)


def _is_test_part(name: bytes) -> bool:
    """Whether a file, or a folder that it is in, is called so."""
    return not _TEST_WORDS.isdisjoint(re.split(rb"[^a-z0-9]+", name.lower()))


def is_part_of(file: Path, path: Path) -> bool:
    """Whether a file is, or would be if it were there, of what ``open_source`` reads at a path."""
    if path.is_dir():
        ending, name = file.suffix.lower(), file.name.lower()
        is_read = ending in endings() or ending == ".parquet" or "idx" in name
        return is_read and file.resolve().is_relative_to(path.resolve())
    beside = None if path.suffix == ".parquet" else labels_beside(path)
    return any(is_same_file(file, one) for one in (path, beside) if one is not None)


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
    pieces = [
        _DatasetPiece(dataset, folder, range(n)[start : start + PIECE], number)
        for number, start in enumerate(range(0, n, PIECE))
    ]
    name = "MNIST" if dataset == "mnist" else split.source
    return Source(name, pieces, n, has_labels=True, digest=split.digest)


@dataclass(frozen=True)
class _DatasetPiece:
    """Consecutive digits of the training part."""

    dataset: Dataset
    folder: str | None
    rows: range
    origin: int

    @property
    def n(self) -> int:
        return len(self.rows)

    def read(self) -> Reading:
        split = _training_part(self.dataset, self.folder)
        taken = slice(self.rows.start, self.rows.stop)
        return Reading(split.X[taken], split.y[taken], [(self.dataset, k) for k in self.rows], {})


@lru_cache(maxsize=1)
def _training_part(dataset: Dataset, folder: str | None) -> Split:
    """Loaded once in each process."""
    return load_split(dataset, "train", folder)


# --- small sources ---------------------------------------------------------------------------


def finely(source: Source, n_pieces: int) -> Source:
    """The same digits in so many pieces at least, as far as they go.

    Each is read by reading the whole piece that it is a part of, but for rows of IDX.
    """
    if len(source.pieces) >= n_pieces:
        return source
    size = max(1, source.n // n_pieces)
    parts = [
        (piece, first, min(size, piece.n - first))
        for piece in source.pieces
        for first in range(0, piece.n, size)
    ]
    return replace(source, pieces=[_part(*part, k) for k, part in enumerate(parts)])


def _part(whole: Piece, first: int, n: int, origin: int) -> Piece:
    if isinstance(whole, IdxPiece):
        return replace(whole, rows=whole.rows[first : first + n], origin=origin)
    return _Part(whole, first, n, origin)


@dataclass(frozen=True)
class _Part:
    """Some consecutive digits of a piece, as they are or, with a seed, distorted."""

    whole: Piece
    first: int
    n: int
    origin: int
    seed: tuple[int, int] | None = None

    def read(self) -> Reading:
        whole, rows = self.whole.read(), slice(self.first, self.first + self.n)
        X, y = whole.X[rows], None if whole.y is None else whole.y[rows]
        if self.seed is not None:
            X = _distort(X, np.random.SeedSequence(self.seed))
        errors = {k - self.first: error for k, error in whole.errors.items()}
        errors = {k: error for k, error in errors.items() if 0 <= k < self.n}
        return Reading(X, y, whole.places[rows], errors)


# --- the stream of distorted digits ----------------------------------------------------------


def distorted(source: Source, n: int, seed: int) -> Source:
    """A stream of n digits: those of a source as they are, then copies, each distorted anew.

    Parameters
    ----------
    source : Source
    n : int
        Where it is less than the source has, the stream is its first n digits.
    seed : int
        At least 0. A piece is drawn from this and its own number alone, whoever reads it.
    """
    ends = np.cumsum([piece.n for piece in source.pieces])
    passes, rest = divmod(n, max(1, source.n))
    n_pieces = passes * len(ends)
    if rest:
        n_pieces += int(np.searchsorted(ends, rest)) + 1

    def make(_: int, number: int, __: int) -> Piece:
        copy, origin = divmod(number, len(ends))
        base = source.pieces[origin]
        start = copy * source.n + int(ends[origin]) - base.n
        drawn = (seed, number) if copy else None
        return _Part(base, 0, min(base.n, n - start), base.origin, drawn)

    return Source(
        name=f"{source.name}, distorted",
        pieces=LazyPieces([n_pieces], make),
        n=n,
        has_labels=source.has_labels,
        digest=fingerprint(["distorted", source.digest, n, seed, MEDIUM]),
    )


def _distort(X: Grey, seed: np.random.SeedSequence) -> Grey:
    """Distort every row of X (n, 784) in a way of its own."""
    drawn = draw_distortions(len(X), MEDIUM, np.random.RandomState(np.random.MT19937(seed)))
    distorted = np.empty((len(X), *IMAGE_SHAPE), np.uint8)
    for first in range(0, len(X), _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, len(X)))
        images = as_images(X[rows], IMAGE_SHAPE)
        distorted[rows] = np.rint(apply_distortions(images, drawn[rows]) * 255)
    return distorted.reshape(X.shape)
