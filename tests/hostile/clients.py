"""Clients of all manners: those that ask once, and those that dawdle, vanish or never end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from hostile.answers import Answer, answers_in
from hostile.requests import NO_ANSWER, Case, pictures, request

#: Seconds after which an answer that is owed has not come, and one that need not come.
_PATIENCE, _WHILE = 60.0, 1.0
#: Beyond the time in which a request has to arrive: the service answers, then ends it.
_GRACE = 30.0
_CHUNKED = request("POST", "/api/predict", b"", ["Transfer-Encoding: chunked"])
_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"

Address = tuple[str, int]


@dataclass(frozen=True)
class Tried:
    """What came of a case, and what of it was not as promised."""

    answers: list[Answer]
    faults: list[str]


@contextlib.asynccontextmanager
async def _connected(
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


async def ask(address: Address, case: Case, secrets: Sequence[bytes]) -> Tried:
    """Send a case, and look through what comes back."""
    stream, how = b"", "no answer"
    answers: list[Answer] = []
    faults: list[str] = []
    owed = NO_ANSWER not in case.statuses
    async with _connected(address) as (reader, writer):
        try:
            writer.write(case.content)
            if not owed:
                with contextlib.suppress(OSError):  # it may be closed already from there
                    writer.write_eof()
            while not answers or case.has_more:
                async with asyncio.timeout(_PATIENCE if owed else _WHILE):
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
    faults += [fault for answer in answers for fault in answer.faults(case.has_body)]
    faults += [f"told: {secret[:60]!r}" for secret in secrets if secret in stream]
    statuses = {answer.status for answer in answers} - case.statuses
    faults += [f"{status}, not of {set(case.statuses)}" for status in statuses]
    if owed and not answers and how != "reset":
        faults.append(how)
    return Tried(answers, faults)


# --- those that dawdle, vanish or never end -----------------------------------------------------


async def _send(
    address: Address, head: bytes, parts: Sequence[bytes], pause: float, limit: float
) -> None:
    """Send a head, then part after part until the other side ends it, which it has to."""
    async with _connected(address) as (reader, writer):
        end = time.monotonic() + limit
        with contextlib.suppress(ConnectionError):
            writer.write(head)
            for part in parts:
                if reader.at_eof() or writer.is_closing():
                    break
                assert time.monotonic() < end, "is still listened to"
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(max(0.1, end - time.monotonic())):
                    while await reader.read(1 << 16):
                        pass
            except TimeoutError:
                raise AssertionError("is not ended") from None


def _byte_by_byte(content: bytes) -> list[bytes]:
    return [content[place : place + 1] for place in range(len(content))]


def _sending(
    head: bytes, parts: Sequence[bytes], pauses: float
) -> Callable[[Address, random.Random, float], Awaitable[None]]:
    """A client that sends so, with pauses that are a part of the time for arrival."""

    async def behave(address: Address, rng: random.Random, arrival: float) -> None:
        await _send(address, head, parts, pauses * arrival, arrival + _GRACE)

    return behave


async def _half(address: Address, rng: random.Random, arrival: float) -> None:
    """Half a request, and nothing after it."""
    whole = request("POST", "/api/predict", pictures()[3])
    half = whole[: rng.randrange(1, len(whole) - 1)]
    await _send(address, half, [], 0, arrival + _GRACE)


async def _vanishes(address: Address, rng: random.Random, arrival: float) -> None:
    """Half a request or a whole one, and a reset at once or soon."""
    whole = request("POST", "/api/read", rng.choice(pictures()))
    async with _connected(address) as (_, writer):
        writer.write(whole[: rng.randrange(1, len(whole) + 1)])
        await asyncio.sleep(rng.choice([0, 0.005, 0.02, 0.1]))


async def _reads_nothing(address: Address, rng: random.Random, arrival: float) -> None:
    """Asks on and on for something long, and does not read it."""
    async with _connected(address, receives=4096) as (_, writer):
        end = time.monotonic() + arrival + _GRACE
        writer.transport.pause_reading()
        while not writer.is_closing():
            assert time.monotonic() < end, "is still listened to"
            with contextlib.suppress(ConnectionError, TimeoutError):
                writer.write(request("GET", "/docs/assets/swagger-ui-bundle.js") * 3)
                async with asyncio.timeout(arrival / 20):
                    await writer.drain()
            await asyncio.sleep(arrival / 20)


_UPLOAD = request("POST", "/api/predict", b"", ["Content-Length: 1000000000000"])
_MANY = 100_000

#: How each behaves, given the address, chance, and the seconds in which a request has to arrive.
BEHAVIOURS: dict[str, Callable[[Address, random.Random, float], Awaitable[None]]] = {
    "head byte by byte": _sending(_GET, _byte_by_byte(b"X-A: " + b"a" * 5000), 1 / 40),
    "body byte by byte": _sending(_UPLOAD, _byte_by_byte(bytes(5000)), 1 / 40),
    "chunks byte by byte": _sending(_CHUNKED, _byte_by_byte(b"1\r\nx\r\n" * 1000), 1 / 40),
    "connection, no request": _sending(b"", [], 0),
    "half a request, kept open": _half,
    "a request or half, then a reset": _vanishes,
    "answers not read": _reads_nothing,
    "a terabyte": _sending(_UPLOAD, [bytes(500_000)] * _MANY, 1 / 20),
    "chunks without end": _sending(
        _CHUNKED, [b"10000\r\n" + bytes(0x10000) + b"\r\n"] * _MANY, 1 / 100
    ),
    "chunks of a byte without end": _sending(_CHUNKED, [b"1\r\nx\r\n" * 40_000] * _MANY, 1 / 10),
    "headers without end": _sending(_GET, [b"X-A: b\r\n" * 5000] * _MANY, 1 / 10),
}


async def behave(address: Address, kind: str, rng: random.Random, arrival: float) -> list[str]:
    """One of the behaviours, from its beginning to its end; what was not as promised."""
    try:
        await BEHAVIOURS[kind](address, rng, arrival)
    except AssertionError as error:
        return [f"{kind}: {error}"]
    except ConnectionError:
        pass
    return []
