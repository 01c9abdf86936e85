"""The site of the documentation is built, with no network, and has everything on it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from commandline import ROOT, execute

import ovr_digits
from ovr_digits.cli import main
from ovr_digits.models.modelfile import load_models
from ovr_digits.web.page_file import page_bytes

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("material", "mkdocstrings", "latex2mathml", "nbconvert"):
        pytest.importorskip(name, reason='needs the extra docs: pip install ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    done = execute("-m", "mkdocs", "build", "--strict", "--site-dir", folder, folder=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


def page(site: Path, name: str) -> str:
    return (site / name).read_text(encoding="utf-8")


def test_every_public_name_and_every_command_is_described(site):
    names = page(site, "api.html")
    assert [n for n in ovr_digits.__all__ if f'id="ovr_digits.{n}"' not in names] == []
    commands = page(site, "commands.html")
    assert isinstance(main, click.Group)
    assert [name for name in main.commands if f"Usage: ovr-digits {name}" not in commands] == []


def test_every_script_of_the_gallery_is_shown_with_its_picture(site):
    gallery = page(site, "gallery.html")
    scripts = [path.name for path in (ROOT / "examples" / "gallery").glob("*.py")]
    assert [name for name in scripts if name not in gallery] == []
    pictures = re.findall(r'<img [^>]*src="([^"]+)"', gallery)
    assert pictures
    assert all((site / picture).is_file() for picture in pictures)


def test_a_page_to_draw_on_is_reached_from_the_start_and_from_everywhere(site):
    shipped = page_bytes(load_models(ROOT / "models.pkl"))
    assert (site / "draw" / "index.html").read_bytes() == shipped
    assert '<a href="draw/index.html">Draw a digit</a>' in page(site, "index.html")
    for name, way in (("tour.html", "draw/"), ("benchmarks/index.html", "../draw/")):
        assert re.search(rf'<a href="{way}index.html" class="md-nav__link"', page(site, name))


def test_formulas_are_set_without_a_script(site):
    formulas = page(site, "how-it-works.html")
    assert formulas.count("<math") > 30
    assert r"\frac" not in formulas


def test_no_page_asks_another_host(site):
    for path in site.rglob("*.html"):
        loads = r'<(?:script|img|link|iframe)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*'
        assert re.findall(loads, path.read_text(encoding="utf-8")) == [], path


def test_a_link_to_nothing_is_an_error(site, tmp_path):
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("[nowhere](nowhere.md), [nothing](#nothing)", encoding="utf-8")
    plain = settings.split("\nnav:\n")[0].replace("hooks:\n  - docs/site_pages.py\n", "")
    (tmp_path / "mkdocs.yml").write_text(plain, encoding="utf-8")
    done = execute("-m", "mkdocs", "build", "--strict", folder=tmp_path)
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
    assert "#nothing" in done.stderr
