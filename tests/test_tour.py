"""The tour for newcomers runs from start to end, and the pictures of the documents with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parent.parent / "docs"


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [output for cell in notebook["cells"] for output in cell.get("outputs", [])]


def n_pictures(notebook: dict[str, Any]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return json.loads((DOCS / "tour.ipynb").read_text(encoding="utf-8"))


@pytest.fixture
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the script has drawn everything into, with none of the user's settings."""
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name, reason=f"needs {name}, of the extra [test], to run the tour")
    folder = tmp_path_factory.mktemp("docs")
    home = tmp_path_factory.mktemp("home")
    settings = {name: str(home) for name in ("JUPYTER_DATA_DIR", "IPYTHONDIR")}
    done = subprocess.run(
        [sys.executable, str(DOCS / "make_pictures.py"), str(folder)],
        cwd=home,
        env=os.environ | settings | {"no_proxy": "*"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_tour_runs_from_start_to_end_and_the_pictures_are_drawn_again(drawn, committed):
    ran = json.loads((drawn / "tour.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in ran["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {output["output_type"] for output in outputs(ran)}.isdisjoint({"error"})
    assert not [output for output in outputs(ran) if output.get("name") == "stderr"]
    # What it shows may differ a little; how much it shows may not.
    assert n_pictures(ran) == n_pictures(committed) > 10
    for name in ("votes.png", "explain.png", "one-vs-rest.png", "detectors.png"):
        with Image.open(DOCS / name) as old, Image.open(drawn / name) as new:
            assert new.format == old.format == "PNG"
            # Another version of matplotlib may need a few pixels more for a label.
            assert new.size == pytest.approx(old.size, rel=0.05), name


def test_the_tour_as_committed_can_be_read_and_tells_nothing_of_a_machine(committed):
    assert (DOCS / "tour.ipynb").stat().st_size < 750_000
    shown = json.dumps(
        [o.get("text", o.get("data", {}).get("text/plain")) for o in outputs(committed)]
    )
    assert not re.search(r"/(home|root|tmp|Users|work)/|0x[0-9a-f]{6}|seconds", shown)
    assert committed["metadata"]["kernelspec"]["name"] == "python3"


def test_where_the_tour_goes_on_is_there(committed):
    text = "".join(line for cell in committed["cells"] for line in cell["source"])
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert not [link for link in links if not (DOCS / link).exists()]
