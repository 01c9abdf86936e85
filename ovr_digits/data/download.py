"""MNIST from the network: from mirrors in turn, at last from OpenML, checked before it is kept."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.arrays import Float64
from ovr_digits.data.idx import GZIP_MAGIC, MAX_BYTES, decompress, idx_bytes
from ovr_digits.data.mnist import MNIST_FILES, MNIST_PARTS, is_sound
from ovr_digits.errors import DigitsError
from ovr_digits.files import remove_abandoned, write_bytes
from ovr_digits.progress import Progress

#: Where MNIST is downloaded from, in this order, before OpenML is asked.
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

_N_MNIST_TRAIN = 60_000  # OpenML keeps both parts in one table, the training images first
_SILENT = Progress()
_T = TypeVar("_T")


class _SourceError(Exception):
    """A source failed, and why in a few words.

    ``dead`` where asking it for another file is no use; ``wait`` are the
    seconds after which it wants to be asked again, where it told them.
    """

    def __init__(self, reason: str, dead: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.dead, self.wait = dead, wait


def download_mnist(
    folder: str | os.PathLike[str],
    files: Mapping[str, str] = MNIST_FILES,
    mirrors: Sequence[str] | None = None,
    *,
    timeout: float = 15.0,
    time_limit: float = 600.0,
    progress: Progress = _SILENT,
) -> list[str]:
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
        Seconds that a source may take to connect, to send the next bytes, and
        that one that is busy (429, 503) may ask us to wait.
    time_limit : float
        Seconds for one file altogether (for OpenML: for all), however it trickles in.
    progress : Progress
        Has a stage for each file.

    Returns
    -------
    list of str
        The files that the folder lacked or had damaged; empty where all were sound.

    Raises
    ------
    DigitsError
        Where a file could not be had from any source, or the folder not be written.
    """
    folder = Path(folder)
    for name in files:  # also of those that are whole, and so not replaced
        remove_abandoned(folder, f"{name}.gz")
    missing = {name: digest for name, digest in files.items() if not is_sound(folder, name, digest)}
    lacked = list(missing)
    if mirrors is None:
        mirrors = os.environ.get("OVR_DIGITS_MIRRORS", "").split() or MIRRORS
    failures: dict[str, str] = {}
    if missing:
        progress.note(f"Downloading MNIST into {folder}")
    for mirror in mirrors:
        for name, digest in list(missing.items()):
            try:
                data = _fetch_patiently(mirror, name, digest, timeout, time_limit, progress)
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
            f"with --data-dir or OVR_DIGITS_DATA, or use --dataset digits to work without MNIST"
        )
    return lacked


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
            "name another folder: OVR_DIGITS_CACHE for the cache, --data-dir for data download"
        ) from error


class _Download:
    """Takes in one download: both the file and the progress bar that pooch writes to."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.content = bytearray()
        self.abandoned = False
        self._total = 0.0
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
        return self._total

    @total.setter
    def total(self, n_bytes: float) -> None:
        self._total = n_bytes
        if not self.abandoned:
            self._progress.stage(f"download {self._name}", n_bytes or 1)

    def update(self, amount: float) -> None:
        pass

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def _fetch_patiently(
    mirror: str, name: str, digest: str, timeout: float, time_limit: float, progress: Progress
) -> bytes:
    """Download one file, once more where the mirror asks for a little patience."""
    started = time.monotonic()
    try:
        return _fetch(mirror, name, digest, timeout, time_limit, progress)
    except _SourceError as error:
        if error.wait is None or error.wait > min(timeout, time_limit):
            raise
        progress.note(f"{_shown(mirror)} is busy; it is asked again in {error.wait:.0f} s")
        time.sleep(error.wait)
    left = max(0.0, time_limit - (time.monotonic() - started))
    return _fetch(mirror, name, digest, timeout, left, progress)


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
        code, headers = responses[-1].status_code, responses[-1].headers
        wait = _seconds_of(headers.get("Retry-After", ""))
        # Who asks for less is asked for nothing more; a short wait is given a chance before.
        raise _SourceError(f"HTTP {code}", dead=code == 429, wait=wait) from error
    except requests.TooManyRedirects as error:
        raise _SourceError("too many redirects") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _SourceError(_why_unreachable(error, timeout), dead=True) from error
    except requests.exceptions.InvalidHeader as error:
        raise _SourceError("no HTTP answer") from error
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


def _seconds_of(retry_after: str) -> float | None:
    """The seconds that a Retry-After header asks for, be it a number or a time of day."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _why_unreachable(error: Exception, timeout: float) -> str:
    import requests
    from urllib3.exceptions import ProtocolError

    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no answer for {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        is_refused = "CERTIFICATE_VERIFY_FAILED" in str(error)
        return "its certificate is not accepted" if is_refused else "no TLS connection"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let it through"
    if error.args and isinstance(error.args[0], ProtocolError):
        return "no HTTP answer"
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

    def fetch(home: str) -> tuple[Float64, NDArray[np.object_]]:
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
        images_name, labels_name = MNIST_PARTS[part]
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
