"""Reads the bodies of requests, within limits of size, time and memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ovr_digits.web.http import limits


class Bodies:
    """All bodies that are in memory at a time."""

    def __init__(self) -> None:
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
        if int(request.headers.get("content-length", 0)) > limits.BODY_BYTES:
            raise self._too_large()
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(limits.ARRIVAL_SECONDS):
                    async for chunk in request.stream():
                        body += chunk
                        self._held += len(chunk)
                        if len(body) > limits.BODY_BYTES:
                            raise self._too_large()
                        if self._held > limits.HELD_BYTES:
                            raise HTTPException(503, "too many pictures at once; ask again soon")
            except TimeoutError:
                text = f"the picture took longer than {limits.ARRIVAL_SECONDS:g} s to arrive; "
                raise HTTPException(408, text + "shrink it", {"Connection": "close"}) from None
            yield bytes(body)
        finally:
            self._held -= len(body)

    def _too_large(self) -> HTTPException:
        megabytes = limits.BODY_BYTES / 1e6
        return HTTPException(413, f"the picture is over {megabytes:g} MB; shrink it")
