"""The page, as people use it: in a real Chromium, with mouse, finger and keyboard."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Paper, Service, Watch, broken_rules, find_chromium, running_service
from commandline import ROOT, objects
from PIL import Image
from strokes import N_HANDS, Stroke, face, picture_of, write

from ovr_digits.core.vote import SCORE_SPAN, count_votes
from ovr_digits.data.corrections import NO_DIGIT, load_corrections

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytest.importorskip("fastapi", reason="needs the web extra")
expect = sync_api.expect
expect.set_options(timeout=15_000)  # a machine that is busy is slow, not wrong

pytestmark = pytest.mark.xdist_group("page")

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
BLANK = "Draw a digit"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WIDE = {"viewport": {"width": 1280, "height": 900}}
LAPTOP = {"viewport": {"width": 1440, "height": 900}}
PROJECTOR = {"viewport": {"width": 1920, "height": 1080}}
LONG = pytest.mark.long
#: What Chromium itself writes to the console where an answer is an error.
REFUSED = "Failed to load resource"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def service(kept: Path) -> Iterator[Service]:
    with running_service("--keep", str(kept)) as started:
        yield started


Opener = Callable[..., Paper]


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens pages, each as if for a person of its own; at the end no page may have had trouble."""
    contexts: list[tuple[Any, Watch]] = []

    def open_page(service: Service | None = None, **options: Any) -> Paper:
        url = (service or request.getfixturevalue("service")).url
        context = browser.new_context(**{**WIDE, **options})
        watch = Watch(context, url)
        contexts.append((context, watch))
        paper = Paper(context.new_page(), watch)
        paper.page.goto(url)
        expect(paper.answer).to_contain_text(BLANK)
        return paper

    yield open_page
    for context, _ in contexts:
        context.close()
    assert [what for _, watch in contexts for what in watch.found()] == []


@pytest.fixture(scope="module")
def window(browser: Any, service: Service) -> Iterator[Paper]:
    """The one in which most tests open the page: a new one costs twice as much as a new page."""
    with browser.new_context(**WIDE) as context:
        watch = Watch(context, service.url)
        yield Paper(context.new_page(), watch)


@pytest.fixture
def paper(window: Paper, service: Service) -> Iterator[Paper]:
    """The page, opened anew; at the end it may not have had trouble."""
    page = window.page
    page.unroute_all()
    page.set_viewport_size(WIDE["viewport"])
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    window.watch.begin_anew()
    page.goto(service.url)
    expect(window.answer).to_contain_text(BLANK)
    yield window
    assert window.watch.found() == []


def placed(
    paper: Paper, digit: int, x: float = 0.5, y: float = 0.5, height: float = 0.6, **how: int
) -> list[Stroke]:
    """The strokes of a digit: its middle and height as shares of the drawing area."""
    how.setdefault("steps", 2)
    area = paper.area()
    short = min(area["width"], area["height"])
    return write(digit, x * area["width"], y * area["height"], height * short, **how)


def expect_digit(paper: Paper, digit: int) -> None:
    """The page comes to this answer, in the bars and in words."""
    expect(paper.winner).to_have_attribute("data-digit", str(digit))
    expect(paper.answer).to_contain_text(re.compile(rf"\b{WORDS[digit]}\b"))


def expect_sure(paper: Paper, digit: int) -> None:
    expect_digit(paper, digit)
    expect(paper.answer).to_contain_text("sure")
    expect(paper.winner).to_have_class(re.compile(r"\bfired\b"))


def expect_blank(paper: Paper) -> None:
    expect(paper.answer).to_contain_text(BLANK)
    expect(paper.winner).to_have_count(0)


def dark_pixels(paper: Paper) -> int:
    """Of the drawing area itself, without what lies over it."""
    url = paper.canvas.evaluate("canvas => canvas.toDataURL()")
    content = base64.b64decode(url.partition(",")[2])
    return sum(Image.open(io.BytesIO(content)).convert("L").histogram()[:100])


def data_transfer(paper: Paper, content: bytes, name: str = "7.png") -> Any:
    """A DataTransfer in the page that holds a PNG file."""
    make = """([bytes, name]) => {
        const held = new DataTransfer();
        held.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
        return held;
    }"""
    return paper.page.evaluate_handle(make, [list(content), name])


# --- ten digits ----------------------------------------------------------------------------


def clear(paper: Paper) -> None:
    paper.button("Clear").click()
    expect_blank(paper)


@pytest.mark.parametrize(
    ("hand", "digits"),
    # The others are drawn by hand 0 in tests below.
    [(0, [1, 7]), *(pytest.param(hand, range(10), marks=LONG) for hand in range(N_HANDS))],
)
def test_digits_drawn_with_the_mouse(paper, hand, digits):
    for digit in digits:
        paper.draw(placed(paper, digit, hand=hand))
        expect_sure(paper, digit)
        clear(paper)


@pytest.mark.parametrize("digits", [[4, 7], pytest.param(range(10), marks=LONG)])
def test_digits_drawn_with_a_finger(opened, digits):
    paper = opened(**PHONE)
    for digit in digits:
        paper.touch(placed(paper, digit, hand=digit % N_HANDS, steps=2))
        expect_sure(paper, digit)
        clear(paper)


@pytest.mark.parametrize(
    ("digit", "x", "y", "height"),
    [(3, 0.14, 0.14, 0.2), (8, 0.86, 0.86, 0.2), (2, 0.73, 0.27, 0.45), (6, 0.5, 0.5, 0.92)],
)
def test_a_digit_anywhere(paper, digit, x, y, height):
    paper.draw(placed(paper, digit, x, y, height))
    expect_sure(paper, digit)


def test_the_bars_move_while_a_digit_is_drawn(paper):
    page, mouse = paper.page, paper.page.mouse
    (stroke,) = placed(paper, 2)
    area = paper.area()
    halves = [stroke[: len(stroke) // 2], stroke[len(stroke) // 2 :]]
    mouse.move(area["x"] + stroke[0][0], area["y"] + stroke[0][1])
    mouse.down()
    shown = []
    for half in halves:
        before = paper.answered()
        for x, y in half:
            mouse.move(area["x"] + x, area["y"] + y)
        paper.wait_for_answer(before)
        expect(paper.winner).to_have_count(1)
        shown.append(page.locator("#votes").inner_text())
    expect(paper.winner).to_have_attribute("data-digit", "2")
    shown[1] = page.locator("#votes").inner_text()  # the first answer may be of its first points
    mouse.up()
    assert shown[0] != shown[1]
    assert all(re.search(r"\d\s*%", text) for text in shown)


def lengths_of_bars(paper: Paper) -> list[float]:
    """How far each bar goes from the line in the middle, as a share of that half; no is below 0."""
    measure = """rows => rows.map(row => {
        const [track, bar] = [".track", ".bar"].map(part =>
            row.querySelector(part).getBoundingClientRect());
        const middle = track.x + track.width / 2, floor = track.y + track.height / 2;
        const lies = track.width > track.height;
        const [yes, no, half] = lies
            ? [bar.right - middle, middle - bar.left, track.width / 2]
            : [floor - bar.top, bar.bottom - floor, track.height / 2];
        if (Math.min(Math.abs(yes), Math.abs(no)) > 0.5) throw Error("it begins elsewhere");
        return (Math.abs(yes) > Math.abs(no) ? yes : -no) / half;
    })"""
    return list(paper.page.locator("#votes li").evaluate_all(measure))


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_bars_are_scores_about_the_threshold_on_one_fixed_scale(opened, size):
    """Up or right of the line is yes; what goes on beyond the scale is marked."""
    paper = opened(**size, reduced_motion="reduce")
    scores = np.array([-30.0, -20, -10, -4, -1, 1, 0.5, 4, 19.5, 24])
    blank = [[0] * 28] * 28
    answer = {"n_digits": 1, "box": [0, 0, 9, 9], "image": blank, "contributions": blank}
    answer |= count_votes(scores[None])[0].as_json()
    paper.page.route("**/api/predict*", lambda route: route.fulfill(json=answer))
    paper.draw(placed(paper, 3))
    expect_digit(paper, 9)
    expect(paper.page.locator("#map-digit")).to_have_text("9")  # the last that is asked
    shares = np.clip(scores / SCORE_SPAN, -1, 1)
    assert lengths_of_bars(paper) == pytest.approx(shares, abs=0.01)
    votes = ["0 %", "0 %", "0 %", "2 %", "27 %", "73 %", "62 %", "98 %", "100 %", "100 %"]
    expect(paper.page.locator("#votes .share")).to_have_text(votes)
    expect(paper.page.locator("#votes .below")).to_have_attribute("data-digit", "0")
    expect(paper.page.locator("#votes .above")).to_have_attribute("data-digit", "9")


#: Counts in the page itself what is asked at once: events that come over to the test are late.
COUNT_QUESTIONS = """() => {
  const fetched = window.fetch;
  let underWay = 0;
  window.most = 0;
  window.fetch = async (...question) => {
    window.most = Math.max(window.most, ++underWay);
    try {
      return await fetched(...question);
    } finally {
      underWay--;
    }
  };
}"""


def test_an_old_answer_never_comes_after_a_newer_one(paper):
    page = paper.page
    page.evaluate(COUNT_QUESTIONS)
    held: list[Any] = []
    page.route("**/api/predict*", lambda route: route.continue_() if held else held.append(route))
    stem, bar = one_that_becomes_seven(paper)
    paper.draw([stem, bar])
    held[0].continue_()
    expect_sure(paper, 7)
    paper.button("Undo").click()
    expect_sure(paper, 1)
    assert page.evaluate("window.most") == 1


# --- the tools -----------------------------------------------------------------------------


def one_that_becomes_seven(paper: Paper) -> list[Stroke]:
    """The stem of a one, and the bar that makes it a seven."""
    area = paper.area()
    w, h = area["width"], area["height"]
    stem = [(w * (0.6 - 0.1 * i / 12), h * (0.2 + 0.6 * i / 12)) for i in range(13)]
    bar = [(w * (0.6 - 0.3 * i / 10), h * 0.2) for i in range(11)]
    return [stem, bar]


def test_undo_and_redo(paper):
    page = paper.page
    stem, bar = one_that_becomes_seven(paper)
    paper.draw([stem])
    expect_digit(paper, 1)
    paper.draw([bar])
    expect_digit(paper, 7)
    for press, digit in [
        (paper.button("Undo").click, 1),
        (paper.button("Redo").click, 7),
        (lambda: page.keyboard.press("Control+z"), 1),
        (lambda: page.keyboard.press("Control+Shift+z"), 7),
        (lambda: page.keyboard.press("Control+z"), 1),
        (lambda: page.keyboard.press("Control+y"), 7),
    ]:
        press()
        expect_digit(paper, digit)
    for _ in range(3):  # more often than there are strokes
        page.keyboard.press("Control+z")
    expect_blank(paper)
    paper.button("Redo").click()
    expect_digit(paper, 1)


def test_clear_empties_and_can_be_undone(paper):
    paper.draw(placed(paper, 4))
    expect_sure(paper, 4)
    paper.page.keyboard.press("Delete")
    expect_blank(paper)
    assert dark_pixels(paper) == 0
    paper.button("Undo").click()
    expect_sure(paper, 4)


def test_the_eraser(paper):
    stem, bar = one_that_becomes_seven(paper)
    paper.draw([stem, bar])
    expect_digit(paper, 7)
    paper.button("Eraser").click()
    expect(paper.button("Eraser")).to_have_attribute("aria-pressed", "true")
    expect(paper.button("Pen")).to_have_attribute("aria-pressed", "false")
    area = paper.area()
    # The bar, but for the piece next to the stem.
    paper.draw([[(x - 0.12 * area["width"], y) for x, y in bar]])
    expect_digit(paper, 1)
    for stroke in (stem, bar):
        paper.draw([stroke])
    expect_blank(paper)
    paper.page.keyboard.press("p")
    paper.draw([stem])
    expect_digit(paper, 1)


def test_the_width_of_the_pen(paper):
    width = paper.page.get_by_label("Pen width")
    inks = []
    for key in ("Home", "End"):
        width.press(key)
        paper.draw(placed(paper, 3, height=0.8))
        expect_digit(paper, 3)
        inks.append(dark_pixels(paper))
        clear(paper)
    assert inks[1] > 2 * inks[0] > 0
    before = width.input_value()
    paper.page.keyboard.press("[")
    assert float(width.input_value()) < float(before)


# --- pictures ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seven() -> bytes:
    return picture_of(write(7, 150, 200, 240), 300, 400)


def test_a_picture_is_opened(paper, seven, tmp_path):
    paper.page.locator("#file").set_input_files(
        {"name": "7.png", "mimeType": "image/png", "buffer": seven}
    )
    expect_sure(paper, 7)
    assert dark_pixels(paper) > 0


def test_a_picture_is_pasted(paper, seven):
    paper.page.evaluate(
        """held => document.body.dispatchEvent(new ClipboardEvent("paste",
            {clipboardData: held, bubbles: true, cancelable: true}))""",
        data_transfer(paper, seven),
    )
    expect_sure(paper, 7)


def test_a_picture_comes_from_the_clipboard(opened, seven):
    paper = opened(permissions=["clipboard-read", "clipboard-write"])
    paper.page.evaluate(
        """bytes => navigator.clipboard.write([new ClipboardItem(
            {"image/png": new Blob([new Uint8Array(bytes)], {type: "image/png"})})])""",
        list(seven),
    )
    paper.page.keyboard.press("Control+v")
    expect_sure(paper, 7)


def test_a_picture_is_dropped(paper, seven):
    held = data_transfer(paper, seven)
    for kind in ("dragenter", "dragover", "drop"):
        paper.canvas.dispatch_event(kind, {"dataTransfer": held})
    expect_sure(paper, 7)


def test_what_is_no_picture_is_named(paper):
    paper.watch.allowed.append(REFUSED)
    paper.page.locator("#file").set_input_files(
        {"name": "list.png", "mimeType": "image/png", "buffer": b"milk, bread"}
    )
    expect(paper.page.locator("body")).to_contain_text("list.png is not a picture")


# --- pages ---------------------------------------------------------------------------------


def sheet(number: str) -> Image.Image:
    """A page with a number on it; a blank is as wide as a digit."""
    places = [(int(digit), 120 + 120 * k) for k, digit in enumerate(number) if digit != " "]
    strokes = [stroke for digit, x in places for stroke in write(digit, x, 200, 110)]
    return Image.open(io.BytesIO(picture_of(strokes, 900, 400))).convert("L")


def open_file(paper: Paper, kind: str, *numbers: str) -> None:
    first, *others = map(sheet, numbers)
    content = io.BytesIO()
    first.save(content, kind, save_all=True, append_images=others)
    open_content(paper, kind, content.getvalue())


def open_content(paper: Paper, kind: str, content: bytes) -> None:
    mime = "application/pdf" if kind == "PDF" else f"image/{kind.lower()}"
    file = {"name": f"scan.{kind.lower()}", "mimeType": mime, "buffer": content}
    paper.page.locator("#file").set_input_files(file)


def pages_of(paper: Paper) -> Any:
    return paper.page.get_by_role("group", name="Pages", exact=True)


def expect_page(paper: Paper, number: int, count: int, text: str) -> None:
    """This page is on the paper, and has been read."""
    expect(pages_of(paper).get_by_role("status")).to_have_text(f"Page {number} of {count}")
    expect(paper.page.locator("#number")).to_have_text(text)
    for name, is_end in (("Previous page", number == 1), ("Next page", number == count)):
        expect(paper.button(name)).to_have_attribute("aria-disabled", str(is_end).lower())


@pytest.mark.parametrize(
    "kind", ["PDF", *(pytest.param(kind, marks=LONG) for kind in ("GIF", "TIFF", "PNG"))]
)
def test_pages_of_a_file_are_turned(paper, kind):
    """Browsers show no TIFF and no PDF, and of the others the first page alone."""
    if kind == "PDF":
        pytest.importorskip("pypdfium2", reason="PDF needs the extra pdf")
    page = paper.page
    expect(pages_of(paper)).to_have_count(0)
    open_file(paper, kind, "42   7", "83", "60")
    expect_page(paper, 1, 3, "42 7")
    expect(page.locator(".box")).to_have_count(3)
    expect(page.get_by_role("img", name="Field 42")).to_be_visible()
    assert dark_pixels(paper) > 0
    paper.button("Next page").click()
    expect_page(paper, 2, 3, "83")
    expect(page.locator(".box")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    expect_page(paper, 3, 3, "60")
    page.keyboard.press("ArrowRight")  # there is no more
    page.keyboard.press("ArrowLeft")
    expect_page(paper, 2, 3, "83")
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_pages_are_there_to_be_turned_while_one_is_on_the_paper(paper, seven):
    page = paper.page
    open_file(paper, "TIFF", "42", "83")
    expect_page(paper, 1, 2, "42")
    paper.button("Next page").click()
    expect_page(paper, 2, 2, "83")
    page.keyboard.press("Delete")
    expect_blank(paper)
    expect(pages_of(paper)).to_have_count(0)
    paper.button("Undo").click()
    expect_page(paper, 2, 2, "83")
    paper.button("Undo").click()  # pages that were only turned are no steps of their own
    expect_blank(paper)
    paper.button("Redo").click()
    expect_page(paper, 2, 2, "83")
    open_content(paper, "PNG", seven)
    expect_sure(paper, 7)
    expect(pages_of(paper)).to_have_count(0)
    open_file(paper, "TIFF", "42")
    expect(page.locator("#number")).to_have_text("42")
    expect(pages_of(paper)).to_have_count(0)


def test_a_page_that_cannot_be_shown_is_told_and_the_others_are_turned(paper):
    paper.watch.allowed.append(REFUSED)
    content = io.BytesIO()
    pages = [sheet(number) for number in ("42", "83", "60")]
    pages[0].save(content, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    data = bytearray(content.getvalue())
    with Image.open(content) as picture:
        picture.seek(1)
        start, length = (picture.tag_v2[tag][0] for tag in (273, 279))
    data[start : start + length] = b"\xff" * length
    open_content(paper, "TIFF", bytes(data))
    expect_page(paper, 1, 3, "42")
    paper.button("Next page").click()
    said = pages_of(paper).get_by_role("status")
    expect(said).to_contain_text(re.compile(r"^Page 2 of 3: .*the picture is damaged"))
    expect_blank(paper)
    assert dark_pixels(paper) == 0
    paper.button("Next page").click()
    expect_page(paper, 3, 3, "60")


def test_a_file_that_nobody_can_show_is_told(paper):
    paper.watch.allowed.append(REFUSED)
    open_content(paper, "TIFF", b"milk, bread")
    expect(paper.answer).to_contain_text("not a picture in a format that can be read")
    expect(pages_of(paper)).to_have_count(0)


def test_the_drawing_is_saved(run, paper, tmp_path):
    paper.draw(placed(paper, 5))
    expect_sure(paper, 5)
    with paper.page.expect_download() as download:
        paper.button("Save drawing").click()
    path = tmp_path / "saved.png"
    download.value.save_as(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    (answer,) = objects(run("predict", "--json", path))
    assert (answer["digit"], answer["verdict"]) == (5, "sure")


def test_several_digits_are_a_number(paper):
    for digit, x in [(4, 0.2), (2, 0.5), (7, 0.8)]:
        paper.draw(placed(paper, digit, x, height=0.35))
    expect(paper.page.locator("#number")).to_have_text("427")
    boxes = paper.page.locator(".box")
    expect(boxes).to_have_count(3)
    area = paper.area()
    for box, digit, x in zip(boxes.all(), (4, 2, 7), (0.2, 0.5, 0.8), strict=True):
        expect(box).to_contain_text(str(digit))
        place = box.bounding_box()
        middle = place["x"] + place["width"] / 2
        assert middle == pytest.approx(area["x"] + x * area["width"], abs=0.05 * area["width"])
        box.click()
        expect(paper.winner).to_have_attribute("data-digit", str(digit))
        assert [k for k, length in enumerate(lengths_of_bars(paper)) if length > 0] == [digit]
    clear(paper)
    expect(boxes).to_have_count(0)


def test_fields_are_shown_about_their_digits(paper):
    for digit, x in [(4, 0.12), (2, 0.26), (7, 0.85)]:
        paper.draw(placed(paper, digit, x, height=0.2))
    expect(paper.page.locator("#number")).to_have_text("42 7")
    expect(paper.page.locator(".box")).to_have_count(3)
    field = paper.page.get_by_role("img", name="Field 42").bounding_box()
    area = paper.area()
    middle = field["x"] + field["width"] / 2
    assert middle == pytest.approx(area["x"] + 0.19 * area["width"], abs=0.05 * area["width"])
    clear(paper)
    expect(paper.page.locator(".mark")).to_have_count(0)


# --- corrections ---------------------------------------------------------------------------


def test_what_was_it_is_learnt_at_once_for_its_visitor_alone_and_kept(opened, kept):
    assert not any(kept.iterdir())
    paper, other = opened(), opened()
    paper.draw(placed(paper, 9))
    expect_sure(paper, 9)
    paper.button("It was 4").click()
    expect_sure(paper, 4)
    expect(paper.page.locator("#correct")).to_contain_text("ovr-digits adapt DIR")
    expect(paper.page.locator(".lessons")).to_contain_text("A 4: 9 → 4")
    paper.button("It was no digit").click()
    expect(paper.answer).to_contain_text("no detector recognises this")
    expect(paper.page.locator(".lessons li")).to_have_count(1)  # the same drawing
    expect(paper.page.locator(".thanks")).to_contain_text("ovr-digits adapt DIR")
    records = [json.loads(line) for line in (kept / "corrections.jsonl").read_text().splitlines()]
    assert [(record["label"], record["answer"]["digit"]) for record in records] == [
        (4, 9),
        (None, 9),
    ]
    assert {path.name for path in kept.glob("*.png")} == {record["file"] for record in records}
    X, y = load_corrections(kept)
    assert X.shape == (1, 784)
    assert y.tolist() == [NO_DIGIT]

    other.draw(placed(other, 9))
    expect_sure(other, 9)
    paper.button("Undo last").click()
    expect_sure(paper, 9)


def test_what_was_taught_is_read_in_numbers_too(opened):
    paper = opened()
    paper.draw(placed(paper, 9, 0.3, height=0.4))
    expect_sure(paper, 9)
    paper.button("It was 4").click()
    expect_sure(paper, 4)
    paper.draw(placed(paper, 2, 0.7, height=0.4))
    expect(paper.page.locator("#number")).to_have_text("42")
    expect(paper.page.locator(".box").first).to_contain_text("4")


def test_what_was_taught_to_other_detectors_changes_nothing(opened):
    """Also where the service is started anew with others while the page is open."""
    paper = opened()
    paper.draw(placed(paper, 9))
    expect_sure(paper, 9)
    paper.button("It was 4").click()
    expect_sure(paper, 4)

    def by_others(route: Any) -> None:
        response = route.fetch()
        assert response.headers["models-digest"]
        route.fulfill(response=response, headers={**response.headers, "models-digest": "others"})

    paper.page.route("**/api/predict*", by_others)
    paper.button("Clear").click()
    paper.draw(placed(paper, 9))
    expect_sure(paper, 9)
    expect(paper.page.locator(".lessons li")).to_contain_text("taught to other detectors")
    paper.button("It was 4").click()
    expect_sure(paper, 4)
    expect(paper.page.locator(".lessons li")).to_contain_text("A 4: 9 → 4")


# --- phones and keyboards ------------------------------------------------------------------


def test_on_a_phone_drawing_does_not_scroll(opened):
    paper = opened(**PHONE)
    paper.touch(placed(paper, 2, height=0.9, steps=2))
    expect_sure(paper, 2)
    assert paper.page.evaluate("[scrollX, scrollY]") == [0, 0]
    for part in (paper.canvas, paper.answer):
        box = part.bounding_box()
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(PHONE, id="phone", marks=LONG),
        pytest.param(LAPTOP, id="laptop"),
        pytest.param(PROJECTOR, id="projector", marks=LONG),
    ],
)
def test_a_face_is_no_nought_on_paper_of_any_size(opened, looks):
    paper = opened(**looks)
    area = paper.area()
    radius = 0.25 * min(area["width"], area["height"])
    paper.draw(face(area["width"] / 2, area["height"] / 2, radius))
    expect(paper.answer).to_contain_text("no detector recognises this")


def test_nothing_lies_beside_the_window(paper):
    paper.draw(placed(paper, 8))
    expect_sure(paper, 8)
    for width in (320, 390, 768, 1280, 3840):
        paper.page.set_viewport_size({"width": width, "height": 800})
        expect_sure(paper, 8)
        assert paper.page.evaluate("document.documentElement.scrollWidth") <= width


def test_with_the_keyboard_alone(paper):
    page = paper.page
    name_of = """() => {
        const {ariaLabel, innerText, localName} = document.activeElement;
        return localName === "body" ? "" : ariaLabel || innerText.trim();
    }"""
    names: list[str] = []
    while len(names) < 50:
        page.keyboard.press("Tab")
        names.append(page.evaluate(name_of))
        if not names[-1]:
            break
    else:
        pytest.fail(f"the focus does not leave the page: {names}")
    tools = {"Pen", "Eraser", "Pen width", "Undo", "Redo", "Clear", "Open picture…", "Save drawing"}
    assert tools <= set(names[: names.index("Drawing area")])
    assert len(names) == len(set(names))

    paper.canvas.focus()
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(14):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect_sure(paper, 1)
    paper.button("Clear").focus()
    page.keyboard.press("Enter")
    expect_blank(paper)
    paper.button("Undo").focus()
    page.keyboard.press("Enter")
    expect_sure(paper, 1)


# --- looks and failures --------------------------------------------------------------------


def test_light_and_dark(paper):
    page = paper.page
    paper.draw(placed(paper, 0))
    expect_sure(paper, 0)
    area = paper.area()
    backgrounds, papers, shown = [], [], []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        shot = Image.open(io.BytesIO(page.screenshot())).convert("L")
        backgrounds.append(shot.getpixel((2, shot.height - 2)))
        papers.append(dark_pixels(paper))
        shown.append(shot.getpixel((int(area["x"]) + 20, int(area["y"]) + 20)))
    assert backgrounds[0] > 200
    assert backgrounds[1] < 60
    assert shown[0] > 200
    assert shown[1] < 60
    assert papers[0] == papers[1] > 0  # what is read and saved is black on white in both


@pytest.mark.parametrize(
    ("size", "schemes"),
    [
        # In the file, test_page_trials.py looks at a phone in the dark.
        pytest.param(WIDE, ["light"], id="wide"),
        pytest.param(PHONE, ["dark"], id="phone, dark", marks=LONG),
        pytest.param(PHONE, ["light"], id="phone, light", marks=LONG),
        pytest.param(WIDE, ["dark"], id="wide, dark", marks=LONG),
    ],
)
def test_no_rule_of_accessibility_is_broken(opened, axe, size, schemes):
    paper = opened(**size)
    page = paper.page
    page.evaluate(axe)
    found = {}

    def look(state: str) -> None:
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found[state, scheme] = broken_rules(page)

    look("empty")
    paper.draw(placed(paper, 4, 0.3, height=0.4))
    expect_sure(paper, 4)
    expect(paper.button("It was 4")).to_be_visible()
    look("answered")
    paper.button("It was 4").click()
    expect(page.locator(".lessons li")).to_have_count(1)
    look("taught")
    paper.draw(placed(paper, 2, 0.7, height=0.4))
    expect(page.locator("#number")).to_have_text("42")
    look("number")
    open_file(paper, "GIF", "42", "83")
    expect_page(paper, 1, 2, "42")
    look("pages")
    assert {state: rules for state, rules in found.items() if rules} == {}


def test_a_service_that_keeps_nothing_is_corrected_too_and_named_when_it_has_stopped(opened):
    with running_service() as service:
        paper = opened(service)
        paper.draw(placed(paper, 3))
        expect_sure(paper, 3)
        paper.button("It was 4").click()
        expect_sure(paper, 4)
        expect(paper.page.locator(".thanks")).to_have_text("Learnt, in this browser alone.")
        service.stop()
    paper.watch.allowed.append(REFUSED)
    paper.button("Clear").click()
    paper.draw(placed(paper, 4))
    expect(paper.page.locator("body")).to_contain_text("The service does not answer")


@LONG
@pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are only in the checkout"
)
def test_how_soon_the_bars_move_is_measured(tmp_path):
    if find_chromium() is None:
        pytest.skip("needs Chromium: install it or set OVR_DIGITS_CHROMIUM")
    command = [sys.executable, "-m", "benchmarks.page", "--quick", "--cores", "1"]
    subprocess.run([*command, "--output", str(tmp_path)], cwd=ROOT, check=True)
    found = json.loads((tmp_path / "page-quick.json").read_text())
    for drawn in (found["drawn"], found["file"]["drawn"]):
        assert [one["digit"] for one in drawn] == [0, 1, 2]
        assert all(0 < one["bars"] < one["screen"] < 10_000 for one in drawn)
    assert found["file"]["heap"] < 60_000_000
    assert "| one file: move to bars |" in (tmp_path / "page-quick.md").read_text()
