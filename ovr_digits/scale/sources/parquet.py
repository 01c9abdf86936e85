"""Digits in Parquet files, in the layout of the Hugging Face hub: pieces are rows of one file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Grey
from ovr_digits.errors import DigitsError
from ovr_digits.picture.digit import read_sample
from ovr_digits.scale.arrow import pa, pq
from ovr_digits.scale.sources.files import find_file, shown, unreachable
from ovr_digits.scale.sources.pieces import (
    PIECE,
    SIZE,
    LazyPieces,
    Piece,
    Reading,
    Source,
    fingerprint,
    make_reading,
)

#: Bytes of a column that are read from a file at once.
_BUFFER = 1 << 18
#: Files that a process keeps open.
_OPEN = 4

#: What a column of labels may be called besides ``label``, in any case.
_LABEL_NAMES = frozenset({"labels", "digit", "digits", "y", "target", "class"})


def open_parquet(name: str, root: Path, files: Sequence[Path], labelled: bool) -> Source:
    """Digits in Parquet files.

    Each has a column ``image``, pictures as bytes or a struct that has them in its field
    ``bytes``, and may have a column ``label`` of digits, as numbers or text. Files are named as
    they lie below ``root``; ``labelled`` is whether labels are needed.
    """
    shards, runs = [], []
    for path in files:
        shard, sizes = _open_shard(root, path, labelled)
        shards.append(shard)
        runs += [(len(shards) - 1, groups, rows) for groups, rows in _runs(sizes)]
    lacking = [shard for shard in shards if shard.label is None]
    # Pictures and nothing else need no remark.
    told = [s for s in lacking if s.has_others or len(lacking) < len(shards)]
    if lacking:
        shards = [replace(shard, label=None) for shard in shards]

    def make(run: int, number: int, origin: int) -> Piece:
        k, groups, rows = runs[run]
        start = number * PIECE
        return _ParquetPiece(
            shards[k], groups, rows[start : start + PIECE], start, origin, labelled
        )

    return Source(
        name=name,
        pieces=LazyPieces([-(-len(rows) // PIECE) for _, _, rows in runs], make),
        n=sum(len(rows) for _, _, rows in runs),
        has_labels=not lacking,
        digest=fingerprint(find_file(path, root) for path in files),
        unused_labels=f"{told[0].name}: {told[0].unlabelled_as}" if told else "",
    )


@dataclass(frozen=True)
class _Shard:
    """A file, named ``name`` below the source.

    ``image`` is the column of the bytes, ``label`` that of the labels, or ``unlabelled_as`` tells
    why there is none.
    """

    path: str
    size: int
    name: str
    image: str
    label: str | None
    unlabelled_as: str
    has_others: bool


def _runs(sizes: Sequence[int]) -> list[tuple[range, range]]:
    """Row groups that are read together, and their rows: small ones together, a large one alone."""
    runs = []
    group = first = end = 0
    for k, size in enumerate(sizes):
        if first < end and end + size > first + PIECE:
            runs.append((range(group, k), range(first, end)))
            group, first = k, end
        end += size
    return [*runs, (range(group, len(sizes)), range(first, end))]


def _open_shard(root: Path, path: Path, labelled: bool) -> tuple[_Shard, list[int]]:
    """A file, and the numbers of rows of its row groups."""
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            schema, metadata = file.schema_arrow, file.metadata
            sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
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
    shard = _Shard(
        path=str(path.absolute()),
        size=path.stat().st_size,
        name=shown(os.fsencode(path.relative_to(root).as_posix())),
        image=image,
        label=label,
        unlabelled_as=unlabelled_as,
        has_others=len(schema.names) > 1,
    )
    return shard, sizes


def _image_column(schema: Any) -> str | None:
    """The column of the bytes of pictures, by the name that selects it alone."""
    if "image" not in schema.names:
        return None
    kind = schema.field("image").type
    if _is_bytes(kind):
        return "image"
    if pa.types.is_struct(kind):
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
    types = pa.types
    if types.is_dictionary(kind):
        return _is_of_digits(kind.value_type)
    tests = types.is_string, types.is_large_string, types.is_integer, types.is_floating
    return any(test(kind) for test in (*tests, types.is_decimal))


def _is_bytes(kind: Any) -> bool:
    types = pa.types
    tests = types.is_binary, types.is_large_binary, types.is_fixed_size_binary
    return any(test(kind) for test in tests)


def _columns(schema: Any) -> str:
    """The first few columns with their types."""
    told = [f"{field.name} ({str(field.type)[:40]})" for field in list(schema)[:4]]
    return ", ".join(told + ["…"] * (len(schema) > 4)) or "no columns"


# --- its pieces ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ParquetPiece:
    """Consecutive rows of a file, which come after so many others in their row groups."""

    shard: _Shard
    groups: range
    rows: range
    before: int
    origin: int
    labelled: bool

    @property
    def n(self) -> int:
        return len(self.rows)

    def read(self) -> Reading:
        shard = self.shard
        columns = (shard.image,) if shard.label is None else (shard.image, shard.label)
        reader = _reader_of(shard.path, shard.size, columns)
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
        labels: list[Any] | None = None
        if shard.label is not None:
            labels = [label for batch in batches for label in _labels(batch.column(shard.label))]
            labels += [None] * (self.n - len(labels))
        places = [(shard.name, row) for row in self.rows]
        return make_reading(X, labels, places, errors, self.labelled)


def _pictures(batch: Any) -> list[bytes | None]:
    column = batch.column("image")
    if pa.types.is_struct(column.type):
        (column,) = column.flatten()
    return column.to_pylist()


def _labels(column: Any) -> list[Any]:
    """As they are; text that is no UTF-8 is escaped."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        texts = column.cast(pa.large_binary()).to_pylist()
        return [text if text is None else text.decode(errors="backslashreplace") for text in texts]


def _sample(data: bytes | None) -> Grey:
    if data is None:
        raise DigitsError("there is no picture in this row")
    return read_sample(data).ravel()


class _Reader:
    """The rows of an open file; to go on where the last reading ended costs least."""

    def __init__(self, path: str, columns: tuple[str, ...]) -> None:
        self._file = pq.ParquetFile(path, memory_map=False, buffer_size=_BUFFER, pre_buffer=False)
        self._columns = list(columns)
        self._groups, self._position = range(0), 0
        self._batches: Iterator[Any] = iter(())
        # A Dask worker may have several threads.
        self._lock = threading.Lock()

    def read(self, groups: range, start: int, stop: int) -> tuple[list[Any], str]:
        """Batches of rows counted from the first of some row groups; why some are missing."""
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
            except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
                self._groups = range(0)
                return taken, f"this part of the Parquet file is damaged ({_one_line(error)})"
            if self._position > stop:  # the rest of the batch is wanted again
                self._groups = range(0)
        return taken, ""


def _reader_of(path: str, size: int, columns: tuple[str, ...]) -> _Reader:
    try:
        state = Path(path).stat()
        if state.st_size != size:
            raise unreachable(path, f"{state.st_size:,} bytes in place of {size:,}")
        return _open_reader(path, columns, state.st_mtime_ns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreachable(path, error) from None


@lru_cache(maxsize=_OPEN)
def _open_reader(path: str, columns: tuple[str, ...], _time: int) -> _Reader:
    """Opened once in each process, and again when the file has been written since."""
    return _Reader(path, columns)


def _one_line(error: Exception) -> str:
    """The first line of what pyarrow says, which may go on for long."""
    lines = str(error).splitlines()
    return lines[0][:150] if lines else "fewer rows than it states"
