"""The report of an evaluation, through the command and read back as a browser reads it."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import assert_nothing_done, assert_one_line, call, files_of_at_most, objects
from PIL import Image
from sklearn.metrics import average_precision_score

from ovr_digits import load_models
from ovr_digits.core.evaluation import (
    Evaluation,
    find_mistakes,
    find_unsure,
    measure_reliability,
)
from ovr_digits.data.splits import Split, load_split
from ovr_digits.report import evaluation_report as report
from ovr_digits.report.plots.evaluation import plot_reliability

pytestmark = pytest.mark.xdist_group("report")

PICTURES = [name for name in report.FILES if name.endswith(".png")]


@dataclass
class Element:
    """An element of a page, with its attributes, its elements and all the text in it."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> list[Element]:
        inner = [found for child in self.children for found in child.all(*tags)]
        return [self, *inner] if self.tag in tags or not tags else inner


class Reader(HTMLParser):
    """Builds the tree of a page, which must be whole: what begins also ends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open = [Element("", {})]
        self.feed(page)
        self.close()
        (self.root,) = self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attributes))
        self.open[-1].children.append(element)
        if tag not in ("meta", "img"):
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


EVALUATE = ("evaluate", "--dataset", "digits", "--models")


@dataclass
class Made:
    folder: Path
    said: dict[str, Any]
    page: Element


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Made:
    folder = tmp_path_factory.mktemp("report")
    done = call(*EVALUATE, tiny_models, "--report", "results", "--json", folder=folder)
    (said,) = objects(done)
    assert "drawing the report" in done.stderr
    page = (folder / "results" / "report.html").read_text("utf-8")
    return Made(folder / "results", said, Reader(page).root)


@pytest.fixture(scope="module")
def split() -> Split:
    return load_split("digits", "test")


@pytest.fixture(scope="module")
def scores(tiny_models: Path, split: Split) -> np.ndarray:
    return load_models(tiny_models).decision_function(split.X)


def read(files: dict[str, bytes]) -> Element:
    return Reader(files["report.html"].decode()).root


def indices(page: Element, kind: str) -> list[int]:
    names = [str(item.attributes.get("id")) for item in page.all("li")]
    return [int(name.split("-")[1]) for name in names if name.startswith(f"{kind}-")]


def without_mistakes(split: Split) -> np.ndarray:
    """Scores of detectors that are right of every image."""
    return np.where(split.y[:, None] == np.arange(10), 5.0, -5.0)


def facts(page: Element) -> dict[str, str]:
    return {dt.text: dd.text for dt, dd in zip(page.all("dt"), page.all("dd"), strict=True)}


# --- what is in it -----------------------------------------------------------------------------


def test_numbers_are_those_of_the_json(made):
    said = made.said
    told = facts(made.page)
    assert told["accuracy"] == f"{100 * said['accuracy']:.2f} %"
    assert told["wrong answers"] == str(said["errors"])
    assert told["no detector fired"] == str(said["fired_none"])
    assert told["several fired"] == str(said["fired_several"])
    confusion, digits = (
        [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")][1:]
        for table in made.page.all("table")
    )
    assert [[int(cell) for cell in row[1:]] for row in confusion] == said["confusion"]
    for row, scores in zip(digits, said["per_digit"], strict=True):
        digit = scores["digit"]
        column = [line[digit] for line in said["confusion"]]
        counts = [digit, sum(said["confusion"][digit]), sum(column), column[digit]]
        assert list(map(int, row[:4])) == counts
        shares = [scores["precision"], scores["recall"], scores["f1"]]
        assert list(map(float, row[4:])) == pytest.approx([100 * s for s in shares], abs=0.0051)


def test_every_mistake_is_there_once_and_the_worst_first(made, split, scores):
    mistakes, unsure = find_mistakes(scores, split.y), find_unsure(scores, split.y)
    assert len(mistakes) == made.said["errors"] > 2
    assert indices(made.page, "mistakes") == mistakes.tolist()
    assert indices(made.page, "unsure") == unsure.tolist()
    items = {item.attributes.get("id"): item for item in made.page.all("li")}
    for index in mistakes:
        item = items[f"mistakes-{index}"]
        answer = scores[index].argmax()
        assert f"#{index}: {split.y[index]} read as {answer}\n" in item.text
        (image,) = item.all("img")
        ink = 255 - np.asarray(picture(image))
        np.testing.assert_array_equal(ink, split.X[index].reshape(28, 28))
        rows = item.all("i")
        kinds = [str(row.attributes["class"]).split() for row in rows]
        assert kinds[split.y[index]][0] == "truth"
        assert kinds[answer][0] == "wrong"
        assert ["yes" in kind for kind in kinds] == (scores[index] > 0).tolist()
        assert ["over" in kind for kind in kinds] == (abs(scores[index]) > 20).tolist()
        votes = 100 / (1 + np.exp(-scores[index]))
        assert [row.text for row in rows] == [f"{d}{vote:.1f} %" for d, vote in enumerate(votes)]
        ends = [re.findall(r"([\d.]+)%", str(row.all("u")[0].attributes["style"])) for row in rows]
        # From the threshold in the middle to the score, or from there to the threshold.
        bars = np.array(ends, float) - 50
        clipped = np.clip(scores[index], -20, 20) / 20 * 50
        np.testing.assert_allclose(bars[:, 0], np.minimum(clipped, 0), atol=0.051)
        np.testing.assert_allclose(bars[:, 1], np.maximum(clipped, 0), atol=0.051)


def test_where_it_comes_from(made, split, tiny_models):
    told = facts(made.page)
    assert told["file"] == str(tiny_models)
    assert told["SHA-256 of images and labels"] == split.digest
    assert told["set"] == "digits test set"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["created"])
    assert f"numpy {np.__version__}" in told["versions"]


def picture(image: Element) -> Image.Image:
    source = str(image.attributes["src"])
    assert source.startswith("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(source.split(",")[1], validate=True)))


def test_page_needs_nothing_beside_it(made):
    elements = made.page.all()
    assert not {e.tag for e in elements} & {"script", "link", "iframe", "object", "base", "form"}
    names = {e.attributes["id"] for e in elements if "id" in e.attributes}
    for element in elements:
        for key, value in element.attributes.items():
            assert not key.startswith("on")
            assert key not in ("srcset", "action", "background", "data", "poster")
            assert key != "href" or (value or "").removeprefix("#") in names
            assert key != "src" or element.tag == "img"
            assert "url(" not in (value or "")
    (style,) = made.page.all("style")
    assert not re.search(r"url\(|@import|https?:", style.text)
    assert "prefers-color-scheme: dark" in style.text
    assert "break-inside: avoid" in style.text
    images = made.page.all("img")
    assert len(images) == 4 + len(indices(made.page, "mistakes") + indices(made.page, "unsure"))
    for image in images:
        with picture(image) as shown:
            size = (int(image.attributes["width"]), int(image.attributes["height"]))
            assert shown.size == size
        assert image.attributes["alt"]


def test_pictures_are_files_too(made):
    assert sorted(path.name for path in made.folder.iterdir()) == sorted(report.FILES)
    page = (made.folder / "report.html").read_text("utf-8")
    for name in PICTURES:
        content = (made.folder / name).read_bytes()
        with Image.open(io.BytesIO(content)) as shown:
            shown.load()
            assert shown.format == "PNG"
            assert shown.width > 500
        is_gallery = name in ("mistakes.png", "unsure.png")  # the page shows each sample of those
        assert (base64.b64encode(content).decode() in page) is not is_gallery


def test_what_the_models_say_of_themselves_cannot_change_the_page(split):
    models = {"<b>name": "</dl><script>alert(1)</script>", "list": ["<i>"], "lone": "\udcff"}
    page = read(report.make_report(split, without_mistakes(split), "a & b", models))
    assert not page.all("script", "b")
    assert facts(page)["<b>name"] == models["<b>name"]
    assert facts(page)["set"] == "a & b"


def test_galleries_end_where_there_is_no_end_of_mistakes(split, monkeypatch):
    monkeypatch.setattr(report, "MAX_SHOWN", 9)
    scores = np.random.default_rng(0).normal(size=(len(split), 10))
    page = read(report.make_report(split, scores, "noise", {}))
    mistakes = find_mistakes(scores, split.y)
    assert indices(page, "mistakes") == mistakes[:9].tolist()
    assert f"(the worst 9; {len(mistakes) - 9} are left out)" in page.text


def test_no_mistake(split):
    files = report.make_report(split, without_mistakes(split), "an easy set", {})
    assert sorted(files) == sorted(report.FILES)
    page = read(files)
    assert page.all("li") == []
    assert "0 of 297 images are misread" in page.text
    assert [image.attributes["alt"] for image in page.all("img")][:3] == [
        "No digit is taken for another",
        "Every digit has the same F1: 100.00 %",
        "Every detector has the same average precision: 100.000 %",
    ]


def test_the_hardest_digit_and_the_weakest_detector(made, split, scores):
    truth = split.y[:, None] == np.arange(10)
    areas = [average_precision_score(t, s) for t, s in zip(truth.T, scores.T, strict=True)]
    f1 = [digit["f1"] for digit in made.said["per_digit"]]
    _, digits, detectors, _ = (image.attributes["alt"] for image in made.page.all("img")[:4])
    assert digits.startswith(f"{np.argmin(f1)} is the hardest digit: F1 {100 * min(f1):.2f} %")
    weakest, area = np.argmin(areas), 100 * min(areas)
    assert detectors == f"The detector of {weakest} is the weakest: average precision {area:.3f} %"


def test_votes_between_are_told_beside_those_that_are_sure():
    labels = np.zeros(1000, int)
    scores = np.full((1000, 10), -9.0)
    scores[:, 0] = 9.0
    assert report.votes_finding(measure_reliability(scores, labels)) == (
        "On average votes are off by 0.01 %:\n100.00 % of them are near 0 or 100 %"
    )
    scores[:40, 0] = 0.0  # votes of 50 %, all of them right
    reliability = measure_reliability(scores, labels)
    assert report.votes_finding(reliability).splitlines()[1:] == [
        "99.60 % of them are near 0 or 100 %.",
        "The other 40 say 50 % in the mean; 100 % were right",
    ]
    (axes,) = plot_reliability(reliability, "").axes
    assert [text.get_text() for text in axes.texts] == ["9,000", "40", "960"]
    (intervals,) = axes.collections
    (_, low), (_, high) = intervals.get_segments()[1]
    n, z = 40, 1.959964
    assert (low, high) == pytest.approx((100 * n / (n + z * z), 100))  # Wilson's for 40 of 40


@pytest.mark.parametrize(
    ("mistakes", "text"),
    [
        ({}, "No digit is taken for another"),
        ({(4, 9): 6, (7, 2): 5}, "4 is taken for 9 most often: 6 times"),
        ({(4, 9): 1}, "4 is taken for 9 most often: once"),
        (
            {(5, 3): 4, (7, 2): 4, (1, 2): 1},
            "5 is taken for 3 and 7 for 2 most often: 4 times each",
        ),
        ({(d, d + 1): 1 for d in range(5)}, "No digit is taken for another more than once"),
    ],
)
def test_what_the_confusions_come_to(mistakes, text):
    confusion = np.diag(np.full(10, 9))
    for place, count in mistakes.items():
        confusion[place] = count
    assert report.confusion_finding(Evaluation(confusion, 0, 0)) == text


# --- the folder ----------------------------------------------------------------------------------


@pytest.fixture
def drawn(made, monkeypatch):
    """The report that is made already is what the command makes of anything."""
    files = {path.name: path.read_bytes() for path in made.folder.iterdir()}
    monkeypatch.setattr(report, "make_report", lambda *_: files)


def test_report_beside_what_else_is_in_the_folder(run, drawn, tmp_path, tiny_models):
    for name in ("notes.txt", "report.html"):
        (tmp_path / name).write_text("mine")
    done = run(*EVALUATE, tiny_models, "--report", ".")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\nreport: report.html\n")
    assert "accuracy" in (tmp_path / "report.html").read_text("utf-8")
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {"notes.txt", *report.FILES}


def test_folder_that_cannot_be_is_told_before_the_work(run, tmp_path, tiny_models):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full" / "report.html").mkdir(parents=True)
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent" / "deep")
    for name, word in (
        ("file", "file: not a folder"),
        ("file/results", "does not exist"),
        ("absent/results", "does not exist"),
        ("full", "report.html: this is a folder"),
        ("nowhere", "nowhere: not a folder"),
        ("x" * 300, "cannot be written"),
    ):
        assert_nothing_done(run(*EVALUATE, tiny_models, "--report", name), word)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "full", "nowhere"}


def test_full_disk_leaves_what_was_there(run, drawn, tmp_path, tiny_models):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "votes.png").write_bytes(b"mine")
    for folder in ("new", "old"):
        with files_of_at_most(40_000):
            done = run(*EVALUATE, tiny_models, "--report", folder)
        assert_one_line(done, f"{folder}: cannot be written")
        assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["votes.png"]
    assert (tmp_path / "old" / "votes.png").read_bytes() == b"mine"
