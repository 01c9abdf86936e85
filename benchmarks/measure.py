"""Time, processor time and memory of a block of code or of a command."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The checkout, from which every process is run.
ROOT = Path(__file__).resolve().parent.parent
#: ``ru_maxrss`` counts in these.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
#: Asks whether a process has ended, and leaves it to be waited for; macOS has no ``os.waitid``.
_LOOK = sum(getattr(os, name, 0) for name in ("WEXITED", "WNOHANG", "WNOWAIT"))


class CommandError(Exception):
    """A process ended badly; the message is its last words."""


@dataclass
class Cost:
    """What something took.

    Attributes
    ----------
    wall, cpu : float
        Seconds, child processes included.
    peak_bytes : int
        Most resident memory of any one process involved.
    """

    wall: float = 0.0
    cpu: float = 0.0
    peak_bytes: int = 0


@contextlib.contextmanager
def measured() -> Iterator[Cost]:
    """Fill in a ``Cost`` when the block ends; its peak is that of the process so far."""
    cost = Cost()
    wall, cpu = time.perf_counter(), _cpu_seconds()
    yield cost
    cost.wall, cost.cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    cost.peak_bytes = _RSS_UNIT * max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def run_command(
    command: Sequence[str], log: Path, watch: Callable[[int], object] | None = None
) -> tuple[Cost, str]:
    """Run a command from the checkout and tell what it took and printed.

    Linux gives a new process its parent's peak memory to start from, so this is
    for a parent that has not loaded anything heavy.

    Parameters
    ----------
    command : sequence of str
    log : Path
        Takes what the command writes on stderr.
    watch : callable, optional
        Given the process's id twice a second; on Linux.

    Raises
    ------
    CommandError
        Where the command fails.
    """
    printed = log.with_suffix(".out")
    with log.open("wb") as errors, printed.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, "TMPDIR": str(log.parent)},  # goes when its folder goes
            start_new_session=True,
        )
        try:
            while watch and os.waitid(os.P_PID, process.pid, _LOOK) is None:
                watch(process.pid)
                time.sleep(0.5)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:  # interrupted: nothing that it started stays behind
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        wall = time.perf_counter() - started
    if process.returncode:
        text = log.read_text(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        raise CommandError(lines[-1] if lines else f"exit status {process.returncode}")
    cost = Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT)
    return cost, printed.read_text(errors="replace")


def ovr_digits_command() -> str:
    """The installed ``ovr-digits`` of this Python."""
    command = shutil.which("ovr-digits", path=sysconfig.get_path("scripts"))
    if command is None:
        raise CommandError("ovr-digits is not installed in this Python; pip install it first")
    return command


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
