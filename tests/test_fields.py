"""Fields: what wide spaces part in a line, and which of them stand under one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import pytest
from PIL import Image, ImageDraw
from test_number import digit_picture, read_page

from ovr_digits.picture.answers import NumberAnswer
from ovr_digits.picture.fields import find_columns, part_boxes

HEIGHT = 60


@pytest.fixture
def models(shipped_models):
    return shipped_models


def page_of(rows: Sequence[Sequence[tuple[str, int]]], gap: int = 10) -> Image.Image:
    """Rows of fields, each with its left side, in a clear hand."""
    page = Image.new("L", (1100, 110 * len(rows) + 40), 255)
    for k, row in enumerate(rows):
        for text, x in row:
            for digit in text:
                picture = digit_picture(int(digit), HEIGHT)
                page.paste(picture, (x, 40 + 110 * k))
                x += picture.width + gap
    return page


def spaced(text: str, pitch: int, boxes: str = "") -> Image.Image:
    """Digits whose middles are so far apart, in boxes of a form or without."""
    page = Image.new("L", (pitch * len(text) + 60, 160), 255)
    pen = ImageDraw.Draw(page)
    for k, digit in enumerate(text):
        picture = digit_picture(int(digit), HEIGHT)
        page.paste(picture, (30 + pitch * k + (pitch - picture.width) // 2, 50))
        if boxes:
            right = 30 + pitch * (k + 1) - (12 if boxes == "apart" else 0)
            pen.rectangle((30 + pitch * k, 36, right, 124), outline=60, width=3)
    return page


def texts(number: NumberAnswer) -> list[list[str]]:
    return [
        [field.text for field in row]
        for _, row in groupby(number.fields, key=lambda field: field.line)
    ]


def test_a_wide_space_parts_fields(models):
    number = read_page(models, page_of([[("043", 40), ("573", 300)]]))
    assert texts(number) == [["043", "573"]]
    assert number.text == "043 573"


def test_fields_in_json_tell_where_they_are_and_which_digits_they_hold(models):
    answer = read_page(models, page_of([[("043", 40), ("573", 300)], [("82", 40)]])).as_json()
    assert answer["lines"] == ["043 573", "82"]
    first, second, third = answer["fields"]
    assert set(first) == {"line", "column", "text", "box", "confidence", "verdict", "digits"}
    assert [first["digits"], second["digits"], third["digits"]] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert (third["line"], third["column"]) == (1, 0)
    x, y, _, h = second["box"]
    assert (x, y, h) == pytest.approx((300, 40, HEIGHT), abs=3)
    each = [field["confidence"] for field in answer["fields"]]
    assert all(0.5 < confidence < 1 for confidence in each)
    assert answer["confidence"] == pytest.approx(math.prod(each), abs=1e-5)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(spaced("20358", 85), id="spaced out"),
        pytest.param(spaced("2010358", 100, "joined"), id="in a comb"),
        pytest.param(spaced("2010358", 110, "apart"), id="in boxes"),
        pytest.param(spaced("1101", 95), id="ones at an equal pitch"),
        pytest.param(page_of([[("11", 40), ("0", 118)]], gap=24), id="narrow digits"),
    ],
)
def test_digits_at_an_equal_pitch_are_one_field(models, page):
    (row,) = texts(read_page(models, page))
    assert len(row) == 1


def test_rows_and_columns_of_a_table_are_kept(models):
    rows = [
        [("43", 60), ("208", 330), ("5", 700)],
        [("7", 80), ("96", 350), ("38", 690)],
        [("20", 70), ("4", 710)],
    ]
    fields = read_page(models, page_of(rows)).fields
    assert [(field.line, field.column, field.text) for field in fields] == [
        *((0, 0, "43"), (0, 1, "208"), (0, 2, "5")),
        *((1, 0, "7"), (1, 1, "96"), (1, 2, "38")),
        *((2, 0, "20"), (2, 2, "4")),
    ]


def test_a_heading_across_a_table_is_in_its_first_column():
    rows = [[(0, 0, 300, 20)], [(10, 40, 50, 20), (200, 40, 60, 20)], [(205, 80, 40, 20)]]
    assert find_columns(rows) == [[0], [0, 1], [1]]


def test_columns_of_a_line_rise():
    rows = [[(0, 0, 40, 20), (60, 0, 10, 20)], [(0, 40, 10, 20), (25, 40, 10, 20)]]
    assert all(line == sorted(set(line)) for line in find_columns(rows))


def test_one_box_is_a_field():
    assert part_boxes([(3, 4, 10, 20)]) == [slice(0, 1)]
