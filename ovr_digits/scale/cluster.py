"""A Dask cluster as an engine: joblib's backend for it, watched so that no wait is without end."""

from __future__ import annotations

import asyncio
import logging
import pydoc
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from joblib import parallel_config

from ovr_digits import __version__
from ovr_digits.errors import DigitsError
from ovr_digits.scale.engine import Handle, JoblibEngine, other_version

try:
    from distributed import Client, WorkerPlugin, get_worker
    from joblib._dask import DaskDistributedBackend
except ImportError:
    raise DigitsError(
        "a Dask cluster needs the packages of the extra 'dask': pip install 'ovr-digits[dask]'"
    ) from None

#: Seconds that the scheduler may take to answer, and that there may be no worker.
PATIENCE = 20.0
#: Seconds between two looks at the cluster while it works.
_INTERVAL = 1.0


@contextmanager
def open_cluster(address: str) -> Iterator[Cluster]:
    """The cluster of a scheduler as an engine, until the end of the block.

    Raises
    ------
    DigitsError
        Where no scheduler answers there, it has no worker, or workers have not
        this version of this package.
    """
    with _silenced():
        try:
            client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError):
            raise DigitsError(
                f"no Dask scheduler answers at {address}; start one with 'dask scheduler', or "
                "correct the address"
            ) from None
        cluster = Cluster(client, address)
        try:
            cluster.check()
            yield cluster
        finally:
            cluster.close()


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
        self._backend: _Backend | None = None
        self._plugins: list[str] = []
        self._failure: DigitsError | None = None
        self._watching = asyncio.run_coroutine_threadsafe(self._watch(), client.loop.asyncio_loop)

    @property
    def n_workers(self) -> int:
        """Threads of all workers, now."""
        return sum(self._ask(self._client.ncores).values())

    def check(self) -> None:
        """Refuse a cluster with no worker, or with workers of another version of this package."""
        if self._failure is None:
            try:
                self._client.wait_for_workers(1, PATIENCE)
            except (OSError, TimeoutError):
                raise self._no_worker() from None
        versions = self._ask(partial(self._client.run, pydoc.locate, "ovr_digits.__version__"))
        for worker, version in versions.items():
            if version != __version__:
                raise DigitsError(other_version(worker, version, __version__))

    def close(self) -> None:
        """Leave the cluster; what it still works on for us is dropped there."""
        self._watching.cancel()
        with suppress(OSError, TimeoutError):
            for name in self._plugins:
                self._ask(partial(self._client.unregister_worker_plugin, name))
        with suppress(OSError, TimeoutError):
            self._client.close(timeout=PATIENCE)

    def _send(self, value: Any) -> Handle:
        # Scattered values are lost with the workers that have them, and all copies but one
        # are removed between runs. The scheduler gives plugins to workers that come later too.
        name = f"ovr-digits-{uuid.uuid4().hex}"
        self._plugins.append(name)
        self._ask(partial(self._client.register_plugin, _Shared(value), name=name))
        return _Held(name)

    def _configured(self) -> AbstractContextManager[Any]:
        self._backend = _Backend(self._client, self.n_workers)
        return parallel_config(self._backend)

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except _LostError as error:
            if isinstance(error.__cause__, DigitsError):
                raise error.__cause__ from None
            if self._client.status != "running":
                raise self._gone() from None
            raise DigitsError(f"the cluster gave a task up: {error.__cause__}") from None

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer to a question to the scheduler, which is not waited for without end."""

        async def ask() -> Any:
            return await question()

        if self._failure is not None:
            raise self._failure
        try:
            return self._client.sync(ask, callback_timeout=PATIENCE)
        except (OSError, TimeoutError):
            raise self._gone() from None

    async def _watch(self) -> None:
        """Look at the cluster now and then; where it is gone, end what waits for it."""
        seen = time.monotonic()
        while self._failure is None:
            try:
                workers = await asyncio.wait_for(self._client.scheduler.ncores(), PATIENCE)
            except (OSError, TimeoutError):
                self._failure = self._gone()
                break
            if workers:
                seen = time.monotonic()
            elif time.monotonic() - seen > PATIENCE:
                self._failure = self._no_worker()
            await asyncio.sleep(_INTERVAL)
        if self._backend is not None:
            self._backend.give_up(self._failure)

    def _gone(self) -> DigitsError:
        return DigitsError(
            f"the Dask scheduler at {self._address} is gone; start it again, and go on with "
            "--resume"
        )

    def _no_worker(self) -> DigitsError:
        return DigitsError(
            f"the Dask scheduler at {self._address} has no worker; start some with "
            f"'dask worker {self._address}'"
        )


class _LostError(Exception):
    """The cluster failed a task, rather than the task itself; the cause is the cluster's word."""


class _Backend(DaskDistributedBackend):
    """joblib's own, which would wait for ever for a task that Dask gave up."""

    def __init__(self, client: Client, n_workers: int) -> None:
        super().__init__(client=client)
        # joblib would do the work of a single worker in this process.
        self._n_workers = max(2, n_workers)
        self._waiting: dict[Future[Any], Callable[[Any], None]] = {}

    def effective_n_jobs(self, n_jobs: int) -> int:
        return self._n_workers

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Future[Any]:
        future: Future[Any] = super().submit(func, callback)
        self._waiting[future] = callback
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[Any]) -> None:
        callback = self._waiting.pop(future)
        error = future.exception()
        if error is not None:  # of which joblib tells nobody
            callback(error)

    def give_up(self, error: Exception) -> None:
        """End the wait for what is under way."""
        for callback in list(self._waiting.values()):
            callback(error)

    def retrieve_result_callback(self, out: Any) -> Any:
        if isinstance(out, BaseException):
            raise _LostError from out
        return super().retrieve_result_callback(out)


class _Shared(WorkerPlugin):
    """Carries a value to every worker."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Held(Handle):
    """A value that a plugin has brought to the worker."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self) -> Any:
        return get_worker().plugins[self.name].value


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep Dask's own remarks from the screen: what matters of them is in our errors."""
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in _LOUD]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


_LOUD = ("distributed", "tornado", "asyncio")
