"""A service that is watched from outside: its memory, files, log, and all that it may write."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_ROOT = Path(__file__).parents[2]
_WEB = _ROOT / "ovr_digits" / "web"
_LOG_LINE = re.compile(
    r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ (?:127\.0\.0\.1|-) [!-~]+(?: [!-~]+)? (\d{3}|-) \d+ ms \d+ B"
)
_KEPT = re.compile(r"keep/(?:corrections\.jsonl|\d{8}T\d{6}-[0-9a-f]{12}\.png)")
_CANARY = b"told to nobody: 8c1f6f0e6b0d4a0d"


@dataclass
class Watched:
    """A running service, and the folder in which is all that it may write and not tell."""

    process: subprocess.Popen[str]
    address: tuple[str, int]
    folder: Path

    def __post_init__(self) -> None:
        self._before = _digests(self.folder), _digests(_WEB)

    @property
    def log(self) -> Path:
        """What it writes on stderr."""
        return self.folder / "log"

    def secrets(self) -> list[bytes]:
        """What may stand in no answer."""
        sources = [path.read_bytes()[:60] for path in _WEB.rglob("*.py")]
        paths = [str(path).encode() for path in (self.folder, _ROOT)]
        with contextlib.suppress(OSError):
            paths.append(Path("/etc/passwd").read_bytes().partition(b"\n")[0])
        return [_CANARY, b"Traceback", *sources, *paths]

    def held(self) -> tuple[float, int]:
        """MB of memory that the server process has for itself, and files that it has open."""
        process = psutil.Process(self.process.pid)
        return process.memory_full_info().pss / 1e6, process.num_fds()

    def stop(self) -> list[str]:
        """End it as service managers do; faults in how it ends, in its log, and in files."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        faults = [f"ends with status {status}"] if status else []
        return [*faults, *self.faults_in_log(), *self.faults_in_files()]

    def faults_in_log(self) -> Iterator[str]:
        """Lines of the log that are none of a request's, or of one that the program failed on."""
        for line in self.log.read_bytes().decode("latin-1").splitlines():
            match = _LOG_LINE.fullmatch(line)
            if match is None or (match[1].startswith("5") and match[1] != "503"):
                yield f"in the log: {line[:200]!r}"

    def faults_in_files(self) -> Iterator[str]:
        """What was written, but for pictures that were to be kept."""
        for before, folder in zip(self._before, (self.folder, _WEB), strict=True):
            for name in sorted({name for name, _ in before.items() ^ _digests(folder).items()}):
                if folder is _WEB or not _KEPT.fullmatch(name):
                    yield f"written: {name}"


@contextlib.contextmanager
def watched(folder: Path, models: Path, arrival: float) -> Iterator[Watched]:
    """Run a service in a folder, with something in it that is told to nobody."""
    place = folder / "place"
    place.mkdir()
    for name in ("canary.txt", "place/canary.txt", "app.py"):
        (folder / name).write_bytes(_CANARY)
    program = (
        "from ovr_digits.web.http import limits\n"
        f"limits.ARRIVAL_SECONDS, limits.KEPT = {arrival}, 500\n"
        "from ovr_digits.cli import main\n"
        "main()"
    )
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--workers", "1"]
    command += ["--models", str(models), "--keep", str(folder / "keep")]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            match = re.search(r"http://(\S+):(\d+)/", process.stdout.readline())
            assert match, log
            yield Watched(process, (match[1], int(match[2])), folder)
        finally:
            process.kill()


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "log" and "__pycache__" not in path.parts
    }
