"""Numbers that were not read surely: kept as pictures and a table to type into, to learn from."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ovr_digits.api import read
from ovr_digits.core.arrays import Array, Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.data.corrections import image_of
from ovr_digits.errors import DigitsError
from ovr_digits.files import read_bytes, write_bytes
from ovr_digits.picture.answers import NumberAnswer
from ovr_digits.picture.expected import SIGNS, Expected
from ovr_digits.picture.fields import Field
from ovr_digits.progress import Progress, counted

#: In the folder: a row for each picture, and what it says, to be typed under ``text``.
TABLE_NAME = "review.csv"
_COLUMNS = ("picture", "file", "page", "line", "read", "text")

_MAX_BYTES = 100_000_000
#: Paper about a field, in its heights.
_MARGIN = 0.4
#: What may be typed beside digits.
_BESIDE = {*SIGNS, " "}

_SILENT = Progress()


class Review:
    """Writes each field that is not sure as a picture, and in the end ``TABLE_NAME``.

    Parameters
    ----------
    folder : path
        Made where it is missing.

    Attributes
    ----------
    table : path

    Raises
    ------
    DigitsError
        Where the folder holds a review already: what was typed there would be lost.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self.table = self._folder / TABLE_NAME
        if self.table.exists():
            raise DigitsError(f"{folder}: holds a {TABLE_NAME} already; name another folder")
        self._rows: list[list[object]] = []

    def add(self, number: NumberAnswer) -> None:
        """Write the pictures of a page of a file.

        Raises
        ------
        DigitsError
            Where the folder cannot be written.
        """
        for field in number.fields:
            if field.verdict != "sure":
                picture = f"{len(self._rows) + 1:05}.png"
                content = io.BytesIO()
                _cut(number, field).save(content, "PNG")
                self._write(picture, content.getvalue())
                self._rows.append(
                    [picture, number.path, number.page, field.line + 1, field.text, ""]
                )

    def finish(self) -> int:
        """Write the table, which comes last: whatever it names is there. Gives its rows.

        Raises
        ------
        DigitsError
            Where the folder cannot be written.
        """
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerows([_COLUMNS, *self._rows])
        self._write(TABLE_NAME, table.getvalue().encode())
        return len(self._rows)

    def _write(self, name: str, content: bytes) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            write_bytes(self._folder / name, content)
        except OSError as error:
            reason = error.strerror or error
            raise DigitsError(f"{self._folder}: cannot be written ({reason})") from None


def _cut(number: NumberAnswer, field: Field) -> Image.Image:
    """The picture of a field, as it was read: upright, with paper about it."""
    x, y, w, h = np.array(field.box) * number.scale
    margin = _MARGIN * min(w, h)
    box = np.array([y - margin, x - margin, y + h + margin, x + w + margin]).round().astype(int)
    top, left, bottom, right = box.clip(0, [*number.picture.shape[:2]] * 2)
    picture = image_of(number.picture[top:bottom, left:right])
    return picture.rotate(number.turn, expand=True, fillcolor="white")


def load_review(
    folder: str | os.PathLike[str],
    models: DetectorArrays,
    passed_over: Callable[[str], None] = lambda reason: None,
    progress: Progress = _SILENT,
) -> tuple[Grey, Array]:
    """Read what was typed: the digits of the pictures, (n, 784) uint8, and their labels (n,).

    Each picture is read again as the number of digits that it is known to have, and the digits
    typed are put to those found, from left to right. ``passed_over`` is told in one line of each
    picture to which they do not fit.

    Parameters
    ----------
    folder : path
        See ``Review``.
    models : DetectorArrays
        To find the digits with.

    Raises
    ------
    DigitsError
        Where nothing was typed, the table cannot be read, or nothing fits.
    """
    path = Path(folder) / TABLE_NAME
    try:
        text = read_bytes(path, _MAX_BYTES).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (DigitsError, UnicodeDecodeError, csv.Error) as error:
        raise DigitsError(f"{path}: cannot be read ({error})") from None
    typed = [(k, row) for k, row in enumerate(rows, 2) if (row.get("text") or "").strip()]
    if not typed:
        raise DigitsError(f'{path}: nothing is typed in its column "text"')
    X, y = [], []
    progress.stage("reading the typed numbers", len(typed))
    for line, row in typed:
        try:
            images, digits = _digits_of(path.parent, row, models)
        except DigitsError as error:
            passed_over(f"{path}, line {line} passed over: {error}")
        else:
            X += images
            y += digits
        progress.advance(1)
    if not X:
        raise DigitsError(f"{path}: none of what is typed fits its picture")
    return np.array(X).reshape(len(X), -1), np.array(y, np.uint8)


def _digits_of(
    folder: Path, row: Mapping[str, str | None], models: DetectorArrays
) -> tuple[list[Grey], list[int]]:
    """The images of the digits of a row's picture, and what they are."""
    name, text = row.get("picture") or "", (row.get("text") or "").strip()
    digits = [c for c in text if c not in _BESIDE]
    if not digits or not all(c.isascii() and c.isdigit() for c in digits):
        raise DigitsError(f"{text!r} is no number; type its digits, and the signs if you like")
    if Path(name).name != name or not (folder / name).is_file():
        raise DigitsError(f"{name!r}: no such file in the folder")
    expected = Expected(length=str(len(digits)), lines=1)
    number = read(folder / name, models=models, expected=expected)
    if len(number.fields) != 1 or not number.fields[0].fits:
        many = counted(len(digits), "digit")
        raise DigitsError(f"{name}: its ink hardly is {many}, as {text!r} is; look at it again")
    return [found.image for found in number.digits], [int(c) for c in digits]
