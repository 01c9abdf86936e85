"""The service under test: in this process, over a socket of it, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image, ImageDraw

from ovr_digits.web.server import Settings, build_server
from ovr_digits.web.workers import Workers

COMMAND = [sys.executable, "-m", "ovr_digits"]


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


class _Listening:
    """What listens on a socket."""

    host: str
    port: int

    def connect(self, seconds: float = 60.0) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=seconds)

    def http(self) -> HTTPConnection:
        return HTTPConnection(self.host, self.port, timeout=60)

    def over_http(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """One request over a connection of its own."""
        with contextlib.closing(self.http()) as connection:
            connection.request(method, path, body, headers or {})
            return reply_of(connection.getresponse())

    def send(self, content: bytes) -> bytes:
        """Raw bytes over a socket, and all that comes back until the server closes it."""
        with self.connect() as connection:
            connection.sendall(content)
            return read_all(connection)


class Service(_Listening):
    """The service in this process: ``ask`` meets its application, ``over_http`` its server."""

    def __init__(self, workers: Workers, told: dict[str, Any], **settings: Any) -> None:
        self._workers, self._told = workers, told
        self.log: list[str] = []
        self.failures: list[str] = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = listener.getsockname()
        self.server = build_server(
            Settings("127.0.0.1", self.port, 1, **settings),
            *(self.host, workers, told, self.failures.append, self.log.append),
        )
        self._loop = asyncio.new_event_loop()
        serving = self.server.serve(sockets=[listener])
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(serving,))
        self._thread.start()
        wait_until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join()
        self._loop.run_until_complete(asyncio.sleep(0.01))  # the last connections are let go
        self._loop.close()

    @contextlib.contextmanager
    def another(self, **settings: Any) -> Iterator[Service]:
        """One with other settings and the same workers."""
        other = Service(self._workers, self._told, **settings)
        try:
            yield other
        finally:
            other.stop()

    @property
    def worker(self) -> int:
        """Its worker process."""
        children = multiprocessing.active_children()
        (pid,) = [each.pid for each in children if type(each).__module__ == Workers.__module__]
        assert pid is not None
        return pid

    def begin(self, method: str, path: str, body: Any = b"", **headers: str) -> Future[Reply]:
        """Have the application begin with a request; of a body in parts the rest may never come."""
        return asyncio.run_coroutine_threadsafe(
            self._answer(method, path, body, headers), self._loop
        )

    def ask(
        self, method: str, path: str, body: Any = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        return self.begin(method, path, body, **headers or {}).result(60)

    def post(self, path: str, picture: bytes, **headers: str) -> Reply:
        return self.ask("POST", path, picture, headers)

    async def _answer(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        length = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}
        given = {"Host": f"{self.host}:{self.port}", **length, **headers}
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw_path),
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": (self.host, self.port),
        }
        parts = [body] if isinstance(body, bytes) else body
        messages = _request_messages(parts)
        sent: list[Any] = []

        async def receive() -> Any:
            for message in messages:
                return message
            await asyncio.Event().wait()  # the client stays

        async def send(message: Any) -> None:
            sent.append(message)

        await self.server.config.app(scope, receive, send)  # type: ignore[operator, arg-type]
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], found, b"".join(each["body"] for each in sent[1:]))


class Unfinished(list[bytes]):
    """Parts of a body of which more was to come."""


def _request_messages(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for part in parts:
        yield {"type": "http.request", "body": part, "more_body": True}
    if not isinstance(parts, Unfinished):
        yield {"type": "http.request", "body": b"", "more_body": False}


class Server(_Listening):
    """A server process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://(\S+):(\d+)/", line)
        assert match, f"no address: {line!r}, {log.read_text()}"
        self.host, self.port = match[1].strip("[]"), int(match[2])

    @property
    def log(self) -> str:
        return self._log.read_text()

    def post(self, path: str, picture: bytes) -> Reply:
        return self.over_http("POST", path, picture)

    def children(self) -> list[int]:
        """The processes that it has started, in order."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return sorted(int(pid) for task in tasks for pid in task.read_text().split())

    def workers(self) -> list[int]:
        """Its worker processes."""
        return [pid for pid in self.children() if b"spawn_main" in command_of(pid)]


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


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, all but that of the system."""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
    return int(used) / os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


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
