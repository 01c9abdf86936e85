"""Digits in Parquet files, in the layout of the Hugging Face hub: pieces are rows of one file."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovr_digits.errors import DigitsError
from ovr_digits.image import read_sample
from ovr_digits.scale.files import find_file, shown, unreachable
from ovr_digits.scale.pieces import (
    PIECE,
    SIZE,
    LazyPieces,
    Piece,
    Reading,
    Source,
    checked_labels,
    fingerprint,
)

#: How Parquet files begin.
PARQUET_MAGIC = b"PAR1"

#: Bytes of a column that are read from a file at once.
_BUFFER = 1 << 18
#: Files that a process keeps open.
_OPEN = 4


def open_parquet(name: str, root: Path, files: Sequence[Path], labelled: bool) -> Source:
    """Digits in Parquet files.

    Each has a column ``image``, pictures as bytes or a struct that has them in its field
    ``bytes``, and may have a column ``label`` of integers.

    Parameters
    ----------
    name : str
        Of the source, for people.
    root : Path
        The folder below which files are named.
    files : sequence of Path
    labelled : bool
        Whether labels are needed.

    Raises
    ------
    DigitsError
        Where pyarrow is not installed, or a file is no Parquet of this layout.
    """
    shards = [_open_shard(root, path, labelled) for path in files]
    has_labels = all(shard.has_labels for shard in shards)
    ends = np.cumsum([shard.piece_ends[-1] for shard in shards])
    return Source(
        name=name,
        pieces=LazyPieces(int(ends[-1]), partial(_make_piece, shards, ends, has_labels, labelled)),
        n=sum(int(shard.row_ends[-1]) for shard in shards),
        has_labels=has_labels,
        digest=fingerprint(find_file(path, root) for path in files),
    )


@dataclass(frozen=True, eq=False)
class _Shard:
    """A file. Its row groups are taken in runs: small ones together, a large one alone.

    Attributes
    ----------
    path : str
    size : int
    name : str
        Below the source.
    image : str
        The column of the bytes.
    has_labels : bool
    group_ends, row_ends, piece_ends : (n_runs + 1,) int64
        The row group, the row and the piece before which each run ends; 0 comes first.
    """

    path: str
    size: int
    name: str
    image: str
    has_labels: bool
    group_ends: NDArray[np.int64]
    row_ends: NDArray[np.int64]
    piece_ends: NDArray[np.int64]


def _open_shard(root: Path, path: Path, labelled: bool) -> _Shard:
    pyarrow = import_pyarrow()
    try:
        with pyarrow.parquet.ParquetFile(path, memory_map=False) as file:
            schema, metadata = file.schema_arrow, file.metadata
            sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DigitsError(f"{path}: no sound Parquet file ({_one_line(error)})") from None
    if min(sizes, default=0) < 0 or sum(sizes) != metadata.num_rows:
        raise DigitsError(f"{path}: no sound Parquet file (absurd numbers of rows)")
    types = {field.name: field.type for field in schema}
    image = _image_column(types)
    if image is None:
        raise DigitsError(
            f"{path}: needs a column image of bytes, or of a struct with bytes; "
            f"has {_columns(types)}"
        )
    has_labels = "label" in types and pyarrow.types.is_integer(types["label"])
    if labelled and not has_labels:
        raise DigitsError(
            f"{path}: training needs a column label of integers; has {_columns(types)}"
        )
    group_ends, row_ends = _runs(sizes)
    n_pieces = -(-np.diff(row_ends) // PIECE)
    return _Shard(
        path=str(path.absolute()),
        size=path.stat().st_size,
        name=shown(os.fsencode(path.relative_to(root))),
        image=image,
        has_labels=has_labels,
        group_ends=group_ends,
        row_ends=row_ends,
        piece_ends=np.concatenate([[0], np.cumsum(n_pieces)]),
    )


def _image_column(types: Mapping[str, Any]) -> str | None:
    """The column of the bytes of pictures, by the name that selects it alone."""
    kind = types.get("image")
    if kind is not None and _is_bytes(kind):
        return "image"
    if kind is not None and import_pyarrow().types.is_struct(kind):
        k = kind.get_field_index("bytes")
        if k >= 0 and _is_bytes(kind.field(k).type):
            return "image.bytes"
    return None


def _is_bytes(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )


def _columns(types: Mapping[str, Any]) -> str:
    """The first few columns with their types."""
    told = [f"{name} ({str(kind)[:40]})" for name, kind in list(types.items())[:4]]
    return ", ".join(told + ["…"] * (len(types) > 4)) or "no columns"


def _runs(sizes: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs of row groups end, which have so many rows: in groups, and in rows."""
    group_ends, row_ends, row = [0], [0], 0
    for k, size in enumerate(sizes):
        if row > row_ends[-1] and row + size > row_ends[-1] + PIECE:
            group_ends.append(k)
            row_ends.append(row)
        row += size
    return np.array([*group_ends, len(sizes)]), np.array([*row_ends, row])


# --- its pieces ------------------------------------------------------------------------------


def _make_piece(
    shards: Sequence[_Shard], ends: NDArray[np.int64], has_labels: bool, labelled: bool, number: int
) -> Piece:
    """A piece of the source; ``ends`` tells where those of each file end."""
    k = int(np.searchsorted(ends, number, side="right"))
    shard = shards[k]
    of_file = number - (int(ends[k]) - int(shard.piece_ends[-1]))
    run = int(np.searchsorted(shard.piece_ends, of_file, side="right")) - 1
    groups, rows = (range(*map(int, e[run : run + 2])) for e in (shard.group_ends, shard.row_ends))
    start = (of_file - int(shard.piece_ends[run])) * PIECE
    columns = (shard.image, "label") if has_labels else (shard.image,)
    return _ParquetPiece(
        path=shard.path,
        size=shard.size,
        name=shard.name,
        columns=columns,
        groups=groups,
        rows=rows[start : start + PIECE],
        before=start,
        origin=number,
        labelled=labelled,
    )


@dataclass(frozen=True)
class _ParquetPiece:
    """Consecutive rows of a file, which come after so many others in their row groups."""

    path: str
    size: int
    name: str
    columns: tuple[str, ...]
    groups: range
    rows: range
    before: int
    origin: int
    labelled: bool

    @property
    def n(self) -> int:
        return len(self.rows)

    def read(self) -> Reading:
        reader = _reader_of(self.path, self.size, self.columns)
        batches, damage = reader.read(self.groups, self.before, self.before + self.n)
        pictures = [data for batch in batches for data in _pictures(batch)]
        X = np.zeros((self.n, SIZE), np.uint8)
        errors: dict[int, str] = {}
        for k, data in enumerate(pictures):
            try:
                X[k] = _sample(data)
            except DigitsError as error:
                errors[k] = str(error)
        errors |= dict.fromkeys(range(len(pictures), self.n), damage)
        y = None
        if "label" in self.columns:
            labels = np.full(self.n, -1)
            labels[: len(pictures)] = [k for batch in batches for k in _labels(batch)]
            y, wrong = checked_labels(labels, self.labelled)
            errors = wrong | errors
        return Reading(X, y, [(self.name, row) for row in self.rows], errors)


def _pictures(batch: Any) -> list[bytes | None]:
    column = batch.column("image")
    if import_pyarrow().types.is_struct(column.type):
        (column,) = column.flatten()
    return column.to_pylist()


def _labels(batch: Any) -> list[int]:
    """As they are; -1 where there is none."""
    pyarrow = import_pyarrow()
    labels = batch.column("label").cast(pyarrow.int64(), safe=False)
    return pyarrow.compute.fill_null(labels, -1).to_pylist()


def _sample(data: bytes | None) -> NDArray[np.uint8]:
    if data is None:
        raise DigitsError("there is no picture in this row")
    return read_sample(data).ravel()


class _Reader:
    """The rows of an open file; to go on where the last reading ended costs least."""

    def __init__(self, path: str, columns: tuple[str, ...]) -> None:
        self._file = import_pyarrow().parquet.ParquetFile(
            path, memory_map=False, buffer_size=_BUFFER, pre_buffer=False
        )
        self._columns = list(columns)
        self._groups, self._position = range(0), 0
        self._batches: Iterator[Any] = iter(())
        # A Dask worker may have several threads.
        self._lock = threading.Lock()

    def read(self, groups: range, start: int, stop: int) -> tuple[list[Any], str]:
        """Batches of rows counted from the first of some row groups; why some are missing."""
        pyarrow = import_pyarrow()
        taken: list[Any] = []
        with self._lock:
            if self._groups != groups or self._position > start:
                self._batches = self._file.iter_batches(
                    PIECE, list(groups), self._columns, use_threads=False
                )
                self._groups, self._position = groups, 0
            try:
                while self._position < stop:
                    batch = next(self._batches)
                    first, self._position = self._position, self._position + len(batch)
                    if self._position > start:
                        taken.append(batch[max(start - first, 0) : stop - first])
            except (pyarrow.ArrowException, OSError, ValueError, StopIteration) as error:
                self._groups = range(0)
                return taken, f"this part of the Parquet file is damaged ({_one_line(error)})"
            if self._position > stop:  # the rest of the batch is wanted again
                self._groups = range(0)
        return taken, ""


def _reader_of(path: str, size: int, columns: tuple[str, ...]) -> _Reader:
    pyarrow = import_pyarrow()
    try:
        state = Path(path).stat()
        if state.st_size != size:
            raise unreachable(path, f"{state.st_size:,} bytes in place of {size:,}")
        return _open_reader(path, columns, state.st_mtime_ns)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise unreachable(path, error) from None


@lru_cache(maxsize=_OPEN)
def _open_reader(path: str, columns: tuple[str, ...], _time: int) -> _Reader:
    """Opened once in each process, and again when the file has been written since."""
    return _Reader(path, columns)


# --- pyarrow ---------------------------------------------------------------------------------


def import_pyarrow() -> Any:
    """pyarrow, with the parts that are needed here.

    Raises
    ------
    DigitsError
        Where it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise DigitsError(
            f"Parquet needs pyarrow, which is not installed on {socket.gethostname()}: "
            'pip install "ovr-digits[parquet]"'
        ) from None
    return pyarrow


def _one_line(error: Exception) -> str:
    """The first line of what pyarrow says, which may go on for long."""
    lines = str(error).splitlines()
    return lines[0][:150] if lines else "fewer rows than it states"
