"""Pictures as people make them, drawn from digits that the shipped models have not seen."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ovr_digits import load_models
from ovr_digits.data.splits import load_split

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


def run_pictures(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The program where TensorFlow cannot be imported."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "tensorflow.py").write_text("raise ImportError('no such flow')")
    command = [sys.executable, "-m", "benchmarks.pictures", "--dataset", "digits"]
    command += ["--count", "1", "--output", str(tmp_path / "out"), *options]
    path = os.pathsep.join(filter(None, [str(modules), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_table_by_style(tmp_path):
    done = run_pictures(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| lined paper | 1 |" in done.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"pictures-digits-test.{kind}" for kind in ("md", "json", "png")}


def test_no_columns_for_a_network_that_cannot_run(tmp_path):
    done = run_pictures(tmp_path, "--quick")
    assert "no columns for the CNN: tensorflow cannot be imported (no such flow)" in done.stderr
    assert "CNN" not in done.stdout
    assert (tmp_path / "out" / "pictures-digits-test-quick.md").exists()


@pytest.mark.parametrize(
    ("paper", "ink", "auto", "is_light"),
    [(255, 0, False, True), (255, 0, True, True), (0, 255, False, False), (0, 255, True, True)],
)
def test_apps_feed_the_whole_picture(paper, ink, auto, is_light):
    from benchmarks.pictures import fed_as_apps_do

    picture = Image.new("RGB", (112, 56), (paper,) * 3)
    picture.paste((ink,) * 3, (0, 0, 28, 56))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    fed = fed_as_apps_do(buffer.getvalue(), auto).reshape(28, 28)
    assert fed.dtype == np.uint8
    # A quarter of the width is ink: nothing is cut, and the aspect is not kept.
    ink_level, paper_level = (255, 0) if is_light else (0, 255)
    assert (fed[:, :5] == ink_level).all()
    assert (fed[:, 9:] == paper_level).all()


def test_the_columns_of_the_network():
    from benchmarks.pictures import read_style

    class Answering:
        def predict(self, X):
            assert X.shape == (4, 784)
            return np.array([5, 5, 5, 1])

    test = load_split("digits", "test")
    X, y = test.X[:1], np.array([5])
    result, _ = read_style(load_models(ROOT / "models.pkl"), X, y, "plain", 4, 0, Answering())
    assert (result.cnn_right, result.cnn_auto_right) == (3, 3)
    assert result.row()[-2:] == ["75.0 %", "75.0 %"]
