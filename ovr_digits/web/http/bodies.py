"""Reads the bodies of requests, within limits of size, time and memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ovr_digits.web.http.limits import Limits


class Bodies:
    """All bodies that are in memory at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @contextlib.asynccontextmanager
    async def body_of(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, which counts until the block ends.

        Raises
        ------
        HTTPException
            Where it is too large, compressed, too slow, or one too many.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise HTTPException(415, "the body is compressed; send it as it is")
        if int(request.headers.get("content-length", 0)) > self._limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(self._limits.arrival_seconds):
                    async for chunk in request.stream():
                        body += chunk
                        self._held += len(chunk)
                        if len(body) > self._limits.body_bytes:
                            raise self._too_large()
                        if self._held > self._limits.held_bytes:
                            raise HTTPException(503, "too many pictures at once; ask again soon")
            except TimeoutError:
                seconds = self._limits.arrival_seconds
                raise HTTPException(
                    408,
                    f"the picture took longer than {seconds:g} s to arrive; shrink it",
                    {"Connection": "close"},
                ) from None
            yield bytes(body)
        finally:
            self._held -= len(body)

    def _too_large(self) -> HTTPException:
        megabytes = self._limits.body_bytes / 1e6
        return HTTPException(413, f"the picture is over {megabytes:g} MB; shrink it")
