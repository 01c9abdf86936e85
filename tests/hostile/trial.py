"""Tries calls in a process of their own: one that crashes, hangs or swells ends no other."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ovr_digits.errors import DigitsError

#: What a call may take: seconds of the processor (2 are promised; a machine that runs tests may be
#: slower), and bytes of memory in all.
MAX_SECONDS, MAX_BYTES = 6.0, 1_000_000_000
#: Bytes beyond which the process gets no memory, and seconds of the clock after which it is ended.
_LIMIT, _DEADLINE = 6_000_000_000, 300
_printed = -1


@dataclass(frozen=True)
class Outcome:
    """What became of one call.

    Attributes
    ----------
    text : str
        Why it was refused; empty where it was not.
    faults : list of str
        What must not be.
    seconds : float
        Of the processor.
    peak_bytes : int
    """

    text: str = ""
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    peak_bytes: int = 0


def _peak_bytes(anew: bool = False) -> int:
    """The most bytes this process has held, perhaps since it was asked for ``anew``."""
    try:
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
        return 1024 * int(text.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):  # not Linux
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _prepare() -> None:
    """What C libraries print is seen by the length of a file."""
    global _printed
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, _LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    with tempfile.TemporaryFile() as file:
        _printed = os.dup(file.fileno())
    os.dup2(_printed, 2)


def _tried(function: Callable[..., object], arguments: tuple[Any, ...]) -> Outcome:
    before = os.fstat(_printed).st_size
    gc.collect()
    _peak_bytes(anew=True)
    text, error, began = "", "", time.process_time()
    try:
        function(*arguments)
    except DigitsError as refusal:
        text = str(refusal)
    except BaseException as other:
        error = f"{type(other).__name__}: {other}"
    seconds, peak = time.process_time() - began, _peak_bytes()
    faults = {
        error: bool(error),
        f"{seconds:.1f} s of the processor": seconds > MAX_SECONDS,
        f"{peak / 1e6:.0f} MB": peak > MAX_BYTES,
        f"printed {os.pread(_printed, 200, before)!r}": os.fstat(_printed).st_size > before,
        "not one line of text": not text.isprintable(),
    }
    return Outcome(text, [fault for fault, is_so in faults.items() if is_so], seconds, peak)


@contextlib.contextmanager
def trying() -> Iterator[Callable[..., Outcome]]:
    """What calls a function in the process, with arguments that can be pickled."""
    with ProcessPool(1, 0, _prepare, context=multiprocessing.get_context("spawn")) as pool:

        def attempt(function: Callable[..., object], *arguments: Any) -> Outcome:
            try:
                outcome: Outcome = pool.schedule(
                    _tried, args=[function, arguments], timeout=_DEADLINE
                ).result()
            except (ProcessExpired, TimeoutError) as error:
                outcome = Outcome(faults=[f"the process ended: {error!r}"])
            return outcome

        yield attempt
