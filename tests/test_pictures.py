"""Pictures as people make them, drawn from digits that the shipped models have not seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ovr_digits import load_models
from ovr_digits.data import load_split

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the drawing program is only in the checkout"
)


@pytest.fixture(scope="module")
def results(mnist_dir: Path):
    from benchmarks.drawing import STYLES
    from benchmarks.pictures import read_style

    test = load_split("mnist", "test", mnist_dir)
    models = load_models(ROOT / "models.pkl")
    return [read_style(models, test.X, test.y, style, 16, seed=1)[0] for style in STYLES]


def test_nearly_all_drawn_pictures_are_read(results):
    assert len(results) >= 12
    pictures = sum(result.pictures for result in results)
    assert sum(result.right for result in results) >= 0.96 * pictures


def test_no_style_is_beyond_reach(results):
    for result in results:
        assert result.right >= 13, result.style


def test_the_same_seed_draws_the_same_pictures():
    from benchmarks.drawing import STYLES, draw

    digit = load_split("digits", "train").X[3].reshape(28, 28)
    for style in STYLES:
        one, other, third = (draw(digit, style, np.random.default_rng(n)) for n in (0, 0, 1))
        assert one == other
        assert one != third


def test_the_table_by_style(tmp_path):
    command = [sys.executable, "-m", "benchmarks.pictures", "--dataset", "digits"]
    command += ["--count", "1", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| lined paper | 1 |" in done.stdout
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"pictures-digits-test.{kind}" for kind in ("md", "json", "png")}
