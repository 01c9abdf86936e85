"""Runs the service: worker processes, the socket, the browser, and an orderly end."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import webbrowser
from pathlib import Path

import uvicorn
from pebble import ProcessPool

from ovr_digits.web import work
from ovr_digits.web.app import create_app


def run(host: str, port: int, models: Path | None, workers: int, opens: bool) -> None:
    """Serve until told to stop."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the workers
    listener = socket.create_server((host, port))
    url = f"http://{host}:{listener.getsockname()[1]}/"
    context = multiprocessing.get_context("spawn")
    with ProcessPool(workers, initializer=work.start, initargs=(models,), context=context) as pool:
        server = uvicorn.Server(uvicorn.Config(create_app(models, pool), log_level="warning"))
        print(f"ovr-digits: {url} (Ctrl-C stops it)", flush=True)  # noqa: T201
        if opens:
            threading.Timer(0.2, webbrowser.open, [url]).start()
        server.run(sockets=[listener])
        pool.stop()  # type: ignore[no-untyped-call]
