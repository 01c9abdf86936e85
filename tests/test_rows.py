"""Digits that are cut out of drawn rows, to be learnt from."""

from __future__ import annotations

import numpy as np

from ovr_digits import load_models
from ovr_digits.data.splits import load_split
from ovr_digits.learn.rows import draw_cut_digits
from ovr_digits.picture.mnist_form import are_mnist_form


def test_a_digit_that_is_cut_out_of_a_row_is_nearly_what_it_was():
    split = load_split("digits", "train")
    X, y = split.X[:150], split.y[:150]
    cut = draw_cut_digits(X, split.X, seed=0, n_jobs=1)
    assert cut.dtype == np.uint8
    assert are_mnist_form(cut.reshape(-1, 28, 28)).all()
    assert (cut != X).any(axis=1).mean() > 0.9
    assert (load_models().decision_function(cut).argmax(axis=1) == y).mean() > 0.93


def test_the_same_seed_cuts_the_same_on_any_number_of_cores():
    X = load_split("digits", "train").X[:20]
    one, two = (draw_cut_digits(X, X, seed=1, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert (one == two).all()
    assert (draw_cut_digits(X, X, seed=2, n_jobs=1) != one).any()


def test_a_digit_whose_neighbours_are_dots_stays_a_digit():
    dots = np.zeros((1, 28, 28), np.uint8)
    dots[0, 13:15, 13:15] = 255
    X = load_split("digits", "train").X[:5]
    assert draw_cut_digits(X, dots.reshape(1, 784), seed=0, n_jobs=1).any(axis=1).all()
