"""What is installed: the wheel alone, in a folder of its own, predicts from any other folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
CHECKOUT = Path(__file__).parent.parent
STATIC = CHECKOUT / "ovr_digits" / "web" / "static"


def build(checkout: Path, folder: Path) -> tuple[Path, Path]:
    """Build the wheel and the source archive."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=checkout,
        env={key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"},
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    (archive,) = folder.glob("*.tar.gz")
    return wheel, archive


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(CHECKOUT, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> Path:
    return built[0]


def test_what_is_built_elsewhere_and_later_is_the_same_byte_for_byte(built, tmp_path):
    """Also where the files have other rights, and where the desktop has left its own among them."""
    with tarfile.open(built[1]) as archive:
        # Python 3.11 has filters from 3.11.4 on, and 3.14 has this one without being told.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(tmp_path)
    (checkout,) = tmp_path.iterdir()
    for path in checkout.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1.5e9, 1.5e9))
    for name in (".DS_Store", "web/static/.DS_Store", "notes.txt~", "core/__pycache__/x.pyc"):
        path = checkout / "ovr_digits" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("left here")
    (checkout / "ovr_digits" / "notes.txt").write_text("left here")
    assert build(checkout, tmp_path / "again")[0].read_bytes() == built[0].read_bytes()
    (checkout / "ovr_digits" / "notes.txt").unlink()  # of the sources everything is archived
    assert build(checkout, tmp_path / "anew")[1].read_bytes() == built[1].read_bytes()


def test_the_wheel_carries_the_models_and_nothing_from_outside_the_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted(n for n in names if n.startswith("ovr_digits/") and not n.endswith(".py")) == [
        "ovr_digits/learn/fonts.csv",
        "ovr_digits/models.pkl",
        "ovr_digits/numbers.pkl",
        "ovr_digits/py.typed",
        *sorted(f"ovr_digits/web/static/{path.name}" for path in STATIC.iterdir()),
    ]
    assert {"ovr_digits/web/static/index.html", "ovr_digits/core/vote.py"} <= set(names)
    assert {name.split("/")[0] for name in names} == {
        "ovr_digits",
        next(name.split("/")[0] for name in names if ".dist-info/" in name),
    }


def test_the_long_description_leads_nowhere_that_pypi_has_not(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    description = archive.read(name).decode().split("\n\n", 1)[1]
    assert description.startswith("# ovr-digits")
    assert re.findall(r"\]\((?!https?:|#)[^)]*", description) == []


def test_the_archive_has_what_the_tests_and_the_site_are_made_of(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {
        *("mkdocs.yml", "docs/site_pages.py", "benchmarks/results/hands.md", "CHANGELOG.md"),
        *("CITATION.cff", "Dockerfile", ".dockerignore", "hatch_build.py", "models.pkl"),
        *("examples/gallery/meter.png", "tests/test_site.py", "ovr_digits/numbers.pkl"),
    }


def test_the_installed_wheel_predicts_from_another_folder(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(site)  # all that pip does with one of plain Python
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
