"""Keeps a record of all that this thread does, as Python's own audit sees it."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Iterator

_record: list[str] | None = None
_thread = 0
_is_hooked = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _record is not None and threading.get_ident() == _thread and len(_record) < 1000:
        _record.append(" ".join([event, *(str(a)[:80] for a in arguments[:2])]))


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """The events while the block runs: imports, opened files, code, processes, sockets, all."""
    global _record, _thread, _is_hooked
    if not _is_hooked:
        sys.addaudithook(_note)  # for good: Python has no way to take one back
        _is_hooked = True
    events: list[str] = []
    gc.disable()  # what others have left to be closed is none of the block's
    _record, _thread = events, threading.get_ident()
    try:
        yield events
    finally:
        _record = None
        gc.enable()
