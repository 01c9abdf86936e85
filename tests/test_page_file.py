"""The page in one file reads as Python does, from a disk, with no network, in a real Chromium."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Paper, Strokes, Watch, broken_rules
from inpage import InPage
from PIL import Image
from scipy.ndimage import gaussian_filter
from strokes import N_HANDS, barred_zero, picture_of, write

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.data.corrections import NO_DIGIT, load_corrections
from ovr_digits.data.splits import load_split
from ovr_digits.learn.presets import PRESETS
from ovr_digits.models.modelfile import load_models
from ovr_digits.picture.answers import answer_picture
from ovr_digits.picture.digit import find_form
from ovr_digits.picture.mnist_form import to_mnist_form, with_usual_pen
from ovr_digits.web.page_file import page_bytes

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = sync_api.expect
expect.set_options(timeout=30_000)  # a machine that is busy is slow, not wrong

pytestmark = pytest.mark.xdist_group("file")

LONG = pytest.mark.long
WIDE = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PROJECTOR = {"viewport": {"width": 1920, "height": 1080}}
#: Scores that are nearer to 0 may have another sign elsewhere, by rounding.
NEAR = 0.02
#: The most bytes of the page with the models that ship: what people send one another.
MAX_BYTES = 4_200_000


@contextmanager
def asked(browser: Any, path: Path) -> Iterator[InPage]:
    """A page without a network; at the end it may not have had trouble."""
    with browser.new_context(**WIDE, offline=True) as context:
        watch = Watch(context, path.as_uri())
        yield InPage(context.new_page(), path)
        assert watch.found() == []


@pytest.fixture(scope="module")
def shipped_asked(browser: Any, shipped_page: Path) -> Iterator[InPage]:
    """The page with the models that ship: no answer of it depends on what it was asked before."""
    with asked(browser, shipped_page) as page:
        yield page


# --- the mathematics -----------------------------------------------------------------------


def expect_same(models: DetectorArrays, X: np.ndarray, scores: np.ndarray) -> None:
    expected = models.decision_function(X)
    assert np.abs(scores - expected).max() < NEAR
    plain = np.abs(expected) > NEAR
    np.testing.assert_array_equal((scores > 0)[plain], (expected > 0)[plain])
    np.testing.assert_array_equal(scores.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize("made", ["tiny_models", "with_every_view"])
def test_the_page_scores_as_its_detectors_do(request, tmp_path, browser, made, odd_images):
    models = load_models(request.getfixturevalue(made))
    (tmp_path / "page.html").write_bytes(page_bytes(models))
    with asked(browser, tmp_path / "page.html") as page:
        expect_same(models, odd_images, page.scores(odd_images))


def test_the_page_scores_as_the_detectors_that_ship_do(shipped_models, shipped_asked, odd_images):
    expect_same(shipped_models, odd_images, shipped_asked.scores(odd_images))


@LONG
@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_scores_as_detectors_of_any_preset_do(run, tmp_path, browser, preset):
    digits = ["--dataset", "digits", "--limit", "300", "--forms", "0"]
    assert run("train", *digits, "--preset", preset).returncode == 0
    assert run("export", "page.html", "--models", "models.pkl").returncode == 0
    X = load_split("digits", "train").X[-500:]
    with asked(browser, tmp_path / "page.html") as page:
        expect_same(load_models(tmp_path / "models.pkl"), X, page.scores(X))


@pytest.mark.mnist
@pytest.mark.parametrize("n", [200, pytest.param(10_000, marks=LONG)])
def test_the_page_scores_test_images_as_its_detectors_do(
    mnist_dir, shipped_models, shipped_asked, n
):
    X = load_split("mnist", "test", mnist_dir).X[:n]
    expect_same(shipped_models, X, shipped_asked.scores(X))


def drawings(n: int) -> list[dict[str, Any]]:
    """Digits in several hands, stretched, slanted and with any pen, in paper units."""
    rng = np.random.default_rng(0)
    made = []
    for k in range(n):
        strokes = write(k % 10, 0, 0, rng.uniform(150, 800), k % N_HANDS)
        stretch, slant = rng.uniform(0.75, 1.3), rng.normal(0, 0.12)
        changed = [[(stretch * (x - slant * y), y) for x, y in stroke] for stroke in strokes]
        made.append({"width": float(rng.choice(range(10, 95, 5))), "strokes": changed})
    return made


def short_way(file: bytes) -> np.ndarray:
    """Ink, pen and form of a drawing in black on white, without looking for anything else."""
    grey = np.asarray(Image.open(io.BytesIO(file)).convert("L"), np.float32)
    strength = 255 - grey
    ink = np.clip(strength / np.median(strength[strength > strength.max() / 2]), 0, 1)
    ink[ink < 0.2] = 0
    return to_mnist_form(with_usual_pen(ink)).ravel()


@pytest.mark.parametrize("n", [40, pytest.param(300, marks=LONG)])
def test_drawings_come_to_the_same_form_and_answer_as_in_python(shipped_models, shipped_asked, n):
    drawn = shipped_asked.draw(drawings(n))
    apart = [np.abs(image - short_way(file)).max() for file, image, _ in drawn]
    assert max(apart) <= 1  # of 255, where rounding in single precision falls to either side
    assert np.mean(np.equal(apart, 0)) >= 0.99
    answers = [answer_picture(shipped_models, file, "dark ink")[1] for file, _, _ in drawn]
    same = [
        (vote["digit"], vote["fired"]) == (answer.digit, list(answer.fired))
        for answer, (_, _, vote) in zip(answers, drawn, strict=True)
    ]
    assert np.mean(same) >= 0.99


def barred_zeros(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = ([[(280 * x, 280 * y) for x, y in s] for s in barred_zero(rng)] for _ in range(n))
    return np.stack([find_form(picture_of(strokes, pen=14)).ravel() for strokes in drawn])


def lessons_of(models: DetectorArrays, X: np.ndarray, label: int | None) -> list[dict[str, Any]]:
    scores = models.decision_function(X).tolist()
    images = X.reshape(-1, 28, 28).tolist()
    return [
        {"label": label, "image": image, "scores": each}
        for image, each in zip(images, scores, strict=True)
    ]


def test_five_examples_teach_a_form_and_leave_other_digits_alone(shipped_models, shipped_asked):
    """Kernel ridge regression on blurred forms, as SciPy has it."""
    later, others = barred_zeros(20, 1), load_split("digits", "test").X
    X = np.concatenate([later, others])
    before = shipped_models.decision_function(X)
    assert not (before[: len(later)] > 0).any()
    lessons = lessons_of(shipped_models, barred_zeros(5, 0), 0)
    after = shipped_asked.taught(lessons, X, before)
    digit = np.arange(10) == 0
    assert ((after[: len(later)] > 0) == digit).all(axis=1).mean() >= 0.9
    was, now = before[len(later) :], after[len(later) :]
    assert (was.argmax(axis=1) != now.argmax(axis=1)).sum() <= 1
    assert ((was > 0) != (now > 0)).any(axis=1).mean() <= 0.01

    def looks(X: np.ndarray) -> np.ndarray:
        forms = X.reshape(-1, 28, 28).astype(float)
        blurred = gaussian_filter(forms, (0, 2, 2), mode="constant").reshape(len(X), -1)
        return blurred / np.linalg.norm(blurred, axis=1, keepdims=True)

    taught = np.array([lesson["image"] for lesson in lessons]).reshape(5, -1)
    scores = np.array([lesson["scores"] for lesson in lessons])
    wanted = np.where(digit, 8, -8)
    lacking = np.where(np.sign(wanted) * scores < 8, wanted - scores, 0)

    def likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(25 * (looks(a) @ looks(b).T - 1))

    shares = np.linalg.solve(likeness(taught, taught) + 0.05 * np.eye(5), lacking)
    np.testing.assert_allclose(after, before + likeness(X, taught) @ shares, atol=1e-6)


def test_what_is_taught_to_be_no_digit_is_refused(shipped_models, shipped_asked):
    """So are forms like it; the same drawing of another label is what is said last."""
    X = load_split("digits", "test").X[:100]
    scores = shipped_models.decision_function(X)
    sevens = X[scores.argmax(axis=1) == 7]
    lessons = lessons_of(shipped_models, sevens[:1], None)
    after = shipped_asked.taught(lessons, X, scores)
    assert (after[scores.argmax(axis=1) == 7][0] < -7).all()
    others = scores.argmax(axis=1) != 7
    np.testing.assert_array_equal(after[others] > 0, scores[others] > 0)


# --- the page as people use it -------------------------------------------------------------


Visit = Callable[..., AbstractContextManager[Paper]]


@pytest.fixture
def visit(browser: Any, shipped_page: Path) -> Visit:
    """Opens the page from the disk, with no network; at the end it may not have had trouble."""

    @contextmanager
    def visited(**looks: Any) -> Iterator[Paper]:
        with browser.new_context(**looks, offline=True) as context:
            watch = Watch(context, shipped_page.as_uri())
            paper = Paper(context.new_page(), watch)
            paper.page.goto(shipped_page.as_uri())
            yield paper
            assert watch.found() == []

    return visited


@pytest.fixture
def paper(visit: Visit) -> Iterator[Paper]:
    with visit(**WIDE) as paper:
        yield paper


def on_paper(paper: Paper, strokes: Strokes) -> list[list[tuple[float, float]]]:
    """Strokes whose places are shares of the drawing area."""
    area = paper.area()
    return [[(x * area["width"], y * area["height"]) for x, y in stroke] for stroke in strokes]


def placed(digit: int, x: float = 0.5, y: float = 0.5, height: float = 0.6) -> Strokes:
    return write(digit, x, y, height, steps=2)


def clear(paper: Paper) -> None:
    paper.button("Clear").click()
    expect(paper.winner).to_have_count(0)


@pytest.mark.parametrize("digits", [(3, 7), pytest.param(range(10), marks=LONG)])
def test_a_file_of_bounded_size_reads_drawn_digits(paper, shipped_page, digits):
    assert shipped_page.stat().st_size <= MAX_BYTES
    for digit in digits:
        paper.draw(on_paper(paper, placed(digit)))
        expect(paper.winner).to_have_attribute("data-digit", str(digit))
        expect(paper.answer).to_contain_text("sure")
        clear(paper)


#: Sets a point as soon as the page takes one, and tells whether its end had been read by then.
AS_SOON_AS_POSSIBLE = """
    new MutationObserver((_, observer) => {
        if (!document.querySelector("#votes li")) return;
        observer.disconnect();
        window.read = document.readyState;
        document.querySelector("#drawing").dispatchEvent(new KeyboardEvent("keydown", {key: " "}));
    }).observe(document, {childList: true, subtree: true});
"""


def test_who_draws_before_the_weights_are_read_is_answered_once_they_are(paper):
    paper.page.add_init_script(AS_SOON_AS_POSSIBLE)
    paper.page.reload()
    assert paper.page.evaluate("window.read") == "loading"
    expect(paper.winner).to_have_count(1)


def circle(x: float, y: float, radius: float, share: tuple[float, float] = (0, 1)) -> Any:
    angles = 2 * np.pi * np.linspace(*share, 16)
    return [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles.tolist()]


def heart() -> Any:
    t = np.linspace(0, 2 * np.pi, 24)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return list(zip(0.5 + 0.36 * np.sin(t) ** 3, 0.5 - 0.26 * y / 16, strict=True))


NO_DIGITS = {
    "heart": [heart()],
    "letter": [[(0.7, 0.2), (0.3, 0.2), (0.3, 0.8), (0.7, 0.8)], [(0.3, 0.5), (0.6, 0.5)]],
    "smiley": [
        circle(0.5, 0.5, 0.35),
        circle(0.38, 0.4, 0.02),
        circle(0.62, 0.4, 0.02),
        circle(0.5, 0.52, 0.18, (0.05, 0.45)),
    ],
}


def test_what_is_no_digit_is_refused(paper):
    for strokes in NO_DIGITS.values():
        paper.draw(on_paper(paper, strokes))
        expect(paper.answer).to_contain_text("no detector recognises this")
        clear(paper)


def test_digits_side_by_side_are_read_by_their_strokes(paper):
    """Also where they touch, where one is of two strokes, and in two lines."""
    first = [placed(4, 0.2, 0.3, 0.35), placed(5, 0.43, 0.3, 0.35), placed(7, 0.66, 0.3, 0.35)]
    second = [placed(1, 0.3, 0.78, 0.3), placed(0, 0.6, 0.78, 0.3)]
    for strokes in (first[1], second[1], first[2], first[0], second[0]):
        paper.draw(on_paper(paper, strokes))
    number = paper.page.locator("#number")
    expect(number).to_have_text("457\n10")
    boxes = paper.page.locator(".box")
    expect(boxes).to_have_count(5)
    boxes.nth(1).click()
    expect(paper.winner).to_have_attribute("data-digit", "5")
    expect(paper.page.locator("#map-digit")).to_have_text("5")
    paper.button("Undo").click()  # the one, which was drawn last
    expect(number).to_have_text("457\n0")
    paper.button("Eraser").click()
    rows = enumerate(np.arange(0.6, 0.97, 0.06).tolist())
    rub = [(x, y) for k, y in rows for x in ((0.48, 0.72) if k % 2 else (0.72, 0.48))]
    paper.draw(on_paper(paper, [rub]))
    expect(number).to_have_text("457")


def put_picture(paper: Paper, content: bytes, kind: str = "png") -> None:
    picture = {"name": f"picture.{kind}", "mimeType": f"image/{kind}", "buffer": content}
    paper.page.locator("#file").set_input_files(picture)


def test_pages_are_left_to_the_service(paper):
    two, four = (write(digit, 120, 150, 160) for digit in (2, 4))
    first, second = (Image.open(io.BytesIO(picture_of(each, 240, 300))) for each in (two, four))
    for kind in ("gif", "tiff"):
        file = io.BytesIO()
        first.save(file, kind, save_all=True, append_images=[second])
        put_picture(paper, file.getvalue(), kind)
        expect(paper.winner).to_have_attribute("data-digit", "2")
        expect(paper.page.get_by_role("group", name="Pages", exact=True)).to_have_count(0)
    expect(paper.answer).to_contain_text("picture.tiff cannot be shown here")


def test_clean_pictures_are_read_and_photographs_left_to_the_service(paper):
    four, two = write(4, 120, 150, 160), write(2, 290, 150, 160)
    put_picture(paper, picture_of(two, 400, 300))
    expect(paper.winner).to_have_attribute("data-digit", "2")
    expect(paper.answer).to_contain_text("sure")
    put_picture(paper, picture_of([*two, *four], 400, 300))
    expect(paper.page.locator("#number")).to_have_text("42")
    x = np.linspace(0, 150, 400, dtype=np.uint8)
    shade = Image.fromarray(np.tile(x, (300, 1)))
    file = io.BytesIO()
    shade.save(file, "PNG")
    put_picture(paper, file.getvalue())
    expect(paper.answer).to_contain_text("no clean picture")
    expect(paper.winner).to_have_count(0)
    expect(paper.button("Take photo")).to_have_count(0)
    expect(paper.page.get_by_role("link")).to_have_count(0)


def draw_barred(paper: Paper, rng: np.random.Generator) -> None:
    area = paper.area()
    short = min(area["width"], area["height"])
    side, top = (area["width"] - short) / 2, (area["height"] - short) / 2
    strokes = barred_zero(rng)
    paper.draw([[(side + short * x, top + short * y) for x, y in stroke] for stroke in strokes])


@LONG
def test_five_drawings_teach_a_form_at_once_and_it_can_be_undone_and_forgotten(paper, tmp_path):
    page, rng = paper.page, np.random.default_rng(5)
    paper.page.get_by_label("Pen width").fill("45")
    taught = page.locator(".lessons li")
    draw_barred(paper, rng)
    expect(paper.answer).to_contain_text("no detector recognises this")
    clear(paper)
    for n in range(5):
        draw_barred(paper, rng)
        expect(page.get_by_text("What was it?")).to_be_visible()
        paper.button("It was 0").click()
        expect(paper.answer).to_contain_text("zero, sure")
        expect(taught).to_have_count(n + 1)
        clear(paper)
    expect(taught.last).to_contain_text("A 0: no digit → 0")
    draw_barred(paper, rng)
    expect(paper.answer).to_contain_text("zero, sure")
    clear(paper)
    # The one that was not recognised at first, too.
    expect(page.locator(".others")).to_contain_text("Other drawings so far: 2, read otherwise: 2")
    for digit in (0, 4, 6, 8):  # of all digits that look most like it
        paper.draw(on_paper(paper, placed(digit)))
        expect(paper.winner).to_have_attribute("data-digit", str(digit))
        expect(paper.answer).to_contain_text("sure")
        clear(paper)

    paper.draw(on_paper(paper, [heart()]))
    paper.button("It was no digit").click()
    expect(paper.button("It was no digit")).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as download:
        paper.button("Save for adapt").click()
    download.value.save_as(tmp_path / "corrections.jsonl")
    X, y = load_corrections(tmp_path / "corrections.jsonl")
    assert y.tolist() == [0] * 5 + [NO_DIGIT]
    assert X.any(axis=1).all()

    page.reload()  # what was taught is still there
    expect(taught).to_have_count(6)
    paper.button("Undo last").click()
    expect(taught).to_have_count(5)
    draw_barred(paper, rng)
    expect(paper.answer).to_contain_text("zero, sure")
    paper.button("Forget all").click()
    expect(paper.answer).to_contain_text("no detector recognises this")
    expect(taught).to_have_count(0)
    page.reload()
    expect(page.locator("#correct")).to_be_hidden()


def test_a_page_with_other_detectors_is_not_taught_along(
    paper, shipped_models, shipped_page, tmp_path
):
    """Files share what the browser stores; each lesson stays with the detectors that lacked it."""
    other = tmp_path / "other.html"
    other.write_bytes(page_bytes(replace(shipped_models, intercept=shipped_models.intercept + 0.1)))
    nine = on_paper(paper, placed(9))
    lessons = paper.page.locator(".lessons li")
    paper.draw(nine)
    expect(paper.answer).to_contain_text("nine, sure")
    paper.button("It was 4").click()
    expect(paper.answer).to_contain_text("four, sure")
    for path, name, said in [
        (other, "nine", "taught to other detectors"),
        (shipped_page, "four", "A 4: 9 → 4"),
    ]:
        paper.page.goto(path.as_uri())
        paper.draw(nine)
        expect(paper.answer).to_contain_text(f"{name}, sure")
        expect(lessons).to_contain_text(said)


@pytest.mark.parametrize(
    "size",
    [pytest.param(PHONE, id="phone"), pytest.param(PROJECTOR, id="projector")],
)
@LONG  # of the file the shorter look is at what may be tried, in test_page_trials.py
def test_no_rule_of_accessibility_is_broken(visit, axe, size):
    found = {}
    with visit(**size, reduced_motion="reduce") as paper:
        page = paper.page
        page.evaluate(axe)

        def look(state: str) -> None:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found[state, scheme] = broken_rules(page)

        look("empty")
        paper.draw(on_paper(paper, placed(4, 0.3, height=0.4)))
        expect(paper.winner).to_have_attribute("data-digit", "4")
        paper.draw(on_paper(paper, placed(2, 0.7, height=0.4)))
        expect(page.locator("#number")).to_have_text("42")
        look("number")
        clear(paper)
        paper.draw(on_paper(paper, NO_DIGITS["letter"]))
        expect(paper.answer).to_contain_text("no detector recognises this")
        look("no digit")
    assert {state: rules for state, rules in found.items() if rules} == {}
