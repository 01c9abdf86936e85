"""The example pictures: all are read right, and the script draws the same ones again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ovr_digits.models.modelfile import load_models
from ovr_digits.picture.answers import answer_pictures

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"), np.float64)


def test_all_are_read_right():
    models = load_models(ROOT / "models.pkl")
    pictures = [(name, str(EXAMPLES / f"{name}.png")) for name in NAMES]
    answers = list(answer_pictures(models, pictures))
    assert [answer.vote and answer.vote.digit for answer in answers] == list(range(10))


def test_they_are_ten_and_small():
    files = list(EXAMPLES.glob("*.png"))
    assert sorted(path.stem for path in files) == sorted(NAMES)
    assert max(path.stat().st_size for path in files) < 20_000


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pictures as the script draws them, twice."""
    folders = [tmp_path_factory.mktemp("examples") for _ in range(2)]
    for folder in folders:
        script = str(EXAMPLES / "make_examples.py")
        subprocess.run([sys.executable, script, str(folder)], check=True)
    return folders


@pytest.mark.parametrize("name", NAMES)
def test_the_script_draws_them_again(drawn, name):
    first, second = (folder / f"{name}.png" for folder in drawn)
    assert first.read_bytes() == second.read_bytes()
    # Another version of Pillow may round the edge of a stroke otherwise.
    committed, again = pixels(EXAMPLES / f"{name}.png"), pixels(first)
    assert committed.shape == again.shape
    assert np.abs(committed - again).mean() < 0.5
