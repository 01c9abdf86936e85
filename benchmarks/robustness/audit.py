"""Keeps a record of all that this process does, as Python's own audit sees it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

_record: list[str] | None = None
_is_hooked = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _record is not None and len(_record) < 1000:
        _record.append(" ".join([event, *(str(a)[:80] for a in arguments[:2])]))


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """The events while the block runs: imports, opened files, code, processes, sockets, all."""
    global _record, _is_hooked
    if not _is_hooked:
        sys.addaudithook(_note)  # for good: Python has no way to take one back
        _is_hooked = True
    events: list[str] = []
    _record = events
    try:
        yield events
    finally:
        _record = None
