"""Pictures that hold no digit: the shipped detectors turn them down, and keep the digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ovr_digits import load_models
from ovr_digits.data.splits import load_split

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the drawing program is only in the checkout"
)


@pytest.fixture(scope="module")
def models():
    return load_models(ROOT / "models.pkl")


def run_rejection(output: Path, *options: str) -> str:
    command = [sys.executable, "-m", "benchmarks.rejection", "--output", str(output), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_nearly_all_that_is_no_digit_is_turned_down(mnist_dir, tmp_path):
    """Kinds that no detector was taught, a few pictures of each."""
    options = ["--data-dir", str(mnist_dir), "--count", "5", "--seed", "1", "--quick"]
    run_rejection(tmp_path, *options)
    *kinds, _ = json.loads((tmp_path / "rejection-quick.json").read_text())["kinds"]
    assert len(kinds) >= 20
    turned_down = sum(kind["none"] + kind["conflict"] for kind in kinds)
    assert turned_down >= 0.85 * sum(kind["pictures"] for kind in kinds)
    none = {kind["kind"]: kind["none"] for kind in kinds}
    assert [none[kind] for kind in ("blank", "noise", "words")] == [5, 5, 5]


def test_blank_paper_and_noise_are_no_digit(models):
    noise = np.random.default_rng(0).integers(0, 256, (20, 784), np.uint8)
    images = np.concatenate([np.zeros((1, 784), np.uint8), noise])
    assert not (models.decision_function(images) > 0).any()


def test_digits_keep_their_verdict(models, mnist_dir):
    test = load_split("mnist", "test", mnist_dir)
    fired = (models.decision_function(test.X[:500]) > 0).sum(axis=1)
    assert (fired == 1).mean() >= 0.98


@pytest.mark.long
def test_the_table_and_the_curve(tmp_path):
    table = run_rejection(tmp_path, "--dataset", "digits", "--count", "1")
    assert "| words | 1 |" in table
    assert "| true digits: digits, test | 297 |" in table
    assert {path.name for path in tmp_path.iterdir()} == {
        f"rejection-digits-test.{kind}" for kind in ("md", "json", "png")
    }
