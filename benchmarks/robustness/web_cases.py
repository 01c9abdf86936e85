"""Requests that mean no good, and such as chance makes: by kind, always the same of a seed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.robustness import web_words as words
from benchmarks.robustness.mutations import mutated
from benchmarks.robustness.web_answers import STATUSES
from benchmarks.service import draw_digit

Rng = np.random.Generator

#: What may be done with a request of which no answer is owed.
NO_ANSWER = 0


@dataclass(frozen=True)
class Case:
    """One request, or several in a row.

    Attributes
    ----------
    kind : str
    content : bytes
        What is sent.
    statuses : set of int
        That may come back; ``NO_ANSWER`` where the connection may just end.
    has_body : bool
        Whether answers have one: not to HEAD.
    has_more : bool
        More than one answer may come.
    ends : bool
        Nothing else will be sent, and the other side is told so.
    """

    kind: str
    content: bytes
    statuses: frozenset[int] = STATUSES
    has_body: bool = True
    has_more: bool = False
    ends: bool = False


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


def in_chunks(body: bytes, rng: Rng) -> bytes:
    """A body cut at random."""
    size = int(rng.integers(50, 5000))
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def a_form(name: str, picture: bytes, field: str = "image") -> bytes:
    """A form with one file, boundary b0; its name is put in as it is."""
    head = f'--b0\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode("utf-8", "surrogateescape") + picture + b"\r\n--b0--\r\n"


@functools.cache
def pictures() -> list[bytes]:
    """Sound ones, of which the digits are 0 to 9."""
    rng = np.random.default_rng(0)
    return [draw_digit(digit, rng) for digit in range(10)]


def _one(rng: Rng, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _several(rng: Rng, choices: Sequence[Any], most: int) -> list[Any]:
    return [_one(rng, choices) for _ in range(int(rng.integers(1, most + 1)))]


def _changed(content: bytes, rng: Rng) -> bytes:
    """Text with other pieces in it, or pieces of it gone."""
    data = bytearray(content)
    for word in _several(rng, words.TOKENS, 5):
        token = word.encode("latin-1")
        place, way = int(rng.integers(len(data) + 1)), rng.integers(4)
        if way == 0:
            data[place:place] = token
        elif way == 1:
            del data[place : place + int(rng.integers(1, 20))]
        elif way == 2:
            data[place : place + 1] = rng.bytes(1)
        else:
            data[place : place + len(token)] = token
    return bytes(data)


def _a_body(rng: Rng) -> bytes:
    way = rng.integers(5)
    if way == 0:
        return rng.bytes(int(rng.choice([0, 1, 30, 4000, 4000, 200_000])))
    if way <= 2:
        return mutated(int(rng.integers(1 << 30)), 0)[1]
    if way == 3:
        text = json.dumps({"image": "data:image/png;base64,AAAA", "label": 7, "n": [1e9, None]})
        return b"[" * 50_000 if rng.random() < 0.1 else _changed(text.encode(), rng)
    return _one(rng, pictures())


def _query(rng: Rng) -> str:
    names = ["invert", "threshold", "form", "contributions", "label", words.MARK, "form[]", "%00"]
    return "&".join(f"{_one(rng, names)}={_one(rng, words.VALUES)}" for _ in range(rng.integers(4)))


def random_bodies(rng: Rng) -> Case:
    """Any body to any address by any method, the body whole or in chunks."""
    method, target = _one(rng, words.METHODS), _one(rng, words.ENDPOINTS)
    if rng.random() < 0.5:  # where bodies are read
        method, target = "POST", _one(rng, words.ENDPOINTS[-3:])
    target += ("&" if "?" in target else "?") + _query(rng) if rng.random() < 0.4 else ""
    body, headers = _a_body(rng), [f"Content-Type: {_one(rng, words.TYPES)}"]
    if rng.random() < 0.3:
        body, headers = in_chunks(body, rng), [*headers, "Transfer-Encoding: chunked"]
    return Case("", request(method, target, body, headers), has_body=method != "HEAD")


def forms(rng: Rng) -> Case:
    """Forms that are damaged anywhere."""
    head, end, picture = a_form("a.png", _one(rng, pictures())).partition(b"\r\n\r\n")
    body = (head if rng.random() < 0.4 else _changed(head, rng)) + end + picture
    if rng.random() < 0.3:  # many parts, or rubbish in the picture
        body = body.removesuffix(b"--\r\n") + b"\r\n" + body[:200] * int(rng.integers(1, 500))
    odd = ['"b0', "b0; charset=\xff", "x" * 300, "", "\xe9\xb5", "b0;b0=;;"]
    kinds = [*odd, *len(odd) * ["b0", '"b0"', "b0; x=y"]]
    headers = [f"Content-Type: multipart/form-data; boundary={_one(rng, kinds)}"]
    target = _one(rng, ["/api/predict", "/api/read", "/api/keep?label=1"])
    return Case("", request("POST", target, body, headers), frozenset({200, 201, 422}))


def file_names(rng: Rng) -> Case:
    """Sound forms whose file has a name that would lead elsewhere."""
    body = a_form("".join(_several(rng, words.NAMES, 4)), _one(rng, pictures()))
    headers = ["Content-Type: multipart/form-data; boundary=b0"]
    target = _one(rng, ["/api/predict?form=true", "/api/read"])
    return Case("", request("POST", target, body, headers), frozenset({200, 422}))


def kept_pictures(rng: Rng) -> Case:
    """The same names and all manner of labels, where pictures are kept."""
    body = a_form("".join(_several(rng, words.NAMES, 4)), _one(rng, pictures()))
    headers = ["Content-Type: multipart/form-data; boundary=b0"]
    label = (
        _one(rng, "0123456789") if rng.random() < 0.5 else _one(rng, words.VALUES + words.NAMES[:4])
    )
    label = label.replace(" ", "+").encode("unicode_escape").decode()
    target = f"/api/keep?label={label}&file={_one(rng, words.DOTS)}evil&{_query(rng)}"
    return Case("", request("POST", target, body, headers), frozenset({201, 400, 422}))


def paths(rng: Rng) -> Case:
    """Ways to files that are none of the page's."""
    way = "".join(_several(rng, words.DOTS, 2)) * int(rng.integers(1, 7))
    ending = _one(rng, ["", "", "", "%00.js", "?x", ".js", "/", "%20", "::$DATA", "/.", "#"])
    target = _one(rng, words.PREFIXES) + way + _one(rng, words.FILES) + ending
    method = _one(rng, ["GET", "GET", "GET", "HEAD", "POST"])
    content = request(method, target)
    return Case("", content, frozenset({400, 403, 404, 405}), has_body=method != "HEAD")


def headers(rng: Rng) -> Case:
    """Headers that are more than one, none, too long, too many or out of place."""
    method = _one(rng, ["GET", "HEAD", "POST"])
    content = request(method, _one(rng, words.TARGETS), headers=_several(rng, words.HEADERS, 3))
    # To one that is cut off in its head nothing may come back but the end.
    return Case("", content, STATUSES | {NO_ANSWER}, has_body=method != "HEAD", has_more=True)


def lengths(rng: Rng) -> Case:
    """Bodies that are longer, shorter or other than their headers say."""
    if rng.random() < 0.5:
        header, body = f"Content-Length: {_one(rng, words.LENGTHS)}", rng.bytes(5)
    else:
        header = f"Transfer-Encoding: {_one(rng, words.CODINGS)}"
        body = "".join(_several(rng, words.CHUNKS, 4)).encode()
    target = _one(rng, ["/api/predict", "/api/keep?label=1", "/healthz", "/"])
    content = request("POST", target, body, [header])
    return Case("", content, STATUSES | {NO_ANSWER}, has_more=True, ends=bool(rng.random() < 0.7))


def hosts(rng: Rng) -> Case:
    """Requests under the names of other sites, and from their pages."""
    picture = _one(rng, pictures())
    if rng.random() < 0.5:
        host = _one(rng, words.FOREIGN)
        odd = ["Origin: http://localhost", "X-Forwarded-Host: localhost"]
        target = _one(rng, ["/", "/api/predict", "/api/keep?label=1", "http://localhost/healthz"])
        content = request("POST", target, picture, _several(rng, odd, 2), host)
        return Case("", content, frozenset({400, 421}))
    way = rng.integers(3)
    if way == 0:
        content = request("POST", "/api/predict", picture, [f"Origin: {_one(rng, words.ORIGINS)}"])
        return Case("", content, frozenset({403}))
    if way == 1:
        content = request("GET", f"http://{_one(rng, words.FOREIGN[:4])}/api/service")
        return Case("", content, frozenset({404}))
    told = ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-Host", "Referer", "Origin"]
    content = request("GET", "/", headers=[f"{_one(rng, told)}: http://{words.MARK}"])
    return Case("", content, frozenset({200}))


def in_a_row(rng: Rng) -> Case:
    """Sound requests sent at once, with rubbish behind them."""
    some = [request("GET", "/healthz"), request("POST", "/api/predict", pictures()[7])]
    some += [request("GET", "/nothing"), request("POST", "/healthz", b"GET / HTTP/1.1\r\n\r\n")]
    rubbish = [
        rng.bytes(300),
        b"\r\n" * 50,
        b"GET ",
        request("POST", "/", b"x", ["Content-Length: 9"]),
        b"\0" * 20_000,
    ]
    content = b"".join([*_several(rng, some, 20), _one(rng, rubbish)])
    return Case("", content, frozenset({200, 400, 404, 405, 503, NO_ANSWER}), has_more=True)


def other_protocols(rng: Rng) -> Case:
    """What other servers would understand."""
    hello = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + rng.bytes(194)
    upgrade = [
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==",
    ]
    some = [
        hello,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"EHLO localhost\r\n",
    ]
    some += [
        b"*1\r\n$4\r\nPING\r\n",
        b"\x05\x01\x00",
        b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
    some += [request("GET", "/healthz", headers=["Upgrade: websocket", *upgrade])]
    some += [request("GET", "/", headers=["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ", *upgrade])]
    some += [
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
        rng.bytes(200),
    ]
    some += [
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"\n",
    ]
    statuses = frozenset({200, 400, 404, 405, 421, NO_ANSWER})
    return Case("", _one(rng, some), statuses, has_more=True)


#: How a case of a kind is made, and how many of a hundred are of it.
KINDS: dict[str, tuple[Callable[[Rng], Case], int]] = {
    "random bodies": (random_bodies, 40),
    "damaged forms": (forms, 8),
    "hostile file names": (file_names, 6),
    "hostile names and labels, kept": (kept_pictures, 6),
    "paths to other files": (paths, 10),
    "headers": (headers, 10),
    "lengths": (lengths, 6),
    "other hosts and origins": (hosts, 6),
    "several in a row, and rubbish": (in_a_row, 4),
    "other protocols": (other_protocols, 4),
}
_SHARES = [kind for kind, (_, share) in KINDS.items() for _ in range(share)]


def case(number: int, seed: int) -> Case:
    """One of the cases, always the same one."""
    kind = _SHARES[37 * number % len(_SHARES)]  # a part of a run holds them all
    return replace(KINDS[kind][0](np.random.default_rng([seed, number])), kind=kind)
