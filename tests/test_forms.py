"""Digits drawn from strokes: those of other people's pens, and the forms of the world."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ovr_digits import load_models
from ovr_digits.learn.forms import digits_of_forms, draw_forms
from ovr_digits.picture.mnist_form import _resized, are_mnist_form, pen_width
from ovr_digits.picture.strokes import draw_digit

SEVEN = [np.array([[0, 0], [6, 0], [2, 9]]), np.array([[2, 4], [5, 4]])]


def test_strokes_are_drawn_in_the_form_of_mnist():
    rng = np.random.default_rng(0)
    drawn = np.array([draw_digit(SEVEN, rng) for _ in range(50)])
    assert drawn.dtype == np.uint8
    assert are_mnist_form(drawn).all()


def test_every_hand_has_its_own_pen():
    rng = np.random.default_rng(0)
    widths = [pen_width(draw_digit(SEVEN, rng) / np.float32(255)) for _ in range(200)]
    assert max(widths) > 1.5 * min(widths)


def test_the_unit_of_strokes_does_not_matter():
    small = draw_digit(SEVEN, np.random.default_rng(1))
    large = draw_digit([stroke * 1000 + 77 for stroke in SEVEN], np.random.default_rng(1))
    assert (small == large).all()


@pytest.mark.parametrize("stroke", [[[3, 4]], [[3, 4], [3, 4]], [[3, 4], [3, 90]]])
def test_a_dot_and_a_straight_line_are_drawn(stroke):
    assert draw_digit([np.array(stroke)], np.random.default_rng(0)).any()


def test_nothing_is_not_drawn():
    with pytest.raises(ValueError, match="at least one"):
        draw_digit([], np.random.default_rng(0))


def test_forms_are_digits_in_the_form_of_mnist():
    X = draw_forms(108, seed=0)
    assert X.shape == (108, 784)
    assert are_mnist_form(X.reshape(-1, 28, 28)).all()
    assert set(digits_of_forms(108).tolist()) == set(range(10))


def test_the_same_seed_draws_the_same_and_a_copy_draws_anew():
    X = draw_forms(60, seed=3)
    assert (draw_forms(60, seed=3) == X).all()
    assert (draw_forms(60, seed=3, copy=1) != X).any(axis=1).all()


def test_the_shipped_detectors_read_nearly_all_forms():
    X, y = draw_forms(540, seed=5), digits_of_forms(540)
    assert (load_models().decision_function(X).argmax(axis=1) == y).mean() > 0.97


@pytest.mark.parametrize(
    ("before", "after"),
    [((50, 30), (20, 12)), ((9, 14), (20, 31)), ((300, 200), (20, 13)), ((7, 7), (7, 7))],
)
def test_ink_is_resized_as_pillow_does(before, after):
    ink = np.random.default_rng(0).random(before, np.float32)
    theirs = Image.fromarray(ink).resize(after[::-1], Image.Resampling.BICUBIC)
    np.testing.assert_allclose(
        _resized(ink, after[0] / before[0]), np.clip(np.asarray(theirs), 0, 1), atol=1e-5
    )
