"""Which data is at hand: the places where it is looked for, and the state of every file there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ovr_digits.data.mnist import (
    MNIST_FILES,
    MNIST_PARTS,
    FileCheck,
    check_content,
    check_file,
    find_files,
)
from ovr_digits.data.splits import Dataset, place_in_use, search_places
from ovr_digits.errors import DigitsError

#: In scikit-learn: one digit a line.
_BUNDLED_FILE = "datasets/data/digits.csv.gz"
_N_BUNDLED = 1_797


@dataclass(frozen=True)
class Place:
    """A place where data is looked for.

    Attributes
    ----------
    name : str
        As in ``data.search_places``, or "bundled".
    folder : Path or None
        None where nobody named one.
    problem : str or None
        Why nothing can be found in the folder.
    files : tuple of FileCheck
        Empty where there is no folder or it has a problem.
    """

    name: str
    folder: Path | None = None
    problem: str | None = None
    files: tuple[FileCheck, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values of the attributes."""
        return {
            "place": self.name,
            "folder": None if self.folder is None else str(self.folder),
            "problem": self.problem,
            "files": [file.as_json() for file in self.files],
        }


@dataclass(frozen=True)
class Inventory:
    """What there is of both data sets.

    Attributes
    ----------
    places : tuple of Place
        Where MNIST is looked for, in this order.
    in_use : Place
        The one of them that commands take MNIST from, sound or not.
    bundled : Place
        The digits inside scikit-learn.
    """

    places: tuple[Place, ...]
    in_use: Place
    bundled: Place

    def parts(self, dataset: Dataset) -> dict[str, bool]:
        """Whether the training part and the test part can be used as they are."""
        if dataset == "digits":
            names = [file.name for file in self.bundled.files]
            return dict.fromkeys(MNIST_PARTS, _is_sound(self.bundled, names))
        return {part: _is_sound(self.in_use, names) for part, names in MNIST_PARTS.items()}

    def is_usable(self, dataset: Dataset) -> bool:
        """Whether both parts can be used as they are."""
        return all(self.parts(dataset).values())

    def as_json(self, dataset: Dataset) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "dataset": dataset,
            "usable": self.is_usable(dataset),
            "parts": self.parts(dataset),
            "in_use": self.in_use.name if dataset == "mnist" else self.bundled.name,
            "places": [place.as_json() for place in (*self.places, self.bundled)],
        }


def _is_sound(place: Place, names: Sequence[str]) -> bool:
    sound = {file.name for file in place.files if file.is_sound}
    return bool(names) and sound.issuperset(names)


def take_inventory(data_dir: str | os.PathLike[str] | None = None) -> Inventory:
    """Look at every place, and read and check each file there; nothing found is an error.

    Parameters
    ----------
    data_dir : path, optional
        The folder that goes before the others, as in ``data.load_split``.
    """
    places = tuple(_look(name, folder) for name, folder in search_places(data_dir).items())
    name, _ = place_in_use(data_dir)
    in_use = next(place for place in places if place.name == name)
    return Inventory(places, in_use, _look_at_bundled())


def _look(name: str, folder: Path | None) -> Place:
    if folder is None:
        return Place(name)
    try:
        find_files(folder, ())  # none yet: is there a folder to look in?
    except DigitsError as error:
        return Place(name, folder, str(error).removeprefix(f"{folder}: "))
    files = (check_file(folder, file, digest) for file, digest in MNIST_FILES.items())
    return Place(name, folder, files=tuple(files))


def _look_at_bundled() -> Place:
    spec = find_spec("sklearn")  # to import it takes longer than all else here
    if spec is None or spec.origin is None:
        return Place("bundled", problem="scikit-learn is not installed")
    path = Path(spec.origin).parent / _BUNDLED_FILE

    def check(content: bytes, _digest: str) -> str:
        if (n_digits := content.count(b"\n")) != _N_BUNDLED:
            raise DigitsError(f"{n_digits:,} digits in place of {_N_BUNDLED:,}")
        return f"{n_digits:,} digits"

    return Place("bundled", path.parent, files=(check_content("digits.csv", path, check),))
