"""The example pictures: all are read right, and the script draws the same ones again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from commandline import EXAMPLES, execute
from PIL import Image

from ovr_digits import predict

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"), np.float64)


def test_all_are_read_right(shipped_models):
    answers = predict([EXAMPLES / f"{name}.png" for name in NAMES], models=shipped_models)
    assert [answer.digit for answer in answers] == list(range(10))


def test_they_are_ten_and_small():
    files = list(EXAMPLES.glob("*.png"))
    assert sorted(path.stem for path in files) == sorted(NAMES)
    assert max(path.stat().st_size for path in files) < 20_000


def test_the_script_draws_them_again(tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        done = execute(EXAMPLES / "make_examples.py", tmp_path / folder, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    for name in NAMES:
        first, second = (tmp_path / folder / f"{name}.png" for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
        # Another version of Pillow may round the edge of a stroke otherwise.
        committed, again = pixels(EXAMPLES / f"{name}.png"), pixels(first)
        assert committed.shape == again.shape
        assert np.abs(committed - again).mean() < 0.5
