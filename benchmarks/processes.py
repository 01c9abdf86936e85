"""What running processes hold and have taken, as Linux tells it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path


def processes_of(pid: int) -> list[int]:
    """A process and those that it has started; none where it has ended."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
        return [pid, *(int(child) for task in tasks for child in task.read_text().split())]
    except OSError:
        return []


def memory_of(pids: Iterable[int]) -> float:
    """What processes hold in MB; what they share is counted once, what has ended is not."""
    return sum(_proportional_kb(pid) for pid in pids) / 1000


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds of processor time that processes have taken."""
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def _proportional_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+)", text, re.M)
    return int(found[1]) if found else 0
