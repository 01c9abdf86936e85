"""Requests that mean no good, and such as chance makes."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strokes import picture_of, write

from hostile.answers import MARK, STATUSES
from hostile.damage import change_bytes
from hostile.pictures import damaged

#: What may be done with a request of which no answer is owed.
NO_ANSWER = 0
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "G@T"]
_PLACES = ["/", "/docs", "/openapi.json", "/healthz", "/api/models", "/static/main.js", "/nothing"]
_READERS = ["/api/predict", "/api/read", "/api/page", "/api/keep?label=3"]
_TYPES = ["", "image/png", "application/json", "multipart/form-data; boundary=b0", "x", ";"]
_VALUES = ["auto", "", "nan", "1e999", "-1", "7", "\u0667", "%00", "%0d%0aX-Injected:1", MARK]
_NAMES = ["..", "../", "..\\", "/", "C:\\", "evil", ".png", "\0", "%2e%2e%2f", "corrections.jsonl"]
_NAMES += ["\u202e", "\x1b[31m", "<script>", "'", '\\"', "$(touch evil)", "|touch evil", MARK]
_UP = ["../", "..%2f", "%2e%2e/", "%252e%252e%252f", "..\\", "..%5c", "..%c0%af", "....//", "..;/"]
_UP += ["%00../", "%c0%ae%c0%ae/", "..%ef%bc%8f"]
_FILES = ["app.py", "../models.pkl", "etc/passwd", "canary.txt", "proc/self/environ", "__init__.py"]
_FOREIGN = ["evil.example", "localhost.evil.example", "localhost@evil.example", "", "localhost:x"]
_FOREIGN += ["[::ffff:]", "169.254.169.254", "0x7f.1", "[::1", "localhost,evil.example"]
_ORIGINS = ["null", "http://evil.example", "http://localhost.evil.example", "file://", "http://["]
_HEADERS = [f"X-A: b{end}X-Injected: {MARK}" for end in ("\r", "\n", "\r\n ", "\r\n", "\0")]
_HEADERS += ["X A: b", "X-A : b", ": b", "X-A", "\x01: b", " X-A: b", "Range: bytes=9-1"]
_HEADERS += ["If-Modified-Since: Mon, 99 Foo 99999 99:99:99 GMT", 'If-None-Match: "\\"']
_HEADERS += ["Expect: 100-continue", "Expect: x", "Connection: Host", f"X-Forwarded-For: {MARK}"]
_HEADERS += [f"X-A: {'a' * size}" for size in (15_900, 17_000, 300_000)]
_HEADERS += ["\r\n".join(["a:"] * count) for count in (100, 60_000)]
_NUMBERS = [
    "-1",
    "+5",
    "0x5",
    "5, 6",
    "\u0665",
    "9" * 30,
    "",
    "4",
    "1000",
    "5\r\nContent-Length: 6",
]
_LENGTHS = [f"Content-Length: {each}" for each in _NUMBERS] + ["Transfer-Encoding: chunked"] * 5
_LENGTHS += [f"Transfer-Encoding: {each}" for each in ("xchunked", "gzip, chunked", "\x0bchunked")]
_CHUNKS = ["5\r\nhello\r\n", "0\r\n\r\n", "-1\r\n", "F" * 21 + "\r\n", "zz\r\n", "5\nhello\n"]
_CHUNKS += ["5\r\nhelloworld", "5;" + "a" * 20_000, "1\r\nx\r\n" * 9000, "0\r\nX-A: 1\r\n\r\n"]


@dataclass(frozen=True)
class Case:
    """One request, or several in a row.

    Attributes
    ----------
    content : bytes
    statuses : set of int
        That may come back; ``NO_ANSWER`` where the connection may just end.
    has_body : bool
        Whether answers have one: not to HEAD.
    has_more : bool
        More than one answer may come.
    """

    content: bytes
    statuses: frozenset[int] = STATUSES
    has_body: bool = True
    has_more: bool = False


def request(
    method: str,
    target: str,
    body: bytes = b"",
    headers: Sequence[str] = (),
    host: str = "localhost",
) -> bytes:
    """A request with the right length, unless ``headers`` tell of one."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    told = any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers)
    lines += [] if told or not body else [f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


@functools.cache
def pictures() -> list[bytes]:
    """Sound ones, of which the digits are 0 to 9."""
    return [picture_of(write(digit, 140, 140, 200)) for digit in range(10)]


def a_form(name: str, picture: bytes) -> bytes:
    """A form with one file, boundary b0; its name is put in as it is."""
    head = f'--b0\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode() + picture + b"\r\n--b0--\r\n"


_FORM = "Content-Type: multipart/form-data; boundary=b0"


def _some(rng: random.Random, choices: Sequence[str], most: int) -> list[str]:
    return [rng.choice(choices) for _ in range(rng.randrange(1, most + 1))]


def _random_bodies(rng: random.Random) -> Case:
    method, target = rng.choice(_METHODS), rng.choice(_PLACES + _READERS)
    if rng.random() < 0.5:
        method, target = "POST", rng.choice(_READERS)
    if rng.random() < 0.4:
        query = rng.choice(["invert", "threshold", "form", "label", MARK, "form[]", "%00"])
        target += f"{'&' if '?' in target else '?'}{query}={rng.choice(_VALUES)}"
    body = rng.choice([b"", b"[" * 50_000, rng.choice(pictures()), damaged(rng), damaged(rng)])
    headers = [f"Content-Type: {rng.choice(_TYPES)}"]
    if rng.random() < 0.3:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        headers += ["Transfer-Encoding: chunked"]
    return Case(request(method, target, body, headers), has_body=method != "HEAD")


def damaged_form(rng: random.Random) -> tuple[str, bytes]:
    """A content type, and a form that chance has changed in its head."""
    head, end, picture = a_form("a.png", rng.choice(pictures())).partition(b"\r\n\r\n")
    words = b"Content-Transfer-Encoding: base64\r\nfilename*=UTF-8''%00\\\";=\n--b0--\xff name"
    body = (head if rng.random() < 0.4 else change_bytes(head, rng, [words])) + end + picture
    if rng.random() < 0.3:  # many parts, or rubbish in the picture
        body = body.removesuffix(b"--\r\n") + b"\r\n" + body[:200] * rng.randrange(1, 500)
    kinds = ["b0", "b0", '"b0"', "b0; x=y", '"b0', "x" * 300, "", "b0;b0=;;"]
    return f"multipart/form-data; boundary={rng.choice(kinds)}", body


def _forms(rng: random.Random) -> Case:
    kind, body = damaged_form(rng)
    content = request("POST", rng.choice(_READERS), body, [f"Content-Type: {kind}"])
    return Case(content, frozenset({200, 201, 422}))


def _file_names(rng: random.Random) -> Case:
    """Names that would lead elsewhere, and all manner of labels, where pictures are kept."""
    body = a_form("".join(_some(rng, _NAMES, 4)), rng.choice(pictures()))
    label = rng.choice("0123456789") if rng.random() < 0.5 else rng.choice(_VALUES)
    target = f"/api/keep?label={label}&file={rng.choice(_UP)}evil"
    target = rng.choice(["/api/predict?form=true", "/api/read", target, target])
    return Case(request("POST", target, body, [_FORM]), frozenset({200, 201, 400, 422}))


def _paths(rng: random.Random) -> Case:
    way = "".join(_some(rng, _UP, 2)) * rng.randrange(1, 7)
    start = rng.choice(["/static/", "/docs/assets/", "/", "//", "/api/", "file:///static/"])
    target = start + way + rng.choice(_FILES) + rng.choice(["", "%00.js", "?x", ".js", "/", "#"])
    method = rng.choice(["GET", "HEAD", "POST"])
    statuses = frozenset({400, 403, 404, 405})
    return Case(request(method, target), statuses, has_body=method != "HEAD")


def _headers(rng: random.Random) -> Case:
    method = rng.choice(["GET", "HEAD", "POST"])
    injected = [f"/{each}{MARK}" for each in ("%0d%0aX-Injected:%20", "<script>", "\rX-Injected:")]
    content = request(method, rng.choice(_PLACES + injected), headers=_some(rng, _HEADERS, 3))
    return Case(content, STATUSES | {NO_ANSWER}, has_body=method != "HEAD", has_more=True)


def _lengths(rng: random.Random) -> Case:
    header, body = rng.choice(_LENGTHS), "".join(_some(rng, _CHUNKS, 4)).encode()
    target = rng.choice(["/api/predict", "/api/keep?label=1", "/healthz", "/"])
    return Case(request("POST", target, body, [header]), STATUSES | {NO_ANSWER}, has_more=True)


def _hosts(rng: random.Random) -> Case:
    picture, foreign = rng.choice(pictures()), rng.choice(_FOREIGN)
    told = rng.choice(["X-Forwarded-Host", "Forwarded", "X-Host", "Referer", "Origin"])
    some = [
        (request("POST", rng.choice(_READERS), picture, host=foreign), {400, 421}),
        (request("POST", "/api/predict", picture, [f"Origin: {rng.choice(_ORIGINS)}"]), {403}),
        (request("GET", "http://evil.example/api/service"), {404}),
        (request("GET", "/", headers=[f"{told}: http://{MARK}"]), {200}),
    ]
    content, statuses = rng.choice(some)
    return Case(content, frozenset(statuses))


def _in_a_row(rng: random.Random) -> Case:
    """Sound requests sent at once, with rubbish or another protocol behind them."""
    sound = [request("GET", "/healthz"), request("POST", "/api/predict", pictures()[7])]
    sound += [request("GET", "/nothing"), request("POST", "/healthz", b"GET / HTTP/1.1\r\n\r\n")]
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    others = [
        b"\r\n" * 50,
        b"GET ",
        b"\0" * 20_000,
        b"\x16\x03\x01\0\xc8\x01",
        b"\x05\x01\0",
        b"EHLO x\r\n",
    ]
    others += [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n"]
    others += [b"GET /healthz\r\n\r\n", request("GET", "/healthz", headers=upgrade)]
    several = [rng.choice(sound) for _ in range(rng.choice([0, 0, 1, 20]))]
    statuses = frozenset({200, 400, 404, 405, 421, 503, NO_ANSWER})
    return Case(b"".join([*several, rng.choice(others)]), statuses, has_more=True)


_KINDS: list[Callable[[random.Random], Case]] = [
    *(_random_bodies, _random_bodies, _forms, _file_names, _paths, _headers, _lengths),
    *(_hosts, _in_a_row),
]


def case(rng: random.Random) -> Case:
    """One of the cases."""
    return rng.choice(_KINDS)(rng)
