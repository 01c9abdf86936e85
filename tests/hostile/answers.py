"""What comes back from the service: read strictly, and looked through for what may not be in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Stands in much that is sent, and may come back in values of JSON alone.
MARK = "x9qinjected"
#: Headers that every answer carries once.
_NEEDED = {
    "content-security-policy": "default-src 'none'; script-src 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self)",
    "cache-control": "no-",
}
_UNWANTED = {"server", "date", "set-cookie", "location", "x-injected", "x-powered-by"}
#: Also those that are in no description: of what is no picture, and of files not changed.
STATUSES = frozenset({200, 201, 304, 400, 403, 404, 405, 408, 413, 415, 421, 422, 431, 503})
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9]\d\d) [ -~]*")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([!-~](?:[ -~]*[!-~])?)?")


@dataclass(frozen=True)
class Answer:
    """One answer; the names of headers in small letters."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes

    def header(self, name: str) -> str:
        """The value of a header, empty where there is none."""
        return next((value for each, value in self.headers if each == name), "")

    def faults(self, has_body: bool) -> Iterator[str]:
        """What is not as promised."""
        if self.status not in STATUSES:
            yield f"status {self.status}"
        names = [name for name, _ in self.headers]
        for name, beginning in _NEEDED.items():
            if names.count(name) != 1 or not self.header(name).startswith(beginning):
                yield f"header {name}: {self.header(name) or 'none'}"
        for name in names:
            if name in _UNWANTED or name.startswith("access-control-"):
                yield f"header {name}"
        if any(MARK in name + value for name, value in self.headers):
            yield "what was asked stands in a header"
        if self.status == 503 and not self.header("retry-after").isdigit():
            yield "503 without Retry-After"
        is_json = self.header("content-type") == "application/json"
        if MARK.encode() in self.content and not is_json:
            yield "what was asked stands in the body"
        if (self.status >= 400 and has_body) or (is_json and self.content):
            try:
                value = json.loads(self.content)
            except ValueError:
                value = None
            text = value.get("error", "") if isinstance(value, dict) else None
            if not is_json or text is None:
                yield f"{self.status} is no JSON object: {self.content[:80]!r}"
            elif self.status >= 400 and not (
                list(value) == ["error"] and text and str.isprintable(text)
            ):
                yield f"{self.status} is no line: {self.content[:80]!r}"


def answers_in(stream: bytes, has_body: bool = True) -> tuple[list[Answer], bytes]:
    """The answers that have come whole, and what is left.

    Raises
    ------
    ValueError
        Where what came is no HTTP.
    """
    answers = []
    while True:
        stream = stream.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        head, end, rest = stream.partition(b"\r\n\r\n")
        if not end:
            return answers, stream
        first, *lines = head.split(b"\r\n")
        match = _STATUS_LINE.fullmatch(first)
        if match is None:
            raise ValueError(f"no status line: {first[:80]!r}")
        parts = [_HEADER.fullmatch(line) for line in lines]
        headers = [(p[1].decode().lower(), (p[2] or b"").decode()) for p in parts if p]
        if len(headers) < len(lines):
            raise ValueError(f"no header in {lines}")
        status = int(match[1])
        lengths = [value for name, value in headers if name == "content-length"]
        if (len(lengths) != 1 or not lengths[0].isdigit()) and status != 304:
            raise ValueError(f"{status} with lengths {lengths}")
        # What is no HTTP is not known to be HEAD.
        told = has_body or (status == 400 and ("connection", "close") in headers)
        length = int(lengths[0]) if lengths and told and status != 304 else 0
        if len(rest) < length:
            return answers, stream
        answers.append(Answer(status, headers, rest[:length]))
        stream = rest[length:]
