"""Answers on their way to a file: a folder of shards that outlives an interrupted run."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

from ovr_digits.errors import DigitsError
from ovr_digits.files import locked, remove_abandoned, replacing, write_bytes
from ovr_digits.scale.arrow import pa, pq
from ovr_digits.scale.rows import ENDINGS, SPREAD_VOTES, csv_text, formula_free, json_line

#: Rows in a row group of the file that is put together.
ROW_GROUP = 65_536
#: Files in the folder: what the run was asked for, and the lock of a run at work.
_REQUEST, _LOCK = "run.json", "lock"
_SHARD = re.compile(r"(\d{9})-(\d{9})\.parquet")


class Shards:
    """The finished pieces of one file; each shard holds consecutive ones, as Parquet.

    The folder has the name of the file to be and ``.partial``.
    """

    def __init__(self, output: Path, schema: pa.Schema) -> None:
        self._output, self._schema = output, schema
        self.folder = output.with_name(f"{output.name}.partial")

    @contextlib.contextmanager
    def opened(self, request: Mapping[str, str]) -> Iterator[None]:
        """Take the folder for this run alone, and go on with what is in it.

        Where the run fails before anything is finished, the folder is removed.

        Parameters
        ----------
        request : mapping
            What the content depends on, by the names that people know it by.

        Raises
        ------
        DigitsError
            Where another run is at work in it, or it holds work on another
            request, or anything else, or cannot be written.
        """
        with contextlib.ExitStack() as stack:
            with self._writing(self.folder):
                self.folder.mkdir(exist_ok=True)
                stack.callback(self._remove_empty)
                self._check_names()
                try:
                    stack.enter_context(locked(self.folder / _LOCK))
                except BlockingIOError:
                    raise DigitsError(
                        f"{self.folder}: another run is at work here; wait until it has ended, "
                        "or name another --output"
                    ) from None
                remove_abandoned(self.folder)
                self._check_request(dict(request))
            try:
                yield
            except BaseException:
                with contextlib.suppress(OSError, DigitsError):
                    if not self._found():
                        self.remove()
                raise

    def _check_names(self) -> None:
        names = {path.name for path in self.folder.iterdir() if path.suffix != ".part"}
        others = {name for name in names - {_REQUEST, _LOCK} if not _SHARD.fullmatch(name)}
        if others or (names - {_LOCK} and _REQUEST not in names):
            raise DigitsError(
                f"{self.folder}: holds other things than unfinished work; name another --output"
            )

    def _remove_empty(self) -> None:
        with contextlib.suppress(OSError):  # holds unfinished work, or is another run's
            self.folder.rmdir()

    def _check_request(self, request: dict[str, str]) -> None:
        path = self.folder / _REQUEST
        if not self._found():  # nothing is lost with another request
            write_bytes(path, json.dumps(request, indent=1).encode())
            return
        try:
            stored = json.loads(path.read_bytes())
            differences = [name for name in request if stored[name] != request[name]]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise DigitsError(f"{path}: damaged; remove the folder, and all begins anew") from None
        if differences:
            what = " and ".join(f"another {name}" for name in differences)
            raise DigitsError(
                f"{self.folder}: holds unfinished work with {what}; go on with the same, "
                "name another --output, or remove the folder"
            )

    def missing(self, lengths: Sequence[int]) -> list[range]:
        """Which pieces, of so many rows each, are not in any shard, in order.

        Raises
        ------
        DigitsError
            Where a shard does not hold the rows of its pieces.
        """
        gaps, end = [], 0
        for first, last, path in self._found():
            with _reading(path) as file:
                n_rows = file.metadata.num_rows
            if not end <= first < last <= len(lengths) or n_rows != sum(lengths[first:last]):
                raise _damaged(path)
            gaps.append(range(end, first))
            end = last
        return [gap for gap in (*gaps, range(end, len(lengths))) if gap]

    def write(self, first: int, tables: Sequence[pa.Table]) -> None:
        """Keep the rows of consecutive pieces, from number ``first`` on."""
        path = self.folder / f"{first:09d}-{first + len(tables):09d}.parquet"
        with self._writing(path), replacing(path) as temporary, temporary.open("wb") as file:
            table = pa.concat_tables(table.cast(self._schema) for table in tables)
            pq.write_table(table, file, write_page_checksum=True)

    def merge(self, look: Callable[[pa.Table], None]) -> None:
        """Put the file together, a row group at a time, and replace what had its name.

        It is CSV or JSON lines where its ending says so, else Parquet. ``look`` is shown the rows
        of each shard, in order. Where a shard is damaged, or there is no room, the file is as it
        was.
        """
        rest = self._schema.empty_table()
        with (
            self._writing(self._output),
            replacing(self._output) as temporary,
            temporary.open("wb") as file,
            _writer(self._output, file, self._schema) as writer,
        ):
            for _, _, path in self._found():
                with _reading(path) as shard:
                    table = shard.read()
                look(table)
                rest = pa.concat_tables([rest, table])
                while len(rest) >= ROW_GROUP:
                    writer.write_table(rest.slice(0, ROW_GROUP).combine_chunks())
                    rest = rest.slice(ROW_GROUP)
            if len(rest):
                writer.write_table(rest.combine_chunks())

    def remove(self) -> None:
        """Remove the work; ended in the middle of this, the next run does again what it lacks."""
        with self._writing(self.folder):
            for _, _, path in self._found():
                path.unlink()
            (self.folder / _REQUEST).unlink(missing_ok=True)

    def _found(self) -> list[tuple[int, int, Path]]:
        """Every shard: its first piece, the one after its last, and where it is."""
        paths = sorted(self.folder.iterdir())
        matches = [(_SHARD.fullmatch(path.name), path) for path in paths]
        return [(int(match[1]), int(match[2]), path) for match, path in matches if match]

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DigitsError(
                f"{path}: cannot be written ({error.strerror or error}); what is finished stays in "
                f"{self.folder}, and the same command goes on from there"
            ) from None


def _writer(output: Path, file: BinaryIO, schema: pa.Schema) -> Any:
    ending = output.suffix.lower()
    if ending == ".parquet" or ending not in ENDINGS:
        return pq.ParquetWriter(file, schema)
    return _Lines(file, schema.names, is_csv=ending == ".csv")


class _Lines:
    """Writes tables as CSV or JSON lines; used as ``pq.ParquetWriter`` is."""

    def __init__(self, file: BinaryIO, names: Sequence[str], is_csv: bool) -> None:
        self._file, self._names, self._is_csv = file, names, is_csv
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_csv and not self._rows:
            self._put(csv_text([], self._names, SPREAD_VOTES))

    def write_table(self, table: pa.Table) -> None:
        """Write the rows at the end of the file."""
        rows = table.to_pylist()
        if self._is_csv:
            rows = [row | {"file": formula_free(row["file"])} for row in rows]
            self._put(csv_text(rows, self._names, SPREAD_VOTES, headed=not self._rows))
        else:
            self._put("".join(map(json_line, rows)))
        self._rows += len(rows)

    def _put(self, text: str) -> None:
        self._file.write(text.encode())


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[pa.parquet.ParquetFile]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException):
        raise _damaged(path) from None


def _damaged(path: Path) -> DigitsError:
    return DigitsError(f"{path}: damaged; remove this file, and its part is done again")
