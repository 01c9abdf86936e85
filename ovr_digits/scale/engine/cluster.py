"""A Dask cluster as an engine, looked at while it is waited for, so that no wait is without end."""

from __future__ import annotations

import asyncio
import logging
import pydoc
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from ovr_digits.errors import DigitsError
from ovr_digits.extras import missing
from ovr_digits.scale.engine.base import Call, Handle, PoolEngine, other_version
from ovr_digits.version import __version__

try:
    from distributed import Client, KilledWorker, SchedulerPlugin, WorkerPlugin, get_worker, rpc
    from distributed.comm import CommClosedError
except ImportError:
    raise missing("dask", "a Dask cluster") from None

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

    It is refused where no scheduler answers, or where it has no worker, or one with another
    version of this package.
    """
    with _silenced():
        _look_for_scheduler(address)
        client = Client(address, timeout=PATIENCE, set_as_default=False)
        try:
            cluster = Cluster(client, address)
            cluster.prepare()
            yield cluster
        finally:
            with suppress(OSError):
                client.close(timeout=PATIENCE)


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


class Cluster(PoolEngine):
    """The workers of a scheduler, of which messages tell the address."""

    def __init__(self, client: Client, address: str) -> None:
        super().__init__()
        self._client, self._address = client, address
        self._name = f"ovr-digits-{client.id}"
        self._n_workers, self._looked_at = 0, float("-inf")
        self._deserted_at: float | None = None

    @property
    def n_workers(self) -> int:
        """Threads of all workers, now or a second ago."""
        self._look()
        return self._n_workers

    def prepare(self) -> None:
        """Refuse a cluster without workers, or where one has another version of this package."""
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise self._no_worker() from None
        asked = pydoc.locate, "ovr_digits.__version__"
        versions = self._ask(partial(self._client.run, *asked))
        # The scheduler reads the tasks that it hands on.
        versions[self._address] = self._ask(partial(self._client.run_on_scheduler, *asked))
        for address, version in versions.items():
            if version != __version__:
                raise DigitsError(other_version(address, version, __version__))
        self._ask(partial(self._client.register_plugin, _TidyUp(self._name), name=self._name))

    def _send(self, value: Any) -> Handle:
        # Scattered values are lost with the workers that have them, and all copies but one
        # are removed between runs. The scheduler gives plugins to workers that come later too.
        name = f"{self._name}-{len(self._shared)}"
        self._ask(partial(self._client.register_plugin, _Shared(value), name=name))
        return Handle(_held, name)

    def _submit(self, call: Call) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(self._work(call), self._client.loop.asyncio_loop)

    async def _work(self, call: Call) -> Any:
        """What a worker makes of a task."""
        try:
            return await self._client.submit(call, pure=False)
        except (CancelledError, CommClosedError):  # as for all tasks when the connection ends
            raise self._gone() from None
        except KilledWorker as error:
            raise DigitsError(
                "several workers died of the same task, perhaps for want of memory; look at "
                f"what the last one, {error.last_worker.address}, has written"
            ) from None

    def _result(self, future: Future[Any]) -> Any:
        while not wait([future], _INTERVAL).done:
            self._look()
        return future.result()

    def _look(self) -> None:
        """See how many workers there are, unless that was just done, and that it goes on."""
        now = time.monotonic()
        if now - self._looked_at < _INTERVAL:
            return
        self._n_workers = sum(self._ask(self._client.nthreads).values())
        self._looked_at = time.monotonic()
        if self._n_workers:
            self._deserted_at = None
        elif self._deserted_at is None:
            self._deserted_at = now
        elif now - self._deserted_at > WORKER_PATIENCE:
            raise self._no_worker()

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer to a question to the scheduler, which is not waited for without end."""
        for _ in range(_TRIES):
            try:
                return self._client.sync(question, callback_timeout=PATIENCE)
            except TimeoutError:
                raise DigitsError(
                    f"the Dask cluster at {self._address} has not answered for {PATIENCE:.0f} "
                    "seconds; look at its scheduler and workers, and go on "
                    "(train-stream: with --resume)"
                ) from None
            except (OSError, AttributeError):  # between two connections it has no scheduler
                time.sleep(_INTERVAL)
        raise self._gone()

    def _gone(self) -> DigitsError:
        return DigitsError(
            f"the Dask scheduler at {self._address} is gone; start it again, and go on "
            "(train-stream: with --resume)"
        )

    def _no_worker(self) -> DigitsError:
        return DigitsError(
            f"the Dask scheduler at {self._address} has no worker; start some with "
            f"'dask worker {self._address} --nthreads 1', and go on (train-stream: with --resume)"
        )


class _Shared(WorkerPlugin):
    """Carries a value to every worker."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _held(name: str) -> Any:
    """The value that a plugin has brought to the worker that asks."""
    return get_worker().plugins[name].value


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
