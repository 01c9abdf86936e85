"""Where digits come from: MNIST on disk or from the network, or the bundled digits.

Environment variables:

- ``OVR_DIGITS_DATA``: the folder with the MNIST files; nothing else is searched then.
- ``OVR_DIGITS_CACHE``: the folder that takes the place of the per-user cache; the files lie in
  ``mnist`` below it, those of ``data.hands`` in ``hands``.
- ``OVR_DIGITS_MIRRORS``: base URLs, separated by spaces, that take the place of the public
  mirrors, for an organisation that keeps its own: of MNIST and of other people's hands, as .gz.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from ovr_digits.core.arrays import Float32, Grey
from ovr_digits.data.download import download_mnist
from ovr_digits.data.idx import parse_idx, read_content
from ovr_digits.data.mnist import MNIST_FILES, MNIST_PARTS, find_files
from ovr_digits.errors import DigitsError
from ovr_digits.progress import Progress

T = TypeVar("T")
Dataset = Literal["mnist", "digits"]
Part = Literal["train", "test"]

_N_DIGITS_TRAIN = 1_500
_WITHOUT_MNIST = "use --dataset digits to work without MNIST"
_SILENT = Progress()


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled digits in MNIST form.

    Attributes
    ----------
    X : (n, 784) uint8, read-only
        28×28 images in row-major order; ink is 255, paper is 0.
    y : (n,) uint8, read-only
        The digit on each.
    dataset : "mnist" or "digits"
    part : "train" or "test"
    source : str
        The place they were read from, for people.
    digest : str
        SHA-256 in hex of the bytes of X, then of y.
    """

    X: Grey
    y: Grey
    dataset: Dataset
    part: Part
    source: str
    digest: str

    def __len__(self) -> int:
        return len(self.y)


def load_split(
    dataset: Dataset,
    part: Part,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Progress = _SILENT,
) -> Split:
    """Load the training or test part of a data set.

    MNIST is taken from ``data_dir``, else from the folder that
    ``OVR_DIGITS_DATA`` names, else from the cache, into which it is downloaded
    where it is not there or damaged. A folder that was named is never passed
    over in silence: where it is incomplete or wrong, that is an error.

    Parameters
    ----------
    dataset : "mnist" or "digits"
        "digits" are scikit-learn's 1,797 bundled ones, of which the first
        1,500 are the training part; they need no folder and no network.
    part : "train" or "test"
    data_dir : path, optional
        A folder with the files of MNIST, compressed or not. Only those of the
        part that is asked for need be there.
    progress : Progress
        Told of a download.

    Raises
    ------
    DigitsError
        Where there is no such folder or file, the content is not what it
        should be, or nothing can be downloaded.
    """
    if part not in MNIST_PARTS:
        raise ValueError(f'part is "train" or "test", not {part!r}')
    if dataset == "digits":
        return _load_digits(part)
    if dataset != "mnist":
        raise ValueError(f'dataset is "mnist" or "digits", not {dataset!r}')
    place, folder = place_in_use(data_dir)

    def fetch() -> None:
        files = {name: MNIST_FILES[name] for name in MNIST_PARTS[part]}
        download_mnist(folder, files, progress)

    return read_or_fetch(place, partial(_read_mnist, folder, part), fetch, _WITHOUT_MNIST)


def read_or_fetch(place: str, read: Callable[[], T], fetch: Callable[[], object], advice: str) -> T:
    """What can be read at a place of ``search_places``; the cache is filled where it lacks that.

    Raises
    ------
    DigitsError
        With advice, where a folder that was named cannot be read; else as ``fetch`` does.
    """
    try:
        return read()
    except DigitsError as error:
        if place != "cache":
            prefix = "" if place == "--data-dir" else f"{place}: "
            raise DigitsError(f"{prefix}{error}; {advice}") from error
        fetch()
        return read()


def search_places(
    data_dir: str | os.PathLike[str] | None = None,
    variable: str = "OVR_DIGITS_DATA",
    cached: str = "mnist",
) -> dict[str, Path | None]:
    """Where a kind of data is looked for, in this order; None where nobody named a folder.

    Of MNIST only the first folder counts: the others are searched by nobody.
    """
    named = os.environ.get(variable)
    return {
        "--data-dir": None if data_dir is None else Path(data_dir),
        variable: Path(named) if named else None,
        "cache": cache_folder(cached),
    }


def place_in_use(data_dir: str | os.PathLike[str] | None = None) -> tuple[str, Path]:
    """The place that MNIST is taken from, by its name in ``search_places``, and its folder."""
    places = search_places(data_dir).items()
    return next((name, folder) for name, folder in places if folder is not None)


def cache_folder(name: str = "mnist") -> Path:
    """The folder into which a kind of data is downloaded; it need not exist yet."""
    if named := os.environ.get("OVR_DIGITS_CACHE"):
        return Path(named) / name
    from platformdirs import user_cache_path

    return user_cache_path("ovr-digits", appauthor=False) / name


# --- MNIST on disk ---------------------------------------------------------------------------


def _read_mnist(folder: Path, part: Part) -> Split:
    """Read and check the two files of a part."""
    paths = find_files(folder, MNIST_PARTS[part])
    contents = [read_content(path) for path in paths]
    images, labels = (
        parse_idx(content, str(path)) for content, path in zip(contents, paths, strict=True)
    )
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DigitsError(f"{paths[0]}: not images of 28×28 pixels")
    if labels.ndim != 1:
        raise DigitsError(f"{paths[1]}: not a list of labels")
    # Before the digests, because this tells better what is wrong.
    if len(images) != len(labels):
        raise DigitsError(
            f"{folder}: {len(images):,} images in {paths[0].name} "
            f"but {len(labels):,} labels in {paths[1].name}"
        )
    for name, path, content in zip(MNIST_PARTS[part], paths, contents, strict=True):
        if hashlib.sha256(content).hexdigest() != MNIST_FILES[name]:
            raise DigitsError(f"{path}: wrong bytes, not those of MNIST (SHA-256 differs)")
    return _make_split(images.reshape(len(images), 784), labels, "mnist", part, str(folder))


def _make_split(X: Grey, y: Grey, dataset: Dataset, part: Part, source: str) -> Split:
    X.flags.writeable = y.flags.writeable = False
    digest = hashlib.sha256(X.data)
    digest.update(y.data)
    return Split(X, y, dataset, part, source, digest.hexdigest())


# --- the bundled digits ----------------------------------------------------------------------


@cache
def _load_digits(part: Part) -> Split:
    from sklearn.datasets import load_digits

    from ovr_digits.picture.mnist_form import to_mnist_form

    bundled = load_digits()
    rows = slice(_N_DIGITS_TRAIN) if part == "train" else slice(_N_DIGITS_TRAIN, None)
    images = bundled.images[rows].astype(np.float32) / np.float32(16)
    X = np.stack([to_mnist_form(enlarge(image)) for image in images]).reshape(len(images), 784)
    y = bundled.target[rows].astype(np.uint8)
    return _make_split(X, y, "digits", part, "scikit-learn's bundled digits")


def enlarge(small: Float32) -> Float32:
    """The ink of a few coarse pixels (h, w), 0..1, as five times as many to each side."""
    from PIL import Image

    height, width = small.shape
    fine = Image.fromarray(small).resize((5 * width, 5 * height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(fine), 0, 1)  # bicubic weights overshoot
