"""A service that is watched from outside: its memory, files, log, and all that it may write."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import ROOT
from benchmarks.service import memory_of, processes_of, running_service

_WEB = ROOT / "ovr_digits" / "web"
_LOG_LINE = re.compile(
    r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ (?:127\.0\.0\.1|-) [!-~]+(?: [!-~]+)? (\d{3}|-) \d+ ms \d+ B"
)
_KEPT = re.compile(r"keep/(?:corrections\.jsonl|\d{8}T\d{6}-[0-9a-f]{12}\.png)")
_CANARY = b"told to nobody: 8c1f6f0e6b0d4a0d"
#: Pictures that are kept, before the rest is turned away.
_MAX_KEPT = 2000
#: Seconds that the service may take to end.
_STOP = 10.0


@dataclass(frozen=True)
class Sample:
    """The server process, and its workers together, at a time.

    Attributes
    ----------
    seconds : float
        Since the beginning.
    server_mb, workers_mb : float
    server_files, workers_files : int
        That are open.
    """

    seconds: float
    server_mb: float
    workers_mb: float
    server_files: int
    workers_files: int


@dataclass
class Watched:
    """A running service.

    Attributes
    ----------
    process : Popen
    address : (str, int)
    folder : Path
        Where it runs, with all that it may write and not tell.
    samples : list of Sample
    """

    process: subprocess.Popen[str]
    address: tuple[str, int]
    folder: Path
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._before = _digests(self.folder), _digests(_WEB)

    @property
    def log(self) -> Path:
        """What it writes on stderr."""
        return self.folder / "log"

    def secrets(self) -> list[bytes]:
        """What may stand in no answer."""
        sources = [path.read_bytes()[:60] for path in _WEB.glob("*.py")]
        paths = [str(path).encode() for path in (self.folder, ROOT)]
        with contextlib.suppress(OSError):
            paths.append(Path("/etc/passwd").read_bytes().partition(b"\n")[0])
        return [_CANARY, b"Traceback", *sources, *paths]

    def sample(self) -> Sample:
        """Look now."""
        pid, *others = processes_of(self.process.pid)
        sizes: list[tuple[float, int]] = []
        for each in others:
            with contextlib.suppress(OSError, IndexError):  # it has just ended
                sizes.append((memory_of([each]), _open_files(each)))
        return Sample(
            time.monotonic() - self._started,
            memory_of([pid]),
            sum(size for size, _ in sizes),
            _open_files(pid),
            sum(files for _, files in sizes),
        )

    async def keep_watching(self, every: float) -> None:
        """Look now and then."""
        while True:
            self.samples.append(self.sample())
            await asyncio.sleep(every)

    def stop(self) -> Iterator[str]:
        """End it as service managers do; faults in how it ends, and in what is left."""
        pids = processes_of(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            if status := self.process.wait(_STOP):
                yield f"ends with status {status}"
        except subprocess.TimeoutExpired:
            yield f"does not end in {_STOP:g} s"
            return
        end = time.monotonic() + 1
        while left := [pid for pid in pids if _is_running(pid)]:
            if time.monotonic() > end:
                yield f"leaves {len(left)} processes"
                return
            time.sleep(0.05)

    def faults_in_log(self) -> Iterator[str]:
        """Lines of the log that are none of a request's, or of one that the program failed on."""
        for line in self.log.read_bytes().decode("latin-1").splitlines():
            match = _LOG_LINE.fullmatch(line)
            if match is None or (match[1].startswith("5") and match[1] != "503"):
                yield f"in the log: {line[:200]!r}"

    def faults_in_files(self) -> Iterator[str]:
        """What was written, but for pictures that were to be kept."""
        for before, folder in zip(self._before, (self.folder, _WEB), strict=True):
            after = _digests(folder)
            for name in sorted({name for name, _ in before.items() ^ after.items()}):
                if folder is _WEB or not _KEPT.fullmatch(name):
                    yield f"written: {name}"


@contextlib.contextmanager
def watched(folder: Path, workers: int, models: Path | None, arrival: float) -> Iterator[Watched]:
    """Run a service in a folder, with something in it that is told to nobody."""
    place = folder / "place"
    place.mkdir()
    for name in ("canary.txt", "place/canary.txt", "app.py"):
        (folder / name).write_bytes(_CANARY)
    options = ["--keep", str(folder / "keep"), "--max-arrival", str(arrival)]
    options += ["--max-kept", str(_MAX_KEPT)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "log").open("wb") as log:
        more = {"cwd": place, "env": environment, "stderr": log}
        with running_service(workers, models, *options, **more) as (process, host, port):
            yield Watched(process, (host, port), folder)


def median_mb(samples: Sequence[Sample], start: float, stop: float) -> tuple[float, float]:
    """What the server and its workers held, the medians of some time."""
    some = [each for each in samples if start <= each.seconds < stop]
    return (
        statistics.median(each.server_mb for each in some),
        statistics.median(each.workers_mb for each in some),
    )


def _is_running(pid: int) -> bool:
    """Whether it has not ended, though perhaps nobody has asked how."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "log" and "__pycache__" not in path.parts
    }
