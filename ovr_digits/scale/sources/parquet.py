"""Digits in Parquet files, in the layout of the Hugging Face hub: pieces are rows of one file."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Grey, Integers
from ovr_digits.errors import DigitsError
from ovr_digits.picture.digit import read_sample
from ovr_digits.scale.sources.files import find_file, shown, unreachable
from ovr_digits.scale.sources.pieces import (
    PIECE,
    SIZE,
    LazyPieces,
    Piece,
    Reading,
    Source,
    checked_labels,
    fingerprint,
    without_ink,
)

#: How Parquet files begin.
PARQUET_MAGIC = b"PAR1"

#: Bytes of a column that are read from a file at once.
_BUFFER = 1 << 18
#: Files that a process keeps open.
_OPEN = 4

#: What a column of labels may be called besides ``label``, in any case.
_LABEL_NAMES = frozenset({"labels", "digit", "digits", "y", "target", "class"})


def open_parquet(name: str, root: Path, files: Sequence[Path], labelled: bool) -> Source:
    """Digits in Parquet files.

    Each has a column ``image``, pictures as bytes or a struct that has them in its field
    ``bytes``, and may have a column ``label`` of digits, as numbers or text.

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
    lacking = [shard for shard in shards if shard.label is None]
    # Pictures and nothing else need no remark.
    told = [s for s in lacking if s.has_others or len(lacking) < len(shards)]
    ends = np.cumsum([shard.piece_ends[-1] for shard in shards])
    return Source(
        name=name,
        pieces=LazyPieces(int(ends[-1]), partial(_make_piece, shards, ends, not lacking, labelled)),
        n=sum(int(shard.row_ends[-1]) for shard in shards),
        has_labels=not lacking,
        digest=fingerprint(find_file(path, root) for path in files),
        unused_labels=f"{told[0].name}: {told[0].unlabelled_as}" if told else "",
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
    label : str or None
        The column of the labels, where there is one that can be used.
    unlabelled_as : str
        Why there is none.
    has_others : bool
        Whether there are columns beside ``image``.
    group_ends, row_ends, piece_ends : (n_runs + 1,) int64
        The row group, the row and the piece before which each run ends; 0 comes first.
    """

    path: str
    size: int
    name: str
    image: str
    label: str | None
    unlabelled_as: str
    has_others: bool
    group_ends: Integers
    row_ends: Integers
    piece_ends: Integers


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
    if schema.names.count("image") > 1:
        raise DigitsError(f"{path}: has more than one column image; keep one of them")
    image = _image_column(schema)
    if image is None:
        raise DigitsError(
            f"{path}: needs a column image of bytes, or of a struct with bytes; "
            f"has {_columns(schema)}"
        )
    label, unlabelled_as = _label_column(schema)
    if labelled and label is None:
        raise DigitsError(f"{path}: training needs labels, and {unlabelled_as}")
    group_ends, row_ends = _runs(sizes)
    n_pieces = -(-np.diff(row_ends) // PIECE)
    return _Shard(
        path=str(path.absolute()),
        size=path.stat().st_size,
        name=shown(os.fsencode(path.relative_to(root))),
        image=image,
        label=label,
        unlabelled_as=unlabelled_as,
        has_others=len(schema.names) > 1,
        group_ends=group_ends,
        row_ends=row_ends,
        piece_ends=np.concatenate([[0], np.cumsum(n_pieces)]),
    )


def _image_column(schema: Any) -> str | None:
    """The column of the bytes of pictures, by the name that selects it alone."""
    if "image" not in schema.names:
        return None
    kind = schema.field("image").type
    if _is_bytes(kind):
        return "image"
    if import_pyarrow().types.is_struct(kind):
        k = kind.get_field_index("bytes")
        if k >= 0 and _is_bytes(kind.field(k).type):
            return "image.bytes"
    return None


def _label_column(schema: Any) -> tuple[str | None, str]:
    """The column of the labels, or else why what looks like one is none."""
    names = [name for name in schema.names if name == "label"]
    names = names or [name for name in schema.names if name.lower() in {"label", *_LABEL_NAMES}]
    if not names:
        return None, f"it has no column label; has {_columns(schema)}"
    if len(names) > 1:
        return None, f"columns {' and '.join(names)} may all be its labels; call one label"
    (name,) = names
    kind = schema.field(name).type
    if _is_of_digits(kind):
        return name, ""
    return None, f"column {name} is {str(kind)[:40]}; give numbers or text 0 to 9"


def _is_of_digits(kind: Any) -> bool:
    """Whether a column of this type may hold digits: numbers, or text, or names for these."""
    types = import_pyarrow().types
    if types.is_dictionary(kind):
        return _is_of_digits(kind.value_type)
    is_text = types.is_string(kind) or types.is_large_string(kind)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(is_text or is_number)


def _is_bytes(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )


def _columns(schema: Any) -> str:
    """The first few columns with their types."""
    told = [f"{field.name} ({str(field.type)[:40]})" for field in list(schema)[:4]]
    return ", ".join(told + ["…"] * (len(schema) > 4)) or "no columns"


def _runs(sizes: Sequence[int]) -> tuple[Integers, Integers]:
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
    shards: Sequence[_Shard], ends: Integers, has_labels: bool, labelled: bool, number: int
) -> Piece:
    """A piece of the source; ``ends`` tells where those of each file end."""
    k = int(np.searchsorted(ends, number, side="right"))
    shard = shards[k]
    of_file = number - (int(ends[k]) - int(shard.piece_ends[-1]))
    run = int(np.searchsorted(shard.piece_ends, of_file, side="right")) - 1
    groups, rows = (range(*map(int, e[run : run + 2])) for e in (shard.group_ends, shard.row_ends))
    start = (of_file - int(shard.piece_ends[run])) * PIECE
    return _ParquetPiece(
        path=shard.path,
        size=shard.size,
        name=shard.name,
        image=shard.image,
        label=shard.label if has_labels else None,
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
    image: str
    label: str | None
    groups: range
    rows: range
    before: int
    origin: int
    labelled: bool

    @property
    def n(self) -> int:
        return len(self.rows)

    def read(self) -> Reading:
        columns = (self.image,) if self.label is None else (self.image, self.label)
        reader = _reader_of(self.path, self.size, columns)
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
        if self.label is not None:
            labels = [label for batch in batches for label in _labels(batch.column(self.label))]
            labels += [None] * (self.n - len(labels))
            y, wrong = checked_labels(labels, self.labelled)
            errors = wrong | errors
        if self.labelled:
            errors = without_ink(X) | errors
        return Reading(X, y, [(self.name, row) for row in self.rows], errors)


def _pictures(batch: Any) -> list[bytes | None]:
    column = batch.column("image")
    if import_pyarrow().types.is_struct(column.type):
        (column,) = column.flatten()
    return column.to_pylist()


def _labels(column: Any) -> list[Any]:
    """As they are; text that is no UTF-8 is escaped."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        pyarrow = import_pyarrow()
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        texts = column.cast(pyarrow.large_binary()).to_pylist()
        return [text if text is None else text.decode(errors="backslashreplace") for text in texts]


def _sample(data: bytes | None) -> Grey:
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
