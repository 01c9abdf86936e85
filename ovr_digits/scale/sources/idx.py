"""Digits in IDX files of any size: pieces are rows, mapped into memory when they are read."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ovr_digits.core.arrays import Grey
from ovr_digits.data.idx import GZIP_MAGIC, HEADER_BYTES, parse_header, read_idx
from ovr_digits.errors import DigitsError
from ovr_digits.files import quoted, read_bytes
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.scale.sources.files import find_file, shown, unreachable
from ovr_digits.scale.sources.pieces import (
    PIECE,
    SIZE,
    LazyPieces,
    Piece,
    Reading,
    Source,
    fingerprint,
    in_mnist_form,
    make_reading,
)

#: Files of compressed labels that a process keeps unpacked.
_UNPACKED = 4


def open_idx(name: str, root: Path, files: Sequence[Path], labelled: bool) -> Source:
    """Digits in IDX files of 28×28 images, which are named as they lie below ``root``.

    Their labels lie beside them, compressed or not, or nowhere; ``labelled`` is whether they are
    needed.
    """
    pairs = [_open_pair(root, path, labelled) for path in files]
    lacking = [pair.name for pair in pairs if pair.labels is None]
    unused = f"there are none beside {lacking[0]}" if 0 < len(lacking) < len(pairs) else ""
    opened = [file for pair in pairs for file in (pair.images, pair.labels) if file is not None]
    digest = fingerprint(find_file(Path(file.path), root.absolute()) for file in opened)
    if lacking:
        pairs = [replace(pair, labels=None) for pair in pairs]

    def make(file: int, number: int, origin: int) -> Piece:
        pair = pairs[file]
        rows = range(pair.n)[number * PIECE : (number + 1) * PIECE]
        return IdxPiece(pair, rows, origin, labelled)

    return Source(
        name=name,
        pieces=LazyPieces([-(-pair.n // PIECE) for pair in pairs], make),
        n=sum(pair.n for pair in pairs),
        has_labels=not lacking,
        digest=digest,
        unused_labels=unused,
    )


def labels_beside(images: Path) -> Path | None:
    """Where the labels of a file of images should be, by its name; None where it does not say.

    Where there is no such file but a compressed one, it is that, with .gz at the end.
    """
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    if name == images.name:
        return None
    plain, packed = images.with_name(name), images.with_name(f"{name}.gz")
    return packed if packed.exists() and not plain.exists() else plain


@dataclass(frozen=True)
class _File:
    """An IDX file whose header is sound; its numbers begin at ``start``, or are compressed."""

    path: str
    shape: tuple[int, ...]
    start: int | None

    def rows(self, rows: range) -> Grey:
        """Read some rows, and only these where the file is not compressed."""
        if self.start is None:
            try:
                unpacked = _unpacked(self.path, Path(self.path).stat().st_mtime_ns)
            except (OSError, DigitsError) as error:
                raise unreachable(self.path, error) from None
            if unpacked.shape != self.shape:
                raise unreachable(self.path, "another number of labels")
            return unpacked[rows.start : rows.stop]
        size = math.prod(self.shape[1:])
        start, shape = self.start + rows.start * size, (len(rows), *self.shape[1:])
        try:
            return np.array(np.memmap(self.path, np.uint8, "r", start, shape))
        except (OSError, ValueError) as error:  # ValueError where it has become shorter
            raise unreachable(self.path, error) from None


@lru_cache(maxsize=_UNPACKED)
def _unpacked(path: str, _time: int) -> Grey:
    """Unpacked once in each process, and again when the file has been written since."""
    return read_idx(path)


@dataclass(frozen=True)
class _Pair:
    """Images, named ``name`` below the source, and their labels."""

    name: str
    images: _File
    labels: _File | None

    @property
    def n(self) -> int:
        return self.images.shape[0]


@dataclass(frozen=True)
class IdxPiece:
    """Consecutive digits of a file."""

    pair: _Pair
    rows: range
    origin: int
    labelled: bool

    @property
    def n(self) -> int:
        """How many digits."""
        return len(self.rows)

    def read(self) -> Reading:
        """Read the digits, see ``Piece``."""
        X = in_mnist_form(self.pair.images.rows(self.rows).reshape(self.n, SIZE))
        labels = None if self.pair.labels is None else self.pair.labels.rows(self.rows).tolist()
        places = [(self.pair.name, row) for row in self.rows]
        return make_reading(X, labels, places, {}, self.labelled)


def _open_pair(root: Path, path: Path, labelled: bool) -> _Pair:
    images = _open_file(path)
    if images.shape[1:] != IMAGE_SHAPE:
        raise DigitsError(f"{path}: not images of 28×28 pixels")
    beside = labels_beside(path)
    labels = None
    if beside is not None and beside.exists():
        labels = _open_labels(beside)
        if len(labels.shape) != 1:
            raise DigitsError(f"{beside}: not a list of labels")
        if labels.shape != images.shape[:1]:
            raise DigitsError(
                f"{beside}: {labels.shape[0]:,} labels for {images.shape[0]:,} images"
            )
    elif labelled:
        what = f"there is no {beside.name}" if beside else "images… has its labels in labels…"
        raise DigitsError(f"{path}: training needs labels, and {what}")
    return _Pair(shown(os.fsencode(path.relative_to(root).as_posix())), images, labels)


def _open_labels(path: Path) -> _File:
    """Labels are small: they may be compressed."""
    if path.suffix != ".gz":
        return _open_file(path)
    return _File(str(path.absolute()), read_idx(path).shape, None)


def _open_file(path: Path) -> _File:
    """Check the header; the numbers are left where they are."""
    try:
        head = read_bytes(path, HEADER_BYTES, wait=False)
        n_bytes = path.stat().st_size
    except DigitsError as error:
        raise DigitsError(f"{path}: {error}") from None
    if head.startswith(GZIP_MAGIC):
        raise DigitsError(
            f"{path}: compressed; unpack it first: python -m gzip -d {quoted(str(path))}"
        )
    shape, start = parse_header(head, n_bytes, str(path))
    return _File(str(path.absolute()), shape, start)
