"""Corrected pictures, kept with the digits they really show or as no digit, to learn from later."""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Callable, Container
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Grey
from ovr_digits.core.vote import Vote
from ovr_digits.errors import DigitsError
from ovr_digits.files import read_bytes, remove_abandoned, write_bytes
from ovr_digits.picture.digit import find_digit
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.picture.photo import Photo
from ovr_digits.progress import Progress

#: In the folder: a JSON object on each line, with the keys file, label, time and answer; label is
#: null where the picture shows no digit. A page that was taught saves a file of such lines, which
#: have the key image, 28 rows of 28 grey levels in MNIST form, in place of file.
FILE_NAME = "corrections.jsonl"
#: Pictures that a folder takes unless told otherwise.
MAX_KEPT = 10_000

_MAX_BYTES = 100_000_000
_DIGITS = range(10)
#: Among loaded labels, that of a picture that shows no digit.
NO_DIGIT = 10
#: The grey level of full ink.
_FULL = 255
#: Characters that are shown of the name of a file that is not there.
_SHOWN = 60

_SILENT = Progress()


def keep_correction(
    folder: str | os.PathLike[str],
    picture: bytes,
    label: int | None,
    answer: Vote,
    max_kept: int = MAX_KEPT,
) -> str:
    """Keep a picture file's content and the digit that it really shows; gives the file's name.

    The label is None where it shows no digit.

    The picture is stored anew as PNG, upright, reduced to ``photo.WORKING_SIDE``
    and without metadata, and only then named in ``FILE_NAME``. So whatever ends
    the program leaves no line without its picture, and a line that was not
    finished does not spoil the next. Several processes may keep at once, and go
    a few beyond ``max_kept``. The folder is made where it is missing.

    Raises
    ------
    DigitsError
        Where the label is no digit, the picture cannot be read or is blank,
        the folder is full or cannot be written.
    """
    if label is not None and label not in _DIGITS:
        raise DigitsError(f"{label} is not a digit; give one of 0 to 9")
    content = _encode(Photo(picture).whole.levels)
    if not find_digit(content).image.any():
        raise DigitsError("the picture is blank: there is nothing to learn from it")
    folder = Path(folder)
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}.png"
    line = {
        "file": name,
        "label": None if label is None else int(label),
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "answer": answer.as_json(),
    }
    try:
        folder.mkdir(exist_ok=True)
        remove_abandoned(folder)
        if sum(entry.name.endswith(".png") for entry in os.scandir(folder)) >= max_kept:
            raise DigitsError(f"{folder}: full ({max_kept:,} pictures); train, then empty it")
        # Opened first: what syncs the picture's name then syncs the name of this file too.
        with (folder / FILE_NAME).open("a+b", buffering=0) as log:
            write_bytes(folder / name, content)
            try:
                _append_line(log, json.dumps(line).encode())
                if not os.path.samestat(os.fstat(log.fileno()), (folder / FILE_NAME).stat()):
                    raise OSError("another file is in the place of its list")
            except OSError:
                (folder / name).unlink(missing_ok=True)
                raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DigitsError(f"{folder}: the picture cannot be kept there ({reason})") from None
    return name


def _encode(levels: Grey) -> bytes:
    """A picture (h, w, 3) as PNG."""
    content = io.BytesIO()
    image_of(levels).save(content, "PNG")
    return content.getvalue()


def image_of(levels: Grey) -> Image.Image:
    """A picture (h, w, 3) to store, in grey where it has no colour."""
    has_colour = (levels != levels[..., :1]).any()
    return Image.fromarray(levels if has_colour else levels[..., 0])


def _append_line(log: io.FileIO, line: bytes) -> None:
    """Add a line to an unbuffered file in one write, which those of others cannot split."""
    if size := log.seek(0, os.SEEK_END):
        log.seek(size - 1)
        if log.read(1) != b"\n":  # somebody died in the middle of a line
            line = b"\n" + line
    line += b"\n"
    if log.write(line) < len(line):
        raise OSError("the disk is full")
    os.fsync(log.fileno())


def load_corrections(
    source: str | os.PathLike[str],
    passed_over: Callable[[str], None] = lambda reason: None,
    progress: Progress = _SILENT,
) -> tuple[Grey, Grey]:
    """Read the kept pictures, (n, 784) uint8 in MNIST form, and their labels, (n,) uint8.

    A label is a digit or ``NO_DIGIT``. ``source`` is the folder, or the file that names them.
    Of a picture that was kept more than once the last label counts, and its place.
    ``passed_over`` is told in one line of each line of the file that could not be used.

    Raises
    ------
    DigitsError
        Where there is no such folder or file, nothing was kept in it, or none of it can be used.
    """
    source = Path(source)
    path = source if source.is_file() else source / FILE_NAME
    folder = path.parent
    if not folder.is_dir():
        raise DigitsError(f"{folder}: no such folder; ovr-digits draw --keep {folder} makes it")
    if not path.is_file():
        raise DigitsError(f"{folder}: it holds no {FILE_NAME}, so no corrections were kept there")
    try:
        content = read_bytes(path, _MAX_BYTES)
    except DigitsError as error:
        raise DigitsError(f"{path}: {error}") from None
    if len(content) > _MAX_BYTES:
        raise DigitsError(f"{path}: over {_MAX_BYTES // 1_000_000} MB; keep fewer corrections")
    lines = content.split(b"\n")
    # Of what a line names, only files that lie here: no links, and nothing elsewhere.
    names = {entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)}
    progress.stage("reading the kept pictures", len(lines))
    labels: dict[bytes, int] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                image, label = _read_line(folder, names, line)
            except DigitsError as error:
                passed_over(f"{path}, line {number} passed over: {error}")
            else:
                labels.pop(image, None)  # so that the latest correction is the last
                labels[image] = label
        progress.advance(1)
    if not labels:
        raise DigitsError(f"{source}: none of the corrections in it can be used")
    X = np.frombuffer(b"".join(labels), np.uint8).reshape(len(labels), -1)
    return X, np.array(list(labels.values()), np.uint8)


def _read_line(folder: Path, names: Container[str], line: bytes) -> tuple[bytes, int]:
    """The image of a kept picture, 784 bytes, and its label; its file must be among the names."""
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise DigitsError("not a whole JSON object")
    name, label = entry.get("file"), entry.get("label", "")
    if label is None:
        label = NO_DIGIT
    elif type(label) is not int or label not in _DIGITS:
        raise DigitsError("its label is not a digit 0 to 9, or null for no digit")
    if "image" in entry:
        return _levels_of(entry["image"]), label
    if not isinstance(name, str) or name not in names:
        raise DigitsError(f"{str(name)[:_SHOWN]!r}: no such file in the folder")
    try:
        image = find_digit(folder / name).image
    except DigitsError as error:
        raise DigitsError(f"{name!r}: {error}") from None
    if not image.any():
        raise DigitsError(f"{name!r}: the picture is blank")
    return image.tobytes(), label


def _levels_of(rows: Any) -> bytes:
    """The 784 bytes of an image that is given as rows of grey levels."""
    height, width = IMAGE_SHAPE
    if not isinstance(rows, list) or len(rows) != height:
        raise DigitsError(f"its image is not {height} rows")
    levels = [level for row in rows if isinstance(row, list) and len(row) == width for level in row]
    if len(levels) != height * width or any(type(level) is not int for level in levels):
        raise DigitsError(f"its image is not rows of {width} whole numbers")
    if not all(0 <= level <= _FULL for level in levels) or not any(levels):
        raise DigitsError(f"its image is blank, or has grey levels beyond 0 to {_FULL}")
    return bytes(levels)
