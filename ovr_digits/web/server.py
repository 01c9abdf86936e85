"""Runs the service: the socket, the worker processes, and an orderly end."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ovr_digits.errors import DigitsError
from ovr_digits.models.place import ModelFileError, find_models, read_models
from ovr_digits.web.addresses import url_here, urls_elsewhere
from ovr_digits.web.http import limits
from ovr_digits.web.http.hosts import served_hosts

if TYPE_CHECKING:
    import uvicorn

    from ovr_digits.web.workers import Workers

#: How long requests that are being answered may take to end.
_STOP_SECONDS = 5
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_IDLE_SECONDS = 15
#: After which the same complaint is made again.
_REPEAT_SECONDS = 10


@dataclass(frozen=True)
class Settings:
    """What a service is to be.

    It listens on a name or address and a port (0 is a free one), and has so many processes that
    read pictures. ``keep`` is a folder for those that were corrected; ``allowed`` are names by
    which it is asked, besides ``localhost`` and ``host``.
    """

    host: str
    port: int
    workers: int
    models: Path | None = None
    keep: Path | None = None
    allowed: tuple[str, ...] = ()


def run(
    settings: Settings,
    ready: Callable[[str, Sequence[str]], None],
    failed: Callable[[str], None],
    log: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve until an interrupt or ``SIGTERM``, then finish what was begun.

    Parameters
    ----------
    settings : Settings
    ready : callable
        Called with the address of the page, and with those for other machines, once requests
        are answered.
    failed : callable
        Told in a line of each failure of the program itself.
    log : callable
        Takes a line for every request.

    Raises
    ------
    DigitsError
        Where it cannot start.
    """
    if settings.keep is not None:
        _make_folder(settings.keep)
    with _listen(settings.host, settings.port) as listener, _Stop() as stop:
        from ovr_digits.web.workers import Workers

        models = find_models(settings.models)
        content = read_models(models)
        with _starting(models):
            workers = Workers(settings.workers, content)
        try:
            with _starting(models):
                provenance = workers.start()
            # Takes as long to load as the workers need to get ready.
            import uvicorn  # noqa: F401

            import ovr_digits.web.app  # noqa: F401

            address, port = listener.getsockname()[:2]
            with _starting(models):
                told = provenance.result()
            stop.server = build_server(settings, address, workers, told, failed, log)
            stop.check()
            with _told_in_lines(failed):
                ready(url_here(settings.host, address, port), urls_elsewhere(address, port))
                stop.server.run(sockets=[listener])
        finally:
            workers.stop()


def build_server(
    settings: Settings,
    address: str,
    workers: Workers,
    provenance: Mapping[str, Any],
    failed: Callable[[str], None],
    log: Callable[[str], None],
) -> uvicorn.Server:
    """The server for a socket that listens on an address, and tells where models come from."""
    import uvicorn

    from ovr_digits.web.app import create_app
    from ovr_digits.web.http.connection import Connections
    from ovr_digits.web.http.guard import HEADERS, Guard

    app = create_app(workers, provenance, settings.keep, address)
    connections = Connections(log)
    hosts = served_hosts(address, (settings.host, *settings.allowed))
    config = uvicorn.Config(
        Guard(app, hosts, connections, failed),
        http=connections.protocol(HEADERS),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        h11_max_incomplete_event_size=limits.HEAD_BYTES,
    )
    return uvicorn.Server(config)


class _Lines(logging.Handler):
    """Tells of a log record in one line, and of a run of the same every few seconds only."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell
        self._last, self._time = "", 0.0

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage().partition("\n")[0]
        if record.exc_info and record.exc_info[1]:
            line = f"{line} ({record.exc_info[1]})"
        if line != self._last or record.created > self._time + _REPEAT_SECONDS:
            self._last, self._time = line, record.created
            self._tell(line)


@contextlib.contextmanager
def _told_in_lines(tell: Callable[[str], None]) -> Iterator[None]:
    """What asyncio complains of by itself, of too many open files for instance."""
    logger, handler = logging.getLogger("asyncio"), _Lines(tell)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@contextlib.contextmanager
def _starting(models: Path) -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{models}: {error}") from None
    except (BrokenExecutor, OSError) as error:
        why = error.__cause__ or error
        raise DigitsError(f"the worker processes do not start ({why})") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        both = family == socket.AF_INET6 and ipaddress.ip_address(address[0]).is_unspecified
        listener = socket.create_server(
            address[:2],
            family=family,
            backlog=512,
            dualstack_ipv6=both and socket.has_dualstack_ipv6(),
        )
    except (socket.gaierror, UnicodeError):
        raise DigitsError(
            f"--host {host}: no such name or address; 127.0.0.1 is this machine alone"
        ) from None
    except OSError as error:
        advice = {
            errno.EADDRINUSE: "something else listens there; choose another with --port",
            errno.EACCES: "ports below 1024 need a right of their own; choose another with --port",
            errno.EADDRNOTAVAIL: "this machine has no such address; choose another with --host",
        }.get(error.errno or 0, os.strerror(error.errno or 0))
        raise DigitsError(f"cannot listen on {host}, port {port}: {advice}") from None
    # Else the end of an answer waits until the client has acknowledged its beginning: 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DigitsError(f"--keep {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DigitsError(f"--keep {folder}: may not be written")


class _Stop:
    """Lets an interrupt and ``SIGTERM`` end the start, and then the server, and no more than that.

    Attributes
    ----------
    server : uvicorn.Server or None
        Once there is one.
    """

    server: Any = None

    def __enter__(self) -> Self:
        self._asked = False
        self._before = {number: signal.signal(number, self._ask) for number in _STOP_SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True
        if self.server is None:
            raise KeyboardInterrupt
        self.server.should_exit = True

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` again where something that was imported swallowed it."""
        if self._asked:
            raise KeyboardInterrupt
