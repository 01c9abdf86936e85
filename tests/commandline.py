"""The command line: called in this process, or run as people run it, in one of its own."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from ovr_digits import PatchKernelFeatures
from ovr_digits.cli import main

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
#: The command, whose trainings take half the time.
FEW_FEATURES = Path(__file__).with_name("few_features.py")

#: Several commands in one process, each with settings of its environment; after each its status.
SEVERAL = """
import json, os, sys
from ovr_digits.cli import main
for settings, command in json.loads(sys.argv[1]):
    os.environ.update(settings)
    try:
        main(command, prog_name="ovr-digits")
    except SystemExit as end:
        print("status", end.code or 0, flush=True)
"""

Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """An environment with no data of the user's and no network: every proxy is a closed port."""
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("OVR_DIGITS_") and key not in unwanted and "proxy" not in key.lower()
    }
    kept |= {"OVR_DIGITS_CACHE": str(folder / "cache"), "PYTHONIOENCODING": "utf-8"}
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        kept[name] = kept[name.upper()] = "http://127.0.0.1:9"
    return kept | {"TERM": "xterm-256color"} | settings


def call(*arguments: object, folder: Path, stdin: bytes = b"", **settings: str) -> Result:
    """Run ``ovr-digits`` here, in a folder; keyword arguments are environment variables."""
    command = [*map(str, arguments)]
    wanted = environment(folder, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in os.environ.keys() - wanted.keys():
            patch.delenv(name)
        for name, value in wanted.items():
            patch.setenv(name, value)
        runner = CliRunner(charset=wanted["PYTHONIOENCODING"])
        done = runner.invoke(main, command, input=stdin, prog_name="ovr-digits")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Result(command, done.exit_code, done.stdout, done.stderr)


def execute(
    *arguments: object, folder: Path, stdin: bytes | None = None, **settings: str
) -> Result:
    """Run Python in a process of its own, in a folder."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment(folder, **settings),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        check=False,
    )
    return Result(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@contextlib.contextmanager
def few_features_in(training: ModuleType, n_anchors: tuple[int, int]) -> Iterator[None]:
    """Let what a module trains in this process have few features."""
    with pytest.MonkeyPatch.context() as patch:
        few = functools.partial(PatchKernelFeatures, n_anchors=n_anchors)
        patch.setattr(training, "PatchKernelFeatures", few)
        yield


@contextlib.contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """As on a full disk, files cannot grow over a size meanwhile."""
    resource = pytest.importorskip("resource", reason="needs limits, which POSIX has")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def shell(command: str, folder: Path) -> Result:
    """Have a shell run something, in which ``$OVR`` and ``$FEW`` are the command.

    ``$FEW`` trains few features.
    """
    if sys.platform == "win32":
        pytest.skip("needs a shell of POSIX")
    settings = environment(
        folder, OVR=f"{sys.executable} -m ovr_digits", FEW=f"{sys.executable} {FEW_FEATURES}"
    )
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=settings, capture_output=True, text=True
    )


def on_a_terminal(
    folder: Path, *arguments: object, start: Sequence[str] = ("-m", "ovr_digits"), **settings: str
) -> str:
    """What a process prints to a terminal."""
    pty = pytest.importorskip("pty", reason="needs terminals as POSIX has them")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *start, *map(str, arguments)],
        cwd=folder,
        env=environment(folder, **settings),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end has gone
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    assert process.wait() == 0
    return said.decode()


def objects(result: Result, status: int = 0) -> list[dict[str, Any]]:
    """The JSON objects on stdout, which holds nothing else."""
    assert result.returncode == status, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def assert_one_line(result: Result, *words: str) -> None:
    """Status 1, and one line on stderr that tells why."""
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("ovr-digits: ")]
    assert result.stderr.splitlines()[-1] == line
    for word in words:
        assert word in line


def assert_nothing_done(result: Result, *words: str) -> None:
    """One line that tells why, and no more: the work has not begun."""
    assert_one_line(result, *words)
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
