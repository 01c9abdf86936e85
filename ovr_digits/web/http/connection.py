"""Connections: how many there are, how long a request may take to arrive, and what is no HTTP."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ovr_digits.web.http import limits

#: A request whose body comes too slowly is answered first; then its connection ends.
_LINGER_SECONDS = 2.0
#: Chunks that any body may come in, and bytes of the body that allow one more.
_FREE_CHUNKS, _CHUNK_BYTES = 1000, 1000
#: Characters of method and path in the log.
_PATH_SHOWN = 200


def log_line(
    client: tuple[str, int] | None, request: str, status: int | None, seconds: float, n_bytes: int
) -> str:
    """Time, client, method and path, status, milliseconds and bytes of an answer."""
    request = request if len(request) <= _PATH_SHOWN else f"{request[:_PATH_SHOWN]}..."
    return (
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {client[0] if client else '-'} {request} "
        f"{status or '-'} {1000 * seconds:.0f} ms {n_bytes} B"
    )


class Connections:
    """Counts those that are open; ``log`` takes a line for every answer."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log = log
        self.n_open = 0

    def protocol(self, headers: list[tuple[bytes, bytes]]) -> Any:
        """What uvicorn makes its connections with; answers to what is no HTTP carry ``headers``."""
        return functools.partial(Connection, count=self, headers=headers)


class _Parser(h11.Connection):
    """HTTP that refuses a body in very many small chunks: each costs as much time as many bytes."""

    _n_chunks = _n_bytes = 0

    def next_event(self) -> Any:
        """What has come."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._n_chunks = self._n_bytes = 0
        elif isinstance(event, h11.Data):
            self._n_chunks += event.chunk_start
            self._n_bytes += len(event.data)
            if self._n_chunks > _FREE_CHUNKS + self._n_bytes / _CHUNK_BYTES:
                raise h11.RemoteProtocolError("too many small chunks")
        return event


class Connection(H11Protocol):
    """One connection, which may not be held open by sending or reading too slowly."""

    def __init__(
        self, *args: Any, count: Connections, headers: list[tuple[bytes, bytes]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Parser(h11.SERVER, limits.HEAD_BYTES)
        self._count = count
        self._common = headers
        self._arrival = _Timer(self._give_up)
        self._reading = _Timer(self._give_up)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; a request has to follow."""
        super().connection_made(transport)
        self._count.n_open += 1
        if self._count.n_open > 2 * limits.CONNECTIONS:  # not even a refusal is due
            transport.abort()
        else:
            self._arrival.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._count.n_open -= 1
        self._arrival.stop()
        self._reading.stop()
        self._unset_keepalive_if_required()  # else one that was reset is held until it is over
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._reading.start()

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        self._reading.stop()

    def send_400_response(self, msg: str) -> None:
        """Tell that it is no HTTP."""
        if self.cycle is not None:  # what answers its beginning is to be silent now
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            text = (
                f"this is no valid HTTP request, its head is over {limits.HEAD_BYTES} bytes, or "
                "its body is in very many small chunks"
            )
            body = json.dumps({"error": text}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                (b"cache-control", b"no-store"),
                *self._common,
            ]
            head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self._count.log(log_line(self.client, "-", 400, 0, len(body)))
        self.transport.close()

    def _watch(self) -> None:
        """Set a time to a request that is arriving."""
        state = self.conn.their_state
        if state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0]):
            self._arrival.start()
        elif state is not h11.IDLE or self.cycle is not None:
            self._arrival.stop()

    def _give_up(self) -> None:
        self.transport.abort()


class _Timer:
    """Calls a function after the time in which a request has to arrive, unless stopped before."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, unless it is running."""
        if self._handle is None:
            seconds = limits.ARRIVAL_SECONDS + _LINGER_SECONDS
            self._handle = asyncio.get_running_loop().call_later(seconds, self._function)

    def stop(self) -> None:
        """End without a call."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
