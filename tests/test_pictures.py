"""Pictures as people make them, drawn from digits that the shipped models have not seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the drawing program is only in the checkout"
)


@pytest.mark.long
def test_nearly_all_drawn_pictures_of_each_style_are_read(mnist_dir, tmp_path):
    command = ["--dataset", "mnist", "--data-dir", str(mnist_dir), "--count", "16", "--seed", "1"]
    done = run_pictures(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").glob("*.json")
    styles = json.loads(path.read_text())["styles"]
    assert len(styles) >= 12
    assert sum(style["right"] for style in styles) >= 0.96 * 16 * len(styles)
    for style in styles:
        assert style["right"] >= 13, style["style"]


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


@pytest.mark.long
def test_the_table_by_style_has_no_columns_for_a_network_that_cannot_run(tmp_path):
    done = run_pictures(tmp_path, "--quick")
    assert done.returncode == 0, done.stderr
    assert "| lined paper | 1 |" in done.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"pictures-digits-test-quick.{kind}" for kind in ("md", "json", "png")}
    assert "no columns for the CNN: tensorflow cannot be imported (no such flow)" in done.stderr
    assert "CNN" not in done.stdout
