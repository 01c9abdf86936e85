"""Downloads against a real HTTP server on loopback: whatever a mirror does, the next one is tried.

The files are small stand-ins with digests of their own; the last test serves the real ones.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request, urlopen

import numpy as np
import pytest
from hostile.mirrors import (
    ARRAYS,
    BODIES,
    FILES,
    HTML,
    Mirror,
    Reply,
    answer,
    faults_at,
    refusing,
    silent,
    status,
    whole,
)
from urllib3.util import retry

from ovr_digits.data import download
from ovr_digits.data import splits as data
from ovr_digits.data.download import download_mnist
from ovr_digits.data.idx import read_content, read_idx
from ovr_digits.data.mnist import MNIST_FILES
from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.progress import Progress

SILENT = Progress()
FIRST = next(iter(FILES))


@pytest.fixture
def mirror(cache: Path) -> Iterator[Mirror]:
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def closed_port() -> Iterator[str]:
    with refusing() as url:
        yield url


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``download_mnist`` of the stand-ins from mirrors that the variable names."""

    def call(folder: Path, *mirrors: str, progress: Progress = SILENT) -> list[str]:
        monkeypatch.setenv("OVR_DIGITS_MIRRORS", " ".join(mirrors))
        return download_mnist(folder, FILES, progress)

    return call


def lead_openml_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.datasets import _openml

    def elsewhere(request: Request) -> object:
        # Which of the two hosts is asked depends on the version of scikit-learn.
        there = re.sub(r"https://(www|api)\.openml\.org/", url, request.full_url)
        return urlopen(Request(there, headers=dict(request.header_items())))

    monkeypatch.setattr(_openml, "urlopen", elsewhere)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # between its attempts


@pytest.fixture
def no_openml(closed_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lead_openml_to(closed_port, monkeypatch)


def assert_complete(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{n}.gz" for n in FILES)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read_idx(folder / f"{name}.gz"), array)


def test_what_a_killed_download_left_beside_a_whole_file_is_removed(fetch, cache, mirror):
    fetch(cache, mirror.good())
    (cache / f".{FIRST}.gz.1234abcd.lock.part").touch()
    assert fetch(cache) == []
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in FILES)


def test_what_was_lacking_is_told(fetch, cache, mirror):
    assert fetch(cache, mirror.good()) == list(FILES)
    (cache / f"{FIRST}.gz").unlink()
    assert fetch(cache, mirror.good()) == [FIRST]
    assert fetch(cache, mirror.good()) == []


def test_all_files_come_from_the_first_mirror(fetch, cache, mirror, closed_port):
    fetch(cache, mirror.good(), closed_port)
    assert_complete(cache)
    assert mirror.asked == [f"/good/{name}.gz" for name in FILES]


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirrors_from_the_variable(cache, mirror, closed_port, monkeypatch, slash):
    good = mirror.good().rstrip("/") + slash
    monkeypatch.setenv("OVR_DIGITS_MIRRORS", f"  {closed_port} {good}\n")
    download_mnist(cache, FILES)
    assert_complete(cache)


def test_sound_files_are_left_alone_and_damaged_ones_replaced(fetch, cache, mirror):
    fetch(cache, mirror.good())
    kept, *others = [cache / f"{name}.gz" for name in FILES]
    stamp = kept.stat().st_mtime_ns
    others[0].unlink()
    others[1].write_bytes(b"damaged")
    others[2].write_bytes(gzip.compress(b"another file"))
    mirror.asked.clear()
    fetch(cache, mirror.good())
    assert_complete(cache)
    assert mirror.asked == [f"/good/{path.name}" for path in others]
    assert kept.stat().st_mtime_ns == stamp
    mirror.asked.clear()
    fetch(cache, mirror.good())
    assert mirror.asked == []


def only(one: str) -> Callable[[str], Reply]:
    return lambda name: (whole if name == one else status(404))(name)


def test_a_busy_mirror_is_given_the_time_that_it_asks_for_within_limits(
    fetch, cache, mirror, monkeypatch
):
    slept: list[float] = []
    # In this module alone: servers of other tests may wait in threads of their own.
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=slept.append, time=time.time))
    for wait in (3, 3600):
        busy = mirror.at(f"busy-{wait}", status(429, Retry_After=wait))
        fetch(cache / str(wait), busy, mirror.good())
        assert len([path for path in mirror.asked if f"busy-{wait}" in path]) == 2
    assert slept == [3, 5]
    past = mirror.at("past", status(503, Retry_After="Sun, 06 Nov 1994 08:49:37 GMT"))
    fetch(cache / "past", past, mirror.good())
    assert slept == [3, 5]


def test_the_rest_of_a_broken_download_comes_from_the_next_source(fetch, cache, mirror):
    """Whole: what two mirrors pack in their own ways cannot be put together."""
    faults = {fault.name: fault for fault in faults_at("", "")}
    broken = mirror.at("broken", faults["breaks off, could be resumed"].reply)
    fetch(cache, broken, mirror.good())
    assert mirror.asked == [f"/broken/{FIRST}.gz", *(f"/good/{name}.gz" for name in FILES)]


@pytest.mark.parametrize("url", ["nonsense", "file:///etc/", "http://[::1", "http://.bad..name/"])
def test_a_mirror_that_is_no_url(fetch, cache, mirror, no_openml, url):
    fetch(cache, url, mirror.good())
    assert_complete(cache)
    with pytest.raises(DigitsError) as error:
        fetch(cache / "other", url)
    assert "(not a URL to be asked)" in str(error.value)


def test_a_dead_mirror_is_asked_once_only(fetch, cache, mirror, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    stalled = mirror.at("stalled", silent)
    fetch(cache, stalled, mirror.good())
    assert_complete(cache)
    assert len([path for path in mirror.asked if "stalled" in path]) == 1


def test_mirrors_make_up_for_each_other(fetch, cache, mirror):
    fetch(cache, *[mirror.at(f"with-{name}", only(name)) for name in FILES])
    assert_complete(cache)


def test_when_everything_fails_one_line_tells_all_and_the_cache_is_empty(
    fetch, cache, mirror, closed_port, no_openml
):
    login = closed_port.replace("//", "//user:secret@")
    with pytest.raises(DigitsError) as error:
        fetch(cache, login, mirror.at("none", status(404)))
    assert str(error.value) == (
        f"MNIST could not be downloaded: {closed_port} (no connection), "
        f"{mirror.url}none/ (HTTP 404), "
        "OpenML (URLError <urlopen error [Errno 111] Connection refused>); "
        "name a folder that holds its files with --data-dir or OVR_DIGITS_DATA, "
        "or use --dataset digits to work without MNIST"
    )
    assert not cache.exists()


def test_what_could_be_had_is_kept(fetch, cache, mirror, no_openml):
    with pytest.raises(DigitsError):
        fetch(cache, mirror.at("some", only(FIRST)))
    assert [path.name for path in cache.iterdir()] == [f"{FIRST}.gz"]


def test_a_cache_that_cannot_be_written(fetch, cache, mirror):
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(DigitsError) as error:
        fetch(cache, mirror.good())
    assert str(error.value) == (
        f"{cache}: MNIST cannot be written there (Not a directory); "
        "name another folder: OVR_DIGITS_CACHE for the cache, --data-dir for data download"
    )


def test_a_full_disk_leaves_no_temporary_file(fetch, cache, mirror, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DigitsError, match="No space left on device"):
        fetch(cache, mirror.good())
    assert list(cache.iterdir()) == []


def test_progress_is_told_of_every_byte(fetch, cache, mirror):
    class Counting(Progress):
        def __init__(self) -> None:
            self.stages: dict[str, float] = {}
            self.done = 0.0

        def stage(self, name: str, total: float, unit: str = "") -> None:
            self.stages[name] = total

        def advance(self, amount: float = 1) -> None:
            self.done += amount

    progress = Counting()
    fetch(cache, mirror.good(), progress=progress)
    assert progress.stages == {f"downloading {name}": len(BODIES[name]) for name in FILES}
    assert progress.done == sum(map(len, BODIES.values()))


def test_load_split_fills_the_cache_with_what_it_needs(cache, mirror, monkeypatch):
    monkeypatch.setattr(data, "MNIST_FILES", FILES)
    monkeypatch.setenv("OVR_DIGITS_MIRRORS", mirror.good())
    test = load_split("mnist", "test")
    assert (len(test), test.source) == (6, str(cache))
    names = list(FILES)[2:]
    assert sorted(path.name for path in cache.iterdir()) == [f"{name}.gz" for name in names]
    assert len(load_split("mnist", "test")) == 6
    assert len(mirror.asked) == 2
    (cache / f"{names[0]}.gz").write_bytes(b"damaged")
    assert load_split("mnist", "test").digest == test.digest
    assert len(mirror.asked) == 3


# --- OpenML, the last source: the form of its replies is that of www.openml.org ----------------


def serve_openml(mirror: Mirror, wrong: bool = False) -> None:
    images = np.concatenate([array for array in ARRAYS.values() if array.ndim == 3])
    labels = np.concatenate([array for array in ARRAYS.values() if array.ndim == 1])
    if wrong:
        images = images[::-1]
    names = [f"pixel{i}" for i in range(1, 785)]
    arff = "\n".join(
        [
            "% a comment",
            "@RELATION mnist_784",
            *(f"@ATTRIBUTE {name} real" for name in names),
            "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}",
            "@DATA",
            *(
                ",".join(map(str, [*image.ravel(), label]))
                for image, label in zip(images, labels, strict=True)
            ),
            "",
        ]
    ).encode()
    columns = [("numeric", name) for name in names] + [("nominal", "class")]
    features = [
        {
            "index": str(index),
            "name": name,
            "data_type": kind,
            "is_target": "true" if name == "class" else "false",
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index, (kind, name) in enumerate(columns)
    ]
    description = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "description": "The MNIST database of handwritten digits",
        "format": "ARFF",
        "status": "active",
        "url": "https://www.openml.org/data/v1/download/52667/mnist_784.arff",
        "file_id": "52667",
        "md5_checksum": hashlib.md5(arff).hexdigest(),
    }
    found = {"did": 554, "name": "mnist_784", "version": 1, "status": "active", "format": "ARFF"}
    quality = [{"name": "NumberOfInstances", "value": str(float(len(labels)))}]
    api = "/api/v1/json/data/"
    replies = {
        f"{api}list/data_name/mnist_784/": {"data": {"dataset": [found]}},
        f"{api}features/554": {"data_features": {"feature": features}},
        f"{api}qualities/554": {"data_qualities": {"quality": quality}},
        f"{api}554": {"data_set_description": description},
    }
    for path, content in replies.items():
        packed = gzip.compress(json.dumps(content).encode())
        mirror.replies[path] = answer(packed, Content_Encoding="gzip")
    mirror.replies["/data/v1/download/"] = answer(gzip.compress(arff), Content_Encoding="gzip")


@pytest.fixture
def openml(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """OpenML's place is taken by the server; home and temporary folder are the test's own."""
    lead_openml_to(mirror.url, monkeypatch)
    monkeypatch.setattr(download, "_N_MNIST_TRAIN", 12)
    for name in ("home", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "home" / "scikit_learn_data"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return mirror


def assert_nothing_left(tmp_path: Path) -> None:
    assert list((tmp_path / "home").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_openml_is_the_last_source(fetch, cache, openml, closed_port, tmp_path):
    serve_openml(openml)
    fetch(cache, closed_port)
    assert_complete(cache)
    assert_nothing_left(tmp_path)


def test_openml_fills_up_what_the_mirrors_lacked(fetch, cache, openml):
    serve_openml(openml)
    fetch(cache, openml.at("some", only(FIRST)))
    assert_complete(cache)


def test_wrong_digits_from_openml_are_not_kept(fetch, cache, openml, closed_port, tmp_path):
    serve_openml(openml, wrong=True)
    with pytest.raises(DigitsError, match=r"OpenML \(damaged, or another file\)"):
        fetch(cache, closed_port)
    assert not cache.exists()
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(b"", 404), "HTTPError HTTP Error 404: Not Found"),
        (answer(b"", 412), "OpenMLError Dataset mnist_784 with version 1 not found."),
        (answer(HTML), "JSONDecodeError Expecting value: line 1 column 1 (char 0)"),
        (answer(b"{}"), "KeyError 'data'"),
    ],
)
def test_openml_out_of_order(fetch, cache, openml, closed_port, tmp_path, reply, reason):
    openml.replies["/"] = reply
    with pytest.raises(DigitsError) as error:
        fetch(cache, closed_port)
    assert f"OpenML ({reason})" in str(error.value)
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("TIMEOUT", "TimeoutError timed out"), ("TIME_LIMIT", "not done within 1")],
)
def test_openml_stalls(fetch, cache, openml, closed_port, monkeypatch, limit, reason):
    openml.replies["/"] = silent("")
    monkeypatch.setattr(download, "TIMEOUT", 2)
    monkeypatch.setattr(download, limit, 1)
    with pytest.raises(DigitsError, match=rf"OpenML \({reason}"):
        fetch(cache, closed_port)


@pytest.mark.mnist
def test_the_real_files_over_http(mnist_dir, cache, mirror, closed_port, monkeypatch):
    def real(name: str) -> Reply:
        packed, plain = mnist_dir / f"{name}.gz", mnist_dir / name
        return answer((packed if packed.exists() else plain).read_bytes())

    monkeypatch.setenv("OVR_DIGITS_MIRRORS", f"{closed_port} {mirror.at('real', real)}")
    for part, number in (("test", 10_000), ("train", 60_000)):
        assert len(load_split("mnist", part)) == number
    for name, digest in MNIST_FILES.items():
        content = read_content(cache / f"{name}.gz")
        assert hashlib.sha256(content).hexdigest() == digest
    assert len(list(cache.iterdir())) == 4
