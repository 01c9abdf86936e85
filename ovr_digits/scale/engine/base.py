"""What an engine is: it calls one function for many tasks, and gives the results in their order."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from joblib import parallel_config
from threadpoolctl import threadpool_limits

from ovr_digits.errors import DigitsError
from ovr_digits.version import __version__

T = TypeVar("T")
R = TypeVar("R")
Task = tuple[Any, ...]

#: For each worker, tasks that may be under way, or done and waiting for one before them.
_AHEAD = 8


class Engine:
    """Works in this process; what runs elsewhere derives from it."""

    @property
    def n_workers(self) -> int:
        """Tasks that are worked on at once, now; a cluster's number may change."""
        return 1

    def share(self, value: T) -> T:
        """Make a large constant known, which tasks then take as an argument.

        It is sent to each worker once, rather than with each task, and kept until the engine
        closes. It may not be changed any more, not even by a task. The same object comes back, and
        is recognised where it is an argument of a task.
        """
        return value

    def run(self, function: Callable[..., R], tasks: Iterable[Task]) -> Generator[R, None, None]:
        """Call ``function(*task)`` for each task, on the workers; one run at a time.

        Parameters
        ----------
        function : callable
            Of a module, so that workers find it. It has one thread of linear
            algebra. A cluster calls it again for a task whose worker was lost;
            each result comes once.
        tasks : iterable of tuples
            Taken as results are, a bounded number ahead of them. Where a run is
            left before its end, those that were taken are still worked on.

        Yields
        ------
        result : object
            In the order of the tasks.

        Raises
        ------
        DigitsError
            Where workers, or the scheduler of a cluster, are lost for good.
        Exception
            What ``function`` raises.
        """
        for task in tasks:
            yield Call(function, task)()


@dataclass(frozen=True)
class Handle:
    """Stands for a shared value on its way to a worker, which asks ``find(name)`` for it."""

    find: Callable[[str], Any]
    name: str


class Call:
    """A task for a worker.

    All of it is one object to what carries it. Were its arguments in sight, Dask would
    put large ones on some worker, and give the task up with that worker.
    """

    def __init__(self, function: Callable[..., Any], arguments: Task) -> None:
        self._function, self._arguments, self._version = function, arguments, __version__
        self.__name__ = function.__name__  # under which Dask keeps how long its tasks take

    def __call__(self) -> Any:
        """The result, worked out on the worker."""
        if self._version != __version__:
            raise DigitsError(other_version(socket.gethostname(), __version__, self._version))
        arguments = [a.find(a.name) if isinstance(a, Handle) else a for a in self._arguments]
        # A task has one core: neither BLAS nor joblib takes more for what is inside it.
        with threadpool_limits(1, user_api="blas"), parallel_config("sequential"):
            return self._function(*arguments)


def other_version(address: str, there: str | None, here: str) -> str:
    """What is said of a part of a cluster that has another version of this package, or none."""
    has = "no ovr-digits" if there is None else f"ovr-digits {there}"
    return f"Dask at {address} has {has}; install version {here} there, as here"


class PoolEngine(Engine, ABC):
    """What engines have in common that hand tasks out to workers elsewhere."""

    def __init__(self) -> None:
        # With the values themselves, so that no other object gets their identity.
        self._shared: dict[int, tuple[Handle, Any]] = {}

    def share(self, value: T) -> T:
        """Make a large constant known, which tasks then take as an argument."""
        if id(value) not in self._shared:
            self._shared[id(value)] = self._send(value), value
        return value

    def run(self, function: Callable[..., R], tasks: Iterable[Task]) -> Generator[R, None, None]:
        """Call ``function(*task)`` for each task, on the workers."""
        calls = (Call(function, tuple(map(self._to_send, task))) for task in tasks)
        waiting: deque[Future[Any]] = deque()
        while True:
            n_free = _AHEAD * max(1, self.n_workers) - len(waiting)
            waiting.extend(self._submit(call) for call in islice(calls, max(0, n_free)))
            if not waiting:
                return
            yield self._result(waiting.popleft())

    def _to_send(self, argument: Any) -> Any:
        return self._shared[id(argument)][0] if id(argument) in self._shared else argument

    @abstractmethod
    def _send(self, value: Any) -> Handle:
        """Make a value available to all workers, those to come among them."""

    @abstractmethod
    def _submit(self, call: Call) -> Future[Any]:
        """Hand a task out."""

    @abstractmethod
    def _result(self, future: Future[Any]) -> Any:
        """Wait for what came of a task that was handed out."""
