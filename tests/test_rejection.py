"""Pictures that hold no digit: the shipped detectors turn them down, and keep the digits."""

from __future__ import annotations

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


def test_nearly_all_that_is_no_digit_is_turned_down(models):
    """Kinds that no detector was taught, a few pictures of each."""
    from benchmarks.drawing_other import KINDS
    from benchmarks.rejection import score_kind

    assert len(KINDS) >= 20
    fired = {kind: (score_kind(models, kind, 5, seed=1) > 0).sum(axis=1) for kind in KINDS}
    assert (np.concatenate(list(fired.values())) != 1).mean() >= 0.85
    for kind in ("blank", "noise", "words"):
        assert fired[kind].max() == 0, kind


def test_digits_keep_their_verdict(models, mnist_dir):
    test = load_split("mnist", "test", mnist_dir)
    fired = (models.decision_function(test.X[:2000]) > 0).sum(axis=1)
    assert (fired == 1).mean() >= 0.98


def test_the_same_seed_draws_the_same_pictures():
    from benchmarks.drawing_other import KINDS, draw_other

    for kind in KINDS:
        one, other, third = (draw_other(kind, np.random.default_rng(n)) for n in (0, 0, 1))
        assert one == other
        assert one != third


def test_the_table_and_the_curve(tmp_path):
    command = [sys.executable, "-m", "benchmarks.rejection", "--dataset", "digits"]
    command += ["--count", "1", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| words | 1 |" in done.stdout
    assert "| true digits: digits, test | 297 |" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        f"rejection-digits-test.{kind}" for kind in ("md", "json", "png")
    }


def test_a_higher_threshold_turns_down_more():
    from benchmarks.rejection import sure_share

    scores = np.full((4, 10), -5.0)
    scores[:, 3] = [-1.0, 1.0, 3.0, 6.0]
    scores[3, 4] = 1.0
    assert [sure_share(scores, vote) for vote in (0.1, 0.5, 0.9, 0.99)] == [0.75, 0.5, 0.5, 0.25]
