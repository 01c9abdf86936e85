"""Which data is at hand: the places where it is looked for, and the state of every file there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ovr_digits.data import hands, splits
from ovr_digits.data.mnist import (
    MNIST_FILES,
    MNIST_PARTS,
    FileCheck,
    FileSet,
    check_content,
    find_files,
    mnist_file_set,
)
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
        As in ``splits.search_places``, or "bundled".
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
    """Every place where a data set is looked for.

    Attributes
    ----------
    dataset : str
    title : str
        What people are told that it is.
    places : tuple of Place
        In the order of search; with MNIST's also the digits inside scikit-learn, at the end.
    in_use : Place
        The one that it is taken from, sound or not.
    needed : mapping of str to sequence of str
        The files of each of its parts.
    credit : mapping of str to str
        Title, authors, licence and so on, of sets that are used by licence.
    """

    dataset: str
    title: str
    places: tuple[Place, ...]
    in_use: Place
    needed: Mapping[str, Sequence[str]]
    credit: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, bool]:
        """Whether each part can be used as it is."""
        sound = {file.name for file in self.in_use.files if file.is_sound}
        return {part: sound.issuperset(names) for part, names in self.needed.items()}

    @property
    def is_usable(self) -> bool:
        """Whether all parts can be used as they are."""
        return all(self.parts.values())

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "dataset": self.dataset,
            **self.credit,
            "usable": self.is_usable,
            "parts": self.parts,
            "in_use": self.in_use.name,
            "places": [place.as_json() for place in self.places],
        }


def take_inventory(dataset: str, data_dir: str | os.PathLike[str] | None = None) -> Inventory:
    """Look at every place, and read and check each file there; nothing found is an error.

    Parameters
    ----------
    dataset : str
        "mnist", "digits", or one of ``hands.ALL``.
    data_dir : path, optional
        The folder that goes before the others, as in ``splits.load_split``.
    """
    if dataset in hands.SETS:
        hand_set = hands.SETS[dataset]
        folders, (used, _) = hands.search_places(data_dir), hands.place_in_use(dataset, data_dir)
        places = [_look(name, folder, hand_set.file_set) for name, folder in folders.items()]
        needed: Mapping[str, Sequence[str]] = {"all": list(hand_set.files)}
        title, credit = dataset, hand_set.credit
    else:
        folders, (used, _) = splits.search_places(data_dir), splits.place_in_use(data_dir)
        file_set = mnist_file_set(MNIST_FILES)
        places = [_look(name, folder, file_set) for name, folder in folders.items()]
        places.append(_look_at_bundled())
        title, needed, credit = "MNIST", MNIST_PARTS, {}
        if dataset == "digits":
            title, used = "digits", "bundled"
            needed = {part: ["digits.csv"] for part in MNIST_PARTS}
    in_use = next(place for place in places if place.name == used)
    return Inventory(dataset, title, tuple(places), in_use, needed, credit)


def _look(name: str, folder: Path | None, file_set: FileSet) -> Place:
    if folder is None:
        return Place(name)
    try:
        find_files(folder, ())  # none yet: is there a folder to look in?
    except DigitsError as error:
        return Place(name, folder, str(error).removeprefix(f"{folder}: "))
    return Place(name, folder, files=tuple(file_set.check(folder, f) for f in file_set.files))


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
