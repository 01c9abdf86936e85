"""Chooses who does the work: this process, several here, or the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ovr_digits.parallel import resolve_jobs
from ovr_digits.scale.engine.base import Engine


@contextmanager
def open_engine(n_jobs: int = -1, scheduler: str | None = None) -> Iterator[Engine]:
    """An engine, until the end of the block.

    Parameters
    ----------
    n_jobs : int
        Processes on this machine; -1 is one for each core, 1 is this one alone.
        Each imports the script that runs here, which has to do its work under
        ``if __name__ == "__main__"``.
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
        from ovr_digits.scale.engine.cluster import open_cluster

        with open_cluster(scheduler) as cluster:
            yield cluster
    elif resolve_jobs(n_jobs) == 1:
        yield Engine()
    else:
        from ovr_digits.scale.engine.processes import open_processes

        with open_processes(resolve_jobs(n_jobs)) as processes:
            yield processes
