"""Digits of other people's hands, from the UCI repository: found, read, and in MNIST's form.

MNIST's writers are Americans of around 1990; these are from Turkey and Italy. All are free to use
under CC BY 4.0 where their authors are named: ``SETS`` names them.

Environment variable ``OVR_DIGITS_HANDS``: the folder that has their files.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from ovr_digits.core.arrays import Array, Grey, Integers
from ovr_digits.data import splits
from ovr_digits.data.download import at, download, named_mirrors
from ovr_digits.data.idx import read_content
from ovr_digits.data.mnist import FileSet, find_files
from ovr_digits.errors import DigitsError
from ovr_digits.progress import Progress

_UCI = "https://archive.ics.uci.edu"
LICENCE = "CC BY 4.0"
#: How the files may be packed.
ENDINGS = (".gz", ".Z")
_SILENT = Progress()

#: A digit as it was captured: the points (k, 2) int16 of each stroke, or its rows (w,) uint8.
Drawing = list[Array]


@dataclass(frozen=True, eq=False)
class _Content:
    """What a file holds: labels (n,) uint8, writers (n,) int64, and the digits as captured."""

    y: Grey
    writers: Integers
    drawings: Sequence[Drawing]

    def canonical(self) -> bytes:
        """The same bytes for the same labels and digits, however the file spells them."""
        whole = bytearray(self.y.tobytes())
        for drawing in self.drawings:
            whole += struct.pack("<I", len(drawing))
            for part in drawing:
                whole += struct.pack("<I", len(part))
                whole += part.astype(part.dtype.newbyteorder("<")).tobytes()
        return bytes(whole)


@dataclass(frozen=True)
class HandSet:
    """A set of digits in the UCI Machine Learning Repository.

    Attributes
    ----------
    name : str
        What it is called here.
    title : str
        What UCI calls it.
    authors : str
        Whom to name where the set, or what was learnt from it, is used.
    uci : int
        Its number there.
    doi : str
    files : mapping of str to str
        Names, without .gz or .Z, and the SHA-256 of the digits that are in them.
    parse : callable
        Takes the uncompressed content of a file and its name.
    are_strokes : bool
        Pen strokes, which are drawn anew for each copy; else bits.
    """

    name: str
    title: str
    authors: str
    uci: int
    doi: str
    files: Mapping[str, str]
    parse: Callable[[bytes, str], _Content] = field(repr=False)
    are_strokes: bool = False

    @property
    def page(self) -> str:
        """The address where UCI tells of it."""
        return f"{_UCI}/dataset/{self.uci}"

    @property
    def credit(self) -> dict[str, str]:
        """What has to be told where it is used."""
        return {
            "title": self.title,
            "authors": self.authors,
            "licence": LICENCE,
            "page": self.page,
            "doi": self.doi,
        }

    @property
    def file_set(self) -> FileSet:
        """Its files, by which they are found and checked."""
        advice = "name a folder that holds its files with --data-dir or OVR_DIGITS_HANDS"
        return FileSet(self.name, self.files, partial(_digest_of, self.parse), advice, ENDINGS)


@dataclass(frozen=True, eq=False)
class Hands:
    """Labelled digits of other people's hands.

    Attributes
    ----------
    name : str
        One of ``ALL``.
    y : (n,) uint8, read-only
        The digit on each.
    writers : (n,) int64, read-only
        Who wrote it. pendigits tells (30 people for learning, then 14 others). The other two
        do not: in semeion it is the round in which it was collected, each of ten people or
        twenty; in optdigits thirty pieces of equal size, as many as there were people, in the
        order of the file. To leave out such a number leaves out most of some people's digits.
    source : str
        The place they were read from, for people.
    digest : str
        SHA-256 in hex of the labels and digits as they were captured.

    Examples
    --------
    >>> hands = load_hands("pendigits")  # doctest: +SKIP
    >>> hands.images(copy=0, seed=0).shape  # doctest: +SKIP
    (10992, 784)
    """

    name: str
    y: Grey
    writers: Integers
    source: str
    digest: str
    _drawings: Sequence[Drawing] = field(repr=False)

    def __len__(self) -> int:
        return len(self.y)

    def images(
        self,
        copy: int,
        seed: int,
        rows: Integers | None = None,
        n_jobs: int | None = -1,
        progress: Progress = _SILENT,
    ) -> Grey:
        """The digits in MNIST form.

        Pen strokes are drawn anew for each copy, each digit with a pen, slant and speed of its
        own; bits are the same in all copies.

        Parameters
        ----------
        copy, seed : int
            Not negative. The same two give the same images, whatever else is given.
        rows : (m,) int, optional
            Which of the digits; default: all.
        n_jobs : int, optional
            Threads; -1 is one for each core.
        progress : Progress
            Has a stage.

        Returns
        -------
        (m, 784) uint8
            Ink is 255, paper is 0.
        """
        from ovr_digits.parallel import collect  # not at the top: joblib takes its time

        rows = np.arange(len(self)) if rows is None else np.asarray(rows)
        progress.stage(f"drawing {self.name}", len(rows))
        if not SETS[self.name].are_strokes:
            progress.advance(len(rows))
            return self._of_bits[rows]

        def drawn(some: Integers) -> Grey:
            return np.stack([_draw_strokes(self._drawings[i], (seed, copy, i)) for i in some])

        return collect(drawn, rows, n_jobs, progress.advance).reshape(len(rows), 784)

    @cached_property
    def _of_bits(self) -> Grey:
        """Those that look the same in every copy."""
        return np.stack([_draw_bits(rows).ravel() for rows in self._drawings])


def load_hands(
    name: str, folder: str | os.PathLike[str] | None = None, progress: Progress = _SILENT
) -> Hands:
    """Load a set of other people's hands.

    It is taken from ``folder``, else from the folder that ``OVR_DIGITS_HANDS``
    names, else from the cache, into which it is downloaded where it is not
    there or damaged. A folder that was named is never passed over in silence.

    Parameters
    ----------
    name : str
        One of ``ALL``.
    folder : path, optional
        Has the files of the set, plain, .gz or .Z.
    progress : Progress
        Told of a download.

    Raises
    ------
    DigitsError
        Where there is no such folder or file, the content is not what it
        should be, or nothing can be downloaded.
    """
    if name not in SETS:
        raise ValueError(f"name is one of {', '.join(ALL)}, not {name!r}")
    place, used = place_in_use(name, folder)
    repair = f"repair it with ovr-digits data download --dataset {name} --data-dir {used}"
    fetch = partial(download_hands, name, used, progress)
    return splits.read_or_fetch(place, partial(_read, name, used), fetch, repair)


def find_hands(name: str, folder: str | os.PathLike[str] | None = None) -> Hands | None:
    """Load a set of ``ALL`` if it is in one of the ``search_places``; nothing is downloaded.

    Raises DigitsError where its files are damaged, or some of them missing.
    """
    places = filter(None, search_places(folder).values())
    having = [place for place in places if _has_any(place, SETS[name].files)]
    return _read(name, having[0]) if having else None


def download_hands(name: str, folder: Path, progress: Progress = _SILENT) -> list[str]:
    """``download`` a set from UCI, or from the mirrors that ``OVR_DIGITS_MIRRORS`` names."""
    hand_set = SETS[name]
    archive = re.sub("[ -]", "+", hand_set.title.lower())
    ending = ".Z" if name != "semeion" else ""
    urls = named_mirrors() or [
        f"{_UCI}/ml/machine-learning-databases/{name}/{{}}{ending}",
        f"{_UCI}/static/public/{hand_set.uci}/{archive}.zip",
    ]
    return download(hand_set.file_set, folder, [at(url, progress) for url in urls], progress)


def _read(name: str, folder: Path) -> Hands:
    """Read and check the files of a set."""
    hand_set = SETS[name]
    whole, n_writers = b"", 0
    y: list[Grey] = []
    writers: list[Integers] = []
    drawings: list[Drawing] = []
    paths = find_files(folder, list(hand_set.files), ENDINGS)
    for path, digest in zip(paths, hand_set.files.values(), strict=True):
        content = hand_set.parse(read_content(path), str(path))
        canonical = content.canonical()
        if hashlib.sha256(canonical).hexdigest() != digest:
            raise DigitsError(f"{path}: not the digits of {name} (SHA-256 differs)")
        whole += canonical
        y.append(content.y)
        writers.append(content.writers + n_writers)  # those of each file are others
        n_writers = int(writers[-1].max()) + 1
        drawings += content.drawings
    digits, people = np.concatenate(y), np.concatenate(writers)
    digits.flags.writeable = people.flags.writeable = False
    digest = hashlib.sha256(whole).hexdigest()
    return Hands(name, digits, people, str(folder), digest, drawings)


def _digest_of(parse: Callable[[bytes, str], _Content], content: bytes, name: str) -> str:
    return hashlib.sha256(parse(content, name).canonical()).hexdigest()


# --- drawing -----------------------------------------------------------------------------------


def _draw_strokes(strokes: Drawing, key: tuple[int, int, int]) -> Grey:
    from ovr_digits.picture.strokes import draw_digit

    downwards = [stroke * np.array([1.0, -1.0]) for stroke in strokes]
    return draw_digit(downwards, np.random.default_rng(key))


def _draw_bits(rows: Drawing) -> Grey:
    from ovr_digits.picture.mnist_form import usual_form

    # As a picture of it would be read.
    return usual_form(splits.enlarge(np.stack(rows).astype(np.float32)))


# --- the files of the three sets ---------------------------------------------------------------

#: After .SEGMENT: the label, the writer, and strokes of points from .PEN_DOWN to .PEN_UP.
_UNIPEN_DIGIT = re.compile(
    rb'\s++DIGIT\s++\S++\s++\?\s++"(\d)"\s++\.COMMENT\s++\d++\s++(\d{1,4})\b[^\n]*+'
    rb"((?:\s++\.PEN_DOWN(?:\s++-?\d{1,4}\s++-?\d{1,4}\b)++\s++\.PEN_UP(?:\s++\.DT\s++\d++)?)++)\s*+"
)


def _parse_pendigits(content: bytes, name: str) -> _Content:
    """UNIPEN: pen strokes as points, y upwards."""
    head, *segments = content.split(b".SEGMENT")
    if not segments or b".HIERARCHY" not in head:
        raise DigitsError(f"{name}: no pen strokes in UNIPEN form")
    y, writers, drawings = [], [], []
    for number, segment in enumerate(segments, 1):
        found = _UNIPEN_DIGIT.fullmatch(segment)
        if found is None:
            raise DigitsError(f"{name}: digit {number:,} is damaged or cut off")
        y.append(int(found[1]))
        writers.append(int(found[2]))
        strokes = re.findall(rb"DOWN([^.]*)", found[3])
        drawings.append(
            [np.array(s.split(), "S5").astype(np.int16).reshape(-1, 2) for s in strokes]
        )
    return _Content(np.array(y, np.uint8), np.array(writers), drawings)


def _rows_of(bits: Grey, side: int) -> list[Drawing]:
    """Digits (n, side * side) as their rows."""
    return [list(digit) for digit in bits.reshape(-1, side, side)]


#: The writers of optdigits-orig.tra.
_N_OPTDIGITS_WRITERS = 30


def _parse_optdigits(content: bytes, name: str) -> _Content:
    """A head, then for each digit 32 lines of 32 bits and a line with the label."""
    first = re.search(rb"^[01]{32}\s*$", content, re.MULTILINE)
    if first is None:
        raise DigitsError(f"{name}: no digits of 32×32 bits")
    lines = content[first.start() :].split()
    for number, start in enumerate(range(0, len(lines), 33), 1):
        if [len(line) for line in lines[start : start + 33]] != [32] * 32 + [1]:
            raise DigitsError(f"{name}: digit {number:,} is damaged or cut off")
    digits = np.frombuffer(b"".join(lines), np.uint8).reshape(-1, 32 * 32 + 1) - ord("0")
    is_wrong = (digits[:, :-1] > 1).any(axis=1) | (digits[:, -1] > 9)
    if is_wrong.any():
        raise DigitsError(f"{name}: digit {is_wrong.argmax() + 1:,} is damaged")
    writers = np.arange(len(digits)) * _N_OPTDIGITS_WRITERS // len(digits)
    return _Content(digits[:, -1].copy(), writers, _rows_of(digits[:, :-1], 32))


def _parse_semeion(content: bytes, name: str) -> _Content:
    """For each digit a line of 16×16 bits and ten flags, one of them set."""
    rows = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            row = np.array([float(value) for value in line.split()])
        except ValueError:
            row = np.empty(0)
        if row.shape != (266,) or not np.isin(row, (0, 1)).all() or row[256:].sum() != 1:
            raise DigitsError(f"{name}: line {number:,}: not 256 bits and one flag of ten")
        rows.append(row.astype(np.uint8))
    if not rows:
        raise DigitsError(f"{name}: empty")
    bits = np.stack(rows)
    y = bits[:, 256:].argmax(axis=1).astype(np.uint8)
    # In each round all 0s were put together, then all 1s, and so on.
    rounds = np.cumsum(np.diff(y.astype(np.int64), prepend=0) < 0)
    return _Content(y, rounds, _rows_of(bits[:, :256], 16))


_SETS = (
    HandSet(
        "pendigits",
        "Pen-Based Recognition of Handwritten Digits",
        "E. Alpaydin and F. Alimoglu",
        81,
        "10.24432/C5MG6K",
        {
            "pendigits-orig.tra": (
                "cb29a69b7e06882245d1df31a24a91b83b2277a87cf62bf2d395d6218f2030e4"
            ),
            "pendigits-orig.tes": (
                "48400d0924ba5c08e9acc17c2ba024be41c3ef320d0381264cc8706d20c2056d"
            ),
        },
        _parse_pendigits,
        are_strokes=True,
    ),
    HandSet(
        "optdigits",
        "Optical Recognition of Handwritten Digits",
        "E. Alpaydin and C. Kaynak",
        80,
        "10.24432/C50P49",
        # Its other files hold the digits inside scikit-learn, which are to measure on.
        {"optdigits-orig.tra": "4b94c5c4b67a35944675d1c67e192358aa87ab13e9782c9086505a1015aa4d98"},
        _parse_optdigits,
    ),
    HandSet(
        "semeion",
        "Semeion Handwritten Digit",
        "Semeion Research Center of Sciences of Communication and Tattile",
        178,
        "10.24432/C5SC8V",
        {"semeion.data": "e71b26913d185cfc6718aa546f31d95e6e35b66c688bb4bb750f3c0da675ed08"},
        _parse_semeion,
    ),
)
SETS: Mapping[str, HandSet] = {hand_set.name: hand_set for hand_set in _SETS}
#: The names of all sets.
ALL = tuple(SETS)


# --- where they are looked for -------------------------------------------------------------------


def search_places(folder: str | os.PathLike[str] | None = None) -> dict[str, Path | None]:
    """Where the sets are looked for, in this order; None where nobody named a folder."""
    return splits.search_places(folder, "OVR_DIGITS_HANDS", "hands")


def place_in_use(name: str, folder: str | os.PathLike[str] | None = None) -> tuple[str, Path]:
    """The place that a set is taken from, by its name in ``search_places``, and its folder.

    That is the first folder that somebody named and that has any of the set's files; where none
    has, the first that was named; and the cache where none was.
    """
    *named, cache = ((place, path) for place, path in search_places(folder).items() if path)
    having = [(place, path) for place, path in named if _has_any(path, SETS[name].files)]
    return next(iter([*having, *named, cache]))


def _has_any(folder: Path, names: Iterable[str]) -> bool:
    return any((folder / f"{name}{ending}").exists() for name in names for ending in ("", *ENDINGS))
