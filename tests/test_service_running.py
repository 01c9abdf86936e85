"""The service on real sockets, with real workers, and as a process: what is slow, dies or stops.

``OVR_DIGITS_API_EXAMPLES=5000 pytest tests/test_service_running.py -m long -k description_holds``
has schemathesis try as many requests instead of some hundred.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import joblib
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn", reason="the service needs the extra web")
pytest.importorskip("resource", reason="ends processes as POSIX does")

import resource

from service import (
    COMMAND,
    SEVEN,
    Server,
    Service,
    Unfinished,
    command_of,
    cpu_seconds,
    read_all,
    reply_of,
    wait_until,
)

from ovr_digits.web import app
from ovr_digits.web.addresses import urls_elsewhere
from ovr_digits.web.http import limits
from ovr_digits.web.http.connection import Connection
from ovr_digits.web.workers import Workers

pytestmark = pytest.mark.xdist_group("service")

ROOT = Path(__file__).parent.parent
POST = b"POST /%s HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def slow_picture() -> bytes:
    """A large picture full of specks (24 megapixels, 1 MB), over which a worker thinks long."""
    rng = np.random.default_rng(0)
    specks = rng.random((300, 400)) < 0.5
    large = Image.fromarray(specks).resize((6000, 4000))
    content = io.BytesIO()
    large.save(content, "PNG", compress_level=1)
    return content.getvalue()


@pytest.fixture(scope="module")
def start(
    tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Server]]:
    """Starts a server process with some options; they are killed at the end."""
    with contextlib.ExitStack() as stack:

        def start(*options: str, command: str = "serve", **environment: str) -> Server:
            log = tmp_path_factory.mktemp("server") / "log"
            arguments = [*COMMAND, command, "--port", "0", "--models", str(tiny_models), *options]
            with log.open("w") as file:
                process = stack.enter_context(
                    subprocess.Popen(
                        arguments,
                        stdout=subprocess.PIPE,
                        stderr=file,
                        text=True,
                        env={**os.environ, **environment},
                        start_new_session=True,
                    )
                )
            stack.callback(process.kill)
            return Server(process, log)

        yield start


# --- sockets ---------------------------------------------------------------------------------


def test_head_is_answered_like_get_without_a_body(service: Service) -> None:
    for path in ("/", "/healthz", "/api/models", "/static/docs.js", "/docs"):
        with_body = service.over_http("GET", path)
        reply = service.over_http("HEAD", path)
        assert (reply.status, reply.content) == (200, b"")
        assert reply.headers["content-length"] == str(len(with_body.content))
    assert service.over_http("HEAD", "/api/predict").status == 405


def test_the_addresses_told_for_others_are_answered(start: Callable[..., Server]) -> None:
    server = start("--host", "0.0.0.0", "--workers", "1", "--allow-host", "digits.example.org")
    assert server.host == "127.0.0.1"
    urls = urls_elsewhere("0.0.0.0", server.port)
    if not urls:
        pytest.skip("this machine is in no network")
    assert server.process.stdout is not None
    for url in urls:
        assert server.process.stdout.readline() == f"ovr-digits: {url} from other machines\n"
        server.host = str(urlsplit(url).hostname)  # which goes into the header Host, too
        origin = {"Origin": url.rstrip("/")}
        reply = server.over_http("POST", "/api/predict", SEVEN, origin)
        assert (reply.status, reply.json["digit"]) == (200, 7)
    named = {"Host": f"digits.example.org:{server.port}"}
    assert server.over_http("GET", "/healthz", headers=named).status == 200


def test_a_refused_body_leaves_the_connection_in_order(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_BYTES", 200_000)
    with contextlib.closing(service.http()) as connection:
        for body, status in ((bytes(300_000), 413), (SEVEN, 200)):
            connection.request("POST", "/api/predict", body)
            assert reply_of(connection.getresponse()).status == status


def test_heads_that_are_too_large(service: Service) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + 20_000 * b"x"
    assert b" 431 " in service.send(head + b"\r\nConnection: close\r\n\r\n").split(b"\r\n")[0]
    with service.connect() as connection:
        for start in range(0, 17_000, 1000):
            connection.sendall(head[start : start + 1000])
            time.sleep(0.01)
        assert b" 400 " in connection.recv(100)


def trickle(service: Service, path: bytes) -> bytes:
    """The status that a body gets which comes byte by byte; the server must end it at last."""
    with service.connect() as connection:
        connection.sendall(POST % path + b"Content-Length: 100000\r\n\r\n")
        with contextlib.suppress(OSError):  # reset by the server
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            return connection.recv(12)[-3:]
    return b""


def test_slow_clients_are_not_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARRIVAL_SECONDS", 0.5)
    wait_until(lambda: not service.server.server_state.connections)
    monkeypatch.setattr(limits, "CONNECTIONS", 5)  # all of them are held by the slow
    head = POST % b"api/predict" + b"Content-Length: 1000\r\n\r\n"
    with ThreadPoolExecutor() as pool:
        trickled = [pool.submit(trickle, service, path) for path in (b"api/predict", b"healthz")]
        slow_body, slow_head, nothing = pool.map(service.send, (head + b"a few", head[:30], b""))
    assert slow_body.startswith(b"HTTP/1.1 408 ")
    assert b"0.5 s" in slow_body
    assert slow_head == nothing == b""
    for future, status in zip(trickled, (b"408", b"405"), strict=True):
        assert future.result() in (status, b"")  # lost where the connection is reset
    assert service.over_http("POST", "/api/predict", SEVEN).status == 200


def test_a_body_in_crumbs_is_refused(service: Service) -> None:
    """Each chunk costs the server time, in which others wait."""
    for path in (b"api/predict", b"healthz"):
        with service.connect() as connection:
            connection.sendall(POST % path + b"Transfer-Encoding: chunked\r\n\r\n")
            with contextlib.suppress(ConnectionError):  # reset by the server
                connection.sendall(100_000 * b"1\r\nx\r\n")
                assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 405")
                assert read_all(connection)[-1:] == b"}"
    crumbs = (SEVEN[start : start + 10] for start in range(0, len(SEVEN), 10))
    assert service.over_http("POST", "/api/predict", crumbs).status == 200
    rows = (bytes(1200) for _ in range(1600))
    assert "not a picture" in service.over_http("POST", "/api/predict", rows).error


def test_connections_are_counted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_until(lambda: not service.server.server_state.connections)
    monkeypatch.setattr(limits, "CONNECTIONS", 3)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(service.connect())
        reply = service.over_http("GET", "/healthz")
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert "connections" in reply.error
        last = [stack.enter_context(service.connect()) for _ in range(4)][-1]
        with contextlib.suppress(ConnectionResetError):
            assert last.recv(10) == b""  # not even listened to
    wait_until(lambda: service.over_http("GET", "/healthz").status == 200)


def test_connections_that_are_reset_are_let_go(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: weakref.WeakSet[Connection] = weakref.WeakSet()
    begin = Connection.connection_made

    def connection_made(connection: Connection, transport: Any) -> None:
        made.add(connection)
        begin(connection, transport)

    monkeypatch.setattr(Connection, "connection_made", connection_made)
    monkeypatch.setattr(service.server.config, "timeout_keep_alive", 3600)  # for the quiet ones
    for _ in range(20):
        with service.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(1000)

    def n_held() -> int:
        gc.collect()
        return len(made)

    assert made
    wait_until(lambda: n_held() < 5)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        + 5000 * b"9"
        + b"\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    ],
)
def test_what_is_no_http(service: Service, request_: bytes) -> None:
    assert service.send(request_ + 20 * b"\r\n").startswith(b"HTTP/1.1 400 ")
    assert service.over_http("GET", "/healthz").status == 200


def test_a_body_has_one_length(service: Service) -> None:
    """Else a server in between could take a part of it for a request of somebody else's."""
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    other = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = service.send(b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\n" + both + other)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_request_that_goes_wrong_in_its_body_is_no_failure_of_the_program(
    service: Service,
) -> None:
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    for path in (b"", b"healthz", b"api/predict"):
        assert service.send(head % path).startswith(b"HTTP/1.1 400 ")
    assert service.over_http("GET", "/healthz").status == 200
    assert service.failures == []


# --- workers ---------------------------------------------------------------------------------


def test_bodies_in_memory_are_counted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_BYTES", 1000)
    monkeypatch.setattr(limits, "HELD_BYTES", 16_000)
    held = []

    def is_full() -> bool:
        # One that comes beside a body that is soon gone may be refused, and is made up for.
        held.append(service.begin("POST", "/api/predict", Unfinished([bytes(999)])))
        return len(held) >= 16 and service.post("/api/predict", bytes(1000)).status == 503

    wait_until(is_full)
    assert "too many" in service.post("/api/predict", bytes(1000)).error
    for future in held:
        future.cancel()
    wait_until(lambda: service.post("/api/predict", bytes(1000)).status == 422)


def test_beyond_what_may_wait_clients_are_told_to_come_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WAITING", 1)
    assert service.post("/api/predict", SEVEN).status == 200
    with stopped(service.worker):  # nothing gets done, however slowly requests come
        asked = [service.begin("POST", "/api/predict", SEVEN) for _ in range(6)]
        wait_until(lambda: sum(future.done() for future in asked) == 4)
        refused = [future.result() for future in asked if future.done()]
    assert sorted(future.result(60).status for future in asked) == [200, 200, *4 * [503]]
    for reply in refused:
        assert int(reply.headers["retry-after"]) >= 1
        assert "ask again" in reply.error
    assert service.post("/api/predict", SEVEN).status == 200


@contextlib.contextmanager
def stopped(worker: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


def test_a_picture_that_takes_too_long(
    service: Service, slow_picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(limits, "SECONDS", 0.1)  # which it takes on any machine
        reply = service.post("/api/read", slow_picture)
    assert reply.status == 422
    assert "longer than 0.1 s" in reply.error
    assert service.post("/api/predict", SEVEN).status == 200


def at_work(service: Service, picture: bytes) -> Any:
    """The answer to come to a request that the worker is at work on."""
    assert service.post("/api/predict", SEVEN).status == 200
    before = cpu_seconds(service.worker)
    reply = service.begin("POST", "/api/read", picture)
    wait_until(lambda: cpu_seconds(service.worker) > before + 0.05)
    return reply


def test_a_worker_that_is_killed_takes_only_its_own_picture_along(
    service: Service, slow_picture: bytes
) -> None:
    reply = at_work(service, slow_picture)
    worker = service.worker
    os.kill(worker, signal.SIGKILL)
    assert reply.result(60).status == 503
    assert "died" in reply.result().error
    assert service.post("/api/predict", SEVEN).status == 200
    # One that has nothing to do takes none along.
    other = service.worker
    assert other != worker
    os.kill(other, signal.SIGKILL)
    wait_until(lambda: not command_of(other))
    for _ in range(2):
        assert service.post("/api/predict", SEVEN).status == 200
    assert service.worker != other


def test_a_worker_has_one_thread_of_blas(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    before = service.worker
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not command_of(before))
    assert service.post("/api/predict", SEVEN).status == 200
    # One works, one waits for the service to end.
    assert len(list(Path(f"/proc/{service.worker}/task").iterdir())) == 2


def test_work_that_nobody_waits_for_ends(
    service: Service, slow_picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 600)
    assert service.post("/api/predict", SEVEN).status == 200
    worker = service.worker
    before = cpu_seconds(worker)
    clients = [service.http() for _ in range(3)]
    for client in clients:  # for one of them it works, and the others wait
        client.request("POST", "/api/read", slow_picture)
    wait_until(lambda: cpu_seconds(worker) > before + 0.1)
    with stopped(worker):  # as slow as can be
        for client in clients:
            client.close()
        wait_until(lambda: not command_of(worker))
    assert service.post("/api/predict", SEVEN).status == 200


def test_work_that_is_nearly_finished_keeps_its_worker(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_LAST_SECONDS", 60)
    assert service.post("/api/predict", SEVEN).status == 200
    worker = service.worker
    for _ in range(3):
        connection = service.http()
        connection.request("POST", "/api/predict", SEVEN)
        connection.close()
        assert service.post("/api/predict", SEVEN).status == 200
    assert service.worker == worker


def test_a_stop_does_not_wait_for_ever(service: Service) -> None:
    with service.another() as other:
        other.server.config.timeout_graceful_shutdown = 0
        connection = other.connect()
        begin(connection, b"api/predict")
    with connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 503 ")
    assert other.failures == []


def begin(connection: socket.socket, path: bytes) -> None:
    """Begin with a body; the server is waiting for the rest of it when this returns."""
    length = b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(SEVEN)
    connection.sendall(POST % path + length)
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")


# --- processes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "number"), [("serve", signal.SIGTERM), ("draw", signal.SIGINT)]
)
def test_a_stop_ends_what_was_begun(
    start: Callable[..., Server], command: str, number: signal.Signals
) -> None:
    server = start("--workers", "1", command=command, BROWSER="", DISPLAY="", WAYLAND_DISPLAY="")
    workers = server.workers()
    assert len(workers) == 1
    with server.connect() as idle, server.connect() as connection:
        begin(connection, b"api/predict")
        os.killpg(server.process.pid, number)  # as a terminal and a service manager do
        wait_until(lambda: is_closed(server))
        connection.sendall(SEVEN)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert idle.recv(1) == b""
    assert server.process.wait(60) == 0
    wait_until(lambda: not any(map(command_of, workers)))
    (line,) = server.log.splitlines()
    assert "POST /api/predict 200" in line if command == "serve" else "no browser" in line


def is_closed(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionError:
        return True
    return False


def test_an_interrupt_in_the_start_is_told_in_one_line(tiny_models: Path) -> None:
    """Also while workers are being started, who get it too."""
    arguments = [*COMMAND, "serve", "--port", "0", "--workers", "2", "--models", str(tiny_models)]
    with subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_until(lambda: len(processes_in_session(process.pid)) > 2)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert "interrupted" in line
    wait_until(lambda: not processes_in_session(process.pid))


def processes_in_session(leader: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(path.parent.name))
    return found


def test_workers_end_with_a_service_that_is_killed(
    start: Callable[..., Server], slow_picture: bytes
) -> None:
    server = start("--workers", "2")
    children = server.children()
    workers = server.workers()
    assert len(workers) == 2
    assert server.post("/api/predict", SEVEN).status == 200
    used = sum(map(cpu_seconds, workers))
    with contextlib.closing(server.http()) as connection:
        connection.request("POST", "/api/read", slow_picture)
        wait_until(lambda: sum(map(cpu_seconds, workers)) > used + 0.1)
        server.process.kill()
        wait_until(lambda: not any(map(command_of, children)))
        with pytest.raises(ConnectionError):
            connection.getresponse()


def test_the_models_of_the_start_serve_to_the_end(
    start: Callable[..., Server], tiny_models_bytes: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "models.pkl"
    path.write_bytes(tiny_models_bytes)
    server = start("--workers", "1", "--models", str(path))
    answer = server.post("/api/predict", SEVEN).json
    told = server.over_http("GET", "/api/models").json
    path.write_bytes((ROOT / "models.pkl").read_bytes())
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not command_of(worker))
    assert server.post("/api/predict", SEVEN).json == answer
    assert server.workers() != [worker]
    assert server.over_http("GET", "/api/models").json == told


def failure_of(*arguments: str, **options: Any) -> str:
    """The one line with which a command fails."""
    run = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, **options)
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    return line


def test_models_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "models.pkl"
    path.write_bytes(b"no models")
    line = failure_of("serve", "--port", "0", "--workers", "1", "--models", str(path))
    assert line.startswith(f"ovr-digits: {path}: not a models.pkl")


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)), "Too many open files"),
        (lambda: Path.cwd().rmdir(), "No such file or directory"),
    ],
)
def test_workers_that_cannot_be_started(
    tmp_path: Path, before: Callable[[], None], why: str
) -> None:
    (tmp_path / "folder").mkdir()
    line = failure_of("serve", "--port", "0", cwd=tmp_path / "folder", preexec_fn=before)
    assert line.startswith("ovr-digits: the worker processes do not start (")
    assert why in line


def test_workers_that_are_ended_while_they_start_say_nothing(tmp_path: Path) -> None:
    script = tmp_path / "begin_and_end.py"
    script.write_text(
        "import time\n"
        "from ovr_digits.web.workers import Workers\n"
        "if __name__ == '__main__':\n"
        "    for pause in (0, 60):\n"
        "        workers = Workers(2, b'')\n"
        "        workers.start()\n"
        "        time.sleep(pause / 1000)\n"
        "        workers.stop()\n"
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_workers_that_are_ended_leave_processes_of_others_alone() -> None:
    # Those of joblib stay for its next call, and their kill() fails.
    ask = [joblib.delayed(os.getpid)()] * 4
    joblib.Parallel(n_jobs=2)(ask)
    workers, other_workers = Workers(1, b""), Workers(1, b"")
    other_workers.start()
    wait_until(lambda: len(active_children()) > 2)
    others = active_children()
    workers.start()
    workers.stop()
    assert all(other.is_alive() for other in others)
    other_workers.stop()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux takes files away again")
def test_when_no_more_files_can_be_opened_the_service_goes_on(
    start: Callable[..., Server],
) -> None:
    server = start("--workers", "1", "--quiet")
    assert server.post("/api/predict", SEVEN).json["digit"] == 7
    before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    in_use = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (in_use + 3, before[1]))
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(server.connect())
        wait_until(lambda: "Too many open files" in server.log)
    assert server.post("/api/predict", SEVEN).json["digit"] == 7
    lines = server.log.splitlines()
    assert len(lines) < 5
    assert all(line.startswith("ovr-digits: ") for line in lines)


def test_help_loads_nothing_of_the_service() -> None:
    code = (
        "import sys; from ovr_digits.cli import main; main(['serve', '--help'], "
        "standalone_mode=False); print([name for name in ('fastapi', 'uvicorn', 'pebble', "
        "'numpy', 'asyncio') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
    assert max(map(len, run.stdout.splitlines())) <= 80


@pytest.mark.long
def test_the_description_holds(service: Service, tmp_path: Path) -> None:
    """All checks of schemathesis: no request that it can think of is answered otherwise."""
    wanted = int(os.environ.get("OVR_DIGITS_API_EXAMPLES", "60"))
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run"),
            f"http://127.0.0.1:{service.port}/openapi.json",
            *("--checks", "all", "--max-examples", str(wanted // 3), "--no-color"),
            "--generation-deterministic",
        ],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "pictures_for_schemathesis",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
            "no_proxy": "*",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    match = re.search(r"([\d,]+) generated", run.stdout)
    assert match, run.stdout
    assert int(match[1].replace(",", "")) >= wanted
    assert service.failures == []
