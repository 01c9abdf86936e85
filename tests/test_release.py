"""What a release needs: README.md on PyPI, the citation, and the files of the container."""

from __future__ import annotations

import re
import runpy

import pytest
from commandline import EXAMPLES, ROOT

from ovr_digits import predict, read
from ovr_digits.version import __version__

README = (ROOT / "README.md").read_text(encoding="utf-8")
for_pypi = runpy.run_path(str(ROOT / "hatch_build.py"))["for_pypi"]


def test_readme_is_short_and_begins_with_a_picture():
    assert len(README.splitlines()) <= 150
    assert "](docs/votes.png)" in "".join(README.splitlines()[:15])


def test_on_pypi_pictures_and_links_have_the_address_of_the_repository():
    text = "![Votes](docs/votes.png) and [the tour](docs/tour.ipynb), [UCI](https://uci.edu)"
    assert for_pypi(text, "https://host.example/who/digits/", "v1.2.3") == (
        "![Votes](https://host.example/who/digits/raw/v1.2.3/docs/votes.png) and "
        "[the tour](https://host.example/who/digits/blob/v1.2.3/docs/tour.ipynb), "
        "[UCI](https://uci.edu)"
    )


def test_on_pypi_nothing_leads_nowhere_where_no_repository_is_named():
    text = for_pypi(README, None, "v1.2.3")
    assert re.findall(r"\]\((?!https?:|#)", text) == []
    assert "![" not in text
    assert "Measurements" in text


def test_the_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation


def test_the_container_gets_what_it_copies():
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = " ".join(copied).split()
    let_through = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"models.pkl", "ovr_digits", "pyproject.toml"} <= set(names)
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert [name for name in names if f"!{name}" not in let_through] == []


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md", "docs/service.md"])
def test_the_answer_that_a_page_shows_is_the_one_that_is_given(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    (shown,) = re.findall(r'"digit": (\d), "confidence": ([\d.]+),\s+"verdict": "(\w+)"', text)
    answer = predict(EXAMPLES / "seven.png")
    assert (int(shown[0]), shown[2]) == (answer.digit, answer.verdict)
    assert float(shown[1]) == pytest.approx(answer.confidence, abs=1e-5)


def test_the_pictures_that_readme_reads_are_there_and_say_so():
    (digit,) = re.findall(r'^predict\("(.+)"\)\.digit  # (\d)', README, re.MULTILINE)
    (number,) = re.findall(r'^read\("(.+)"\)\.text  # "(.+)"', README, re.MULTILINE)
    assert int(predict(ROOT / digit[0])) == int(digit[1])
    assert read(ROOT / number[0]).text == number[1]
    assert f"ovr-digits predict {digit[0]} " in README
    assert f"ovr-digits read {number[0]} " in README


def test_what_the_pages_link_to_is_there():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 60
    assert [(page, link) for page, link in links if not (page.parent / link).exists()] == []
