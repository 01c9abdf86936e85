"""Runs an ``ovr-digits`` command and watches its memory and the seconds of each of its stages."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import ovr_digits_command, run_command
from benchmarks.processes import memory_of, processes_of

_STAGE = re.compile(r"^(\S.*?) {2,}(\d+\.\d) s$", re.MULTILINE)


@dataclass(frozen=True)
class Ran:
    """What a command said and took.

    Attributes
    ----------
    said : dict
        Its JSON.
    seconds : float
    stages : dict of str to float
        Seconds of each stage that it told of on stderr.
    peak_mb : float
        Most memory of it and all processes below it; what they share counts once.
    """

    said: dict[str, Any]
    seconds: float
    stages: dict[str, float]
    peak_mb: float


def run_watched(arguments: Sequence[str]) -> Ran:
    """Run ``ovr-digits`` from the checkout, to the end.

    Raises
    ------
    CommandError
        Where it fails.
    """
    peak = 0.0

    def watch(pid: int) -> None:
        nonlocal peak
        peak = max(peak, memory_of(processes_of(pid)))

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        cost, printed = run_command([ovr_digits_command(), *arguments, "--json"], log, watch)
        stages = {name: float(took) for name, took in _STAGE.findall(log.read_text())}
    return Ran(json.loads(printed), cost.wall, stages, peak)
