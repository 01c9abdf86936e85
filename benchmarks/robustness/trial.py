"""Tries cases in processes of their own: one that crashes, hangs or swells ends no other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ovr_digits.errors import DigitsError

#: What a case may take: seconds, of the processor's and of the clock's, and bytes of memory.
MAX_SECONDS, MAX_BYTES = 2.0, 1_000_000_000
#: From here on a process is ended: seconds of its processor time and of the clock, and bytes.
_MAX_CPU, _DEADLINE, _LIMIT = 15.0, 600.0, 6_000_000_000

#: Tries the case of a name; "read" or the like, or a DigitsError.
Attempt = Callable[[str], str]


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes
    ----------
    case : str
    how : str
        What the attempt gave, "refused" or "failed".
    text : str
        Why.
    seconds : float
        Of the clock, without those in which the process waited for a processor.
    cpu : float
    peak_bytes : int
        The most memory that the process has held meanwhile.
    """

    case: str
    how: str
    text: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    peak_bytes: int = 0


def _peak(anew: bool = False) -> int:
    """The most bytes this process has held, perhaps since it was asked for ``anew``."""
    try:
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
        return 1024 * int(text.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):  # not Linux
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _clock() -> float:
    """Seconds, without those in which this process was ready and others had the processors."""
    try:
        waited = int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):  # not Linux
        waited = 0.0
    return time.perf_counter() - waited


def _tried(attempt: Attempt, case: str, max_seconds: float) -> Outcome:
    printed = os.fstat(2).st_size
    _peak(anew=True)
    started, cpu = _clock(), time.process_time()
    try:
        how, text = attempt(case), ""
    except DigitsError as error:
        how, text = "refused", str(error)
    except BaseException as error:
        how, text = "failed", f"{type(error).__name__}: {error}"
    seconds, cpu, peak = _clock() - started, time.process_time() - cpu, _peak()
    faults = {
        f"{seconds:.1f} s, {cpu:.1f} s of them on the processor": max(seconds, cpu) > max_seconds,
        f"{peak / 1e6:.0f} MB": peak > MAX_BYTES,
        f"printed {os.pread(2, 200, printed)!r}": os.fstat(2).st_size > printed,
        "not one line of text": not text.isprintable(),
    }
    found = [fault for fault, is_so in faults.items() if is_so]
    if found and how != "failed":
        how, text = "failed", f"{', '.join(found)}; {how}: {text!r}"
    return Outcome(case, how, text, seconds, cpu, peak)


def _work(prepare: Callable[[], Attempt], tasks: Connection, max_seconds: float) -> None:
    """What a child does: one task after another, to the end of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, _LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    attempt = prepare()
    # What the C libraries print is seen by the length of this file.
    with tempfile.TemporaryFile() as printed, contextlib.suppress(EOFError):
        os.dup2(printed.fileno(), 2)
        while True:
            tasks.send(_tried(attempt, tasks.recv(), max_seconds))


class _Child:
    """A process that tries cases, of which a few are sent ahead."""

    def __init__(self, prepare: Callable[[], Attempt], max_seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.tasks, other = context.Pipe()
        arguments = (prepare, other, max_seconds)
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        other.close()
        self.sent: deque[str] = deque()
        self._since = time.monotonic(), 0.0

    def _cpu(self) -> float:
        """Seconds of processor time that it has had."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # not Linux
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, case: str) -> None:
        if not self.sent:
            self._since = time.monotonic(), self._cpu()
        self.sent.append(case)
        self.tasks.send(case)

    def outcome(self) -> Outcome | None:
        """Of the first that was sent: None while it may still come, or raises EOFError."""
        if not self.tasks.poll():
            clock, cpu = time.monotonic() - self._since[0], self._cpu() - self._since[1]
            if cpu > _MAX_CPU or clock > _DEADLINE:
                raise EOFError(f"no end after {clock:.0f} s, {cpu:.0f} s on the processor")
            return None
        outcome: Outcome = self.tasks.recv()
        self.sent.popleft()
        self._since = time.monotonic(), self._cpu()
        return outcome

    def end(self) -> str:
        """End it, and tell how it ended."""
        self.tasks.close()
        self._process.join(1)
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        return f"the process ended: {signal.strsignal(-code) if code < 0 else code}"


def try_all(
    prepare: Callable[[], Attempt],
    cases: Sequence[str],
    jobs: int,
    max_seconds: float = MAX_SECONDS,
    ahead: int = 32,
) -> Iterator[Outcome]:
    """Try each case in one of ``jobs`` processes; outcomes come as they come.

    A case that took too long by the clock alone is tried once more: the machine may have been
    busy.

    Parameters
    ----------
    prepare : callable
        Makes the attempt, in the child; pickled.
    cases : sequence of str
    jobs : int
    max_seconds : float
        A case that takes longer has failed.
    ahead : int
        How many cases a child is sent before it has answered.
    """
    left, again = deque(cases), set()
    children = [_Child(prepare, max_seconds) for _ in range(max(1, min(jobs, len(cases))))]
    try:
        while left or any(child.sent for child in children):
            for child in children:
                while left and len(child.sent) < ahead:
                    child.send(left.popleft())
            wait([child.tasks for child in children if child.sent], timeout=1.0)
            for place, child in enumerate(children):
                try:
                    outcome = child.outcome() if child.sent else None
                except (EOFError, ConnectionResetError) as error:
                    text = ", ".join(filter(None, [str(error), child.end()]))
                    outcome = Outcome(child.sent.popleft(), "failed", text)
                    left.extendleft(reversed(child.sent))
                    children[place] = _Child(prepare, max_seconds)
                if outcome is None:
                    continue
                if outcome.seconds > max_seconds >= outcome.cpu and outcome.case not in again:
                    again.add(outcome.case)
                    left.append(outcome.case)
                    continue
                yield outcome
    finally:
        for child in children:
            child.end()


def progress(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """Pass outcomes on, and now and then tell how many there were."""
    shown = time.monotonic()
    for number, outcome in enumerate(outcomes, 1):
        if time.monotonic() - shown > 5 or number == total:
            shown = time.monotonic()
            print(f"\r{number:,} of {total:,}", end="", file=sys.stderr, flush=True)
        yield outcome
    print(file=sys.stderr)
