"""What is known of numbers beforehand: the best reading that fits, or word that none does."""

from __future__ import annotations

import pytest
from commandline import objects
from PIL import Image, ImageDraw
from test_number import digit_picture, png
from test_signs import BASE, HEIGHT, PEN, written

import ovr_digits
from ovr_digits import DigitsError
from ovr_digits.picture.answers import NumberAnswer
from ovr_digits.picture.expected import Expected


@pytest.fixture
def read(shipped_models):
    def read(page: Image.Image, **known: str | int) -> NumberAnswer:
        return ovr_digits.read(png(page), models=shipped_models, expected=Expected(**known))

    return read


def upright_date() -> Image.Image:
    """24/03, its slash hardly leaning: alone it might be a 1."""
    page = written("24-03")
    pen = ImageDraw.Draw(page)
    start = 40 + sum(digit_picture(digit, HEIGHT).width + 24 for digit in (2, 4))
    pen.rectangle((start - 4, BASE - 60, start + 50, BASE - 30), 255)
    pen.line((start + 18, BASE - HEIGHT, start + 12, BASE), 0, PEN)
    return page


@pytest.mark.parametrize(
    ("length", "pattern", "text", "accepted"),
    [
        ("4", None, "1.234", True),
        ("4-6", None, "123", False),
        ("4-6", None, "123456", True),
        (None, "dd/dd", "31/12", True),
        (None, "dd/dd", "31-12", False),
        (None, "dd/dd", "31/1", False),
        (None, "-d,d", "-3,5", True),
        ("6-4", None, "12345", True),
        ("2", "dd", "12", True),
        ("3", "dd", "12", False),
    ],
)
def test_a_field_has_a_length_or_a_pattern(length, pattern, text, accepted):
    assert Expected(length, pattern).accepts(text) is accepted


@pytest.mark.parametrize(
    "known",
    [
        {"length": "four"},
        {"length": "0"},
        {"length": "4-600"},
        {"length": "٤"},
        {"length": ""},
        {"pattern": ""},
        {"pattern": "9d"},
        {"pattern": "//"},
        {"pattern": "dd dd"},
        {"pattern": 101 * "d"},
        {"lines": 0},
    ],
)
def test_what_cannot_be_meant_is_refused(known):
    with pytest.raises(DigitsError):
        Expected(**known)


def test_a_pattern_tells_a_slash_from_a_one(read):
    page = upright_date()
    assert read(page, pattern="ddddd").text == "24103"
    number = read(page, pattern="dd/dd")
    assert number.text == "24/03"
    assert [sign.sign for sign in number.signs] == ["/"]


def test_a_length_tells_joined_digits_from_one(read):
    page = Image.new("L", (600, 240), 255)
    x = 60
    for digit in (4, 0, 0):
        picture = digit_picture(digit, HEIGHT)
        page.paste(picture, (x, 80))
        x += picture.width - 6
    number = read(page, length="3")
    assert number.text == "400"
    assert [len(read(page, length=str(n)).digits) for n in (1, 2, 3)] == [1, 2, 3]


def test_what_a_wide_space_parts_is_one_field_where_that_fits(read):
    page = Image.new("L", (1000, 240), 255)
    page.paste(written("24"), (0, 0))
    page.paste(written("03"), (560, 0))
    assert read(page, length="2").text == "24 03"
    assert read(page, length="4").text == "2403"


def test_where_no_reading_is_credible_the_verdict_is_none_and_the_text_is_given(read):
    page = written("2403")
    for known in ({"length": "7"}, {"pattern": "dd/dd"}, {"length": "1"}):
        number = read(page, **known)
        assert number.verdict == "none"
        assert number.text
    assert read(page, length="4").verdict == "sure"
    assert read(page, length="2-4").text == "2403"


def test_lines_beyond_those_expected_are_left_out_and_missing_ones_told(read):
    page = Image.new("L", (700, 600), 255)
    page.paste(written("2403"), (0, 0))
    page.paste(written("30"), (0, 300))
    assert read(page, lines=2).text == "2403\n30"
    one = read(page, lines=1)
    assert one.text == "2403"
    assert {reason for _, reason in one.left_out} == {"in a line more than expected"}
    three = read(page, lines=3)
    assert (three.text, three.verdict, three.missing_lines) == ("2403\n30", "none", 1)
    assert three.as_json()["missing_lines"] == 1


def test_the_command_takes_what_is_known(run, tmp_path):
    upright_date().save(tmp_path / "date.png")
    assert run("read", tmp_path / "date.png", "--pattern", "dd/dd").stdout == "24/03\n"
    (answer,) = objects(run("read", tmp_path / "date.png", "--length", "9", "--json"))
    assert answer["verdict"] == answer["fields"][0]["verdict"] == "none"
    told = run("read", tmp_path / "date.png", "--lines", "2", "--length", "9").stderr
    assert "1 of 2 lines found" in told
    assert "not as expected: " in told


@pytest.mark.parametrize(
    "known", [["--length", "x"], ["--pattern", "12"], ["--lines", "0"], ["--length", "6-"]]
)
def test_the_command_refuses_as_wrong_usage_what_cannot_be_meant(run, tmp_path, known):
    result = run("read", tmp_path / "none.png", *known)
    assert result.returncode == 2
    assert result.stdout == ""
