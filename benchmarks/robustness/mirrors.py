"""A mirror on loopback that does wrong whatever has been seen to go wrong, for program and tests.

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
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time

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
    """An HTTP server with a reply for each start of a path; it remembers what it was asked.

    Attributes
    ----------
    url : str
    asked : list of str
        Paths, in their order.
    replies : dict of str to Reply
        What is asked for and begins with none of these is not found.
    closing : threading.Event
        Ends what would stall for ever.
    """

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


def raw(*chunks: bytes) -> Callable[[str], Reply]:
    """These bytes and nothing before them."""
    return lambda name: _sending(*chunks)


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


def _head(name: str, *lines: str) -> bytes:
    length = f"Content-Length: {len(BODIES[name])}"
    return "\r\n".join(["HTTP/1.1 200 OK", *(lines or [length]), "", ""]).encode()


def _half(name: str) -> bytes:
    return BODIES[name][: len(BODIES[name]) // 2]


def silent(name: str) -> Reply:
    """No answer at all."""
    return _sending(stall=True)


def _dripping(start: bytes) -> Reply:
    """A byte now and then: never silent for long, never done."""
    return _sending(start, endless=b"x", pause=0.05)


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


def _sent_on(to: Callable[[str], str]) -> Callable[[str], Reply]:
    """Sent on, over and over."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        answer(b"", 302, Location=to(handler.path))(handler)

    return lambda name: reply


def _busy_once(code: int, wait: Callable[[], object]) -> Callable[[str], Reply]:
    """Asks for patience once for each file, and then sends it."""

    def fault(name: str) -> Reply:
        times = itertools.count()

        def reply(handler: BaseHTTPRequestHandler) -> None:
            busy = answer(b"", code, Retry_After=wait())
            (whole(name) if next(times) else busy)(handler)

        return reply

    return fault


@cache
def _bomb(times: int = 1) -> bytes:
    """gzip of 256 MB of zeros, itself compressed ``times`` - 1 times more."""
    content = gzip.compress(bytes(1 << 28), 9, mtime=0)
    for _ in range(times - 1):
        content = gzip.compress(content, 9, mtime=0)
    return content


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
    """Something that a mirror does.

    Attributes
    ----------
    name : str
    reply : callable
        Takes the name of a file.
    reason : str
        How the message calls it; empty where it keeps nobody from getting the file.
    url : str
        The mirror's, where it is not even a server that can be asked.
    """

    name: str
    reply: Callable[[str], Reply]
    reason: str
    url: str = ""


def _nowhere(name: str, url: str, reason: str) -> Fault:
    """A mirror that is not there; a single file of another one is sent on to it."""
    return Fault(name, moved(f"{url}{{}}"), reason, url)


_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
_NO_HTTP = "no HTTP answer"
_CUT = "the download broke off"
_SILENT = "no answer for"
_LATE = "not done within"
_BAD_GZIP = "damaged or truncated"


def faults_at(url: str, refused: str) -> list[Fault]:
    """Everything that goes wrong, at a mirror's URL; where nobody listens is ``refused``."""
    random_bytes = random.Random(0).randbytes(4096)
    return [
        # No connection.
        _nowhere("refused", refused, "cannot connect"),
        _nowhere("no such host", f"http://{NO_HOST}/", "cannot connect"),
        _nowhere("the look-up of the host stalls", f"http://{SLOW_HOST}/", _LATE),
        _nowhere("https where plain HTTP is spoken", f"https{url[4:]}", "no TLS"),
        # The status.
        *(Fault(f"status {code}", status(code), f"HTTP {code}") for code in (403, 404, 500, 503)),
        Fault("status 429", status(429), "HTTP 429"),
        Fault("429, again in an hour", status(429, Retry_After=3600), "HTTP 429"),
        Fault("429, again after nonsense", status(429, Retry_After="soon"), "HTTP 429"),
        Fault("429, again in no time, for ever", status(429, Retry_After=0), "HTTP 429"),
        Fault("429, again at once, then the file", _busy_once(429, lambda: 0), ""),
        Fault("503, again at a time of day", _busy_once(503, lambda: formatdate(time())), ""),
        Fault("204, no content", lambda n: answer(b"", 204, length=False), "wrong bytes"),
        Fault("206, a part that nobody asked for", lambda n: answer(_half(n), 206), _BAD_GZIP),
        Fault("304, not modified", status(304), "wrong bytes"),
        # Redirects.
        Fault("redirects without end", _sent_on(lambda path: f"{path}x"), "too many redirects"),
        Fault("redirect in a circle", _sent_on(lambda path: path), "too many redirects"),
        Fault("redirect to a dead host", moved(f"{refused}{{}}"), "cannot connect"),
        Fault("redirect to a file", moved("file:///etc/hostname"), _CUT),
        Fault("redirect to nonsense", moved("http://[::1"), _CUT),
        Fault("redirect to nowhere", status(302), "wrong bytes"),
        # Another content.
        Fault("a login page", lambda n: answer(HTML, Content_Type="text/html"), "a web page"),
        Fault(
            "a compressed login page",
            lambda n: answer(gzip.compress(HTML), Content_Encoding="gzip"),
            "a web page",
        ),
        Fault("another file", lambda n: answer(gzip.compress(idx_bytes(ARRAYS[n] + 1))), "wrong"),
        Fault("an empty body", lambda n: answer(b""), "wrong bytes"),
        Fault("cut gzip data", lambda n: answer(BODIES[n][:-10]), _BAD_GZIP),
        Fault("damaged gzip data", lambda n: answer(_damaged(n)), _BAD_GZIP),
        Fault("a gzip bomb", lambda n: answer(_bomb()), _BAD_GZIP),
        Fault(
            "a gzip bomb as encoding",
            lambda n: answer(_bomb(), Content_Encoding="gzip"),
            "far more bytes",
        ),
        Fault(
            "a gzip bomb as encoding, twice",
            lambda n: answer(_bomb(2), Content_Encoding="gzip, gzip"),
            "far more bytes",
        ),
        Fault("wrongly encoded", lambda n: answer(BODIES[n], Content_Encoding="deflate"), _CUT),
        Fault(
            "an endless body",
            lambda n: _sending(_head(n, "X: y"), endless=bytes(1 << 16)),
            "far more bytes",
        ),
        # The length.
        Fault("too short a length", lambda n: answer(BODIES[n], length=10), _BAD_GZIP),
        Fault("too great a length", lambda n: answer(BODIES[n], length=len(BODIES[n]) + 100), _CUT),
        Fault("a negative length", lambda n: answer(BODIES[n], length=-5), ""),
        Fault("nonsense for a length", lambda n: answer(BODIES[n], length="many"), _CUT),
        Fault("two lengths", lambda n: answer(BODIES[n], Content_Length=7), _NO_HTTP),
        Fault("no length", lambda n: answer(BODIES[n], length=False), ""),
        # With this header the client undoes the gzip, and what arrives is plain IDX.
        Fault("undone on the way", lambda n: answer(BODIES[n], Content_Encoding="gzip"), ""),
        Fault(
            "wrong chunks",
            lambda n: _sending(_head(n, "Transfer-Encoding: chunked"), b"zz\r\n"),
            _CUT,
        ),
        # The connection breaks.
        Fault("hangs up at once", raw(), _NO_HTTP),
        Fault("reset at once", _reset(lambda n: b""), _NO_HTTP),
        Fault("hangs up in the headers", raw(b"HTTP/1.1 200 OK\r\nContent-"), "wrong bytes"),
        Fault("hangs up in the middle", lambda n: _sending(_head(n), _half(n)), _CUT),
        Fault("reset in the middle", _reset(lambda n: _head(n) + _half(n)), _CUT),
        Fault("breaks off, could be resumed", _resumable, _CUT),
        Fault(
            "kept alive, closed all the same",
            lambda n: answer(BODIES[n], Connection="keep-alive", Keep_Alive="timeout=60"),
            "",
        ),
        # Silence and drips.
        Fault("silent before the headers", silent, _SILENT),
        Fault(
            "silent in the headers",
            lambda n: _sending(b"HTTP/1.1 200 OK\r\nConte", stall=True),
            _SILENT,
        ),
        Fault(
            "silent in the middle",
            lambda n: _sending(_head(n), _half(n), stall=True),
            _SILENT,
        ),
        Fault("dripping headers", lambda n: _dripping(b"HTTP/1.1 200 OK\r\nX: "), _LATE),
        Fault("a dripping body", lambda n: _dripping(_head(n, "X: y")), _LATE),
        # No HTTP, or too much of it.
        Fault("another protocol", raw(b"SSH-2.0-OpenSSH_9\r\n"), _NO_HTTP),
        Fault("random bytes", raw(random_bytes), _NO_HTTP),
        Fault("TLS where plain HTTP is asked for", raw(_TLS_ALERT), _NO_HTTP),
        Fault("HTTP of no known version", raw(b"HTTP/9.9 maybe\r\n\r\n"), _NO_HTTP),
        Fault("100 once", lambda n: _sending(_CONTINUE, _head(n), BODIES[n]), ""),
        Fault("103 once", raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"), "wrong bytes"),
        Fault(
            "100 for ever",
            lambda n: _sending(endless=_CONTINUE, pause=0.001),
            _LATE,
        ),
        Fault(
            "headers for ever",
            lambda n: _sending(b"HTTP/1.1 200 OK\r\n", endless=b"X: y\r\n"),
            _NO_HTTP,
        ),
        Fault(
            "a header without end",
            lambda n: _sending(b"HTTP/1.1 200 OK\r\nX: ", endless=b"y" * 999),
            _NO_HTTP,
        ),
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
