"""The service, as clients meet it: a real server on the loopback, real sockets, real PNGs.

``OVR_DIGITS_API_EXAMPLES=5000 pytest tests/test_service.py -k description_holds`` has
schemathesis try as many requests instead of some three hundred.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw

from ovr_digits.web.http.connection import Connections
from ovr_digits.web.http.guard import Guard
from ovr_digits.web.http.hosts import is_same_origin, served_hosts
from ovr_digits.web.http.limits import Limits

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "ovr_digits"]
SERVED_HEADERS = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-resource-policy",
    "cross-origin-opener-policy",
    "permissions-policy",
    "cache-control",
}


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> str:
        """The one line of a refusal, which must be nothing else."""
        assert self.headers["content-type"] == "application/json"
        text = self.json["error"]
        assert list(self.json) == ["error"]
        assert text
        assert "\n" not in text
        return text


class Service:
    """A running server process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log
        assert process.stdout is not None
        self.line = process.stdout.readline()
        match = re.search(r"http://(\S+):(\d+)/", self.line)
        assert match, f"no address: {self.line!r}, {log.read_text()}"
        self.host, self.port = match[1].strip("[]"), int(match[2])

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """One request over a connection of its own."""
        connection = HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            return reply_of(connection.getresponse())
        finally:
            connection.close()

    def post(self, path: str, picture: bytes, **headers: str) -> Reply:
        return self.ask("POST", path, picture, headers)

    def send(self, content: bytes, seconds: float = 10.0) -> bytes:
        """Raw bytes over a socket, and all that comes back until the server closes it."""
        with socket.create_connection((self.host, self.port), timeout=seconds) as connection:
            connection.sendall(content)
            return read_all(connection)

    def children(self) -> list[int]:
        """The processes that it has started, in order."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return sorted(int(pid) for task in tasks for pid in task.read_text().split())

    def workers(self) -> list[int]:
        """Its worker processes."""
        return [pid for pid in self.children() if b"spawn_main" in command_of(pid)]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def reply_of(response: HTTPResponse) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def png(draw: Callable[[ImageDraw.ImageDraw], object] | None = None, side: int = 280) -> bytes:
    picture = Image.new("L", (side, side), 255)
    if draw is not None:
        draw(ImageDraw.Draw(picture))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


SEVEN = png(lambda pen: pen.line([(80, 60), (200, 60), (120, 230)], 0, 18, "curve"))


def form(*fields: tuple[str, str | None, bytes], boundary: str = "b0undary") -> tuple[bytes, str]:
    """The body of a form of (field, file name, content), and its content type."""
    parts = []
    for field, name, content in fields:
        file = "" if name is None else f'; filename="{name}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


@pytest.fixture(scope="module")
def slow_picture() -> bytes:
    """A large picture full of specks (24 megapixels, 1 MB), over which a worker thinks long."""
    rng = np.random.default_rng(0)
    specks = rng.random((300, 400)) < 0.5
    large = Image.fromarray(specks).resize((6000, 4000))
    content = io.BytesIO()
    large.save(content, "PNG", compress_level=1)
    return content.getvalue()


@pytest.fixture(scope="module")
def start(
    tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Service]]:
    """Starts a service with some options; it is stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(*options: str, command: str = "serve", **environment: str) -> Service:
            log = tmp_path_factory.mktemp("service") / "log"
            arguments = [*COMMAND, command, "--port", "0", "--models", str(tiny_models), *options]
            with log.open("w") as file:
                process = stack.enter_context(
                    subprocess.Popen(
                        arguments,
                        stdout=subprocess.PIPE,
                        stderr=file,
                        text=True,
                        env={**os.environ, **environment},
                        start_new_session=True,
                    )
                )
            stack.callback(process.kill)
            return Service(process, log)

        yield start


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "corrections"


@pytest.fixture(scope="module")
def service(start: Callable[..., Service], kept: Path) -> Service:
    """One that tests share, and do no harm to."""
    return start("--workers", "1", "--keep", str(kept), "--max-kept", "2", "--max-bytes", "2000000")


def on_command_line(*arguments: str) -> Any:
    run = subprocess.run([*COMMAND, *arguments, "--json"], capture_output=True, check=True)
    return json.loads(run.stdout)


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["predict", "read"])
def test_answers_are_those_of_the_command_line(
    service: Service, tiny_models: Path, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(SEVEN)
    expected = on_command_line(command, str(path), "--models", str(tiny_models))
    raw = service.post(f"/api/{command}", SEVEN)
    assert raw.status == 200
    assert raw.headers["content-type"] == "application/json"
    assert raw.json == {**expected, "path": "-"}
    assert service.post(f"/api/{command}", SEVEN, **{"Content-Type": "image/x"}).json == raw.json
    body, kind = form(("image", "seven.png", SEVEN))
    in_form = service.post(f"/api/{command}", body, **{"Content-Type": kind})
    assert in_form.json == {**expected, "path": "seven.png"}
    body, kind = form(("note", None, b"x"), ("image", "seven.png", SEVEN), ("more", None, b""))
    assert service.post(f"/api/{command}", body, **{"Content-Type": kind}).json == in_form.json


def test_options_are_those_of_the_command_line(
    service: Service, tiny_models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(SEVEN)
    options = ["--invert", "yes", "--threshold", "0.9", "--models", str(tiny_models)]
    for command in ("predict", "read"):
        expected = on_command_line(command, str(path), *options)
        answer = service.post(f"/api/{command}?invert=yes&threshold=0.9", SEVEN).json
        assert answer == {**expected, "path": "-"}
        assert answer != service.post(f"/api/{command}", SEVEN).json


def test_more_is_told_where_it_is_asked_for(service: Service) -> None:
    plain = service.post("/api/predict", SEVEN).json
    assert not {"n_digits", "box", "image", "contributions"} & plain.keys()
    answer = service.post("/api/predict?form=true&contributions=true", SEVEN).json
    assert answer.items() >= plain.items()
    assert answer["n_digits"] == 1
    x, y, width, height = answer["box"]
    assert 65 < x < 85
    assert 45 < y < 65
    assert 120 < width < 150
    assert 170 < height < 200
    image, shares = np.array(answer["image"]), np.array(answer["contributions"])
    assert image.shape == shares.shape == (28, 28)
    assert 200 < image.max() <= 255
    assert (image[0] == 0).all()
    assert shares.any()
    assert not shares[image == 0].any()


def test_a_blank_picture_has_an_empty_form(service: Service) -> None:
    answer = service.post("/api/predict?form=true&contributions=true", png()).json
    assert answer["box"] == [0, 0, 0, 0]
    assert not np.any(answer["image"])
    assert not np.any(answer["contributions"])


def test_a_file_name_is_told_and_does_nothing_else(service: Service) -> None:
    name = "a\\r\\n\x1b[31m<b>'é"
    body, kind = form(("image", name, SEVEN))
    reply = service.post("/api/predict", body, **{"Content-Type": kind})
    assert reply.json["path"] == name
    assert not any("31m" in value for value in reply.headers.values())
    assert "31m" not in service.log


def test_what_the_service_is(service: Service, tiny_models: Path) -> None:
    from ovr_digits import __version__, load_models

    assert service.ask("GET", "/healthz").json == {"status": "ok"}
    assert service.ask("GET", "/api/service").json == {
        "version": __version__,
        "keeps": True,
        "max_bytes": 2_000_000,
        "max_pixels": 25_000_000,
        "max_seconds": 10,
    }
    provenance = json.loads(json.dumps(dict(load_models(tiny_models).provenance)))
    assert service.ask("GET", "/api/models").json == {**provenance, "version": __version__}


def test_the_page_and_its_files_are_there(service: Service) -> None:
    assert b"<html" in service.ask("GET", "/").content
    assert service.ask("GET", "/static/docs.js").headers["content-type"].startswith("text/javascr")


def test_the_description_needs_nothing_from_elsewhere(service: Service) -> None:
    page = service.ask("GET", "/docs").content.decode()
    assert "<style" not in page
    assert "style=" not in page
    assert "<script>" not in page
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    files = [link for link in links if not link.startswith("data:")]
    assert len(files) == 3
    for link in files:
        assert link.startswith("/")
        assert service.ask("GET", link).status == 200
    paths = service.ask("GET", "/openapi.json").json["paths"]
    assert set(paths) == {
        *("/api/predict", "/api/read", "/api/keep", "/api/models", "/api/service", "/healthz")
    }


def test_head_is_answered_like_get_without_a_body(service: Service) -> None:
    for path in ("/", "/healthz", "/api/models", "/static/docs.js", "/docs"):
        with_body = service.ask("GET", path)
        reply = service.ask("HEAD", path)
        assert (reply.status, reply.content) == (200, b"")
        assert reply.headers["content-length"] == str(len(with_body.content))
    assert service.ask("HEAD", "/api/predict").status == 405


# --- refusals --------------------------------------------------------------------------------


def refused_forms() -> list[tuple[str, tuple[bytes, str], str]]:
    picture = ("image", "a.png", SEVEN)
    return [
        ("two files", form(picture, picture), "one file"),
        ("another field", form(("picture", "a.png", SEVEN)), "one file"),
        ("no file", form(("image", None, SEVEN)), "one file"),
        ("nothing", (b"--b0undary--\r\n", "multipart/form-data; boundary=b0undary"), "one file"),
        ("no boundary", (form(picture)[0], "multipart/form-data"), "boundary"),
        ("damaged", (b"rubbish", "multipart/form-data; boundary=b0undary"), "damaged"),
        ("cut off", (form(picture)[0][:-40], form(picture)[1]), "one file"),
        ("long name", form(("image", "n" * 256, SEVEN)), "file name"),
    ]


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [pytest.param(*body, text, id=name) for name, body, text in refused_forms()],
)
def test_forms_that_are_not_as_agreed(service: Service, body: bytes, kind: str, text: str) -> None:
    reply = service.post("/api/predict", body, **{"Content-Type": kind})
    assert reply.status == 422
    assert text in reply.error


def huge_png() -> bytes:
    content = io.BytesIO()
    Image.new("1", (6000, 5000)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        (b"", "empty"),
        (b"no picture", "not a picture"),
        (SEVEN[:300], "damaged"),
        (png(side=3), "too small"),
        (huge_png(), "30 megapixels, at most 25"),
    ],
    ids=["empty", "text", "cut off", "tiny", "huge"],
)
@pytest.mark.parametrize("path", ["/api/predict", "/api/read", "/api/keep?label=1"])
def test_pictures_that_cannot_be_read(
    service: Service, path: str, picture: bytes, text: str
) -> None:
    reply = service.post(path, picture)
    assert reply.status == 422
    assert text in reply.error


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/predict?threshold=0.96", "threshold"),
        ("/api/predict?threshold=nan", "threshold"),
        ("/api/read?threshold=", "threshold"),
        ("/api/predict?invert=perhaps", "invert"),
        ("/api/predict?form=perhaps", "form"),
        ("/api/predict?contributions=2", "contributions"),
        ("/api/keep", "label"),
        ("/api/keep?label=10", "label"),
        ("/api/keep?label=seven", "label"),
    ],
)
def test_wrong_parameters_are_named(service: Service, path: str, name: str) -> None:
    reply = service.post(path, SEVEN)
    assert reply.status == 422
    assert reply.error.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/api/predict/", "/static/", "/static/nothing", "/docs/assets/"),
        *("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"),
        *("/static//etc/passwd", "/static/%00", "/docs/assets/../__init__.py", "/static/%ff"),
        "/static/" + 300 * "a",
    ],
)
def test_what_is_not_there_is_not_found(service: Service, path: str) -> None:
    reply = service.ask("GET", path)
    assert reply.status == 404
    assert "/docs" in reply.error


def test_other_methods_are_refused_with_those_that_are_taken(service: Service) -> None:
    reply = service.ask("DELETE", "/api/predict")
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"
    assert "POST" in reply.error
    for path in ("/healthz", "/", "/static/docs.js"):
        reply = service.ask("PUT", path, b"x")
        assert reply.status == 405
        assert "GET" in reply.error


@pytest.mark.parametrize("wanted", ["bytes=x", "bytes=99999999-", "bytes=0-1,5-6", "lines=0-1"])
@pytest.mark.parametrize("path", ["/", "/static/docs.js", "/docs/assets/swagger-ui.css"])
def test_files_are_sent_whole(service: Service, path: str, wanted: str) -> None:
    reply = service.ask("GET", path, headers={"Range": wanted})
    assert reply.status == 200
    assert reply.content == service.ask("GET", path).content


# --- limits ----------------------------------------------------------------------------------


def in_chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


@pytest.mark.parametrize("path", ["/api/predict", "/api/read", "/api/keep?label=1"])
def test_bodies_that_are_too_large(service: Service, path: str) -> None:
    large = bytes(2_000_001)
    body, kind = form(("image", "a.png", large))
    replies = [
        service.post(path, large),
        service.ask("POST", path, in_chunks(large)),
        service.post(path, body, **{"Content-Type": kind}),
        service.ask("POST", path, in_chunks(body), {"Content-Type": kind}),
    ]
    for reply in replies:
        assert reply.status == 413
        assert "2 MB" in reply.error


def test_a_body_of_the_largest_size_is_read(service: Service) -> None:
    assert service.post("/api/predict", SEVEN + bytes(2_000_000 - len(SEVEN))).status == 200


def test_a_refused_body_leaves_the_connection_in_order(service: Service) -> None:
    connection = HTTPConnection(service.host, service.port, timeout=30)
    for body, status in ((bytes(3_000_000), 413), (SEVEN, 200)):
        connection.request("POST", "/api/predict", body)
        assert reply_of(connection.getresponse()).status == status
    connection.close()


def test_compressed_bodies_are_refused(service: Service) -> None:
    reply = service.post("/api/predict", SEVEN, **{"Content-Encoding": "gzip"})
    assert reply.status == 415
    assert "compressed" in reply.error


def test_heads_that_are_too_large(service: Service) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + bytes(20_000).replace(b"\0", b"x")
    assert b" 431 " in service.send(head + b"\r\nConnection: close\r\n\r\n").split(b"\r\n")[0]
    with socket.create_connection((service.host, service.port), timeout=10) as connection:
        for start in range(0, 17_000, 1000):
            connection.sendall(head[start : start + 1000])
            time.sleep(0.01)
        assert b" 400 " in connection.recv(100)


def test_slow_clients_are_not_waited_for(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", "--max-arrival", "0.5", "--max-connections", "4")
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        slow_body, slow_head, nothing = pool.map(service.send, (head + b"a few", head[:30], b""))
    assert time.monotonic() - started < 6
    assert slow_body.startswith(b"HTTP/1.1 408 ")
    assert b"0.5 s" in slow_body
    assert slow_head == nothing == b""
    assert service.post("/api/predict", SEVEN).status == 200


def test_clients_that_trickle_are_not_waited_for(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", "--max-arrival", "0.5")
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    for path, status in ((b"api/predict", b"408"), (b"healthz", b"405")):
        with socket.create_connection((service.host, service.port), timeout=10) as connection:
            connection.sendall(head % path)
            with contextlib.suppress(OSError):  # reset by the server
                for _ in range(100):
                    connection.sendall(b"x")
                    time.sleep(0.05)
                pytest.fail("the server still listens after five seconds")
            with contextlib.suppress(ConnectionError):
                assert connection.recv(12).split()[1:] == [status]


def test_a_body_in_crumbs_does_not_keep_others_waiting(service: Service) -> None:
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for path in (b"api/predict", b"healthz"):
        with socket.create_connection((service.host, service.port), timeout=10) as connection:
            connection.sendall(head % path)
            with contextlib.suppress(ConnectionError):  # reset by the server
                connection.sendall(100_000 * b"1\r\nx\r\n")
                assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 405")
                assert read_all(connection)[-1:] == b"}"
    started = time.monotonic()
    assert service.ask("GET", "/healthz").status == 200
    assert time.monotonic() - started < 0.5
    crumbs = (SEVEN[start : start + 10] for start in range(0, len(SEVEN), 10))
    assert service.ask("POST", "/api/predict", crumbs).status == 200
    rows = (bytes(1200) for _ in range(1600))
    assert "not a picture" in service.ask("POST", "/api/predict", rows).error


def test_connections_are_counted(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", "--max-connections", "3")
    with contextlib.ExitStack() as stack:
        address = (service.host, service.port)
        for _ in range(3):
            stack.enter_context(socket.create_connection(address, timeout=10))
        reply = service.ask("GET", "/healthz")
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert "connections" in reply.error
        for _ in range(2):
            stack.enter_context(socket.create_connection(address, timeout=10))
        last = [stack.enter_context(socket.create_connection(address, timeout=10))]
        last += [stack.enter_context(socket.create_connection(address, timeout=10))]
        with contextlib.suppress(ConnectionResetError):
            assert last[-1].recv(10) == b""  # not even listened to
    wait_until(lambda: service.ask("GET", "/healthz").status == 200)


def test_connections_that_are_reset_are_let_go(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", "--quiet")

    def ask_and_vanish(times: int) -> float:
        for _ in range(times):
            with socket.create_connection((service.host, service.port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert connection.recv(100)
        return float(psutil.Process(service.process.pid).memory_full_info().pss) / 1e6

    before = ask_and_vanish(500)
    assert ask_and_vanish(1500) < before + 2  # MB; some 5 more where each is held for a while


def test_beyond_what_may_wait_clients_are_told_to_come_again(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", "--max-waiting", "1")
    assert service.post("/api/predict", SEVEN).status == 200
    (worker,) = service.workers()
    with ThreadPoolExecutor(6) as pool:
        os.kill(worker, signal.SIGSTOP)  # nothing gets done, however slowly requests come
        try:
            asked = [pool.submit(service.post, "/api/predict", SEVEN) for _ in range(6)]
            wait_until(lambda: sum(future.done() for future in asked) == 4)
            refused = [future.result() for future in asked if future.done()]
        finally:
            os.kill(worker, signal.SIGCONT)
        statuses = sorted(future.result().status for future in asked)
    assert statuses == [200, 200, 503, 503, 503, 503]
    for reply in refused:
        assert int(reply.headers["retry-after"]) >= 1
        assert "ask again" in reply.error
    assert service.post("/api/predict", SEVEN).status == 200


def test_a_picture_that_takes_too_long(start: Callable[..., Service], slow_picture: bytes) -> None:
    service = start("--workers", "1", "--max-seconds", "0.4")
    wait_until(lambda: service.post("/api/predict", SEVEN).status == 200)
    reply = service.post("/api/read", slow_picture)
    assert reply.status == 422
    assert "longer than 0.4 s" in reply.error
    wait_until(lambda: service.post("/api/predict", SEVEN).status == 200)


def test_bodies_in_memory_are_counted(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", "--max-bytes", "1000")
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            address = (service.host, service.port)
            connection = stack.enter_context(socket.create_connection(address, timeout=10))
            connection.sendall(head + bytes(999))
        wait_until(lambda: service.post("/api/predict", bytes(1000)).status == 503)
        assert "too many" in service.post("/api/predict", bytes(1000)).error
    wait_until(lambda: service.post("/api/predict", bytes(1000)).status == 422)


# --- what dies and stops ---------------------------------------------------------------------


def later(call: Callable[[], Reply]) -> Callable[[], Reply]:
    """Begin a request; the result waits for its answer."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return lambda: future.result(60)


def is_busy(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "RD"


def begun(service: Service, picture: bytes) -> Callable[[], Reply]:
    """A request that a worker is at work on: one of several that had nothing to do before."""
    idle: list[bool] = []

    def are_idle() -> bool:  # not only for a moment, while they are loaded
        idle.append(not any(map(is_busy, service.workers())))
        return len(idle) > 10 and all(idle[-10:])

    wait_until(are_idle)
    reply = later(lambda: service.post("/api/read", picture))
    wait_until(lambda: any(map(is_busy, service.workers())))
    return reply


def test_a_worker_that_is_killed_takes_only_its_own_picture_along(
    start: Callable[..., Service], slow_picture: bytes
) -> None:
    service = start("--workers", "1")
    assert service.post("/api/predict", SEVEN).status == 200
    (worker,) = service.workers()
    reply = begun(service, slow_picture)
    os.kill(worker, signal.SIGKILL)
    assert reply().status == 503
    assert "died" in reply().error
    assert service.post("/api/predict", SEVEN).status == 200
    # One that has nothing to do takes none along.
    (other,) = service.workers()
    assert other != worker
    os.kill(other, signal.SIGKILL)
    wait_until(lambda: not command_of(other))
    assert service.post("/api/predict", SEVEN).status == 200
    time.sleep(0.3)
    assert service.post("/api/predict", SEVEN).status == 200
    assert len(service.workers()) == 1


def test_the_models_of_the_start_serve_to_the_end(
    start: Callable[..., Service], tiny_models_bytes: bytes, tmp_path: Path
) -> None:
    path, other = tmp_path / "models.pkl", tmp_path / "other.pkl"
    path.write_bytes(tiny_models_bytes)
    service = start("--workers", "2", "--models", str(path))
    answer = service.post("/api/predict", SEVEN).json
    told = service.ask("GET", "/api/models").json
    other.write_bytes((ROOT / "models.pkl").read_bytes())
    for change in (lambda: other.replace(path), path.unlink):
        change()
        before = service.workers()
        for worker in before:
            with contextlib.suppress(ProcessLookupError):  # replaced with the first
                os.kill(worker, signal.SIGKILL)
        wait_until(lambda before=before: not any(map(command_of, before)))  # type: ignore[misc]
        for _ in range(4):  # whoever of them does it
            assert service.post("/api/predict", SEVEN).json == answer
        assert not set(before) & set(service.workers())
        assert service.ask("GET", "/api/models").json == told
    assert service.stop() == 0


def cpu_seconds(pid: int) -> float:
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
    return int(used) / os.sysconf("SC_CLK_TCK")


def test_work_that_nobody_waits_for_ends(
    start: Callable[..., Service], slow_picture: bytes
) -> None:
    service = start("--workers", "1", "--max-seconds", "600")
    assert service.post("/api/predict", SEVEN).status == 200
    (worker,) = service.workers()
    before = cpu_seconds(worker)
    clients = [HTTPConnection(service.host, service.port) for _ in range(3)]
    for client in clients:  # for one of them it works, and the others wait
        client.request("POST", "/api/read", slow_picture)
    wait_until(lambda: cpu_seconds(worker) > before + 0.1)
    os.kill(worker, signal.SIGSTOP)  # as slow as can be
    for client in clients:
        client.close()
    wait_until(lambda: not command_of(worker))
    assert service.post("/api/predict", SEVEN).status == 200


def test_work_that_is_nearly_finished_keeps_its_worker(start: Callable[..., Service]) -> None:
    service = start("--workers", "1")
    assert service.post("/api/predict", SEVEN).status == 200
    workers = service.workers()
    for _ in range(3):
        connection = HTTPConnection(service.host, service.port)
        connection.request("POST", "/api/predict", SEVEN)
        connection.close()
        assert service.post("/api/predict", SEVEN).status == 200
    assert service.workers() == workers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_what_was_begun(start: Callable[..., Service], number: signal.Signals) -> None:
    service = start("--workers", "2")
    workers = service.workers()
    assert len(workers) == 2
    idle = socket.create_connection((service.host, service.port))
    # A few tenths of a second, of the five that a stop leaves.
    large = png(lambda pen: pen.line([(1400, 1000), (3500, 1000), (2100, 4000)], 0, 300), 4900)
    reply = begun(service, large)
    os.killpg(service.process.pid, number)  # as a terminal and a service manager do
    assert reply().status == 200
    assert service.process.wait(30) == 0
    idle.close()
    assert "Traceback" not in service.log
    wait_until(lambda: not any(map(command_of, workers)))
    with pytest.raises(ConnectionError):
        service.ask("GET", "/healthz")


@pytest.mark.parametrize("seconds", [0, 0.02, 0.05, 0.1, 0.2, 0.3])
def test_an_interrupt_in_the_start_is_told_in_one_line(tiny_models: Path, seconds: float) -> None:
    """Also while workers are being started, who get it too."""
    arguments = [*COMMAND, "serve", "--port", "0", "--workers", "2", "--models", str(tiny_models)]
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        wait_until(lambda: len(processes_in_session(process.pid)) > 1)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode == 0) == ("http" in output)
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1
    wait_until(lambda: not processes_in_session(process.pid))


def processes_in_session(leader: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(path.parent.name))
    return found


def test_a_stop_does_not_wait_for_ever(start: Callable[..., Service]) -> None:
    service = start("--workers", "1")
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection((service.host, service.port), timeout=20) as connection:
        connection.sendall(head)
        time.sleep(0.2)
        started = time.monotonic()
        assert service.stop() == 0
        assert 4 < time.monotonic() - started < 8
        assert connection.recv(100).startswith(b"HTTP/1.1 503 ")
    assert "Traceback" not in service.log


def test_workers_end_with_a_service_that_is_killed(
    start: Callable[..., Service], slow_picture: bytes
) -> None:
    service = start("--workers", "2")
    children = service.children()
    assert len(children) >= 2
    reply = begun(service, slow_picture)
    service.process.kill()
    wait_until(lambda: not any(map(command_of, children)))
    with pytest.raises(ConnectionError):
        reply()


# --- who may ask -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("localhost", True),
        ("LOCALHOST:1234", True),
        ("localhost.", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9", True),
        ("[::1]:8000", True),
        ("digits.example.org", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("192.168.1.1", False),
        ("[fe80::1]", False),
        ("", False),
        ("localhost/", False),
        ("a@localhost", False),
        ("localhost:port", False),
    ],
)
def test_hosts_of_a_service_for_this_machine(host: str, served: bool) -> None:
    assert served_hosts("127.0.0.1", ["Digits.example.org"]).serve(host) is served


def test_a_service_on_all_addresses_answers_to_all_of_them_but_not_to_names() -> None:
    for wildcard in ("0.0.0.0", "::"):
        hosts = served_hosts(wildcard, [])
        assert hosts.serve("192.168.1.1:8000")
        assert hosts.serve("[2001:db8::1]:8000")
        assert hosts.serve("localhost:8000")
        assert not hosts.serve("evil.example:8000")
    assert served_hosts("192.168.1.1", []).serve("192.168.1.1:8000")


def test_origins() -> None:
    assert is_same_origin("http://localhost:8000", "localhost:8000")
    assert is_same_origin("https://Digits.example.org", "digits.example.org")
    for origin in ("null", "http://localhost:3000", "http://evil.example", "ftp://localhost:8000"):
        assert not is_same_origin(origin, "localhost:8000")
    assert not is_same_origin("http://[", "localhost")


def test_requests_under_other_names_are_refused(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", "--allow-host", "Digits.example.org")
    for host, status in (("digits.example.org", 200), ("evil.example", 421)):
        for path in ("/", "/healthz", "/static/docs.js", "/docs"):
            reply = service.ask("GET", path, headers={"Host": host})
            assert reply.status == status
            assert reply.headers.keys() >= SERVED_HEADERS
    assert "--allow-host" in reply.error


def test_requests_from_other_sites_are_refused(service: Service) -> None:
    own = f"http://{service.host}:{service.port}"
    assert service.post("/api/predict", SEVEN, Origin=own).status == 200
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        reply = service.post("/api/predict", SEVEN, Origin=origin)
        assert reply.status == 403
        assert "other sites" in reply.error


def test_every_answer_has_the_headers(service: Service) -> None:
    replies = [
        service.ask("GET", "/"),
        service.ask("GET", "/static/docs.js"),
        service.ask("GET", "/docs"),
        service.ask("GET", "/docs/assets/swagger-ui.css"),
        service.ask("GET", "/openapi.json"),
        service.ask("GET", "/nothing"),
        service.ask("PUT", "/healthz"),
        service.post("/api/predict", SEVEN),
        service.post("/api/predict", b""),
        service.post("/api/predict", bytes(2_000_001)),
        service.ask("GET", "/", headers={"Host": "evil.example"}),
        service.post("/api/predict", SEVEN, Origin="null"),
    ]
    for reply in replies:
        assert reply.headers.keys() >= SERVED_HEADERS
        assert not {"server", "date", "access-control-allow-origin"} & reply.headers.keys()
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
    assert replies[7].headers["cache-control"] == "no-store"
    answer = service.send(b"\x16\x03\x01 no HTTP\r\n\r\n").lower()
    assert answer.startswith(b"http/1.1 400 ")
    assert all(name.encode() + b": " in answer for name in SERVED_HEADERS)
    assert b'{"error": ' in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        + 5000 * b"9"
        + b"\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    ],
)
def test_what_is_no_http(service: Service, request_: bytes) -> None:
    assert service.send(request_ + 20 * b"\r\n").startswith(b"HTTP/1.1 400 ")
    assert service.ask("GET", "/healthz").status == 200


def test_a_body_has_one_length(service: Service) -> None:
    """Else a server in between could take a part of it for a request of somebody else's."""
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    other = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = service.send(b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\n" + both + other)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_request_that_goes_wrong_in_its_body_is_no_failure_of_the_program(
    service: Service,
) -> None:
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    for path in (b"", b"healthz", b"api/predict"):
        assert service.send(head % path).startswith(b"HTTP/1.1 400 ")
    assert service.ask("GET", "/healthz").status == 200
    assert "ProtocolError" not in service.log


def test_a_failure_of_the_program_is_told_on_both_sides() -> None:
    """There is no known way to one from outside: an application of its own has it."""
    told: list[str] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: object, receive: object, send: object) -> None:
        raise ValueError("out of order")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "client": None}
    scope |= {"query_string": b"", "headers": [(b"host", b"localhost")]}
    hosts = served_hosts("127.0.0.1", [])
    guard = Guard(app, hosts, Connections(Limits(), told.append), told.append)
    asyncio.run(guard(scope, receive, send))
    assert sent[0]["status"] == 500
    assert list(json.loads(sent[1]["body"])) == ["error"]
    assert told[0] == "/x: ValueError: out of order"
    assert " 500 " in told[1]


# --- the log, the start and the command line ---------------------------------------------------


def test_the_log_has_a_line_for_each_request(start: Callable[..., Service]) -> None:
    service = start("--workers", "1")
    service.ask("GET", "/healthz?token=secret")
    service.ask("GET", "/%1b%5b31m%0a")
    service.post("/api/predict", SEVEN, Host="evil.example")
    service.ask("GET", "/" + 1000 * "a")
    service.send(b"\x1b[31m rubbish\r\n\r\n")
    assert service.stop() == 0
    lines = service.log.splitlines()
    pattern = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ 127\.0\.0\.1 (.*) (\d{3}) (\d+) ms (\d+) B"
    requests = [re.fullmatch(pattern, line) for line in lines]
    assert [request and request[1] for request in requests[:3]] == [
        "GET /healthz",
        "GET /%1b%5b31m%0a",
        "POST /api/predict",
    ]
    assert [request and request[2] for request in requests] == ["200", "404", "421", "404", "400"]
    assert max(map(len, lines)) < 300
    assert "secret" not in service.log
    assert service.log.isprintable() or "\x1b" not in service.log


def test_quiet_and_draw_write_no_log(start: Callable[..., Service]) -> None:
    for service in (
        start("--workers", "1", "--quiet"),
        start("--no-browser", command="draw"),
    ):
        assert service.post("/api/predict", SEVEN).status == 200
        assert service.stop() == 0
        assert service.log == ""


def test_draw_opens_the_page_on_this_machine(start: Callable[..., Service], tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    service = start(command="draw", BROWSER=str(browser))
    assert service.host == "127.0.0.1"
    wait_until(opened.exists)
    wait_until(lambda: opened.read_text().strip() == f"http://127.0.0.1:{service.port}/")
    assert service.stop() == 0
    assert service.log == ""


def test_draw_says_where_there_is_no_browser(start: Callable[..., Service]) -> None:
    service = start(command="draw", BROWSER="", DISPLAY="", WAYLAND_DISPLAY="")
    wait_until(lambda: "no browser" in service.log)
    assert service.ask("GET", "/").status == 200
    assert service.stop() == 0


def test_it_answers_within_a_second_or_two(start: Callable[..., Service]) -> None:
    started = time.monotonic()
    service = start("--workers", "2")
    assert service.ask("GET", "/healthz").status == 200
    assert time.monotonic() - started < 5  # about 1 where nothing else runs


def test_a_worker_has_one_thread_of_blas(start: Callable[..., Service]) -> None:
    service = start("--workers", "1", OPENBLAS_NUM_THREADS="7", OMP_NUM_THREADS="7")
    assert service.post("/api/predict", SEVEN).status == 200
    (worker,) = service.workers()
    # One works, one waits for the service to end.
    assert len(list(Path(f"/proc/{worker}/task").iterdir())) == 2


def run_command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, **options
    )


def failure_of(*arguments: str, **options: Any) -> str:
    """The one line with which a command fails."""
    run = run_command(*arguments, **options)
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    return line


def test_a_port_in_use_is_named(service: Service) -> None:
    for command in ("serve", "draw"):
        line = failure_of(command, "--port", str(service.port))
        assert f"port {service.port}" in line
        assert "--port" in line


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.1", "a" * 300, "", "..", "é"])
def test_hosts_that_cannot_be_listened_on(host: str) -> None:
    assert "--host" in failure_of("serve", "--port", "0", "--host", host)


def test_models_that_are_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pkl"
    for command in ("serve", "draw"):
        assert str(missing) in failure_of(command, "--port", "0", "--models", str(missing))


def test_models_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "models.pkl"
    for content, why in ((b"", "empty"), (b"no models", "not a models.pkl")):
        path.write_bytes(content)
        line = failure_of("serve", "--port", "0", "--models", str(path))
        assert line.startswith(f"ovr-digits: {path}: ")
        assert why in line


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "missing" / "kept"
    assert str(folder) in failure_of("draw", "--port", "0", "--keep", str(folder))


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)), "Too many open files"),
        (lambda: Path.cwd().rmdir(), "No such file or directory"),
    ],
)
def test_workers_that_cannot_be_started(
    tmp_path: Path, before: Callable[[], None], why: str
) -> None:
    (tmp_path / "folder").mkdir()
    line = failure_of("serve", "--port", "0", cwd=tmp_path / "folder", preexec_fn=before)
    assert line.startswith("ovr-digits: the worker processes do not start (")
    assert why in line


def test_workers_that_are_ended_while_they_start_say_nothing(tmp_path: Path) -> None:
    script = tmp_path / "begin_and_end.py"
    script.write_text(
        "import time\n"
        "from ovr_digits.web.http.limits import Limits\n"
        "from ovr_digits.web.workers import Workers\n"
        "if __name__ == '__main__':\n"
        "    for pause in range(0, 120, 5):\n"
        "        workers = Workers(3, Limits(), b'')\n"
        "        workers.start()\n"
        "        time.sleep(pause / 1000)\n"
        "        workers.stop()\n"
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux takes files away again")
def test_when_no_more_files_can_be_opened_the_service_goes_on(
    start: Callable[..., Service],
) -> None:
    service = start("--workers", "1", "--quiet")
    assert service.post("/api/predict", SEVEN).json["digit"] == 7
    before = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
    in_use = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (in_use + 3, before[1]))
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            address = (service.host, service.port)
            stack.enter_context(socket.create_connection(address, timeout=10))
        wait_until(lambda: "Too many open files" in service.log)
    assert service.post("/api/predict", SEVEN).json["digit"] == 7
    lines = service.log.splitlines()
    assert len(lines) < 5
    assert all(line.startswith("ovr-digits: ") for line in lines)


@pytest.mark.parametrize("name", ["fastapi", "uvicorn", "pebble", "python_multipart"])
@pytest.mark.parametrize("command", ["serve", "draw"])
def test_without_the_extra_it_is_named(tmp_path: Path, name: str, command: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{name!r}] = None")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    line = failure_of(command, env={**os.environ, "PYTHONPATH": path})
    assert line == f"ovr-digits: {command} needs the web extra: pip install 'ovr-digits[web]'"


def test_help_loads_nothing_of_the_service() -> None:
    code = (
        "import sys; from ovr_digits.cli import main; main(['serve', '--help'], "
        "standalone_mode=False); print([name for name in ('fastapi', 'uvicorn', 'pebble', "
        "'numpy', 'asyncio') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
    assert max(map(len, run.stdout.splitlines())) <= 80


# --- corrections -----------------------------------------------------------------------------


def test_corrections_are_kept_until_the_folder_is_full(service: Service, kept: Path) -> None:
    names = []
    for label in (7, 1):
        reply = service.post(f"/api/keep?label={label}", SEVEN)
        assert reply.status == 201
        names.append(reply.json["file"])
    lines = [json.loads(line) for line in (kept / "corrections.jsonl").read_text().splitlines()]
    assert [(line["file"], line["label"]) for line in lines] == list(
        zip(names, (7, 1), strict=True)
    )
    answer = service.post("/api/predict", SEVEN).json
    del answer["path"]
    assert lines[0]["answer"] == answer
    with Image.open(kept / names[0]) as picture:
        assert picture.size == (280, 280)
    reply = service.post("/api/keep?label=3", SEVEN)
    assert reply.status == 422
    assert "full" in reply.error
    assert str(kept) not in reply.error


def test_without_a_folder_nothing_is_kept(start: Callable[..., Service]) -> None:
    service = start("--workers", "1")
    assert service.ask("GET", "/api/service").json["keeps"] is False
    reply = service.post("/api/keep?label=7", SEVEN)
    assert reply.status == 403
    assert "--keep" in reply.error


# --- the description -------------------------------------------------------------------------


def test_the_description_holds(start: Callable[..., Service], tmp_path: Path) -> None:
    """All checks of schemathesis: no request that it can think of is answered otherwise."""
    service = start("--workers", "2", "--keep", str(tmp_path / "kept"), "--max-kept", "1000000")
    wanted = int(os.environ.get("OVR_DIGITS_API_EXAMPLES", "150"))
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run"),
            f"http://127.0.0.1:{service.port}/openapi.json",
            *("--checks", "all", "--max-examples", str(wanted // 3), "--no-color"),
            "--generation-deterministic",
        ],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "pictures_for_schemathesis",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
            "no_proxy": "*",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    match = re.search(r"([\d,]+) generated", run.stdout)
    assert match, run.stdout
    assert int(match[1].replace(",", "")) >= wanted
    assert service.stop() == 0
    assert not re.search(r" 50\d |Error", service.log)
