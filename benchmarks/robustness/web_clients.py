"""Clients of all manners: those that ask once, and those that dawdle, vanish or never end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.robustness.web_answers import Answer, answers_in, leaks
from benchmarks.robustness.web_cases import NO_ANSWER, Case, Rng, pictures, request

#: Seconds after which an answer that is owed has not come.
_PATIENCE = 40.0
#: For an answer that need not come, and for one more.
_WHILE, _MORE = 1.0, 0.1
#: Beyond the time in which a request has to arrive: the service answers, then ends it.
_GRACE = 10.0
_CHUNKED = request("POST", "/api/predict", b"", ["Transfer-Encoding: chunked"])

Address = tuple[str, int]


@dataclass(frozen=True)
class Tried:
    """What became of something that was tried.

    Attributes
    ----------
    kind : str
    how : str
        Status, "no answer" or the like.
    seconds : float
    faults : list of str
        What was not as promised.
    content : bytes
        What was sent, or the beginning of it.
    answers : list of Answer
    """

    kind: str
    how: str
    seconds: float
    faults: list[str]
    content: bytes = b""
    answers: list[Answer] = field(default_factory=list)


@contextlib.asynccontextmanager
async def connected(
    address: Address, receives: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that ends with a reset: no FIN, nothing that would wait on either side."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if receives is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    try:
        await asyncio.get_running_loop().sock_connect(connection, address)
        reader, writer = await asyncio.open_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ask(address: Address, case: Case, secrets: list[bytes]) -> Tried:
    """Send a case, and look through what comes back."""
    started, stream, how = time.perf_counter(), b"", "no answer"
    answers: list[Answer] = []
    faults: list[str] = []
    async with connected(address) as (reader, writer):
        owed = NO_ANSWER not in case.statuses
        try:
            writer.write(case.content)
            if case.ends:
                writer.write_eof()
            while not answers or case.has_more:
                patience = _MORE if answers else _PATIENCE if owed else _WHILE
                async with asyncio.timeout(patience):
                    part = await reader.read(1 << 20)
                if not part:
                    break
                stream += part
                answers, rest = answers_in(stream, case.has_body)
            else:
                faults += [f"behind the answer: {rest[:80]!r}"] if rest else []
        except TimeoutError:
            how = "waits"
        except ConnectionError:  # what was sent is not wanted any more
            how = "reset"
        except ValueError as error:
            faults.append(str(error))
    seconds = time.perf_counter() - started
    faults += [fault for answer in answers for fault in answer.faults(case.has_body)]
    faults += leaks(stream, secrets)
    statuses = [answer.status for answer in answers]
    faults += [f"{status}, not of {set(case.statuses)}" for status in {*statuses} - case.statuses]
    if owed and not answers and how != "reset":
        faults.append(how)
    how = str(statuses[-1]) if answers else how
    return Tried(case.kind, how, seconds, faults, case.content, answers)


# --- those that dawdle, vanish or never end -----------------------------------------------------

Behaviour = Callable[[Address, Rng, float], Awaitable[str]]


async def _drip(address: Address, head: bytes, rest: bytes, pause: float, limit: float) -> str:
    """Send byte after byte until the other side ends it."""
    async with connected(address) as (reader, writer):
        writer.write(head)
        end = time.monotonic() + limit
        for byte in rest:
            if reader.at_eof() or writer.is_closing():
                break
            if time.monotonic() > end:
                raise AssertionError("is still listened to")
            writer.write(bytes([byte]))
            await asyncio.sleep(pause)
        return await _rest_of(reader, end)


async def _rest_of(reader: asyncio.StreamReader, end: float) -> str:
    """How the other side ends it, which it has to."""
    stream = b""
    try:
        async with asyncio.timeout(max(0.1, end - time.monotonic())):
            while part := await reader.read(1 << 16):
                stream = (stream + part)[: 1 << 16]
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError("is not ended") from None
    return f"{stream[9:12].decode()}, ended" if stream else "ended"


async def slow_head(address: Address, rng: Rng, arrival: float) -> str:
    """A head that never comes to its end."""
    rest = b"X-A: " + bytes(rng.integers(97, 123, 10_000, np.uint8))
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    return await _drip(address, head, rest, arrival / 40, arrival + _GRACE)


async def slow_body(address: Address, rng: Rng, arrival: float) -> str:
    """A picture byte by byte."""
    head = request("POST", "/api/predict", b"", ["Content-Length: 100000"])
    return await _drip(address, head, rng.bytes(10_000), arrival / 40, arrival + _GRACE)


async def slow_chunks(address: Address, rng: Rng, arrival: float) -> str:
    """The same in chunks of a byte, to an address that takes no body."""
    head = _CHUNKED.replace(b"/api/predict", b"/healthz")
    return await _drip(address, head, b"1\r\nx\r\n" * 2000, arrival / 40, arrival + _GRACE)


async def says_nothing(address: Address, rng: Rng, arrival: float) -> str:
    """A connection, and that is all."""
    return await _drip(address, b"", b"", 0, arrival + _GRACE)


async def stays_with_half(address: Address, rng: Rng, arrival: float) -> str:
    """Half a request, and nothing after it."""
    whole = request("POST", "/api/predict", pictures()[3])
    half = whole[: int(rng.integers(1, len(whole) - 1))]
    return await _drip(address, half, b"", 0, arrival + _GRACE)


async def vanishes(address: Address, rng: Rng, arrival: float) -> str:
    """Half a request or a whole one, and a reset at once or soon."""
    whole = request("POST", "/api/read", pictures()[int(rng.integers(10))])
    async with connected(address) as (_, writer):
        writer.write(whole[: int(rng.integers(1, len(whole) + 1))])
        await asyncio.sleep(float(rng.choice([0, 0.005, 0.02, 0.1])))
    await asyncio.sleep(0.05)
    return "gone"


async def goes_in_order(address: Address, rng: Rng, arrival: float) -> str:
    """Half a request, then FIN."""
    whole = request("POST", "/api/predict", pictures()[int(rng.integers(10))])
    async with connected(address) as (reader, writer):
        writer.write(whole[: int(rng.integers(1, len(whole)))])
        writer.write_eof()
        return await _rest_of(reader, time.monotonic() + arrival + _GRACE)


async def reads_nothing(address: Address, rng: Rng, arrival: float) -> str:
    """Asks on and on for something long, and does not read it."""
    async with connected(address, receives=4096) as (_, writer):
        end = time.monotonic() + arrival + 2 * _GRACE
        writer.transport.pause_reading()
        while not writer.is_closing():
            if time.monotonic() > end:
                raise AssertionError("is still listened to")
            with contextlib.suppress(ConnectionError, TimeoutError):
                writer.write(request("GET", "/docs/assets/swagger-ui-bundle.js") * 3)
                async with asyncio.timeout(arrival / 20):
                    await writer.drain()
            await asyncio.sleep(arrival / 20)
    return "ended"


async def _endless(address: Address, head: bytes, part: bytes, limit: float) -> str:
    """An upload of some 20 MB a second until the other side ends it."""
    async with connected(address) as (reader, writer):
        writer.write(head)
        end = time.monotonic() + limit
        try:
            while not writer.is_closing():
                if time.monotonic() > end:
                    raise AssertionError("is still listened to")
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(len(part) / 20e6)
        except ConnectionError:
            pass
        return await _rest_of(reader, end)


async def endless_length(address: Address, rng: Rng, arrival: float) -> str:
    """A terabyte, as its header says."""
    target = str(rng.choice(["/api/predict", "/api/keep?label=1", "/healthz", "/static/main.js"]))
    head = request("POST", target, b"", ["Content-Length: 1000000000000"])
    return await _endless(address, head, rng.bytes(500_000), arrival + _GRACE)


async def endless_chunks(address: Address, rng: Rng, arrival: float) -> str:
    """Large chunks without end."""
    part = b"10000\r\n" + rng.bytes(0x10000) + b"\r\n"
    return await _endless(address, _CHUNKED, part, arrival + _GRACE)


async def endless_crumbs(address: Address, rng: Rng, arrival: float) -> str:
    """Chunks of a byte without end."""
    await asyncio.sleep(arrival / 30)
    return await _endless(address, _CHUNKED, b"1\r\nx\r\n" * 40_000, arrival + _GRACE)


async def endless_head(address: Address, rng: Rng, arrival: float) -> str:
    """Headers without end."""
    await asyncio.sleep(arrival / 30)
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    return await _endless(address, head, b"X-A: b\r\n" * 5000, arrival + _GRACE)


#: And how many of them there are at a time.
BEHAVIOURS: dict[str, tuple[Behaviour, int]] = {
    "head byte by byte": (slow_head, 8),
    "body byte by byte": (slow_body, 8),
    "chunks byte by byte": (slow_chunks, 4),
    "connection, no request": (says_nothing, 12),
    "half a request, kept open": (stays_with_half, 16),
    "a request or half, then a reset": (vanishes, 2),
    "half a request, then FIN": (goes_in_order, 2),
    "answers not read": (reads_nothing, 4),
    "a terabyte": (endless_length, 1),
    "chunks without end": (endless_chunks, 1),
    "chunks of a byte without end": (endless_crumbs, 1),
    "headers without end": (endless_head, 1),
}


async def behave(address: Address, kind: str, rng: Rng, arrival: float) -> Tried:
    """One of the behaviours, from its beginning to its end."""
    started = time.perf_counter()
    faults: list[str] = []
    try:
        how = await BEHAVIOURS[kind][0](address, rng, arrival)
    except AssertionError as error:
        how, faults = str(error), [str(error)]
    except ConnectionError:
        how = "reset"
    return Tried(kind, how, time.perf_counter() - started, faults)
