"""Processes on this machine as an engine: an executor, with what travels in files."""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import joblib

from ovr_digits.errors import DigitsError
from ovr_digits.interrupts import held_back
from ovr_digits.scale.engine.base import Call, Handle, PoolEngine, Task

R = TypeVar("R")

_CONTEXT = get_context("spawn")


@contextmanager
def open_processes(n_workers: int) -> Iterator[Processes]:
    """So many processes as an engine; at the end of the block none of them is left."""
    end, lifeline = _CONTEXT.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="ovr-digits-") as folder:
        with _starting():
            pool = ProcessPoolExecutor(n_workers, _CONTEXT, _begin, (end,))
        try:
            yield Processes(pool, n_workers, Path(folder))
        finally:
            lifeline.close()
            pool.shutdown(cancel_futures=True)


class Processes(PoolEngine):
    """Processes that find tasks in files of a folder, and put their results there.

    Only the names go through the pipes of the executor, which would wait without end for the
    rest of what a killed process had begun to write, or was to read. What is shared is mapped
    into the memory of all.
    """

    def __init__(self, pool: ProcessPoolExecutor, n_workers: int, folder: Path) -> None:
        super().__init__()
        self._pool, self._n_workers, self._folder = pool, n_workers, folder
        self._numbers = count()

    @property
    def n_workers(self) -> int:
        """Processes."""
        return self._n_workers

    def run(self, function: Callable[..., R], tasks: Iterable[Task]) -> Generator[R, None, None]:
        """Call ``function(*task)`` for each task, on the workers."""
        try:
            yield from super().run(function, tasks)
        except BrokenProcessPool:
            raise DigitsError(
                "a worker process was killed, perhaps for want of memory; "
                "try again with a smaller --jobs"
            ) from None

    def _send(self, value: Any) -> Handle:
        path = self._folder / f"{next(self._numbers)}.shared"
        joblib.dump(value, path)
        return Handle(_mapped, str(path))

    def _submit(self, call: Call) -> Future[Any]:
        path = self._folder / f"{next(self._numbers)}.task"
        path.write_bytes(pickle.dumps(call))
        with _starting():
            return self._pool.submit(_work, path)

    def _result(self, future: Future[Any]) -> Any:
        return _taken(future.result())


def _begin(lifeline: Connection) -> None:
    """Begin a process that ends, in the middle of a task too, when the other end is closed.

    It is closed by the engine, or by the end of the program, however that comes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program hears of it, and ends this one

    def watch() -> None:
        with suppress(EOFError, OSError):
            lifeline.recv_bytes()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(path: Path) -> Path:
    """Do the task in a file, and put the result into another."""
    result = pickle.dumps(_taken(path)())
    path = path.with_suffix(".result")
    path.write_bytes(result)
    return path


def _taken(path: Path) -> Any:
    """The object in a file that is not needed any more; it is from a process of this program."""
    content = path.read_bytes()
    path.unlink()
    return pickle.loads(content)  # noqa: S301


@cache
def _mapped(name: str) -> Any:
    return joblib.load(name, mmap_mode="r")


@contextmanager
def _starting() -> Iterator[None]:
    """Processes that start meanwhile are quiet, however this one ends.

    They hear of no Ctrl-C, where the system can hold it back, and Python's resource tracker,
    which is one of them, makes no remark when it tidies up after a program that was killed.
    """
    filters = os.environ.get("PYTHONWARNINGS", "")
    os.environ["PYTHONWARNINGS"] = f"{filters},ignore:resource_tracker:UserWarning".lstrip(",")
    try:
        with held_back():
            yield
    finally:
        os.environ["PYTHONWARNINGS"] = filters
