"""What comes before all routes: who may ask, headers of every answer, and a line of log for it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ovr_digits.web.http import limits
from ovr_digits.web.http.connection import Connections, log_line
from ovr_digits.web.http.hosts import Hosts, is_same_origin
from ovr_digits.web.http.problems import FAILED, NOTHING_HERE, problem

#: On every answer.
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"connect-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
]


class Guard:
    """The application with the checks that every request has to pass.

    ``failed`` is told in a line of each failure of the program itself.
    """

    def __init__(
        self, app: ASGIApp, hosts: Hosts, connections: Connections, failed: Callable[[str], None]
    ) -> None:
        self._app, self._failed = app, failed
        self._hosts, self._connections = hosts, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http"
        answer = _Answer(scope, send)
        app: ASGIApp = self._refusal(scope) or self._app
        # Files are small: each is sent whole, so that no range has to be checked.
        scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"range"]}
        if scope["method"] == "HEAD":  # whose answer the server sends without its body
            scope["method"] = "GET"
        try:
            await app(scope, receive, answer.send)
        except asyncio.CancelledError:
            await answer.instead(problem(503, "the service is being stopped"), receive)
        except Exception as error:
            self._failed(f"{scope['path']}: {type(error).__name__}: {error}")
            await answer.instead(problem(500, FAILED), receive)
        finally:
            self._connections.log(answer.line())

    def _refusal(self, scope: Scope) -> Response | None:
        head = [scope["raw_path"], scope["query_string"], *itertools.chain(*scope["headers"])]
        if sum(map(len, head)) > limits.HEAD_BYTES:
            return problem(431, f"the head of the request is over {limits.HEAD_BYTES} bytes")
        if "\0" in scope["path"]:  # which is not even a question to the file system
            return problem(404, NOTHING_HERE)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        close = {"Connection": "close"}
        if {b"content-length", b"transfer-encoding"} <= headers.keys():
            text = (
                "give Content-Length or Transfer-Encoding: a server in between may go by the other"
            )
            return problem(400, text, close)
        if self._connections.n_open > limits.CONNECTIONS:
            return problem(503, "too many connections; ask again in a moment", close)
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not self._hosts.serve(host):
            text = "the service is not known by the name in the Host header; "
            return problem(421, text + "start it with --allow-host NAME")
        if scope["method"] == "POST" and origin is not None and not is_same_origin(origin, host):
            return problem(403, "requests from other sites are refused")
        return None


class _Answer:
    """What is sent to a request, with the headers of every answer, and what the log tells of it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._started = time.perf_counter()
        self._status: int | None = None
        self._n_bytes = 0

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self._status, path = message["status"], self._scope["path"]
            is_page = path == "/" or path.startswith(("/static", "/docs"))
            cache = (b"cache-control", b"no-cache" if is_page else b"no-store")
            message = {**message, "headers": [*message.get("headers", []), *HEADERS, cache]}
        else:
            self._n_bytes += len(message.get("body", b""))
        await self._send(message)

    async def instead(self, response: Response, receive: Receive) -> None:
        """Send this where nothing has been sent yet."""
        if self._status is None:
            await response(self._scope, receive, self.send)

    def line(self) -> str:
        """For the log: nothing of what was asked but the path."""
        return log_line(
            self._scope["client"],
            f"{self._scope['method']} {self._scope['raw_path'].decode('latin-1')}",
            self._status,
            time.perf_counter() - self._started,
            self._n_bytes,
        )
