"""A mirror on loopback that does wrong whatever has been seen to go wrong.

It serves four small files in the place of MNIST's, with digests of their own.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from ovr_digits.data.idx import idx_bytes
from ovr_digits.data.mnist import MNIST_FILES

Reply = Callable[[BaseHTTPRequestHandler], None]

_RNG = np.random.default_rng(0)
_SHAPES = [(12, 28, 28), (12,), (6, 28, 28), (6,)]
ARRAYS = {
    name: _RNG.integers(0, 10, shape, np.uint8)
    for name, shape in zip(MNIST_FILES, _SHAPES, strict=True)
}
FILES = {name: hashlib.sha256(idx_bytes(array)).hexdigest() for name, array in ARRAYS.items()}
BODIES = {name: gzip.compress(idx_bytes(array), mtime=0) for name, array in ARRAYS.items()}
HTML = b"<!DOCTYPE html><html>Please log in to the network</html>"

#: Names that no resolver is asked for: whoever runs a download answers in its place.
NO_HOST, SLOW_HOST = "no-such-host.test", "slow-to-look-up.test"


class Mirror:
    """An HTTP server with a reply for each start of a path; it remembers what it was asked."""

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
            closing = mirror.closing

            def handle_error(self, *_args: object) -> None:
                pass  # clients that hang up are what this is about

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
        """Serve all files as they are."""
        return self.at(folder, whole)

    def close(self) -> None:
        """Stop; whoever still waits for an answer gets none."""
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def refusing() -> Iterator[str]:
    """A URL at which every connection is refused; the port stays taken, so nobody else gets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


# --- replies ---------------------------------------------------------------------------------


def answer(content: bytes, code: int = 200, length: object = None, **headers: object) -> Reply:
    """A reply of these bytes; ``length`` takes the place of the true one, False leaves it out."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        if length is not False:
            told = len(content) if length is None else length
            handler.send_header("Content-Length", str(told))
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def whole(name: str) -> Reply:
    """The file as it should be."""
    return answer(BODIES[name])


def status(code: int, **headers: object) -> Callable[[str], Reply]:
    """The same status for every file."""
    return lambda name: answer(b"", code, **headers)


def moved(place: str) -> Callable[[str], Reply]:
    """Sent on to ``place``, in which {} is the file's name."""
    return lambda name: answer(b"", 302, Location=place.format(f"{name}.gz"))


def _sending(
    *chunks: bytes, endless: bytes = b"", pause: float = 0.0, stall: bool = False
) -> Reply:
    """Send chunks as they are, then one for ever; at the end hang up, or fall silent."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        closing: threading.Event = handler.server.closing  # type: ignore[attr-defined]
        for chunk in itertools.chain(chunks, itertools.repeat(endless) if endless else ()):
            handler.wfile.write(chunk)
            if closing.wait(pause) if pause else closing.is_set():
                return
        if stall:
            closing.wait(60)

    return reply


def _head(name: str) -> bytes:
    return _OK + f"Content-Length: {len(BODIES[name])}\r\n\r\n".encode()


def _half(name: str) -> bytes:
    return BODIES[name][: len(BODIES[name]) // 2]


def silent(name: str) -> Reply:
    """No answer at all."""
    return _sending(stall=True)


def _reset(before: Callable[[str], bytes]) -> Callable[[str], Reply]:
    """Send what stands before, then break the connection off as a crash does."""

    def fault(name: str) -> Reply:
        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(before(name))
            now = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
            handler.connection.close()

        return reply

    return fault


def _in_a_circle(name: str) -> Reply:
    """Sent on to where one is, over and over."""
    return lambda handler: answer(b"", 302, Location=handler.path)(handler)


def _busy_once(name: str) -> Reply:
    """Asks for patience once for each file, and then sends it."""
    replies = itertools.chain([answer(b"", 429, Retry_After=0)], itertools.repeat(whole(name)))
    return lambda handler: next(replies)(handler)


@cache
def _bomb(times: int = 1) -> bytes:
    """gzip of 256 MB of zeros, itself compressed ``times`` - 1 times more."""
    return gzip.compress(_bomb(times - 1) if times > 1 else bytes(1 << 28), 9, mtime=0)


def _resumable(name: str) -> Reply:
    """Breaks off in the middle, and would send the rest to whoever asks for it."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        content = BODIES[name]
        if found := re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", "")):
            start, end = int(found[1]), len(content) - 1
            part = f"bytes {start}-{end}/{len(content)}"
            answer(content[start:], 206, Content_Range=part)(handler)
        else:
            answer(_half(name), length=len(content), Accept_Ranges="bytes")(handler)

    return reply


def _damaged(name: str) -> bytes:
    content = bytearray(BODIES[name])
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


# --- the faults ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """Something that a mirror does: what it replies for a file, and how the message calls it.

    The reason is empty where it keeps nobody from getting the file; the URL is there where the
    mirror is not even a server that can be asked.
    """

    name: str
    reply: Callable[[str], Reply]
    reason: str
    url: str = ""


_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\n"
_LOST = "no connection"
_CUT = "the download broke off"
_NO_URL = "not a URL to be asked"
SILENT = "no answer"
LATE = "not done within"
_OTHER = "damaged, or another file"


def faults_at(url: str, refused: str) -> list[Fault]:
    """Everything that goes wrong, at a mirror's URL; where nobody listens is ``refused``."""

    def same(reply: Reply) -> Callable[[str], Reply]:
        return lambda name: reply

    def body(change: Callable[[str], bytes], **more: object) -> Callable[[str], Reply]:
        return lambda name: answer(change(name), **more)  # type: ignore[arg-type]

    def starting(*chunks: bytes, **more: Any) -> Callable[[str], Reply]:
        return same(_sending(*chunks, **more))

    faults: dict[str, tuple[Callable[[str], Reply], str]] = {
        # The status.
        **{f"status {code}": (status(code), f"HTTP {code}") for code in (404, 429, 500)},
        "429, again in an hour": (status(429, Retry_After=3600), "HTTP 429"),
        "429, again at once, then the file": (_busy_once, ""),
        "204, no content": (same(answer(b"", 204, length=False)), _OTHER),
        "206, a part that nobody asked for": (body(_half, code=206), _OTHER),
        # Redirects.
        "redirect in a circle": (_in_a_circle, "too many redirects"),
        "redirect to a dead host": (moved(f"{refused}{{}}"), _LOST),
        "redirect to a file": (moved("file:///etc/hostname"), _NO_URL),
        # Another content.
        "a login page": (same(answer(HTML, Content_Type="text/html")), "a web page"),
        "another file": (body(lambda n: gzip.compress(idx_bytes(ARRAYS[n] + 1))), _OTHER),
        "damaged gzip data": (body(_damaged), _OTHER),
        "a gzip bomb": (body(lambda n: _bomb()), _OTHER),
        "a gzip bomb as encoding, twice": (
            body(lambda n: _bomb(2), Content_Encoding="gzip, gzip"), "far more bytes"
        ),
        "wrongly encoded": (body(BODIES.__getitem__, Content_Encoding="deflate"), _CUT),
        "an endless body": (starting(_OK + b"\r\n", endless=bytes(1 << 16)), "far more bytes"),
        # The length.
        "too great a length": (body(_half, length=1 << 30), _CUT),
        "a negative length": (body(BODIES.__getitem__, length=-5), ""),
        "no length": (body(BODIES.__getitem__, length=False), ""),
        # With this header the client undoes the gzip, and what arrives is plain IDX.
        "undone on the way": (body(BODIES.__getitem__, Content_Encoding="gzip"), ""),
        "wrong chunks": (starting(_OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), _CUT),
        # The connection breaks.
        "reset at once": (_reset(lambda name: b""), _LOST),
        "hangs up in the headers": (starting(_OK, b"Content-"), _OTHER),
        "reset in the middle": (_reset(lambda name: _head(name) + _half(name)), _CUT),
        "breaks off, could be resumed": (_resumable, _CUT),
        # Silence and drips.
        "silent before the headers": (silent, SILENT),
        "silent in the middle": (
            lambda name: _sending(_head(name), _half(name), stall=True), SILENT
        ),
        "dripping headers": (starting(_OK, b"X: ", endless=b"x", pause=0.05), LATE),
        "a dripping body": (starting(_OK, b"\r\n", endless=b"x", pause=0.05), LATE),
        # No HTTP, or too much of it.
        "random bytes": (starting(random.Random(0).randbytes(4096)), _LOST),
        "100 for ever": (starting(endless=_CONTINUE, pause=0.001), LATE),
        "headers for ever": (starting(_OK, endless=b"X: y\r\n"), _LOST),
    }  # fmt: skip
    # No connection; a single file of another mirror is sent on to it.
    nowhere = {
        "refused": (refused, _LOST),
        "no such host": (f"http://{NO_HOST}/", _LOST),
        "the look-up of the host stalls": (f"http://{SLOW_HOST}/", LATE),
        "https where plain HTTP is spoken": (f"https{url[4:]}", "no TLS"),
    }
    return [
        *(Fault(name, moved(f"{place}{{}}"), why, place) for name, (place, why) in nowhere.items()),
        *(Fault(name, reply, why) for name, (reply, why) in faults.items()),
    ]


def broken_look_up(
    stall: float, look_up: Callable[..., list[object]]
) -> Callable[..., list[object]]:
    """What takes the place of ``socket.getaddrinfo``, so that no resolver hears of these names."""

    def getaddrinfo(host: object, *arguments: object, **options: object) -> list[object]:
        if host == NO_HOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host == SLOW_HOST:
            threading.Event().wait(stall)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return look_up(host, *arguments, **options)

    return getaddrinfo
