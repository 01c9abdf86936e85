"""What is left where a writer is killed or its place fails it: benchmarks/robustness/crashes.py."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine
from benchmarks.robustness import resume
from ovr_digits.files import check_writable, remove_abandoned, replacing, write_bytes

ROOT = Path(__file__).parent.parent
KILLS = ["--count", "6", "--steps", "4", "--places", "0", "--only", "data download"]
PLACES = ["--count", "1", "--steps", "0", "--places", "1"]


@pytest.mark.parametrize("options", [KILLS, PLACES])
def test_killed_and_failed_writers_leave_the_old_or_the_new_and_are_healed(tmp_path, options):
    command = [sys.executable, "-m", "benchmarks.robustness.crashes", "--output", str(tmp_path)]
    result = subprocess.run(
        [*command, *options, "--only", "keep"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 failed" in result.stdout.splitlines()[-1]


def test_what_a_killed_writer_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path):
    path = tmp_path / "a[b].pkl"
    abandoned = tmp_path / ".a[b].pkl.01234567.part"
    of_another = tmp_path / ".b.pkl.01234567.part"
    for left in (abandoned, of_another):
        left.write_bytes(b"half")
    with replacing(path) as temporary:
        temporary.write_bytes(b"one")
        assert not abandoned.exists()
        assert of_another.exists()
        write_bytes(path, b"two")
        assert temporary.exists()
    assert path.read_bytes() == b"one"
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_the_page_of_resumed_trainings_has_a_row_for_each():
    about = {**machine.describe_machine(), "versions": {}, "date": "", "quick": False}
    kept, killed = ["checkpoint, no kill", "130.1", "0.2%"], ["killed at 20%", "135.6", "4.2%"]
    content = {"preset": "fast", "dataset": "mnist", "same": True, "undisturbed": 129.8}
    page = resume.result_page({"conditions": about, **content, "runs": [kept, killed]})
    assert "same scores on the test set: yes" in page
    assert page.count("|\n") == 5


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="the system has no files without a name")
def test_to_find_out_that_one_can_write_leaves_nothing_whenever_it_ends(tmp_path, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        check_writable(tmp_path / "models.pkl")
    assert list(tmp_path.iterdir()) == []
