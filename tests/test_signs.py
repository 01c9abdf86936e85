"""Signs in numbers: told apart, in text and JSON, and what is neither sign nor digit left out."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from commandline import objects
from PIL import Image, ImageDraw
from test_number import digit_picture, read_page

import ovr_digits
from ovr_digits.core.detectors import SIGN_CLASSES
from ovr_digits.core.vote import count_votes
from ovr_digits.models.modelfile import NUMBERS_PATH, ModelFileError, save_numbers
from ovr_digits.picture.signs import LineMark, judge_lines, likeliest, place_in_line

HEIGHT, BASE, PEN = 90, 160, 9


@pytest.fixture
def models(shipped_models):
    return shipped_models


def written(text: str) -> Image.Image:
    """A text in a clear hand: digits of the examples, signs with a pen as wide."""
    page = Image.new("L", (110 * len(text) + 80, 240), 255)
    pen = ImageDraw.Draw(page)
    x = 40
    for character in text:
        if character.isdigit():
            picture = digit_picture(int(character), HEIGHT)
            page.paste(picture, (x, BASE - HEIGHT))
            x += picture.width + 24
        elif character == "/":
            pen.line((x + 34, BASE - HEIGHT - 14, x, BASE + 16), 0, PEN)
            x += 54
        elif character == "-":
            pen.line((x, BASE - 42, x + 36, BASE - 44), 0, PEN)
            x += 58
        else:
            for y in {".": [BASE - 6], ",": [BASE - 4], ":": [BASE - 52, BASE - 10]}[character]:
                pen.ellipse((x, y - 7, x + 14, y + 7), 0)
            if character == ",":
                pen.line((x + 9, BASE, x, BASE + 22), 0, PEN)
            x += 36
    return page


@pytest.mark.parametrize(
    "text", ["24/03/2052", "20.03.2043", "23-04-2034", "-3,5", "20:43", "2.350,40", "32/20"]
)
def test_signs_are_told_apart(models, text):
    number = read_page(models, written(text))
    assert number.text == text
    assert "".join(sign.sign for sign in number.signs) == "".join(
        sign for sign in text if not sign.isdigit()
    )
    assert [found.vote.digit for found in number.digits] == [int(c) for c in text if c.isdigit()]
    assert all(0 < sign.confidence <= 1 for sign in number.signs)


@pytest.mark.parametrize("height", [36, 40, 44, 48])
def test_a_long_comma_at_the_end_is_no_1(models, height):
    page = written("230")
    x = page.point(lambda grey: 255 - grey).getbbox()[2]
    ImageDraw.Draw(page).line((x + 34, BASE - height, x + 26, BASE + 2), 0, PEN)
    assert [found.vote.digit for found in read_page(models, page).digits] == [2, 3, 0]


def test_the_command_gives_signs_and_leaves_them_out_when_told_to(run, tmp_path):
    written("24/03/2052").save(tmp_path / "date.png")
    (answer,) = objects(run("read", "--json", tmp_path / "date.png"))
    assert answer["text"] == "24/03/2052"
    assert [sign["sign"] for sign in answer["signs"]] == ["/", "/"]
    assert set(answer["signs"][0]) == {"box", "sign", "confidence"}
    x, _, w, h = answer["signs"][0]["box"]
    assert w < h
    assert answer["digits"][1]["box"][0] < x < answer["digits"][2]["box"][0]
    assert run("read", "--digits-only", tmp_path / "date.png").stdout == "24032052\n"


def test_a_sign_between_fields_joins_them(models):
    page = Image.new("L", (900, 240), 255)
    page.paste(written("32"), (0, 0))
    page.paste(written("/").crop((30, 0, 120, 240)), (330, 0))
    page.paste(written("20"), (430, 0))
    assert read_page(models, page).text == "32/20"


@pytest.mark.parametrize(
    ("margins", "wanted"),
    [
        pytest.param([-9, -9, -1, -9, -9, 1, -9, -9], "00/00/00", id="the year has two digits"),
        pytest.param([-9, -9, -1, -9, -9, 1, -9, -9, -9], "000000000", id="no year has three"),
        pytest.param([4, -9, -9, -9], "0000", id="nothing before it"),
        pytest.param([-9, 5, -9, -9], "0/00", id="a mark out of so many"),
        pytest.param([-9, -1, -9, -9], "0000", id="more likely a 1"),
        pytest.param([], "", id="nothing"),
    ],
)
def test_slashes_are_where_a_date_or_a_share_has_them(margins, wanted):
    assert "".join(likeliest([{"0": 0.0, "/": margin} for margin in margins])) == wanted


@pytest.mark.parametrize(
    ("margins", "wanted"),
    [
        pytest.param([1, -9, -9, 1], "o00o", id="brackets"),
        pytest.param([1, -9, -9, -9], "0000", id="half a pair may be a 1"),
        pytest.param([9, 9, -9, -9], "oo00", id="a word"),
        pytest.param([-9, 4, -9, -9], "0000", id="hardly inside"),
    ],
)
def test_symbols_are_rather_around_numbers_than_inside(margins, wanted):
    assert "".join(likeliest([{"0": 0.0, "o": margin} for margin in margins])) == wanted


def test_a_long_row_of_doubtful_marks_takes_no_more_readings_than_a_short_one():
    options = [dict.fromkeys(("0", "/", "o", "."), 0.0)] * 300
    assert len(likeliest(options)) == 300


def test_a_mark_is_seen_where_it_stands_in_its_line():
    ink = np.ones((10, 10), np.float32)
    low = place_in_line(ink, -30, 80)
    high = place_in_line(ink, 40, 80)
    assert low[14:].any()
    assert not low[:14].any()
    assert high[:14].any()
    assert not high[14:].any()


def test_a_wide_mark_is_seen_whole():
    seen = place_in_line(np.ones((20, 400), np.float32), 10, 80)
    assert seen[14, 1:-1].all()
    assert math.isclose(seen.sum() / 255, 28 * 20 / 80 * 20, rel_tol=0.1)


def test_the_file_for_numbers_is_small_and_read_without_running_it(shipped_models):
    assert NUMBERS_PATH.stat().st_size < 2_500_000
    with NUMBERS_PATH.open("rb") as file:
        detectors = pickle.load(file)
    assert all(isinstance(detector, ovr_digits.DigitDetector) for detector in detectors)
    image = np.zeros((1, 784), np.uint8)
    for arrays, own in (
        (shipped_models.signs, detectors[: len(SIGN_CLASSES)]),
        (shipped_models.pieces, detectors[len(SIGN_CLASSES) :]),
    ):
        np.testing.assert_allclose(
            [detector.decision_function(image)[0] for detector in own],
            arrays.decision_function(image)[0],
            atol=1e-3,
        )


def test_too_few_detectors_are_no_file_for_numbers(tmp_path):
    with NUMBERS_PATH.open("rb") as file:
        detectors = pickle.load(file)
    with pytest.raises(ModelFileError, match="18 detectors, not 19"):
        save_numbers(detectors[:6], detectors[7:], tmp_path / "numbers.pkl")
    assert not (tmp_path / "numbers.pkl").exists()


@pytest.mark.parametrize(
    "stroke",
    [
        pytest.param([(40, 180), (60, 60), (100, 140), (140, 60), (160, 180)], id="M"),
        pytest.param([(40, 60), (70, 180), (100, 90), (130, 180), (160, 60)], id="W"),
        pytest.param([(40, 180), (100, 60), (160, 180)], id="a gable"),
    ],
)
def test_beside_no_digit_a_letter_is_read_as_what_it_looks_like_but_not_surely(models, stroke):
    page = Image.new("L", (200, 240), 255)
    ImageDraw.Draw(page).line(stroke, 0, PEN, "curve")
    number = read_page(models, page)
    assert number.digits
    assert number.verdict != "sure"


def test_each_field_of_a_line_is_a_date_of_its_own(models):
    page = Image.new("L", (2000, 240), 255)
    page.paste(written("24/03/2052"), (0, 0))
    page.paste(written("20/3").crop((20, 0, 520, 240)), (1400, 0))
    assert read_page(models, page).text == "24/03/2052 20/3"


def close_together(gap: int, *parts: Image.Image | tuple[int, int, int, int]) -> Image.Image:
    """Digits and lines, by their ends, which begin so many pixels behind what is before them."""
    page = Image.new("L", (700, 240), 255)
    pen, x = ImageDraw.Draw(page), 60
    for part in parts:
        if isinstance(part, Image.Image):
            page.paste(part, (x, BASE - HEIGHT))
            x += part.width + gap
        else:
            left, top, right, bottom = part
            ends = [(x + left + PEN // 2, BASE + top), (x + right + PEN // 2, BASE + bottom)]
            pen.line(ends, 0, PEN)
            for end in ends:
                pen.circle(end, PEN / 2, 0)
            x += max(left, right) + PEN + gap
    return page


COMMA, DASH = (12, -8, 0, 22), (0, -48, 34, -48)


@pytest.mark.parametrize(
    ("signs", "text"),
    [
        pytest.param([2, COMMA, 5], "2,5", id="a comma at the foot of a digit"),
        pytest.param([2, 0, DASH, 7], "20-7", id="a dash between two"),
        pytest.param([DASH, 5, COMMA, 3], "-5,3", id="a minus in front"),
    ],
)
def test_signs_hardly_apart_from_digits_are_no_part_of_them(models, signs, text):
    parts = [digit_picture(sign, HEIGHT) if isinstance(sign, int) else sign for sign in signs]
    assert read_page(models, close_together(5, *parts)).text == text


def test_what_stands_around_a_number_is_left_out(models):
    page = Image.new("L", (700, 240), 255)
    pen = ImageDraw.Draw(page)
    for k, digit in enumerate((3, 5, 2)):
        page.paste(digit_picture(digit, HEIGHT), (260 + 90 * k, BASE - HEIGHT))
    top = BASE - HEIGHT
    pen.line([(110, top), (60, top), (60, BASE), (110, BASE)], 0, PEN)
    pen.line([(60, top + 45), (100, top + 45)], 0, PEN)
    pen.line([(150, BASE), (150, top), (200, BASE), (200, top)], 0, PEN)
    number = read_page(models, page)
    assert number.text == "352"
    assert [reason for _, reason in number.left_out] == ["a letter or a symbol"] * 2


def test_what_is_as_high_as_a_digit_is_no_dot_of_a_date():
    class Detectors:
        @staticmethod
        def scores(images):
            said = np.full((len(images), len(SIGN_CLASSES)), -8.0)
            said[:, SIGN_CLASSES.index("digit")] = 1.0
            said[[1, 3], SIGN_CLASSES.index(".")] = 0.0
            return said

    marks = [
        LineMark((0, 40 * k, 60, 40 * k + 30), np.ones((60, 30), np.float32), 0) for k in range(8)
    ]
    votes = count_votes(np.eye(10)[:8] * 20 - 10)
    judged, signs, _ = judge_lines(Detectors, marks, [[vote] for vote in votes], [0.0] * 8, [])
    assert judged == [None] * 8
    assert not signs


@pytest.mark.parametrize("gap", [4, 30])
@pytest.mark.parametrize("digits", [(3, 5, 2), (9, 4)])
def test_brackets_are_no_ones(models, digits, gap):
    page = Image.new("L", (700, 260), 255)
    pen = ImageDraw.Draw(page)
    top, bottom = BASE - HEIGHT - 12, BASE + 12
    pen.arc((60, top, 120, bottom), 110, 250, 0, PEN)
    x = 80 + gap
    for digit in digits:
        picture = digit_picture(digit, HEIGHT)
        page.paste(picture, (x, BASE - HEIGHT))
        x += picture.width + 20
    x += gap - 20
    pen.arc((x - 41, top, x + 19, bottom), -70, 70, 0, PEN)
    number = read_page(models, page)
    assert number.text == "".join(map(str, digits))
    assert [reason for _, reason in number.left_out] == ["a letter or a symbol"] * 2


TOP = BASE - HEIGHT
#: Lines of symbols and letters that touch what is behind them.
JOINED = {
    "E": [[(120, TOP), (60, TOP), (60, BASE), (130, BASE)], [(60, 115), (110, 115)]],
    "$": [
        [(120, 82), (90, TOP), (65, 85), (75, 110), (110, 122), (118, 145), (90, BASE), (60, 148)],
        [(92, TOP - 14), (92, BASE + 14)],
        [(110, 122), (132, 122)],
    ],
    "H": [[(60, TOP), (60, BASE)], [(120, TOP), (120, BASE)], [(60, 114), (130, 114)]],
}


@pytest.mark.parametrize("symbol", JOINED)
@pytest.mark.parametrize("digits", [(5, 2, 3), (8, 5, 2)])
def test_a_symbol_that_touches_a_digit_is_left_out_and_the_digit_is_read(models, symbol, digits):
    page = Image.new("L", (560, 260), 255)
    pen = ImageDraw.Draw(page)
    x = 122
    for digit in digits:
        picture = digit_picture(digit, HEIGHT)
        page.paste(picture, (x, TOP))
        x += picture.width
    for line in JOINED[symbol]:
        pen.line(line, 0, PEN, joint="curve")
    number = read_page(models, page)
    assert number.text == "".join(map(str, digits))
    ((_, reason),) = number.left_out
    assert reason == "a letter or a symbol"


def test_a_dash_that_touches_the_last_digit_is_no_digit(models):
    parts = [digit_picture(digit, HEIGHT) for digit in (3, 2, 0)]
    page = close_together(12, *parts)
    x = 60 + sum(part.width + 12 for part in parts) - 12
    ImageDraw.Draw(page).line((x - 4, BASE - 45, x + 46, BASE - 48), 0, PEN)
    assert "".join(str(found.vote.digit) for found in read_page(models, page).digits) == "320"
