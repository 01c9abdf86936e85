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
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest

from ovr_digits import data, download
from ovr_digits.data import load_split
from ovr_digits.download import download_mnist
from ovr_digits.errors import DigitsError
from ovr_digits.idx import idx_bytes, read_content, read_idx
from ovr_digits.mnist import MNIST_FILES
from ovr_digits.progress import Progress

Reply = Callable[[BaseHTTPRequestHandler], None]

RNG = np.random.default_rng(0)
SHAPES = [(12, 28, 28), (12,), (6, 28, 28), (6,)]
ARRAYS = {
    name: RNG.integers(0, 10, shape, np.uint8)
    for name, shape in zip(MNIST_FILES, SHAPES, strict=True)
}
FILES = {name: hashlib.sha256(idx_bytes(array)).hexdigest() for name, array in ARRAYS.items()}
BODIES = {name: gzip.compress(idx_bytes(array), mtime=0) for name, array in ARRAYS.items()}
FIRST = next(iter(FILES))


class Mirror:
    """An HTTP server whose replies are chosen by the test; it remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.closing = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                for start, reply in mirror.replies.items():
                    if self.path.startswith(start):
                        return reply(self)
                return self.send_error(404)

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_args: object) -> None:
                pass  # clients that hang up are what these tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        poll = {"poll_interval": 0.02}
        threading.Thread(target=self.server.serve_forever, kwargs=poll, daemon=True).start()

    def at(self, folder: str, reply: Callable[[str], Reply]) -> str:
        """Serve all files below a folder with one kind of reply; gives the mirror's URL."""
        for name in FILES:
            self.replies[f"/{folder}/{name}.gz"] = reply(name)
        return f"{self.url}{folder}/"

    def good(self, folder: str = "good") -> str:
        return self.at(folder, lambda name: body(BODIES[name]))

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def body(content: bytes, length: int | None = None, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return reply


@pytest.fixture
def mirror(cache: Path) -> Iterator[Mirror]:
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def closed_port() -> Iterator[str]:
    """A URL at which every connection is refused; the port stays taken, so nobody else gets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


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


def test_what_was_lacking_is_told(cache, mirror):
    assert download_mnist(cache, FILES, [mirror.good()]) == list(FILES)
    (cache / f"{FIRST}.gz").unlink()
    assert download_mnist(cache, FILES, [mirror.good()]) == [FIRST]
    assert download_mnist(cache, FILES, [mirror.good()]) == []


def test_all_files_come_from_the_first_mirror(cache, mirror, closed_port):
    download_mnist(cache, FILES, [mirror.good(), closed_port])
    assert_complete(cache)
    assert mirror.asked == [f"/good/{name}.gz" for name in FILES]


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirrors_from_the_variable(cache, mirror, closed_port, monkeypatch, slash):
    good = mirror.good().rstrip("/") + slash
    monkeypatch.setenv("OVR_DIGITS_MIRRORS", f"  {closed_port} {good}\n")
    download_mnist(cache, FILES)
    assert_complete(cache)


def test_sound_files_are_left_alone_and_damaged_ones_replaced(cache, mirror):
    download_mnist(cache, FILES, [mirror.good()])
    kept, *others = [cache / f"{name}.gz" for name in FILES]
    stamp = kept.stat().st_mtime_ns
    others[0].unlink()
    others[1].write_bytes(b"damaged")
    others[2].write_bytes(gzip.compress(b"another file"))
    mirror.asked.clear()
    download_mnist(cache, FILES, [mirror.good()])
    assert_complete(cache)
    assert mirror.asked == [f"/good/{path.name}" for path in others]
    assert kept.stat().st_mtime_ns == stamp
    mirror.asked.clear()
    download_mnist(cache, FILES, [mirror.good()])
    assert mirror.asked == []


HTML = b"<!DOCTYPE html><html>Please log in to the network</html>"


def status(code: int) -> Reply:
    return lambda handler: handler.send_error(code)


def only(one: str) -> Callable[[str], Reply]:
    return lambda name: body(BODIES[name]) if name == one else status(404)


#: What a mirror can do wrong, and how the summary calls it.
FAULTS: list[tuple[Callable[[str], Reply], str]] = [
    (lambda name: status(404), "HTTP 404"),
    (lambda name: status(503), "HTTP 503"),
    (lambda name: body(HTML, Content_Type="text/html"), "a web page in place of the file"),
    (lambda name: body(gzip.compress(HTML), Content_Encoding="gzip"), "a web page in place of"),
    (lambda name: body(gzip.compress(idx_bytes(ARRAYS[name] + 1))), "wrong bytes"),
    (lambda name: body(b""), "wrong bytes"),
    (lambda name: body(BODIES[name][:-10]), "damaged or truncated"),
    (lambda name: body(BODIES[name][:20], length=len(BODIES[name])), "the download broke off"),
    (lambda name: body(BODIES[name], length=10), "damaged or truncated"),
    (lambda name: body(BODIES[name], Content_Encoding="deflate"), "the download broke off"),
    (lambda name: lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9\r\n"), "cannot connect"),
    (lambda name: lambda handler: None, "cannot connect"),
]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_a_bad_mirror_is_followed_by_the_next(cache, mirror, no_openml, fault, reason):
    bad = mirror.at("bad", fault)
    download_mnist(cache, FILES, [bad, mirror.good()])
    assert_complete(cache)
    for path in cache.iterdir():
        path.unlink()
    with pytest.raises(DigitsError) as error:
        download_mnist(cache, FILES, [bad])
    assert f"{bad} ({reason}" in str(error.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("url", ["nonsense", "file:///etc/", "http://[::1", "http://.bad..name/"])
def test_a_mirror_that_is_no_url(cache, mirror, no_openml, url):
    download_mnist(cache, FILES, [url, mirror.good()])
    assert_complete(cache)
    with pytest.raises(DigitsError) as error:
        download_mnist(cache / "other", FILES, [url])
    assert "(not a URL that can be asked)" in str(error.value)


def test_a_body_without_a_length_and_one_that_the_server_compressed(cache, mirror):
    def unsized(name: str) -> Reply:
        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(BODIES[name])

        return reply

    download_mnist(cache, FILES, [mirror.at("unsized", unsized)])
    assert_complete(cache)
    # With this header the client undoes the gzip, and what arrives is plain IDX.
    encoded = mirror.at("encoded", lambda name: body(BODIES[name], Content_Encoding="gzip"))
    download_mnist(cache / "other", FILES, [encoded])
    assert_complete(cache / "other")


def test_far_too_many_bytes_are_not_kept(cache, mirror, no_openml, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    big = mirror.at("big", lambda name: body(bytes(200_000)))
    with pytest.raises(DigitsError, match="far more bytes than the file has"):
        download_mnist(cache, FILES, [big])


def test_a_dead_mirror_is_asked_once_only(cache, mirror):
    def stall(name: str) -> Reply:
        return lambda handler: mirror.closing.wait(10) and None

    stalled = mirror.at("stalled", stall)
    started = time.monotonic()
    download_mnist(cache, FILES, [stalled, mirror.good()], timeout=0.3)
    assert time.monotonic() - started < 3
    assert_complete(cache)
    assert len([path for path in mirror.asked if "stalled" in path]) == 1


def test_a_stall_in_the_middle_of_the_body(cache, mirror, no_openml):
    def stall(name: str) -> Reply:
        def reply(handler: BaseHTTPRequestHandler) -> None:
            body(BODIES[name][:20], length=len(BODIES[name]))(handler)
            handler.wfile.flush()
            mirror.closing.wait(10)

        return reply

    stalled = mirror.at("stalled", stall)
    with pytest.raises(DigitsError, match=r"stalled/ \(no answer for 0.3 s\)"):
        download_mnist(cache, FILES, [stalled], timeout=0.3)
    download_mnist(cache, FILES, [stalled, mirror.good()], timeout=0.3)
    assert_complete(cache)


def test_a_slow_drip_is_given_up_in_the_end(cache, mirror, no_openml):
    def drip(name: str) -> Reply:
        def reply(handler: BaseHTTPRequestHandler) -> None:
            body(b"", length=len(BODIES[name]))(handler)
            for byte in BODIES[name]:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if mirror.closing.wait(0.05):
                    break

        return reply

    slow = mirror.at("slow", drip)
    started = time.monotonic()
    with pytest.raises(DigitsError, match=r"slow/ \(not done within 0.5 s\)"):
        download_mnist(cache, FILES, [slow], timeout=5, time_limit=0.5)
    assert time.monotonic() - started < 4
    download_mnist(cache, FILES, [slow, mirror.good()], timeout=5, time_limit=0.5)
    assert_complete(cache)


def test_mirrors_make_up_for_each_other(cache, mirror):
    download_mnist(cache, FILES, [mirror.at(f"with-{name}", only(name)) for name in FILES])
    assert_complete(cache)


def test_when_everything_fails_one_line_tells_all_and_the_cache_is_empty(
    cache, mirror, closed_port, no_openml
):
    login = closed_port.replace("//", "//user:secret@")
    with pytest.raises(DigitsError) as error:
        download_mnist(cache, FILES, [login, mirror.at("none", lambda name: status(404))])
    assert str(error.value) == (
        f"MNIST could not be downloaded: {closed_port} (cannot connect), "
        f"{mirror.url}none/ (HTTP 404), OpenML (cannot connect); "
        "name a folder that holds its files with --data-dir or OVR_DIGITS_DATA, "
        "or use --dataset digits to work without MNIST"
    )
    assert not cache.exists()


def test_what_could_be_had_is_kept(cache, mirror, no_openml):
    with pytest.raises(DigitsError):
        download_mnist(cache, FILES, [mirror.at("some", only(FIRST))])
    assert [path.name for path in cache.iterdir()] == [f"{FIRST}.gz"]


def test_a_cache_that_cannot_be_written(cache, mirror):
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(DigitsError) as error:
        download_mnist(cache, FILES, [mirror.good()])
    assert str(error.value) == (
        f"{cache}: MNIST cannot be written there (Not a directory); "
        "name another folder: OVR_DIGITS_CACHE for the cache, --data-dir for data download"
    )


def test_a_full_disk_leaves_no_temporary_file(cache, mirror, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DigitsError, match="No space left on device"):
        download_mnist(cache, FILES, [mirror.good()])
    assert list(cache.iterdir()) == []


def test_progress_is_told_of_every_byte(cache, mirror):
    class Counting(Progress):
        def __init__(self) -> None:
            self.stages: dict[str, float] = {}
            self.done = 0.0

        def stage(self, name: str, total: float, unit: str = "") -> None:
            self.stages[name] = total

        def advance(self, amount: float = 1) -> None:
            self.done += amount

    progress = Counting()
    download_mnist(cache, FILES, [mirror.good()], progress=progress)
    assert progress.stages == {f"download {name}": len(BODIES[name]) for name in FILES}
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
        mirror.replies[path] = body(packed, Content_Encoding="gzip")
    mirror.replies["/data/v1/download/"] = body(gzip.compress(arff), Content_Encoding="gzip")


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


def test_openml_is_the_last_source(cache, openml, closed_port, tmp_path):
    serve_openml(openml)
    download_mnist(cache, FILES, [closed_port])
    assert_complete(cache)
    assert_nothing_left(tmp_path)


def test_openml_fills_up_what_the_mirrors_lacked(cache, openml):
    serve_openml(openml)
    download_mnist(cache, FILES, [openml.at("some", only(FIRST))])
    assert_complete(cache)


def test_wrong_digits_from_openml_are_not_kept(cache, openml, closed_port, tmp_path):
    serve_openml(openml, wrong=True)
    with pytest.raises(DigitsError, match=r"OpenML \(wrong bytes\)"):
        download_mnist(cache, FILES, [closed_port])
    # The labels were right, and stay.
    assert {path.name for path in cache.iterdir()} == {f"{n}.gz" for n in FILES if "labels" in n}
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (status(404), "HTTP 404"),
        (status(412), "an unusable reply: OpenMLError"),
        (body(HTML), "an unusable reply: JSONDecodeError"),
        (body(b"{}"), "an unusable reply: KeyError"),
    ],
)
def test_openml_out_of_order(cache, openml, closed_port, tmp_path, reply, reason):
    openml.replies["/"] = reply
    with pytest.raises(DigitsError) as error:
        download_mnist(cache, FILES, [closed_port])
    assert f"OpenML ({reason})" in str(error.value)
    assert_nothing_left(tmp_path)


def test_openml_stalls(cache, openml, closed_port):
    openml.replies["/"] = lambda handler: openml.closing.wait(10) and None
    with pytest.raises(DigitsError, match=r"OpenML \(no answer for 0.2 s\)"):
        download_mnist(cache, FILES, [closed_port], timeout=0.2)
    with pytest.raises(DigitsError, match=r"OpenML \(not done within 0.2 s\)"):
        download_mnist(cache, FILES, [closed_port], timeout=5, time_limit=0.2)
    assert socket.getdefaulttimeout() is None


@pytest.mark.mnist
def test_the_real_files_over_http(mnist_dir, cache, mirror, closed_port, monkeypatch):
    def real(name: str) -> Reply:
        packed, plain = mnist_dir / f"{name}.gz", mnist_dir / name
        return body((packed if packed.exists() else plain).read_bytes())

    monkeypatch.setenv("OVR_DIGITS_MIRRORS", f"{closed_port} {mirror.at('real', real)}")
    for part, number in (("test", 10_000), ("train", 60_000)):
        assert len(load_split("mnist", part)) == number
    for name, digest in MNIST_FILES.items():
        content = read_content(cache / f"{name}.gz")
        assert hashlib.sha256(content).hexdigest() == digest
    assert len(list(cache.iterdir())) == 4
