"""What is installed: the wheel alone, in a folder of its own, predicts from any other folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_the_models_and_nothing_from_outside_the_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "ovr_digits/models.pkl" in names
    assert "ovr_digits/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "ovr_digits",
        next(name.split("/")[0] for name in names if ".dist-info/" in name),
    }


def test_the_installed_wheel_predicts_from_another_folder(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, "--target", str(site), str(wheel)], check=True, capture_output=True)
    code = "import ovr_digits.cli as c, ovr_digits; print(ovr_digits.__file__); c.main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "predict", str(CHECKOUT / "examples/seven.png"), "--json"],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    where, answer = result.stdout.splitlines()
    assert Path(where).is_relative_to(site)
    assert json.loads(answer)["digit"] == 7
