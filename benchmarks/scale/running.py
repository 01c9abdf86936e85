"""Runs an ``ovr-digits`` command and watches its memory and the seconds of each of its stages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import ROOT, CommandError, ovr_digits_command
from benchmarks.processes import memory_of, processes_of

#: Seconds between two looks at the memory.
_INTERVAL = 0.5
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
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [ovr_digits_command(), *arguments, "--json"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        peak = 0.0
        try:
            while process.poll() is None:
                peak = max(peak, memory_of(processes_of(process.pid)))
                time.sleep(_INTERVAL)
        finally:
            if process.poll() is None:  # interrupted: nothing that it started stays behind
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        seconds = time.perf_counter() - began
        errors.seek(0)
        output.seek(0)
        told = errors.read()
        if process.returncode:
            raise CommandError(told.strip().splitlines()[-1])
        stages = {name: float(took) for name, took in _STAGE.findall(told)}
        return Ran(json.loads(output.read()), seconds, stages, peak)
