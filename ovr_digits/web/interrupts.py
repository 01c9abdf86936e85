"""Holds interrupts back while processes are started and modules loaded."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes and threads that start meanwhile never see a Ctrl-C; this one sees it later.

    An interrupt while a module is loaded may be lost, and one while processes
    are started would have them fail in their own words.
    """
    resource_tracker.ensure_running()  # else it starts meanwhile, and lets interrupts through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
