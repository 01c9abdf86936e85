"""Numbers that are not sure are kept as pictures, typed by people, and learnt from."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from commandline import EXAMPLES, objects
from PIL import Image, ImageDraw
from test_signs import written

from ovr_digits import DigitsError
from ovr_digits.data.reviews import TABLE_NAME, load_review


@pytest.fixture
def page(tmp_path):
    """2403, whose last digit has a blot, and 30, which is plain."""
    page = Image.new("L", (700, 600), 255)
    page.paste(written("2403"), (0, 0))
    page.paste(written("30"), (0, 300))
    right = np.flatnonzero((np.asarray(written("2403")) < 128).any(axis=0))[-1]
    ImageDraw.Draw(page).ellipse((right - 52, 90, right - 4, 150), 0)
    page.save(tmp_path / "page.png")
    return tmp_path / "page.png"


def type_in(folder, **texts):
    """Type under ``text`` what pictures say."""
    with (folder / TABLE_NAME).open(newline="") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        row["text"] = texts.get(row["picture"].removesuffix(".png"), "")
    with (folder / TABLE_NAME).open("w", newline="") as table:
        writer = csv.DictWriter(table, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_each_field_that_is_not_sure_is_a_picture_and_a_row(run, page, tmp_path):
    result = run("read", page, "--review", tmp_path / "unsure")
    assert "review.csv: 1 to type" in result.stderr
    with (tmp_path / "unsure" / TABLE_NAME).open(newline="") as table:
        (row,) = csv.DictReader(table)
    assert (row["file"], row["page"], row["line"], row["text"]) == (str(page), "", "1", "")
    assert row["read"] == result.stdout.split()[0]
    with Image.open(tmp_path / "unsure" / row["picture"]) as picture:
        assert picture.width > 2 * picture.height


def test_where_all_is_sure_there_is_nothing_to_type(run, tmp_path):
    result = run("read", EXAMPLES / "four.png", "--review", tmp_path / "unsure")
    assert "review.csv: nothing to type, no field is unsure" in result.stderr


def test_what_was_typed_is_not_overwritten(run, page, tmp_path):
    run("read", page, "--review", tmp_path / "unsure")
    type_in(tmp_path / "unsure", **{"00001": "2403"})
    before = (tmp_path / "unsure" / TABLE_NAME).read_bytes()
    again = run("read", page, "--review", tmp_path / "unsure")
    assert again.returncode == 1
    assert "holds a review.csv already" in again.stderr
    assert (tmp_path / "unsure" / TABLE_NAME).read_bytes() == before


def test_typed_digits_are_put_to_those_found(run, shipped_models, page, tmp_path):
    run("read", page, "--review", tmp_path / "unsure")
    type_in(tmp_path / "unsure", **{"00001": "24.03"})
    X, y = load_review(tmp_path / "unsure", shipped_models)
    assert y.tolist() == [2, 4, 0, 3]
    assert X.shape == (4, 784)
    assert shipped_models.decision_function(X[:3]).argmax(axis=1).tolist() == [2, 4, 0]


def test_what_does_not_fit_is_named_and_passed_over(run, shipped_models, page, tmp_path):
    run("read", page, "--review", tmp_path / "unsure")
    for text in ("240324032403", "two", "2"):
        type_in(tmp_path / "unsure", **{"00001": text})
        told: list[str] = []
        with pytest.raises(DigitsError, match="none of what is typed fits"):
            load_review(tmp_path / "unsure", shipped_models, told.append)
        (line,) = told
        assert "line 2 passed over" in line
        assert text in line


def test_where_nothing_is_typed_there_is_nothing_to_learn(run, shipped_models, page, tmp_path):
    run("read", page, "--review", tmp_path / "unsure")
    with pytest.raises(DigitsError, match="nothing is typed"):
        load_review(tmp_path / "unsure", shipped_models)


def test_adapt_learns_what_was_typed(run, page, tmp_path, tiny_models):
    run("read", page, "--review", tmp_path / "unsure")
    type_in(tmp_path / "unsure", **{"00001": "2403"})
    models = ["--models", tiny_models, "--output", tmp_path / "own.pkl", "--dataset", "digits"]
    (answer,) = objects(run("adapt", tmp_path / "unsure", *models, "--accept-loss", "--json"))
    assert answer["kept"] == [1, 0, 1, 1, 1, 0, 0, 0, 0, 0]
