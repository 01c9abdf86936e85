"""The way from a picture to its answer: where the ink is, what it adds, and the figure of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commandline import EXAMPLES, objects
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from ovr_digits import find_form
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.occlusion import ink_contributions
from ovr_digits.core.vote import count_votes
from ovr_digits.picture.digit import find_digit
from ovr_digits.picture.explanation import Explanation, explain
from ovr_digits.report.plots.style import save_figure

NAMES = "zero one two three four five six seven eight nine".split()  # noqa: SIM905


@pytest.fixture
def models(shipped_models) -> DetectorArrays:
    return shipped_models


def score(models: DetectorArrays, image: np.ndarray, digit: int) -> float:
    return float(models.decision_function(image.reshape(1, -1))[0, digit])


# --- what ink adds ---------------------------------------------------------------------------


@pytest.mark.parametrize("digit", range(10))
def test_without_the_ink_that_speaks_for_a_digit_its_score_falls(models, digit):
    image = find_form(EXAMPLES / f"{NAMES[digit]}.png")
    added = ink_contributions(models, image, digit)
    assert added.shape == (28, 28)
    assert (added[image == 0] == 0).all()
    assert added.max() > 0.5
    without = np.where(added > 0, 0, image)
    assert score(models, without, digit) < score(models, image, digit) - 1


def test_a_place_adds_what_the_score_loses_without_it(models):
    image = find_form(EXAMPLES / "seven.png")
    added = ink_contributions(models, image, 7)
    rows, columns = np.indices(image.shape)
    for row, column in ((4, 20), np.unravel_index(added.argmax(), added.shape)):
        squares = (rows - row) ** 2 + (columns - column) ** 2
        without = (image * (1 - np.exp(-squares / 4.5))).astype(np.float32)
        fall = score(models, image, 7) - score(models, without, 7)
        assert added[row, column] == pytest.approx(fall, rel=0.35, abs=0.5)


@pytest.mark.parametrize(
    ("digit", "stroke"),
    [
        (1, (8, 4, 20, 7)),  # a bar at its foot, too far to one side
        (7, (18, 14, 22, 22)),  # a second stem beside its own
        (0, (12, 4, 15, 20)),  # a line down the middle
    ],
)
def test_a_stroke_too_many_speaks_against_the_digit(models, digit, stroke):
    image = find_form(EXAMPLES / f"{NAMES[digit]}.png")
    left, top, right, bottom = stroke
    place = np.zeros(image.shape, bool)
    place[top:bottom, left:right] = image[top:bottom, left:right] == 0
    more = np.where(place, 255, image).astype(np.uint8)
    assert score(models, more, digit) < score(models, image, digit) - 2
    added = ink_contributions(models, more, digit)
    assert added[place].mean() < 0
    assert added[place].mean() < added[(more > 0) & ~place].mean() - 1
    assert added.min() < -1
    assert place[np.unravel_index(added.argmin(), added.shape)]


def test_an_image_with_no_ink_adds_nothing(models):
    added = ink_contributions(models, np.zeros((28, 28), np.uint8), 3)
    np.testing.assert_array_equal(added, np.zeros((28, 28)))


# --- where it is -----------------------------------------------------------------------------


def write_seven(path: Path, scale: int = 1) -> tuple[int, int, int, int]:
    """A page with a seven in a corner; the box about it, x, y, w, h."""
    page = Image.new("RGB", (400 * scale, 300 * scale), "white")
    line = [(60 * scale, 40 * scale), (110 * scale, 40 * scale), (80 * scale, 120 * scale)]
    ImageDraw.Draw(page).line(line, fill="navy", width=8 * scale, joint="curve")
    page.save(path)
    dark = np.asarray(page.convert("L")) < 128
    (top, *_, bottom), (left, *_, right) = (np.flatnonzero(dark.any(axis=k)) for k in (1, 0))
    return int(left), int(top), int(right - left + 1), int(bottom - top + 1)


@pytest.mark.parametrize("scale", [1, 8])
def test_the_box_is_in_pixels_of_the_file(tmp_path, scale):
    wanted = write_seven(tmp_path / "seven.png", scale)
    found = find_digit(tmp_path / "seven.png")
    np.testing.assert_allclose(found.box, wanted, atol=4 * scale)
    assert found.ink.shape == found.view.picture.shape[:2]


def explained(models: DetectorArrays, path: Path) -> Explanation:
    found = find_digit(path)
    vote = count_votes(models.decision_function(found.image.reshape(1, -1)))[0]
    return explain(models, found, vote)


@pytest.mark.parametrize("scale", [1, 8])
def test_an_explanation_shows_the_ink_and_what_is_about_it(models, tmp_path, scale):
    box = write_seven(tmp_path / "seven.png", scale)
    explanation = explained(models, tmp_path / "seven.png")
    assert explanation.vote.digit == 7
    np.testing.assert_allclose(explanation.box, box, atol=4 * scale)
    h, w, _ = explanation.picture.shape
    assert explanation.ink.shape == (h, w)
    assert max(h, w) <= 450
    # Ink lies where the picture is dark, and takes up its share of it.
    dark = explanation.picture.mean(axis=2) < 128
    assert (explanation.ink[dark] > 0.5).mean() > 0.95
    assert dark.sum() <= (explanation.ink > 0).sum() < 2 * dark.sum()
    np.testing.assert_array_equal(
        explanation.contributions, ink_contributions(models, explanation.image, 7)
    )


# --- the command -------------------------------------------------------------------------------


def count_colour(path: Path, colour: str) -> int:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    return int((pixels == tuple(bytes.fromhex(colour))).all(axis=1).sum())


def test_the_command_draws_every_picture_that_can_be_read(run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    seven, board = EXAMPLES / "seven.png", EXAMPLES / "two.png"
    why, votes = tmp_path / "why.png", tmp_path / "votes.png"
    both = [tmp_path / "bad.png", seven, board]
    done = run("predict", "--json", *both, "--explain", why, "--save", votes)
    answers = objects(done, status=1)
    assert done.stderr == ""
    assert done.stdout == run("predict", "--json", *both).stdout
    assert [answer.get("digit") for answer in answers] == [None, 7, 2]
    alone = tmp_path / "alone.png"
    assert run("predict", seven, "--explain", alone).returncode == 0
    with Image.open(why) as two_rows, Image.open(alone) as one_row:
        assert two_rows.height == pytest.approx(2 * one_row.height, abs=4)
        assert two_rows.width == one_row.width > 1000
    assert count_colour(alone, "CC79A7") > 50  # the outline
    assert count_colour(alone, "0072B2") > 2000  # the winner's bar
    assert count_colour(votes, "0072B2") > 2000
    assert count_colour(votes, "CC79A7") == 0


def test_the_command_draws_nothing_where_nothing_can_be_read(run, tmp_path):
    done = run("predict", tmp_path / "absent.png", "--explain", tmp_path / "why.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ovr-digits: {tmp_path / 'absent.png'}: no such file\n"
    assert list(tmp_path.iterdir()) == []


def test_two_figures_in_one_file_are_wrong_usage(run, tmp_path):
    path = tmp_path / "both.png"
    done = run("predict", EXAMPLES / "two.png", "--explain", path, "--save", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--save and --explain" in done.stderr
    assert not path.exists()


@pytest.mark.parametrize(("name", "most"), [("x.png", 65_535), ("x.webp", 16_383)])
def test_a_figure_of_many_rows_is_saved_with_fewer_pixels_to_each(tmp_path, name, most):
    save_figure(Figure(figsize=(2, 700)), tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert 0.9 * most < picture.height <= most
