"""The processes that do the work on pictures: how much they take on, and what becomes of them."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar
from weakref import WeakSet

from pebble import ProcessExpired, ProcessPool

from ovr_digits.errors import DigitsError
from ovr_digits.interrupts import held_back
from ovr_digits.web import tasks as work
from ovr_digits.web.http import limits

#: Beyond the time of a piece of work, until the processes themselves are given up.
_GRACE_SECONDS = 5.0
#: A worker finds its next piece of work waiting.
_AHEAD = 1
#: Held while a process is started: it must not be left before it has been told what it is to do.
_STARTING = threading.Lock()


T = TypeVar("T")


class BusyError(Exception):
    """Nothing more can be taken on now; the text says why."""


class _Process(SpawnProcess):
    """A worker that ends at once; Ctrl-C and ``SIGTERM`` it leaves to the service."""

    def start(self) -> None:
        """Start it; it inherits that Ctrl-C is held back."""
        with _STARTING, held_back():
            super().start()

    def terminate(self) -> None:
        self.kill()


class _Context(SpawnContext):
    """Starts processes, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.processes = WeakSet[_Process]()

    def Process(self, *args: Any, **kwargs: Any) -> _Process:  # type: ignore[override]  # noqa: N802
        process = _Process(*args, **kwargs)
        with _STARTING:  # they are gone through when the service stops
            self.processes.add(process)
        return process


class Workers:
    """A number of processes that have read the content of a models file.

    One that takes too long over a picture, or dies of it, is replaced.
    """

    def __init__(self, count: int, models: bytes) -> None:
        self._count = count
        self._context = _Context()
        self._models = _shared(models)
        self._asked = 0
        self._places = asyncio.Semaphore(count + _AHEAD)
        self._pool = self._new_pool()

    def start(self) -> Future[dict[str, Any]]:
        """Start the processes; to come is what the models tell of themselves, or a DigitsError."""
        _start(self._pool)
        future: Future[dict[str, Any]] = self._pool.schedule(work.provenance)
        return future

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of a function of ``work``, when its turn has come.

        Raises
        ------
        BusyError
            Where it has not come in time, or a worker died.
        DigitsError
            Where the function raises one, or takes too long.
        """
        if self._asked >= limits.WAITING + self._count:
            raise BusyError("too many pictures are waiting; ask again in a moment")
        self._asked += 1
        try:
            try:
                async with asyncio.timeout(limits.SECONDS):
                    await self._places.acquire()
            except TimeoutError:
                raise BusyError("all workers are busy; ask again in a moment") from None
            try:
                return await self._work(function, arguments)
            finally:
                self._places.release()
        finally:
            self._asked -= 1

    async def _work(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        for _ in range(2):
            pool = self._pool
            try:
                future = pool.schedule(function, arguments, timeout=limits.SECONDS)
            except RuntimeError:  # it broke when it had nothing to do
                self._replace(pool)
                continue
            waiting = asyncio.timeout(limits.SECONDS + _GRACE_SECONDS)
            try:
                async with waiting:
                    return await asyncio.wrap_future(future)
            except TimeoutError:
                if waiting.expired():  # the processes do not answer any more
                    self._replace(pool)
                raise DigitsError(
                    f"the picture took longer than {limits.SECONDS:g} s; shrink it"
                ) from None
            except ProcessExpired:
                break
            except BrokenProcessPool:
                self._replace(pool)
        raise BusyError("the process that read this picture has died; ask again")

    def stop(self) -> None:
        """End all processes, whatever they are at."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        # Before what they share with this one is gone: those that start just now would stumble.
        with _STARTING:
            for process in self._context.processes:
                if process.is_alive():
                    process.kill()
        _end(self._pool)

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            self._count,
            initializer=work.start,
            initargs=(self._models,),
            context=self._context,
        )

    def _replace(self, pool: ProcessPool) -> None:
        if self._pool is pool:
            self._pool = self._new_pool()
            _start(self._pool)
            threading.Thread(target=_end, args=(pool,), daemon=True).start()


def _shared(content: bytes) -> Any:
    """The same bytes where all processes see them: once in memory, and in no file that has a name.

    Given to each process through a pipe, they would have to be taken before the next may start.
    """
    shared = SpawnContext().RawArray(ctypes.c_char, len(content))
    shared.raw = content
    return shared


def _start(pool: ProcessPool) -> None:
    pool.schedule(int)  # the first piece of work makes the processes


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()
