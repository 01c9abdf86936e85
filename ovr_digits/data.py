"""Where digits come from: MNIST on disk or from the network, or the bundled digits.

Environment variables:

- ``OVR_DIGITS_DATA``: the folder with the MNIST files; nothing else is searched then.
- ``OVR_DIGITS_CACHE``: the folder that takes the place of the per-user cache; the files lie in
  ``mnist`` below it.
- ``OVR_DIGITS_MIRRORS``: base URLs, separated by spaces, that take the place of the public
  mirrors, for an organisation that keeps its own.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from urllib.error import HTTPError, URLError

import numpy as np
from numpy.typing import NDArray

from ovr_digits.atomic import write_bytes
from ovr_digits.errors import DigitsError
from ovr_digits.idx import GZIP_MAGIC, MAX_BYTES, decompress, idx_bytes, parse_idx, read_content
from ovr_digits.progress import Progress

Dataset = Literal["mnist", "digits"]
Part = Literal["train", "test"]

#: The files of MNIST and the SHA-256 of their uncompressed bytes.
MNIST_FILES: Mapping[str, str] = MappingProxyType(
    {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    }
)

#: Where MNIST is downloaded from, in this order, before OpenML is asked.
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

_PARTS: Mapping[str, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_N_MNIST_TRAIN = 60_000  # OpenML keeps both parts in one table, the training images first
_N_DIGITS_TRAIN = 1_500
_WITHOUT_MNIST = "use --dataset digits to work without MNIST"
_SILENT = Progress()
_T = TypeVar("_T")


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

    X: NDArray[np.uint8]
    y: NDArray[np.uint8]
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
    if part not in _PARTS:
        raise ValueError(f'part is "train" or "test", not {part!r}')
    if dataset == "digits":
        return _load_digits(part)
    if dataset != "mnist":
        raise ValueError(f'dataset is "mnist" or "digits", not {dataset!r}')
    if data_dir is not None:
        try:
            return _read_mnist(Path(data_dir), part)
        except DigitsError as error:
            raise DigitsError(f"{error}; {_WITHOUT_MNIST}") from error
    if named := os.environ.get("OVR_DIGITS_DATA"):
        try:
            return _read_mnist(Path(named), part)
        except DigitsError as error:
            raise DigitsError(f"OVR_DIGITS_DATA: {error}; {_WITHOUT_MNIST}") from error
    folder = cache_folder()
    try:
        return _read_mnist(folder, part)
    except DigitsError:
        files = {name: MNIST_FILES[name] for name in _PARTS[part]}
        download_mnist(folder, files, progress=progress)
        return _read_mnist(folder, part)


def cache_folder() -> Path:
    """The folder into which MNIST is downloaded; it need not exist yet."""
    if named := os.environ.get("OVR_DIGITS_CACHE"):
        return Path(named) / "mnist"
    from platformdirs import user_cache_path

    return user_cache_path("ovr-digits", appauthor=False) / "mnist"


# --- MNIST on disk ---------------------------------------------------------------------------


def _read_mnist(folder: Path, part: Part) -> Split:
    """Read and check the two files of a part."""
    paths = _find(folder, _PARTS[part])
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
    for name, path, content in zip(_PARTS[part], paths, contents, strict=True):
        if hashlib.sha256(content).hexdigest() != MNIST_FILES[name]:
            raise DigitsError(f"{path}: wrong bytes, not those of MNIST (SHA-256 differs)")
    return _make_split(images.reshape(len(images), 784), labels, "mnist", part, str(folder))


def _find(folder: Path, names: Sequence[str]) -> list[Path]:
    """The path of every file, compressed or plain."""
    try:
        there = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        raise DigitsError(f"{folder}: no such folder") from None
    except NotADirectoryError:
        raise DigitsError(f"{folder}: not a folder") from None
    except OSError as error:
        raise DigitsError(f"{folder}: cannot be read ({error.strerror})") from None
    found = [next((n for n in (name + ".gz", name) if n in there), None) for name in names]
    if lacking := [name for name, hit in zip(names, found, strict=True) if hit is None]:
        raise DigitsError(f"{folder}: lacks {' and '.join(f'{name}(.gz)' for name in lacking)}")
    return [folder / hit for hit in found if hit is not None]


def _make_split(
    X: NDArray[np.uint8], y: NDArray[np.uint8], dataset: Dataset, part: Part, source: str
) -> Split:
    X.flags.writeable = y.flags.writeable = False
    digest = hashlib.sha256(X.data)
    digest.update(y.data)
    return Split(X, y, dataset, part, source, digest.hexdigest())


# --- the bundled digits ----------------------------------------------------------------------


def _load_digits(part: Part) -> Split:
    from sklearn.datasets import load_digits

    bundled = load_digits()
    rows = slice(_N_DIGITS_TRAIN) if part == "train" else slice(_N_DIGITS_TRAIN, None)
    images = bundled.images[rows].astype(np.float32) / np.float32(16)
    X = np.stack([_enlarge(image) for image in images]).reshape(len(images), 784)
    y = bundled.target[rows].astype(np.uint8)
    return _make_split(X, y, "digits", part, "scikit-learn's bundled digits")


def _enlarge(small: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bring ink of 8×8 coarse pixels, 0..1, to (28, 28) in MNIST form."""
    from PIL import Image

    from ovr_digits.image import to_mnist_form

    large = np.asarray(Image.fromarray(small).resize((40, 40), Image.Resampling.BICUBIC))
    return to_mnist_form(np.clip(large, 0, 1))  # bicubic weights overshoot


# --- MNIST from the network ------------------------------------------------------------------


class _SourceError(Exception):
    """A source failed, and why in a few words; ``dead`` where asking again is no use."""

    def __init__(self, reason: str, dead: bool = False) -> None:
        super().__init__(reason)
        self.dead = dead


def download_mnist(
    folder: str | os.PathLike[str],
    files: Mapping[str, str] = MNIST_FILES,
    mirrors: Sequence[str] | None = None,
    *,
    timeout: float = 15.0,
    time_limit: float = 600.0,
    progress: Progress = _SILENT,
) -> None:
    """Download what a folder lacks of MNIST: from the mirrors in turn, at last from OpenML.

    A file is checked before it is put in place, and put there in one step, so
    that the folder never holds a wrong or half-written one. A file that is
    there and sound is left alone.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    files : mapping of str to str
        Names, without .gz, and the SHA-256 of the uncompressed bytes.
    mirrors : sequence of str, optional
        Base URLs; default: those in ``OVR_DIGITS_MIRRORS``, else ``MIRRORS``.
    timeout : float
        Seconds that a source may take to connect, and to send the next bytes.
    time_limit : float
        Seconds for one file altogether (for OpenML: for all), however it trickles in.
    progress : Progress
        Has a stage for each file.

    Raises
    ------
    DigitsError
        Where a file could not be had from any source, or the folder not be written.
    """
    folder = Path(folder)
    missing = {
        name: digest for name, digest in files.items() if not _is_sound(folder, name, digest)
    }
    if mirrors is None:
        mirrors = os.environ.get("OVR_DIGITS_MIRRORS", "").split() or MIRRORS
    failures: dict[str, str] = {}
    if missing:
        progress.note(f"Downloading MNIST into {folder}")
    for mirror in mirrors:
        for name, digest in list(missing.items()):
            try:
                data = _fetch(mirror, name, digest, timeout, time_limit, progress)
            except _SourceError as error:
                failures.setdefault(_shown(mirror), str(error))
                if error.dead:
                    break
                continue
            _store(folder, name, data)
            del missing[name]
    if missing:
        progress.note("The mirrors failed; asking OpenML, which is slow")
        try:
            for name, data in _fetch_openml(timeout, time_limit, progress).items():
                # All that is sound is kept, asked for or not: it was dear.
                if hashlib.sha256(data).hexdigest() in (files.get(name), MNIST_FILES[name]):
                    _store(folder, name, data)
                    missing.pop(name, None)
                elif name in missing:
                    failures["OpenML"] = "wrong bytes"
        except _SourceError as error:
            failures["OpenML"] = str(error)
    if missing:
        tried = ", ".join(f"{source} ({reason})" for source, reason in failures.items())
        raise DigitsError(
            f"MNIST could not be downloaded: {tried}; name a folder that holds its files "
            f"with --data-dir or OVR_DIGITS_DATA, or {_WITHOUT_MNIST}"
        )


def _is_sound(folder: Path, name: str, digest: str) -> bool:
    try:
        (path,) = _find(folder, [name])
        return hashlib.sha256(read_content(path)).hexdigest() == digest
    except DigitsError:
        return False


def _shown(url: str) -> str:
    """A URL without the user name and password that it may carry."""
    return re.sub(r"//[^/]*@", "//", url)


def _store(folder: Path, name: str, data: bytes) -> None:
    """Write ``name``.gz in one step, so that at any moment it is there whole or not at all."""
    if not data.startswith(GZIP_MAGIC):
        data = gzip.compress(data, 6, mtime=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / f"{name}.gz", data)
    except OSError as error:
        raise DigitsError(
            f"{folder}: MNIST cannot be written there ({error.strerror}); "
            "name another folder with OVR_DIGITS_CACHE"
        ) from error


class _Download:
    """Takes in one download: both the file and the progress bar that pooch writes to."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.content = bytearray()
        self.abandoned = False
        self._name, self._progress = name, progress

    def write(self, chunk: bytes) -> None:
        if self.abandoned:  # ends the thread that nobody waits for any more
            raise _SourceError("too late")
        self.content += chunk
        if len(self.content) > MAX_BYTES:
            raise _SourceError("far more bytes than the file has")
        self._progress.advance(len(chunk))

    def flush(self) -> None:
        pass

    # From here on what pooch expects of a progress bar; ``write`` counts more exactly.
    @property
    def total(self) -> float:
        raise NotImplementedError

    @total.setter
    def total(self, n_bytes: float) -> None:
        if not self.abandoned:
            self._progress.stage(f"download {self._name}", n_bytes or 1, "B")

    def update(self, amount: float) -> None:
        pass

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def _fetch(
    mirror: str, name: str, digest: str, timeout: float, time_limit: float, progress: Progress
) -> bytes:
    """Download one file into memory and check it; raises _SourceError."""
    import requests
    from pooch import HTTPDownloader

    download = _Download(name, progress)
    responses: list[requests.Response] = []
    downloader = HTTPDownloader(
        progressbar=download,
        chunk_size=1 << 16,
        timeout=timeout,
        hooks={"response": lambda response, **_: responses.append(response)},
    )

    def run() -> None:
        try:
            downloader(f"{mirror.rstrip('/')}/{name}.gz", download, None)
        finally:  # pooch leaves the connection open where a download fails
            for response in responses:
                response.close()

    try:
        _within(time_limit, run)
    except requests.HTTPError as error:
        raise _SourceError(f"HTTP {responses[-1].status_code}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _SourceError(_why_unreachable(error, timeout), dead=True) from error
    except (OSError, ValueError) as error:  # those of requests are OSErrors
        reason = "the download broke off" if responses else "not a URL that can be asked"
        raise _SourceError(reason, dead=not responses) from error
    finally:
        download.abandoned = True
    data = bytes(download.content)
    try:
        content = decompress(data, name)
    except DigitsError:
        raise _SourceError("damaged or truncated") from None
    if hashlib.sha256(content).hexdigest() != digest:
        is_page = content.lstrip().startswith(b"<")
        raise _SourceError("a web page in place of the file" if is_page else "wrong bytes")
    return data


def _why_unreachable(error: Exception, timeout: float) -> str:
    import requests

    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no answer for {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let it through"
    return "cannot connect"


def _within(seconds: float, work: Callable[[], _T]) -> _T:
    """Run ``work`` in a thread and wait for it, but no longer than this.

    Neither the look-up of a host name nor a server that sends a byte now and
    then heeds the timeout of a socket.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome.done():
        raise _SourceError(f"not done within {seconds:g} s", dead=True)
    return outcome.result()


def _fetch_openml(timeout: float, time_limit: float, progress: Progress) -> dict[str, bytes]:
    """MNIST from OpenML as the four uncompressed IDX files, unchecked; raises _SourceError."""
    from sklearn.datasets import fetch_openml

    def fetch(home: str) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
        # Of the parsers only this one does without pandas.
        result: Any = fetch_openml(
            "mnist_784",
            version=1,
            data_home=home,
            return_X_y=True,
            as_frame=False,
            parser="liac-arff",
            n_retries=1,
        )
        return result[0], result[1]

    progress.stage("download from OpenML", 1)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="ovr-digits-", ignore_cleanup_errors=True) as home,
            _socket_timeout(timeout),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # it warns before each new attempt
            table, classes = _within(time_limit, lambda: fetch(home))
            images = table.astype(np.uint8).reshape(-1, 28, 28)
            labels = classes.astype(np.uint8)
    except _SourceError:
        raise
    except HTTPError as error:
        error.close()
        raise _SourceError(f"HTTP {error.code}") from error
    except URLError as error:
        raise _SourceError("cannot connect") from error
    except TimeoutError as error:
        raise _SourceError(f"no answer for {timeout:g} s") from error
    except Exception as error:
        # The reply is parsed in scikit-learn; whatever trips it up, the source has failed.
        raise _SourceError(f"an unusable reply: {type(error).__name__}") from error
    progress.advance(1)
    files = {}
    parts = {"train": slice(_N_MNIST_TRAIN), "test": slice(_N_MNIST_TRAIN, None)}
    for part, rows in parts.items():
        images_name, labels_name = _PARTS[part]
        files[images_name] = idx_bytes(images[rows])
        files[labels_name] = idx_bytes(labels[rows])
    return files


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Let sockets that are opened in here wait no longer than this: fetch_openml sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
