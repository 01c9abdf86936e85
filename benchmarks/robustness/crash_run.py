"""A piece of work in a process of its own, which may be killed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable

_FORK = multiprocessing.get_context("fork")


class Run:
    """A job in a process of its own, which first calls ``before``."""

    def __init__(self, work: Callable[[], None], before: Callable[[], None] = lambda: None) -> None:
        def run() -> None:
            for number in (1, 2):
                os.dup2(writing, number)
            before()
            work()

        # A pipe, which no quota applies to; far more goes into it than a job says.
        self._reading, writing = os.pipe()
        self._process = _FORK.Process(target=run)
        self._process.start()
        os.close(writing)

    def wait(self, seconds: float = 900) -> int | None:
        """The status it ended with; None where it runs yet."""
        self._process.join(seconds)
        return self._process.exitcode

    def kill(self) -> bool:
        """End it with kill -9; whether it was running."""
        was_running = self._process.exitcode is None
        self._process.kill()
        self._process.join()
        return was_running

    def said(self) -> str:
        """What it printed, once it has ended."""
        with os.fdopen(self._reading, "rb") as said:
            return said.read().decode(errors="replace")
