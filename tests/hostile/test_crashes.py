"""Whatever ends or fails a job: what it replaces is the old or the new, whole, and it heals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hostile.mirrors import Mirror

JOBS = ("keep", "data download", "train")
FAULTS = ("kill", "full disk", "folder removed", "two at once", "random kill")
#: Of how many steps one is met, where all are too many for the short form.
SOME = ["keep:kill:3", "keep:two at once:9", "keep:full disk:4", "keep:folder removed:4"]
SOME += ["data download:kill:13", "data download:full disk:17"]


def assert_healed(*trials: str) -> None:
    with closing(Mirror()) as mirror:
        environment = {key: value for key, value in os.environ.items() if key != "OVR_DIGITS_DATA"}
        environment |= {"OVR_DIGITS_MIRRORS": mirror.good(), "no_proxy": "*"}
        done = subprocess.run(
            [sys.executable, "-m", "hostile.crashes", *trials],
            cwd=Path(__file__).parent.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: trial["failures"] for name, trial in found.items() if trial["failures"]} == {}
    assert min(trial["tried"] for trial in found.values()) > 2
    sys.stdout.write("".join(f"{name}: {trial['tried']} tried\n" for name, trial in found.items()))


def test_some_faults():
    assert_healed(*SOME)


@pytest.mark.long
@pytest.mark.parametrize("job", JOBS)
def test_each_fault_at_each_step(job):
    assert_healed(*(f"{job}:{fault}:1" for fault in FAULTS))
