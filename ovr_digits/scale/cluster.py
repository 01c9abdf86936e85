"""A Dask cluster as an engine: joblib's backend for it, watched so that no wait is without end."""

from __future__ import annotations

import asyncio
import logging
import pydoc
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from joblib import parallel_config

from ovr_digits.errors import DigitsError
from ovr_digits.scale.engine import Handle, JoblibEngine, other_version
from ovr_digits.version import __version__

try:
    from distributed import Client, KilledWorker, SchedulerPlugin, WorkerPlugin, get_worker, rpc
    from joblib._dask import DaskDistributedBackend
except ImportError:
    raise DigitsError(
        "a Dask cluster needs the packages of the extra 'dask': pip install 'ovr-digits[dask]'"
    ) from None

#: Seconds within which there is a scheduler.
CONNECT_PATIENCE = 10.0
#: Seconds that the scheduler may take to answer, and the first worker to be there.
PATIENCE = 20.0
#: Seconds that all workers may be away: lost ones are started anew, which takes a while.
WORKER_PATIENCE = 60.0
#: Seconds between two looks at the cluster.
_INTERVAL = 1.0
#: Times that a question is asked: a worker may be lost while it is asked.
_TRIES = 3
#: Loggers that write to the screen of their own accord.
_LOUD = ("asyncio", "distributed", "tornado")


@contextmanager
def open_cluster(address: str) -> Iterator[Cluster]:
    """The cluster of a scheduler as an engine, until the end of the block.

    Raises
    ------
    DigitsError
        Where no scheduler answers there, it has no worker, or a worker has not
        this version of this package.
    """
    with _silenced():
        _look_for_scheduler(address)
        client = Client(address, timeout=PATIENCE, set_as_default=False)
        cluster = Cluster(client, address)
        try:
            cluster.prepare()
            yield cluster
        finally:
            cluster.close()


def _look_for_scheduler(address: str) -> None:
    """Refuse an address at which no scheduler is: a client would wait for ever for some."""

    async def ask() -> str:
        async with rpc(address) as there:
            return (await there.identity())["type"]

    try:
        # In a thread, because a notebook has an event loop already.
        with ThreadPoolExecutor(1) as thread:
            answer = asyncio.wait_for(ask(), CONNECT_PATIENCE)
            kind = thread.submit(asyncio.run, answer).result()
    except Exception:  # whatever may listen there, and answer what it likes
        kind = ""
    if kind != "Scheduler":
        raise DigitsError(
            f"no Dask scheduler answers at {address}; start one with 'dask scheduler', or "
            "correct the address"
        )


class Cluster(JoblibEngine):
    """The workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
    address : str
        Of the scheduler, for messages.
    """

    def __init__(self, client: Client, address: str) -> None:
        super().__init__()
        self._client, self._address = client, address
        self._name = f"ovr-digits-{client.id}"
        self._n_seen = 0
        self._backend: _Backend | None = None
        self._failure: DigitsError | None = None
        self._watching = asyncio.run_coroutine_threadsafe(self._watch(), client.loop.asyncio_loop)

    @property
    def n_workers(self) -> int:
        """Threads of all workers, now."""
        self._n_seen = sum(self._ask(self._client.ncores).values())
        return self._n_seen

    def prepare(self) -> None:
        """Refuse a cluster without workers, or with one that has not this version of this package.

        Raises
        ------
        DigitsError
        """
        deadline = time.monotonic() + PATIENCE
        while not self._n_seen:
            if time.monotonic() > deadline:
                raise self._no_worker()
            time.sleep(_INTERVAL / 20)
        asked = pydoc.locate, "ovr_digits.__version__"
        versions = self._ask(partial(self._client.run, *asked))
        # The scheduler reads the tasks that it hands on.
        versions[self._address] = self._ask(partial(self._client.run_on_scheduler, *asked))
        for address, version in versions.items():
            if version != __version__:
                raise DigitsError(other_version(address, version, __version__))
        self._ask(partial(self._client.register_plugin, _TidyUp(self._name), name=self._name))

    def close(self) -> None:
        """Leave the cluster, which then forgets all that it had from here."""
        self._watching.cancel()
        with suppress(OSError):
            self._client.close(timeout=PATIENCE)

    def _send(self, value: Any) -> Handle:
        # Scattered values are lost with the workers that have them, and all copies but one
        # are removed between runs. The scheduler gives plugins to workers that come later too.
        name = f"{self._name}-{len(self._shared)}"
        self._ask(partial(self._client.register_plugin, _Shared(value), name=name))
        return _Held(name)

    def _configured(self) -> AbstractContextManager[Any]:
        self._backend = _Backend(self._client, self.n_workers)
        return parallel_config(self._backend)

    def _has_grown(self) -> bool:
        return self._backend is not None and self._n_seen > self._backend.n_workers

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except _LostError as error:
            reason = error.reason
            if isinstance(reason, CancelledError):  # as all tasks are when the connection ends
                self._failure = self._gone()
            if self._failure is not None:
                raise self._failure from None
            if isinstance(reason, KilledWorker):
                raise DigitsError(
                    "several workers died of the same task, perhaps for want of memory; look at "
                    f"what the last one, {reason.last_worker.address}, has written"
                ) from None
            told = " ".join(str(reason).split())
            raise DigitsError(f"a worker could not take a task: {told}") from None

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer to a question to the scheduler, which is not waited for without end."""

        async def ask() -> Any:
            return await question()

        for _ in range(_TRIES):
            if self._failure is not None:
                raise self._failure
            try:
                return self._client.sync(ask, callback_timeout=PATIENCE)
            except TimeoutError:
                raise self._silent() from None
            except OSError:
                time.sleep(_INTERVAL)
        raise self._gone()

    async def _watch(self) -> None:
        """Look at the cluster now and then; where it is gone, end what waits for it."""
        seen = time.monotonic()
        while True:
            if self._failure is None:
                try:
                    cores = await asyncio.wait_for(self._client.scheduler.ncores(), PATIENCE)
                except TimeoutError:
                    self._failure = self._silent()
                except OSError:
                    self._failure = self._gone()
                else:
                    self._n_seen = sum(cores.values())
                    if self._n_seen:
                        seen = time.monotonic()
                    elif time.monotonic() - seen > WORKER_PATIENCE:
                        self._failure = self._no_worker()
            if self._failure is not None and self._backend is not None:
                self._backend.give_up(self._failure)
            await asyncio.sleep(_INTERVAL)

    def _gone(self) -> DigitsError:
        return DigitsError(
            f"the Dask scheduler at {self._address} is gone; start it again, and go on "
            "(train: with --resume)"
        )

    def _silent(self) -> DigitsError:
        return DigitsError(
            f"the Dask cluster at {self._address} has not answered for {PATIENCE:.0f} seconds; "
            "look at its scheduler and workers, and go on (train: with --resume)"
        )

    def _no_worker(self) -> DigitsError:
        return DigitsError(
            f"the Dask scheduler at {self._address} has no worker; start some with "
            f"'dask worker {self._address} --nthreads 1', and go on (train: with --resume)"
        )


class _LostError(Exception):
    """The cluster failed a task, rather than the task itself."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(reason)
        self.reason = reason


class _Backend(DaskDistributedBackend):
    """joblib's own, which would wait for ever for a task that Dask gave up."""

    def __init__(self, client: Client, n_workers: int) -> None:
        super().__init__(client=client)
        self.n_workers = n_workers
        self._waiting: dict[Future[Any], Callable[[Any], None]] = {}

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Two at least: joblib would do the work of a single worker in this process."""
        return max(2, self.n_workers)

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Future[Any]:
        """Hand a task out; the callback hears of its end whatever becomes of it."""
        future: Future[Any] = super().submit(func, callback)
        self._waiting[future] = callback
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[Any]) -> None:
        callback = self._waiting.pop(future)
        error = future.exception()
        if error is not None:  # of which joblib tells nobody
            callback(_LostError(error))

    def give_up(self, error: Exception) -> None:
        """End the wait for what is under way."""
        for callback in list(self._waiting.values()):
            callback(_LostError(error))

    def retrieve_result_callback(self, out: Any) -> Any:
        """The result, or the error that the task or the cluster ended with."""
        if isinstance(out, CancelledError):
            raise _LostError(out)
        if isinstance(out, _LostError):
            raise out
        return super().retrieve_result_callback(out)


class _Shared(WorkerPlugin):
    """Carries a value to every worker."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Held(Handle):
    """A value that a plugin has brought to the worker."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get(self) -> Any:
        return get_worker().plugins[self._name].value


class _TidyUp(SchedulerPlugin):
    """Removes a client's shared values when it leaves, however it does."""

    def __init__(self, name: str) -> None:
        self._name = name

    def remove_client(self, scheduler: Any, client: str) -> None:
        if not self._name.endswith(client):
            return
        for name in list(scheduler.worker_plugins):
            if name.startswith(self._name):
                scheduler.loop.add_callback(scheduler.unregister_worker_plugin, None, name)
        scheduler.remove_plugin(self._name)


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep Dask's own remarks from the screen: what matters of them is in our errors."""
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in _LOUD]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
