"""The scripts of examples/gallery run, and print what they say that they print."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from commandline import EXAMPLES

GALLERY = EXAMPLES / "gallery"
SCRIPTS = sorted(GALLERY.glob("*.py"))
#: Those that train ten detectors, or let them learn.
LONG = {"09_own_models", "12_learn_a_hand"}
PRINTS = "# Prints:\n"


def script(path: Path):
    marks = [pytest.mark.long] if path.stem in LONG else []
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("path", [*map(script, SCRIPTS)])
def test_a_script_prints_what_it_says(path, tmp_path, monkeypatch, capfd):
    if path.stem.endswith("service"):
        pytest.importorskip("fastapi", reason='needs the service: pip install "ovr-digits[web]"')
    monkeypatch.chdir(tmp_path)
    promised = path.read_text(encoding="utf-8").split(PRINTS)[1]
    runpy.run_path(str(path), run_name="__main__")
    said = [f"# {line}".rstrip() for line in capfd.readouterr().out.splitlines()]
    assert said == promised.splitlines()


def test_there_is_a_dozen_of_them_and_all_promise_something():
    assert len(SCRIPTS) >= 12
    assert {path.stem for path in SCRIPTS} > LONG
    assert all(path.read_text(encoding="utf-8").split(PRINTS)[1].strip() for path in SCRIPTS)
