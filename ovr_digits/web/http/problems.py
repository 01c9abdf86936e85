"""What the service says when it refuses: JSON with one line, and never more."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

NOTHING_HERE = "there is nothing at this address; see /docs"
FAILED = "the service failed on this request, and has told so where it runs"
#: Seconds after which it is worth asking again.
_LATER = "1"


def problem(status: int, text: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that tells of one."""
    headers = dict(headers or {})
    if status == 503:
        headers["Retry-After"] = _LATER
    return JSONResponse({"error": text}, status, headers)
