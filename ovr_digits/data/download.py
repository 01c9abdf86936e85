"""Files of data sets from the network: source after source is asked, and all that comes checked."""

from __future__ import annotations

import gzip
import io
import os
import re
import socket
import tempfile
import threading
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import cache, partial
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError

import numpy as np

from ovr_digits.data.idx import GZIP_MAGIC, MAX_BYTES, decompress, idx_bytes
from ovr_digits.data.mnist import MNIST_FILES, FileSet, mnist_file_set
from ovr_digits.errors import DigitsError
from ovr_digits.files import remove_abandoned, write_bytes
from ovr_digits.progress import Progress

#: Where MNIST is downloaded from, in this order, before OpenML is asked.
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/{}.gz",
    "https://ossci-datasets.s3.amazonaws.com/mnist/{}.gz",
)
#: Seconds until a source that is silent is given up; seconds for one file altogether; and
#: seconds after which one that is busy (429, 503) is asked once more, if it wants even longer.
TIMEOUT, TIME_LIMIT, _PATIENCE = 15.0, 600.0, 5
#: What exceptions of requests mean; others: that the download broke off.
_REASONS = {
    **dict.fromkeys(("InvalidSchema", "InvalidURL", "MissingSchema"), "not a URL to be asked"),
    "ConnectionError": "no connection",
    "ProxyError": "the proxy does not let it through",
    "SSLError": "no TLS connection that can be trusted",
    "TooManyRedirects": "too many redirects",
}
_N_MNIST_TRAIN = 60_000  # OpenML keeps both parts in one table, the training images first
_SILENT = Progress()

#: What it is called, and what fetches a file by its name or raises DigitsError.
Source = tuple[str, Callable[[str], bytes]]


def download_mnist(
    folder: Path, files: Mapping[str, str] = MNIST_FILES, progress: Progress = _SILENT
) -> list[str]:
    """``download`` MNIST, or files of its kind, from mirrors and at last from OpenML."""
    sources = [at(url, progress) for url in named_mirrors() or MIRRORS]
    from_openml = cache(partial(_fetch_openml, progress))
    sources.append(("OpenML", lambda name: from_openml()[name]))
    return download(mnist_file_set(files), folder, sources, progress)


def named_mirrors() -> list[str]:
    """The mirrors that ``OVR_DIGITS_MIRRORS`` names, as ``at`` takes them."""
    return [f"{u.rstrip('/')}/{{}}.gz" for u in os.environ.get("OVR_DIGITS_MIRRORS", "").split()]


def download(
    file_set: FileSet, folder: Path, sources: Iterable[Source], progress: Progress = _SILENT
) -> list[str]:
    """Download what a folder lacks of a data set or has damaged; gives the names of these files.

    Each source is asked until it first fails. A file is checked, and then put in place in one
    step, as .gz, so that the folder, which is made if need be, holds no wrong one or half of one.

    Raises
    ------
    DigitsError
        Where a file could not be had from any source, or the folder not be written.
    """
    title = file_set.title
    for name in file_set.files:  # also of those that are whole, and so not replaced
        remove_abandoned(folder, f"{name}.gz")
    lacked = [name for name in file_set.files if not file_set.check(folder, name).is_sound]
    missing, failures = list(lacked), dict[str, str]()
    if missing:
        progress.note(f"Downloading {title} into {folder}")
    for source, fetch in sources:
        try:
            while missing:
                data = _checked(_in_time(partial(fetch, missing[0])), missing[0], file_set)
                folder.mkdir(parents=True, exist_ok=True)
                write_bytes(folder / f"{missing[0]}.gz", data)
                del missing[0]
        except DigitsError as error:
            failures[source] = str(error)
        except OSError as error:
            raise DigitsError(
                f"{folder}: {title} cannot be written there ({error.strerror}); name another "
                "folder: OVR_DIGITS_CACHE for the cache, --data-dir for data download"
            ) from error
    if missing:
        tried = ", ".join(f"{source} ({reason})" for source, reason in failures.items())
        raise DigitsError(f"{title} could not be downloaded: {tried}; {file_set.advice}")
    return lacked


def _checked(data: bytes, name: str, file_set: FileSet) -> bytes:
    """Downloaded data, a zip archive or the file itself, as gzip."""
    try:
        content = decompress(_out_of_archive(data, name), name)
        if file_set.digest_of(content, name) != file_set.files[name]:
            raise DigitsError("digest wrong")
    except (DigitsError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        is_page = data.lstrip().startswith(b"<")
        raise DigitsError("a web page" if is_page else "damaged, or another file") from None
    return data if data.startswith(GZIP_MAGIC) else gzip.compress(content, 6, mtime=0)


def _out_of_archive(data: bytes, name: str) -> bytes:
    if not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = (m for m in archive.namelist() if PurePosixPath(m).name in (name, f"{name}.Z"))
        with archive.open(next(members, name)) as file:
            return file.read(MAX_BYTES)


def at(url: str, progress: Progress = _SILENT) -> Source:
    """The source at a URL, in which {} stands for the name of a file."""
    shown = re.sub("//[^/]*@", "//", url.partition("{}")[0])  # without user name and password
    return shown, lambda name: _fetch(url.replace("{}", name), name, progress)


def _fetch(url: str, name: str, progress: Progress) -> bytes:
    """Download one file into memory."""
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    started = time.monotonic()
    once_more = Retry(
        1, 0, 0, other=0, status_forcelist=(429, 503), retry_after_max=_PATIENCE,
        raise_on_status=False,
    )  # fmt: skip
    content = bytearray()
    try:
        with Session() as session:
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=once_more))
            with session.get(url, stream=True, timeout=TIMEOUT) as response:
                if response.status_code >= 400:
                    raise DigitsError(f"HTTP {response.status_code}")
                length = response.headers.get("Content-Length", "")
                progress.stage(f"downloading {name}", int(length) if length.isdecimal() else 1)
                for chunk in response.iter_content(1 << 16):
                    content += chunk
                    if len(content) > MAX_BYTES or time.monotonic() - started > TIME_LIMIT:
                        raise DigitsError("far more bytes, or slower, than the file could be")
                    progress.advance(len(chunk))
    except (OSError, ValueError) as error:  # those of requests are OSErrors
        reason = _REASONS.get(type(error).__name__, "the download broke off")
        raise DigitsError("no answer" if "timed out" in str(error) else reason) from error
    return bytes(content)


def _in_time(fetch: Callable[[], bytes]) -> bytes:
    """Fetch in a thread, since neither the look-up of a host name nor a drip heeds a timeout."""
    outcome: Future[bytes] = Future()

    def run() -> None:
        try:
            outcome.set_result(fetch())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return outcome.result(TIME_LIMIT)
    except TimeoutError:
        raise DigitsError(f"not done within {TIME_LIMIT:g} s") from None


def _fetch_openml(progress: Progress) -> dict[str, bytes]:
    """MNIST's four files from OpenML."""
    from sklearn.datasets import fetch_openml

    progress.stage("downloading from OpenML: slow", 1)
    timeout_before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # fetch_openml sets none
    try:
        with tempfile.TemporaryDirectory(prefix="ovr-digits-") as home, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns before each new attempt
            # Of the parsers only this one does without pandas.
            options = {"parser": "liac-arff", "as_frame": False, "return_X_y": True, "n_retries": 1}
            table, classes = fetch_openml("mnist_784", version=1, data_home=home, **options)
        arrays = table.astype(np.uint8).reshape(-1, 28, 28), classes.astype(np.uint8)
        parts = slice(_N_MNIST_TRAIN), slice(_N_MNIST_TRAIN, None)
        files = [idx_bytes(array[rows]) for rows in parts for array in arrays]
    except Exception as error:
        # The reply is parsed in scikit-learn; whatever trips it up, the source has failed.
        if isinstance(error, HTTPError):
            error.close()
        raise DigitsError(" ".join(f"{type(error).__name__} {error}".split())) from error
    finally:
        socket.setdefaulttimeout(timeout_before)
    progress.advance(1)
    return dict(zip(MNIST_FILES, files, strict=True))
