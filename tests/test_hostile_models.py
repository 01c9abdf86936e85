"""Hostile models.pkl files in a process that is watched; the long form is a benchmark."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

pytest.importorskip("benchmarks", reason="the programs that measure are in a checkout only")

from benchmarks.robustness.model_cases import hostile_models
from benchmarks.robustness.model_trial import can_trace, read_all
from benchmarks.robustness.models import flat, try_changes, try_command, unseen_live_cases


@pytest.fixture(scope="module")
def cases() -> dict[str, bytes]:
    return flat(hostile_models())


def test_there_are_many_and_no_two_are_alike(cases):
    assert len(cases) > 1_000
    assert len(set(cases.values())) == len(cases)


def test_each_is_refused_and_nothing_else_happens(cases):
    readings, effects = read_all(cases, trace=can_trace())
    faults = [f"{reading.name}: {fault}" for reading in readings for fault in reading.faults]
    assert not faults
    assert not effects
    assert len(readings) == len(cases)


def test_the_watch_sees_what_plain_pickle_does():
    """Else the test above would show nothing."""
    assert unseen_live_cases(trace=can_trace()) == []


def test_the_command_refuses_them_in_one_line(cases):
    chosen = random.Random(0).sample(sorted(cases), 4)
    assert list(try_command({name: cases[name] for name in chosen})) == []


def test_changed_files_are_refused_or_hold_finite_numbers():
    result = try_changes(300, seed=1)
    assert result["failed"] == []
    assert result["changed_refused"] > 100
    assert result["changed_read"] > 10


@pytest.mark.parametrize("name", ["fuzz_models", "fuzz_pictures"])
def test_the_fuzzers_run(tmp_path, name):
    pytest.importorskip("atheris", reason="needs atheris: pip install 'ovr-digits[fuzz]'")
    program = [sys.executable, "-m", f"benchmarks.robustness.{name}"]
    done = subprocess.run(
        [*program, "--seconds", "2", "--folder", tmp_path, "--output", tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| inputs that got through | 0 |" in done.stdout
