"""One function over many tasks: in this process, in several here, or on a Dask cluster."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import joblib
from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from ovr_digits.errors import DigitsError
from ovr_digits.parallel import resolve_jobs
from ovr_digits.version import __version__

T = TypeVar("T")
R = TypeVar("R")
Task = tuple[Any, ...]

#: For each worker, tasks that may be under way, or done and waiting for one before them.
_AHEAD = 8
#: Seconds without a task after which a process here ends, as it does where this one was killed.
_IDLE_SECONDS = 60


class Engine:
    """Works in this process; what runs elsewhere derives from it."""

    @property
    def n_workers(self) -> int:
        """Tasks that are worked on at once, now; a cluster's number may change."""
        return 1

    def share(self, value: T) -> T:
        """Make a large constant known, which tasks then take as an argument.

        It is sent to each worker once, rather than with each task, and kept until
        the engine closes. It may not be changed any more, by tasks neither.

        Parameters
        ----------
        value : object

        Returns
        -------
        value : object
            The same object; it is recognised where it is an argument of a task.
        """
        return value

    def run(self, function: Callable[..., R], tasks: Iterable[Task]) -> Iterator[R]:
        """Call ``function(*task)`` for each task, on the workers; one run at a time.

        Parameters
        ----------
        function : callable
            Of a module, so that workers find it. It has one thread of linear
            algebra. It is called again for a task whose worker was lost; each
            result comes once.
        tasks : iterable of tuples
            Taken as workers become free, a bounded number ahead of the results.

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


@contextmanager
def open_engine(n_jobs: int = -1, scheduler: str | None = None) -> Iterator[Engine]:
    """An engine, until the end of the block.

    Parameters
    ----------
    n_jobs : int
        Processes on this machine; -1 is one for each core, 1 is this one alone.
    scheduler : str, optional
        The address of a Dask scheduler, as ``tcp://HOST:8786``; its workers are
        used instead of processes here.

    Raises
    ------
    DigitsError
        Where the cluster cannot be used: no scheduler there, no worker, other
        versions of this package.
    """
    if scheduler is not None:
        from ovr_digits.scale.cluster import open_cluster

        with open_cluster(scheduler) as cluster:
            yield cluster
    elif resolve_jobs(n_jobs) == 1:
        yield Engine()
    else:
        with (
            tempfile.TemporaryDirectory(prefix="ovr-digits-") as folder,
            _quiet_tracker(),
            warnings.catch_warnings(),
        ):
            # loky replaces a worker whose memory has grown, and says so.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            yield _Processes(resolve_jobs(n_jobs), Path(folder))


@contextmanager
def _quiet_tracker() -> Iterator[None]:
    """Let loky's resource tracker tidy up without a remark when this process is ended.

    It is a process of its own, which hears of this only when it starts.
    """
    earlier = os.environ.get("PYTHONWARNINGS", "")
    os.environ["PYTHONWARNINGS"] = f"{earlier},ignore:resource_tracker:UserWarning".lstrip(",")
    try:
        yield
    finally:
        os.environ["PYTHONWARNINGS"] = earlier


class Handle(ABC):
    """Stands for a shared value on its way to a worker."""

    @abstractmethod
    def get(self) -> Any:
        """The value, asked for on the worker."""


class Call:
    """A task for a worker.

    All of it is one object to what carries it. Were its arguments in sight, Dask would
    put large ones on some worker, and give the task up with that worker.
    """

    __slots__ = ("__name__", "_arguments", "_function", "_version")

    def __init__(self, function: Callable[..., Any], arguments: Task) -> None:
        self._function, self._arguments, self._version = function, arguments, __version__
        self.__name__ = function.__name__  # under which Dask keeps how long its tasks take

    def __call__(self) -> Any:
        """The result, worked out on the worker."""
        if self._version != __version__:
            raise DigitsError(other_version(socket.gethostname(), __version__, self._version))
        arguments = [a.get() if isinstance(a, Handle) else a for a in self._arguments]
        # A task has one core: neither BLAS nor joblib takes more for what is inside it.
        with threadpool_limits(1, user_api="blas"), parallel_config("sequential"):
            return self._function(*arguments)


def other_version(address: str, there: str | None, here: str) -> str:
    """What is said of a part of a cluster that has another version of this package, or none."""
    has = "no ovr-digits" if there is None else f"ovr-digits {there}"
    return f"Dask at {address} has {has}; install version {here} there, as here"


class JoblibEngine(Engine, ABC):
    """What engines have in common that hand tasks out through joblib."""

    _call: ClassVar[type[Call]] = Call

    def __init__(self) -> None:
        # With the values themselves, so that no other object gets their identity.
        self._shared: dict[int, tuple[Handle, Any]] = {}

    def share(self, value: T) -> T:
        """Make a large constant known, which tasks then take as an argument."""
        if id(value) not in self._shared:
            self._shared[id(value)] = self._send(value), value
        return value

    def run(self, function: Callable[..., R], tasks: Iterable[Task]) -> Iterator[R]:
        """Call ``function(*task)`` for each task, on the workers."""
        calls = (delayed(self._call(function, self._with_handles(task)))() for task in tasks)
        queue = _Queue(calls, self._has_grown)
        while not queue.is_empty:
            queue.limit = _AHEAD * max(1, self.n_workers)
            with self._configured():
                # One task at a time: they are large, and their size varies.
                parallel = Parallel(return_as="generator", batch_size=1, max_nbytes=None)
            with self._errors_explained(), _quietly_closing(parallel(queue)) as results:
                for result in results:
                    queue.n_ahead -= 1
                    yield result

    def _with_handles(self, task: Task) -> Task:
        return tuple(self._shared[id(a)][0] if id(a) in self._shared else a for a in task)

    @abstractmethod
    def _send(self, value: Any) -> Handle:
        """Make a value available to all workers, those to come among them."""

    @abstractmethod
    def _configured(self) -> AbstractContextManager[Any]:
        """The context that gives joblib its backend."""

    def _has_grown(self) -> bool:
        """Whether there are more workers than at the beginning of the run."""
        return False

    @abstractmethod
    def _errors_explained(self) -> AbstractContextManager[Any]:
        """A context that makes one line of what goes wrong with workers."""


class _Queue:
    """Tasks for joblib, which takes one whenever one is done, whether or not results are taken.

    Where results have piled up it ends, and where there are more workers than joblib knows
    of; a new run of joblib goes on with the rest.
    """

    def __init__(self, tasks: Iterator[Any], is_outgrown: Callable[[], bool]) -> None:
        self._tasks, self._is_outgrown = tasks, is_outgrown
        self.limit = self.n_ahead = 0
        self.is_empty = False

    def __iter__(self) -> Iterator[Any]:
        while self.n_ahead < self.limit and not self._is_outgrown():
            try:
                task = next(self._tasks)
            except StopIteration:
                self.is_empty = True
                return
            self.n_ahead += 1
            yield task


@contextmanager
def _quietly_closing(results: Any) -> Iterator[Iterator[Any]]:
    """Close joblib's generator without its remark about results that nobody took."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


class _LocalCall(Call):
    """A task for a process on this machine, which ends with this one, however that ends.

    A worker with a large result would wait for ever for somebody to take it.
    """

    __slots__ = ("_parent",)

    def __init__(self, function: Callable[..., Any], arguments: Task) -> None:
        super().__init__(function, arguments)
        self._parent = os.getpid()

    def __call__(self) -> Any:
        """The result, worked out on the worker."""
        _end_with(self._parent)
        return super().__call__()


@cache
def _end_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Processes(JoblibEngine):
    """Processes on this machine, which find what is shared in files that they map into memory."""

    _call = _LocalCall

    def __init__(self, n_workers: int, folder: Path) -> None:
        super().__init__()
        self._n_workers, self._folder = n_workers, folder

    @property
    def n_workers(self) -> int:
        """Processes."""
        return self._n_workers

    def _send(self, value: Any) -> Handle:
        path = self._folder / f"{len(self._shared)}.joblib"
        joblib.dump(value, path)
        return _Stored(path)

    def _configured(self) -> AbstractContextManager[Any]:
        return parallel_config(
            "loky",
            n_jobs=self._n_workers,
            inner_max_num_threads=1,
            idle_worker_timeout=_IDLE_SECONDS,
        )

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool:
            raise DigitsError(
                "a worker process was killed, perhaps for want of memory; "
                "try again with a smaller --jobs"
            ) from None


class _Stored(Handle):
    """A value in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self) -> Any:
        return _load(self._path)


@cache
def _load(path: Path) -> Any:
    return joblib.load(path, mmap_mode="r")
