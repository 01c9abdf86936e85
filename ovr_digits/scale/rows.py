"""Rows of answers as a file: CSV, JSON lines or Parquet, by its ending."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from ovr_digits.errors import DigitsError
from ovr_digits.files import replacing

Row = Mapping[str, Any]
#: Columns and what they hold: str, int, float, or lists of these; all may be None.
Columns = Mapping[str, Any]

#: Endings of the names of tables.
ENDINGS = {".csv": "CSV", ".jsonl": "JSON lines", ".ndjson": "JSON lines", ".parquet": "Parquet"}
#: The columns that the ten votes have in CSV.
SPREAD_VOTES = {"votes": [f"vote_{digit}" for digit in range(10)]}
#: With what a spreadsheet takes a text for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def kind_of(path: Path) -> str:
    """What a name's ending says a table is; raises DigitsError where it says nothing."""
    kind = ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise DigitsError(f"{path}: no table ends so; use .csv, .jsonl or .parquet")
    return kind


def writable_name(name: str) -> str:
    """A file's name as text that any file can hold, and that no spreadsheet takes for a formula.

    Bytes that are no UTF-8 become a backslash, x and two digits each.
    """
    return formula_free(os.fsencode(name).decode("utf-8", "backslashreplace"))


def formula_free(name: str) -> str:
    """A name such as "=1.png" with "./" before it, which leads to the same file."""
    return f"./{name}" if name.startswith(_FORMULA) and name != "-" else name


def write_rows(
    path: Path, rows: Sequence[Row], columns: Columns, spread: Mapping[str, Sequence[str]]
) -> None:
    """Replace a file by one with these rows, or leave it as it was.

    Parameters
    ----------
    path : Path
        Its ending says what is written, see ``kind_of``.
    rows : sequence of mappings
    columns : mapping
        The type of what a column holds, by its name: str, int, float, or a list of one of them.
        JSON lines hold the rows as they are.
    spread : mapping
        Lists that have columns of their own in CSV, with the headings of these. Of others the
        parts stand in one column, with spaces between them.

    Raises
    ------
    DigitsError
        Where it cannot be written, or needs what is not installed.
    """
    kind = kind_of(path)
    try:
        with replacing(path) as temporary:
            if kind == "Parquet":
                _write_parquet(temporary, rows, columns)
            elif kind == "CSV":
                text = csv_text(rows, list(columns), spread)
                # Spreadsheets take what begins with this mark for UTF-8; plain text needs none.
                encoding = "utf-8" if text.isascii() else "utf-8-sig"
                temporary.write_text(text, encoding, newline="")
            else:
                temporary.write_text("".join(map(json_line, rows)), "utf-8", newline="")
    except OSError as error:
        raise DigitsError(f"{path}: cannot be written ({error.strerror or error})") from None


def json_line(row: Row) -> str:
    """A row as a line of JSON lines."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def csv_text(
    rows: Iterable[Row],
    columns: Sequence[str],
    spread: Mapping[str, Sequence[str]],
    headed: bool = True,
) -> str:
    """Rows as CSV, under a line of headings if they are ``headed``; see ``write_rows``."""
    file = io.StringIO()
    writer = csv.writer(file)
    if headed:
        writer.writerow([head for name in columns for head in spread.get(name, [name])])
    for row in rows:
        cells: list[Any] = []
        for name in columns:
            value = row.get(name)
            if name in spread:
                parts = value or []
                cells += [*parts, *[None] * (len(spread[name]) - len(parts))]
            else:
                cells.append(" ".join(map(str, value)) if isinstance(value, list) else value)
        writer.writerow(cells)
    return file.getvalue()


def _write_parquet(path: Path, rows: Sequence[Row], columns: Columns) -> None:
    from ovr_digits.scale.arrow import pa, pq

    kinds: dict[Any, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    for kind in (list[str], list[int], list[float]):
        kinds[kind] = pa.list_(kinds[get_args(kind)[0]])
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    pq.write_table(pa.Table.from_pylist([*rows], schema), path)
