"""The engine: in this process, in several here, and on a real Dask cluster that is done harm to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from cluster import Cluster
from engine_tasks import (
    Large,
    blas_threads,
    double,
    fail,
    kill_me,
    noted,
    pid,
    refuse,
    total,
)

from ovr_digits import __version__
from ovr_digits.errors import DigitsError
from ovr_digits.scale.engine.base import Engine
from ovr_digits.scale.engine.opening import open_engine

PATIENCE = 120
#: More tasks than anybody waits for.
ENDLESS = 10**6
#: Tests that share a cluster, which is started once for a run.
SHARED = pytest.mark.xdist_group("cluster")
LONG = pytest.mark.long


# Engines


@pytest.fixture(scope="module", params=["here", "processes", pytest.param("cluster", marks=SHARED)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One engine for all tests: after each it is as good as before."""
    if request.param == "cluster":
        address = request.getfixturevalue("two_workers").address
        with open_engine(scheduler=address) as engine:
            yield engine
    else:
        with open_engine(1 if request.param == "here" else 2) as engine:
            yield engine


@pytest.fixture(scope="module")
def harmed() -> Iterator[Cluster]:
    """A cluster that tests do harm to, and mend first; one that kills two workers is given up."""
    with Cluster(env={"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}) as cluster:
        yield cluster


def test_results_come_in_the_order_of_tasks(engine: Engine) -> None:
    tasks = [(i, 0.1 if i % 5 == 0 else 0.0) for i in range(20)]
    assert list(engine.run(double, tasks)) == [2 * i for i in range(20)]
    assert list(engine.run(double, iter([]))) == []
    assert list(engine.run(double, [(4,)])) == [8]


def test_tasks_are_taken_a_bounded_number_ahead(engine: Engine) -> None:
    taken = 0

    def tasks() -> Iterator[tuple[int]]:
        nonlocal taken
        for i in range(60):
            taken += 1
            yield (i,)

    ahead = []
    for i, result in enumerate(engine.run(double, tasks())):
        if i < 2:
            time.sleep(0.3)  # long enough for all the others to be worked on
        assert result == 2 * i
        ahead.append(taken - i)
    assert len(ahead) == 60
    assert max(ahead) <= 8 * engine.n_workers + 1


def test_errors_of_tasks_come_through(engine: Engine) -> None:
    with pytest.raises(DigitsError, match=r"^five is refused$"):
        list(engine.run(refuse, ((i,) for i in range(20))))
    with pytest.raises(ZeroDivisionError):
        list(engine.run(fail, ((i,) for i in range(20))))
    assert list(engine.run(double, [(1,), (2,)])) == [2, 4]


def test_errors_while_tasks_are_made_come_through(engine: Engine) -> None:
    def tasks() -> Iterator[tuple[int]]:
        for i in range(20):
            if i == 15:
                raise DigitsError("no more tasks")
            yield (i,)

    with pytest.raises(DigitsError, match=r"^no more tasks$"):
        list(engine.run(double, tasks()))
    assert list(engine.run(double, [(1,), (2,)])) == [2, 4]


def test_a_run_can_be_left(engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    results = engine.run(double, ((i, 0.01) for i in range(100)))
    assert [next(results), next(results)] == [0, 2]
    results.close()  # type: ignore[attr-defined]
    assert list(engine.run(double, [(1,), (2,)])) == [2, 4]
    assert capfd.readouterr().err == ""


def test_a_task_has_one_thread_of_linear_algebra(engine: Engine) -> None:
    assert list(engine.run(blas_threads, [()] * 2)) == [{1}, {1}]


def test_a_shared_value_comes_to_each_worker_once(engine: Engine, tmp_path: Path) -> None:
    value = Large(tmp_path)
    assert engine.share(value) is value
    assert engine.share(value) is value
    pids = set()
    for _ in range(5):
        for i, (result, worker) in enumerate(engine.run(total, ((value, i) for i in range(20)))):
            assert result == 7 + i
            pids.add(worker)
    arrived = [int(path.name.split("-")[0]) for path in tmp_path.iterdir()]
    assert len(arrived) == len(set(arrived)) <= 2
    assert set(arrived) == pids - {os.getpid()}


def test_several_values_are_told_apart(engine: Engine) -> None:
    values = [engine.share(np.full(10, float(i))) for i in range(3)]
    tasks = [(values[i], values[j]) for i in range(3) for j in range(3)]
    assert [r.tolist() for r in engine.run(np.add, tasks)] == [[a[0] + b[0]] * 10 for a, b in tasks]


# Processes here


def test_a_killed_process_is_one_line() -> None:
    with open_engine(2) as engine, pytest.raises(DigitsError, match="a worker process was killed"):
        list(engine.run(kill_me, [()] * 4))


# A cluster that is done harm to


@SHARED
def test_the_cluster_works_rather_than_this_process(two_workers: Cluster) -> None:
    with open_engine(scheduler=two_workers.address) as engine:
        assert engine.n_workers == 2
        assert os.getpid() not in set(engine.run(pid, [()] * 3))


@SHARED
@pytest.mark.parametrize("nanny", [False, pytest.param(True, marks=LONG)])
def test_tasks_of_a_killed_worker_are_done_again(
    harmed: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str], nanny: bool
) -> None:
    harmed.mend(1)
    with open_engine(scheduler=harmed.address) as engine:
        number = harmed.add_worker(nanny=nanny)
        (tmp_path / "value").mkdir()
        value = engine.share(Large(tmp_path / "value"))
        results = []
        for result in engine.run(noted, ((tmp_path, i, 0.1) for i in range(30))):
            if len(results) == 6:
                harmed.kill_worker(number)
            results.append(result)
        assert results == [2 * i for i in range(30)]
        assert len([path for path in tmp_path.iterdir() if path.is_file()]) > 30
        assert [r for r, _ in engine.run(total, ((value, i) for i in range(4)))] == [7, 8, 9, 10]
    assert capfd.readouterr().err == ""


@SHARED
@LONG
def test_all_workers_are_killed_and_others_come(harmed: Cluster, tmp_path: Path) -> None:
    harmed.mend(1)
    with open_engine(scheduler=harmed.address) as engine:
        value = engine.share(Large(tmp_path))
        results = []
        for result, _ in engine.run(total, ((value, i) for i in range(60))):
            if len(results) == 6:
                harmed.kill_worker(0)
                harmed.wait_for_workers(0)
                harmed.add_worker(wait=False)
            results.append(result)
        assert results == [7 + i for i in range(60)]


@SHARED
@LONG
def test_workers_that_come_are_used(harmed: Cluster) -> None:
    harmed.mend(1)
    with open_engine(scheduler=harmed.address) as engine:
        before, same_run = set(), set()
        for i, worker in enumerate(engine.run(pid, [(0.1,)] * 50)):
            if i == 4:
                harmed.add_worker()
            (before if i < 5 else same_run).add(worker)
        assert len(before) == 1
        assert len(same_run) == 2
        assert len(set(engine.run(pid, [(0.1,)] * 12))) == 2


@SHARED
@LONG
def test_a_task_that_kills_its_workers_is_given_up(harmed: Cluster) -> None:
    harmed.mend(3)
    with open_engine(scheduler=harmed.address) as engine:
        with pytest.raises(DigitsError, match="several workers died of the same task"):
            list(engine.run(kill_me, [()]))
        assert list(engine.run(double, [(1,), (2,)])) == [2, 4]


@SHARED
def test_what_a_client_shared_goes_with_it(two_workers: Cluster, tmp_path: Path) -> None:
    def plugins(dask_worker: object) -> int:
        return sum(name.startswith("ovr-digits") for name in dask_worker.plugins)  # type: ignore[attr-defined]

    with two_workers.client() as client:
        (of_others,) = set(client.run(plugins).values())
        with open_engine(scheduler=two_workers.address) as engine:
            engine.share(Large(tmp_path))
            assert set(client.run(plugins).values()) == {of_others + 1}
        deadline = time.monotonic() + PATIENCE
        while set(client.run(plugins).values()) != {of_others}:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "ovr_digits.scale.engine.cluster", raising=False)
    with (
        pytest.raises(DigitsError, match=r'pip install "ovr-digits\[dask\]"'),
        open_engine(scheduler="tcp://127.0.0.1:8786"),
    ):
        pass


@SHARED
def test_no_scheduler_is_one_line(
    two_workers: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ovr_digits.scale.engine.cluster.CONNECT_PATIENCE", 0.5)
    with two_workers.client() as client:
        worker = next(iter(client.ncores()))
    with socket.socket() as free, socket.create_server(("127.0.0.1", 0)) as mute:
        free.bind(("127.0.0.1", 0))
        for address in (
            f"tcp://127.0.0.1:{free.getsockname()[1]}",
            f"tcp://127.0.0.1:{mute.getsockname()[1]}",
            "tcp://127.0.0.1",
            worker,
            "carrier://pigeon:1",
            "",
        ):
            with (
                pytest.raises(DigitsError, match=r"^no Dask scheduler answers at"),
                open_engine(scheduler=address),
            ):
                pass
    assert capfd.readouterr().err == ""


@SHARED
def test_no_worker_is_one_line(harmed: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovr_digits.scale.engine.cluster.PATIENCE", 2.0)
    monkeypatch.setattr("ovr_digits.scale.engine.cluster.WORKER_PATIENCE", 2.0)
    harmed.mend(0)
    with (
        pytest.raises(DigitsError, match="has no worker; start some"),
        open_engine(scheduler=harmed.address),
    ):
        pass
    harmed.add_worker()
    with open_engine(scheduler=harmed.address) as engine:
        results = engine.run(double, ((i, 0.1) for i in range(ENDLESS)))
        assert next(results) == 0
        harmed.kill_worker(0)
        with pytest.raises(DigitsError, match="has no worker; start some"):
            list(results)


@SHARED
@pytest.mark.parametrize("version", ["0.0.1", pytest.param(None, marks=LONG)])
def test_a_cluster_needs_the_same_version(
    harmed: Cluster, tmp_path: Path, version: str | None
) -> None:
    harmed.mend(0)
    harmed.add_worker(env=_other_package(tmp_path, version))
    has = f"has {'ovr-digits 0.0.1' if version else 'no ovr-digits'}; install version {__version__}"
    with pytest.raises(DigitsError, match=has), open_engine(scheduler=harmed.address):
        pass
    harmed.kill_worker(0)


@SHARED
@LONG
def test_a_later_worker_without_the_package_harms_nobody(harmed: Cluster, tmp_path: Path) -> None:
    harmed.mend(1)
    with open_engine(scheduler=harmed.address) as engine:
        # It leaves again with the first task that it is given.
        later = harmed.add_worker(wait=False, env=_other_package(tmp_path, "0.0.1"))
        for i, result in enumerate(engine.run(double, ((i, 0.1) for i in range(ENDLESS)))):
            assert result == 2 * i
            if harmed.has_ended(later):
                break
        assert list(engine.run(double, [(1,), (2,)])) == [2, 4]


def _other_package(folder: Path, version: str | None) -> dict[str, str]:
    package = folder / "ovr_digits"
    package.mkdir()
    (package / "__init__.py").write_text(f"__version__ = {version!r}" if version else "")
    return {"PYTHONPATH": str(folder)}


@SHARED
@LONG
def test_a_mute_scheduler_is_not_waited_for(
    harmed: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ovr_digits.scale.engine.cluster.PATIENCE", 2.0)
    harmed.mend(1)
    with open_engine(scheduler=harmed.address) as engine:
        results = engine.run(double, ((i, 0.1) for i in range(ENDLESS)))
        assert next(results) == 0
        harmed.stop_scheduler()
        with pytest.raises(DigitsError, match="has not answered for 2 seconds"):
            list(results)


# A program of its own, of which all output is seen

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a shell has told it
from ovr_digits.errors import INTERRUPTED, DigitsError
from ovr_digits.scale.engine.opening import open_engine
from engine_tasks import double
n_jobs, scheduler, n_tasks = int(sys.argv[1]), sys.argv[2] or None, int(sys.argv[3])
try:
    with open_engine(n_jobs, scheduler) as engine:
        for result in engine.run(double, ((i, 0.1) for i in range(n_tasks))):
            print(result, flush=True)
except DigitsError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)
"""


class Program:
    """The program above, in a session of its own."""

    def __init__(self, *, n_jobs: int = 2, scheduler: str = "", n_tasks: int = ENDLESS) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(n_jobs), scheduler, str(n_tasks)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )

    def wait_for(self, n_results: int) -> None:
        assert self.process.stdout is not None
        for i in range(n_results):
            assert self.process.stdout.readline() == f"{2 * i}\n", self.process.communicate()

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit status and standard error."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors

    def survivors(self) -> list[psutil.Process]:
        """What is left of its session, after a moment."""
        deadline = time.monotonic() + 10
        while True:
            left = [p for p in psutil.process_iter() if _session(p.pid) == self.process.pid]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.1)


def _session(pid: int) -> int | None:
    with suppress(OSError):
        return os.getsid(pid)
    return None


@contextmanager
def running(**options: object) -> Iterator[Program]:
    program = Program(**options)  # type: ignore[arg-type]
    try:
        yield program
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.communicate(timeout=PATIENCE)


def test_nothing_but_results_is_written() -> None:
    with running(n_tasks=10) as program:
        assert program.end() == (0, "")
        assert not program.survivors()


@SHARED
@LONG
def test_nothing_but_results_is_written_when_a_worker_is_killed(harmed: Cluster) -> None:
    harmed.mend(2)
    with running(scheduler=harmed.address, n_tasks=20) as program:
        program.wait_for(5)
        harmed.kill_worker(0)
        assert program.end() == (0, "")
        assert not program.survivors()


def test_workers_end_with_a_program_that_is_killed() -> None:
    with running() as program:
        program.wait_for(5)
        program.process.kill()
        # Its workers and Python's resource tracker have the same stream.
        assert program.end() == (-signal.SIGKILL, "")
        assert not program.survivors()


@SHARED
@LONG
def test_a_killed_scheduler_is_one_line_and_a_new_one_goes_on(harmed: Cluster) -> None:
    harmed.mend(1)
    with running(scheduler=harmed.address) as program:
        program.wait_for(5)
        harmed.kill_scheduler()
        ended = program.end()
    assert ended == (
        1,
        f"error: the Dask scheduler at {harmed.address} is gone; "
        "start it again, and go on (train-stream: with --resume)\n",
    )
    harmed.mend(1)
    with open_engine(scheduler=harmed.address) as engine:
        assert list(engine.run(double, [(1,), (2,)])) == [2, 4]


@SHARED
@LONG
def test_a_scheduler_that_is_back_at_once_has_forgotten_all(harmed: Cluster) -> None:
    harmed.mend(1)
    with running(scheduler=harmed.address) as program:
        program.wait_for(5)
        harmed.kill_scheduler()
        harmed.start_scheduler()
        status, errors = program.end()
    assert status == 1
    assert errors.startswith("error: the Dask scheduler at")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("where", ["processes", pytest.param("cluster", marks=SHARED)])
def test_ctrl_c_ends_everything(where: str, request: pytest.FixtureRequest) -> None:
    is_cluster = where == "cluster"
    scheduler = request.getfixturevalue("two_workers").address if is_cluster else ""
    with running(scheduler=scheduler) as program:
        program.wait_for(5)
        os.killpg(program.process.pid, signal.SIGINT)
        ended = program.end()
        assert ended == (1, "interrupted; nothing that was there before has been changed\n")
        assert not program.survivors()
