"""A real Dask cluster on this machine: processes that start, are killed and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

#: Seconds within which a process starts, and within which it ends when asked to.
_PATIENCE = 120


class Cluster:
    """A scheduler on a free port of the loopback, and workers of one thread each.

    Use it in a ``with`` block: at its end no process of it is left.

    Parameters
    ----------
    n_workers : int
        To begin with; they have registered when the cluster is there.
    env : dict, optional
        Variables of all its processes besides those of this one. They find
        modules as this one does, those of tests among them.
    """

    def __init__(self, n_workers: int = 0, env: dict[str, str] | None = None) -> None:
        self._env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})}
        self._folder = tempfile.TemporaryDirectory(prefix="ovr-digits-cluster-")
        self._workers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        try:
            self.start_scheduler()
            for _ in range(n_workers):
                self.add_worker(wait=False)
            self.wait_for_workers(n_workers)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start_scheduler(self) -> None:
        """Start the scheduler, again if it was killed, always on the same port."""
        self._scheduler = self._start(
            "scheduler",
            *("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"),
            *("--idle-timeout", "10 minutes"),
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._scheduler.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no scheduler: {self.log()}") from None
                time.sleep(0.05)

    def kill_scheduler(self) -> None:
        """Kill it as the kernel would: nobody is told."""
        os.kill(self._scheduler.pid, signal.SIGKILL)
        self._scheduler.wait(_PATIENCE)

    def stop_scheduler(self) -> None:
        """Let it stand still, alive but mute."""
        os.kill(self._scheduler.pid, signal.SIGSTOP)

    def add_worker(
        self, *, nanny: bool = False, wait: bool = True, env: dict[str, str] | None = None
    ) -> int:
        """Start one more worker; with a nanny it is started again when it is killed.

        Returns its number, for ``kill_worker``.
        """
        n_before = self._count_workers() if wait else 0
        self._workers.append(
            self._start(
                "worker",
                self.address,
                *("--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard"),
                *("--local-directory", self._folder.name, "--memory-limit", "0"),
                *("--death-timeout", str(_PATIENCE)),
                "--nanny" if nanny else "--no-nanny",
                env=env,
            )
        )
        if wait:
            self.wait_for_workers(n_before + 1)
        return len(self._workers) - 1

    def kill_worker(self, number: int = 0) -> None:
        """Kill the process that does the work; its nanny, if it has one, lives on."""
        process = self._workers[number]
        children = _children(process.pid)
        for pid in children or [process.pid]:
            os.kill(pid, signal.SIGKILL)
        if not children:
            process.wait(_PATIENCE)

    def has_ended(self, number: int) -> bool:
        """Whether a worker has left by itself."""
        return self._workers[number].poll() is not None

    def wait_for_workers(self, n: int) -> None:
        """Wait until there are exactly ``n`` of them, as the scheduler sees it."""
        deadline = time.monotonic() + _PATIENCE
        while self._count_workers() != n:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not {n} workers: {self.log()}")
            time.sleep(0.05)

    def mend(self, n_workers: int) -> None:
        """Undo the harm of earlier tests: a scheduler that answers, and so many sound workers."""
        if self._scheduler.poll() is not None:
            self._end([*self._workers, self._scheduler])
            self._workers.clear()
            self.start_scheduler()
        os.kill(self._scheduler.pid, signal.SIGCONT)
        self._end(self._workers[n_workers:])
        self._workers = [process for process in self._workers if process.poll() is None]
        for _ in range(n_workers - len(self._workers)):
            self.add_worker(wait=False)
        self.wait_for_workers(n_workers)

    def client(self) -> Any:
        """A client of its own, to look at the cluster with; the caller closes it."""
        from distributed import Client

        return Client(self.address, timeout=_PATIENCE, set_as_default=False)

    def log(self) -> str:
        """What its processes have written, for messages of tests."""
        return "\n".join(path.read_text() for path in Path(self._folder.name).glob("*.log"))

    def close(self) -> None:
        """End all that was started; once is enough."""
        self._end([*self._workers, *([self._scheduler] if hasattr(self, "_scheduler") else [])])
        self._folder.cleanup()

    @staticmethod
    def _end(processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            for pid in (process.pid, *_children(process.pid)):
                if process.poll() is None:
                    os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.wait(_PATIENCE)

    def _start(self, *command: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        number = len(list(Path(self._folder.name).glob("*.log")))
        with (Path(self._folder.name) / f"{number}-{command[0]}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                stdout=log,
                stderr=log,
                env={**self._env, **(env or {})},
                cwd=self._folder.name,  # where no package lies, which Python would look at first
                start_new_session=True,
            )

    def _count_workers(self) -> int:
        with self.client() as client:
            return len(client.ncores())


def _children(pid: int) -> list[int]:
    """The processes below one, those of a nanny; none of one that has ended."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
