"""Ctrl-C, held back while processes start that are not to hear of it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Processes that start meanwhile hear of no Ctrl-C, from their first moment on.

    Windows cannot hold it back: there they turn it down as soon as they run.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else it starts meanwhile, and lets Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
