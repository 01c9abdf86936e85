"""What the page offers besides drawing, in the one file and served, in a real Chromium."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Paper, Service, Watch, broken_rules, running_service
from PIL import Image
from strokes import write

from ovr_digits.core.occlusion import ink_contributions, ink_effects
from ovr_digits.data.splits import load_split
from ovr_digits.web.examples import EXAMPLES, make_examples, portrait

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytest.importorskip("fastapi", reason="needs the web extra")
expect = sync_api.expect
expect.set_options(timeout=120_000)  # a machine that is busy is slow, not wrong

pytestmark = pytest.mark.xdist_group("page")

LONG = pytest.mark.long
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TABLET = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}
WIDE = {"viewport": {"width": 1280, "height": 720}}
ROOM = {"viewport": {"width": 1920, "height": 1080}}


@pytest.fixture(scope="module")
def file(shipped_page: Path) -> str:
    return shipped_page.as_uri()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as started:
        yield started


@contextmanager
def visited(browser: Any, url: str, **options: Any) -> Iterator[Paper]:
    """A page; at the end it may not have had trouble."""
    looks = {**WIDE, "reduced_motion": "reduce", **options}
    with browser.new_context(**looks, offline=url.startswith("file:")) as context:
        watch = Watch(context, url)
        paper = Paper(context.new_page(), watch)
        paper.page.goto(url)
        expect(paper.answer).to_contain_text("Draw a digit")
        yield paper
        assert watch.found() == []


@pytest.fixture(params=["file", pytest.param("served", marks=LONG)])
def paper(request: pytest.FixtureRequest, browser: Any) -> Iterator[Paper]:
    """The page, once in its file and once served."""
    name = {"file": "file", "served": "service"}[request.param]
    held = request.getfixturevalue(name)
    with visited(browser, getattr(held, "url", held)) as paper:
        yield paper


def drawn(paper: Paper, digit: int) -> None:
    area = paper.area()
    short = min(area["width"], area["height"])
    strokes = write(digit, area["width"] / 2, area["height"] / 2, 0.6 * short, steps=2)
    paper.draw(strokes)
    expect(paper.winner).to_have_attribute("data-digit", str(digit))


def square(paper: Paper) -> None:
    """What is no digit."""
    area = paper.area()
    (x, y), a = (area["width"] / 2, area["height"] / 2), 0.25 * area["height"]
    corners = [(x - a, y - a), (x + a, y - a), (x + a, y + a), (x - a, y + a), (x - a, y - a)]
    cross = [[(x - a, y - a), (x + a, y + a)], [(x + a, y - a), (x - a, y + a)]]
    paper.draw([corners, *cross])


def pixels(paper: Paper, canvas: str) -> np.ndarray:
    """The colours of a small picture: (28, 28, 3)."""
    url = paper.page.locator(canvas).evaluate("canvas => canvas.toDataURL()")
    return np.asarray(
        Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
    )


def blueness(colours: np.ndarray) -> np.ndarray:
    """Above 0 where a picture says for, below where it says against."""
    return colours[..., 2].astype(int) - colours[..., 0]


# --- what it holds -------------------------------------------------------------------------


def test_the_examples_are_those_of_scikit_learn_and_of_the_forms():
    held = json.loads(EXAMPLES.read_text())
    assert held == json.loads(json.dumps(make_examples()))
    assert [label for label, _ in held["digits"]] == sorted([*range(10)] * 10)
    assert [digit for digit, _ in held["forms"]] == sorted(digit for digit, _ in held["forms"])
    assert {digit for digit, _ in held["forms"]} == set(range(10))


def test_a_portrait_is_the_effects_of_ink_on_a_real_digit(tiny_models_bytes, tiny_models):
    from ovr_digits.models.modelfile import load_models

    models = load_models(tiny_models)
    sevens = load_split("digits", "test")
    image = sevens.X[np.flatnonzero(sevens.y == 7)[-1]].reshape(28, 28)
    np.testing.assert_allclose(portrait(models, 7), ink_effects(models, image, 4)[7])


# --- a tap on a bar ------------------------------------------------------------------------


def test_a_tap_on_a_bar_shows_what_its_detector_looks_for_and_what_spoke_for_it(
    paper, shipped_models
):
    page = paper.page
    drawn(paper, 4)
    about = page.locator("#map-digit")
    expect(about).to_have_text("4")
    seen = pixels(paper, "#seen")[..., 0].astype(np.uint8)
    nine = paper.button("What detector 9 looks for")
    nine.click()
    expect(nine).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#wanted")).to_contain_text("9 looks for")
    expect(about).to_have_text("9")
    for digit in (9, 4):
        shares = ink_contributions(shipped_models, seen, digit)
        plain = (seen > 100) & (np.abs(shares) > 0.2 * np.abs(shares).max())
        said = blueness(pixels(paper, "#ink-map"))
        np.testing.assert_array_equal(said[plain] > 0, shares[plain] > 0)
        assert (np.abs(said[plain]) > 60).mean() > 0.9  # none is pale that spoke loudly
        if digit == 9:
            looked_for = portrait(shipped_models, 9)
            strong = np.abs(looked_for) > 0.5 * np.abs(looked_for[3:-3, 3:-3]).max()
            expect(page.locator("#wanted")).to_have_attribute("aria-busy", "false")
            drawn_so = blueness(pixels(paper, "#portrait"))
            np.testing.assert_array_equal(drawn_so[strong] > 0, looked_for[strong] > 0)
            nine.press("Enter")  # once more, with the keyboard: the answer's own
            expect(nine).to_have_attribute("aria-pressed", "false")
            expect(page.locator("#wanted")).to_be_hidden()
            expect(about).to_have_text("4")


def test_a_detector_shows_what_it_looks_for_before_anything_is_drawn(paper):
    paper.button("What detector 3 looks for").press("Enter")
    expect(paper.page.locator("#wanted")).to_be_visible()
    expect(paper.page.locator("#seen")).to_be_hidden()


# --- what is to be tried -------------------------------------------------------------------


def test_a_form_is_traced(paper):
    page = paper.page
    paper.button("Trace").click()
    words = page.locator("#trace p")
    expect(words).to_have_text(re.compile(r"Draw over the faint \d\."))
    paths = set()
    for _ in range(3):
        page.locator("#form path").scroll_into_view_if_needed()
        digit = re.search(r"\d", words.inner_text())[0]
        path = page.locator("#form path").get_attribute("d")
        paths.add(path)
        area = paper.area()
        scale = min(area["width"], area["height"]) / 1000
        strokes = []
        for part in path.split("M")[1:]:
            x, y = np.array(part.split(), float).reshape(-1, 2).T
            middle = (area["width"] / 2, area["height"] / 2)
            strokes.append(list(zip(middle[0] + scale * x, middle[1] + scale * y, strict=True)))
        paper.draw([[(float(x), float(y)) for x, y in stroke[::2]] for stroke in strokes])
        expect(paper.winner).to_have_attribute("data-digit", digit)
        paper.button("Another").click()
        expect(paper.winner).to_have_count(0)
    assert len(paths) == 3
    paper.button("Trace").click()
    expect(page.locator("#form")).to_be_hidden()


def test_a_real_digit_is_guessed_first_and_then_shown(paper):
    page = paper.page
    paper.button("Guess").click()
    words, answer = page.locator("#guess p"), page.locator(".headline")
    said = r"It was meant as a (\d)\. You said 3, the detectors (\d)\. Right so far: you (\d), they"
    right = people = 0
    for n in range(1, 4):
        expect(words).to_have_text("Somebody wrote this. Which digit is it?")
        expect(paper.winner).to_have_count(1)
        expect(answer).to_be_hidden()
        expect(page.locator("#votes")).to_be_hidden()
        paper.button("I guess 3").click()
        expect(words).to_have_text(re.compile(rf"{said} \d of {n}\."))
        expect(answer).to_be_visible()
        meant, read, score = re.search(said, words.inner_text()).groups()
        right += meant == read
        people += meant == "3"
        assert int(score) == people
        paper.button("Another").click()
    assert right >= 2


def test_what_is_no_digit_is_counted_and_saved_with_its_votes(paper, tmp_path):
    page = paper.page
    paper.button("Fool it").click()
    words, no = page.locator("#fool p"), paper.button("That is no digit")
    expect(words).to_contain_text("Draw what is no digit")
    expect(no).to_have_attribute("aria-disabled", "true")
    drawn(paper, 8)
    no.click()
    expect(words).to_have_text("Taken for an 8! Fooled by 1 of 1.")
    expect(no).to_have_attribute("aria-disabled", "true")  # once for each drawing
    paper.button("Clear").click()
    square(paper)
    expect(paper.answer).to_contain_text("no detector recognises this")
    expect(no).to_have_attribute("aria-disabled", "false")
    no.click()
    expect(words).to_have_text("No detector took it for a digit. Fooled by 1 of 2.")
    with page.expect_download() as download:
        paper.button("Save with votes").click()
    download.value.save_as(tmp_path / "saved.png")
    saved = np.asarray(Image.open(tmp_path / "saved.png").convert("L"))
    left, right = saved[:, : saved.shape[1] // 2], saved[:, saved.shape[1] // 2 :]
    assert min((left < 60).mean(), (right < 200).mean()) > 0.02  # the drawing, and its votes


# --- in front of a class -------------------------------------------------------------------


def test_answers_stay_hidden_until_somebody_asks(paper):
    page = paper.page
    paper.button("Class").click()
    page.get_by_label("Guess first, then show").check()
    expect(paper.answer).to_contain_text("Draw a digit")
    for digit in (2, 7):
        drawn(paper, digit)
        for part in (".headline", "#votes", ".pictures"):
            expect(page.locator(part)).to_be_hidden()
        paper.button("Show the answer").click()
        expect(page.locator(".headline")).to_be_visible()
        assert page.evaluate("document.activeElement.id") == "answer"
        paper.button("Clear").click()
    page.get_by_label("Guess first, then show").uncheck()
    drawn(paper, 2)
    expect(page.locator(".headline")).to_be_visible()


def test_a_served_page_shows_its_address_and_qr_code(browser, service):
    with visited(browser, service.url) as paper:
        page = paper.page
        shown = {"url": "http://192.0.2.7:8000/", "qr": ["101", "010", "111"]}
        paper.button("Class").click()
        expect(page.locator("#address")).to_contain_text("ovr-digits serve --host 0.0.0.0")
        expect(page.locator("#qr")).to_be_hidden()
        paper.button("Class").click()
        page.route("**/api/address*", lambda route: route.fulfill(json=shown))
        paper.button("Class").click()
        expect(page.locator("#address p")).to_have_text(shown["url"])
        code = page.get_by_role("img", name=f"QR code of {shown['url']}")
        dark = pixels(paper, "#qr")[..., 0] == 0
        assert dark.astype(int).tolist() == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
        expect(code).to_be_visible()


@pytest.mark.parametrize(
    "size", [pytest.param(WIDE, id="1280"), pytest.param(ROOM, id="1920", marks=LONG)]
)
def test_big_type_fills_the_projector_and_is_readable_from_the_back(browser, file, size):
    """No line lower than a thirtieth of the picture, and all of the answer in one window."""
    with visited(browser, file, **size) as paper:
        page = paper.page
        paper.button("Class").click()
        page.get_by_label("Big type").check()
        paper.button("Class").click()
        drawn(paper, 4)
        expect(page.locator("#map-digit")).to_have_text("4")
        height = size["viewport"]["height"]
        assert page.evaluate("document.documentElement.scrollHeight") <= height
        sizes = page.evaluate("""() => [...document.querySelectorAll("body *")]
            .filter((part) => part.checkVisibility({visibilityProperty: true}) &&
                part.getBoundingClientRect().width > 2 &&
                [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
            .map((part) => [part.textContent, parseFloat(getComputedStyle(part).fontSize)])""")
        small = [(text, px) for text, px in sizes if px < height / 30]
        assert not small, small


# --- looks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, *(pytest.param(w, marks=LONG) for w in (390, 820))])
def test_captions_do_not_wrap(browser, file, width):
    options = {**PHONE, "viewport": {"width": width, "height": 844}}
    with visited(browser, file, **options) as paper:
        paper.button("What detector 9 looks for").click()
        drawn(paper, 7)
        expect(paper.page.locator("#map-digit")).to_have_text("9")
        fits = """captions => captions.map(({scrollWidth, clientWidth, clientHeight}) =>
            scrollWidth <= clientWidth && clientHeight < 30)"""
        captions = paper.page.locator("figcaption")
        assert captions.evaluate_all(fits) == [True, True, True]
        assert paper.page.evaluate("document.documentElement.scrollWidth") <= width
        assert paper.page.locator("footer p").count() == 1


@pytest.mark.parametrize(
    ("where", "size", "scheme"),
    [
        ("file", PHONE, "dark"),
        pytest.param("file", TABLET, "light", marks=LONG),
        pytest.param("served", WIDE, "light", marks=LONG),
        pytest.param("served", PHONE, "dark", marks=LONG),
    ],
)
def test_no_rule_of_accessibility_is_broken_by_what_may_be_tried(
    request, browser, axe, where, size, scheme
):
    held = request.getfixturevalue({"file": "file", "served": "service"}[where])
    url = getattr(held, "url", held)
    found = {}
    with visited(browser, url, **size, color_scheme=scheme) as paper:
        page = paper.page
        page.evaluate(axe)

        def look(state: str) -> None:
            found[state] = broken_rules(page)

        paper.button("Trace").click()
        look("trace")
        paper.button("Fool it").click()
        drawn(paper, 4)
        paper.button("What detector 9 looks for").click()
        expect(page.locator("#map-digit")).to_have_text("9")
        look("tapped, fool")
        paper.button("Guess").click()
        expect(page.locator("#curtain")).to_be_visible()
        look("guess")
        paper.button("Class").click()
        look("class")
        page.get_by_label("Big type").check()
        look("projector")
    assert {state: rules for state, rules in found.items() if rules} == {}
