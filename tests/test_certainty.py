"""How sure a whole number is: a probability that all of it is right."""

from __future__ import annotations

import numpy as np
import pytest

from ovr_digits.core.vote import count_votes
from ovr_digits.data.splits import load_split
from ovr_digits.learn.certainty import Digits, draw_number, fit_weights, read_numbers
from ovr_digits.picture.certainty import features, probability
from ovr_digits.picture.fields import Field, FoundDigit


def certainty(margin=24.0, lead=6.0, n_digits=4, signs=(), n_beside=0):
    """Of a number whose least plain digit has this margin over another."""
    scores = np.full((n_digits, 10), -12.0)
    scores[:, 3] = 12.0
    scores[0, 5] = 12.0 - margin
    return probability(features(count_votes(scores), [lead] * n_digits, signs, n_beside))


def test_what_speaks_against_a_number_makes_it_less_sure():
    plain = certainty()
    assert 0.75 < plain < 1
    assert certainty(margin=1) < plain
    assert certainty(lead=0.5) < plain
    assert certainty(signs=[0.6]) < plain
    assert certainty(n_digits=8) < plain
    assert certainty(n_beside=1) < plain


def test_beyond_bounds_nothing_more_is_told():
    assert certainty(margin=40) == certainty(margin=60)
    assert certainty(lead=20) == certainty(lead=float("inf"))
    assert certainty(n_beside=1) == certainty(n_beside=5)


@pytest.fixture(scope="module")
def digits():
    split = load_split("digits", "test")
    return [Digits(split.X, split.y)]


def test_drawn_numbers_that_are_right_are_surer_than_others(shipped_models, digits):
    X, right = read_numbers(shipped_models, digits, 24, seed=3)
    assert X.shape == (len(right), 5)
    sure = np.array([probability(row) for row in X])
    assert right.any()
    assert not right.all()
    assert sure[right].mean() > sure[~right].mean() + 0.1


def test_the_same_seed_draws_the_same_numbers(digits):
    (one, text), (other, again) = (draw_number(digits, np.random.default_rng(5)) for _ in range(2))
    assert text == again
    assert one.tobytes() == other.tobytes()


def test_weights_follow_what_tells():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    weights, bias = fit_weights(X, X[:, 1] - X[:, 4] + rng.normal(0, 0.3, 400) > 0.2)
    assert weights[1] > 1
    assert weights[4] < -1
    assert np.abs(np.delete(weights, [1, 4])).max() < 0.7
    assert bias < 0


@pytest.mark.parametrize(
    ("best", "verdict"),
    [
        pytest.param([9, 9, 9], "sure", id="all are digits to their detectors"),
        pytest.param([9, -2, 9], "sure", id="one of them is to none, but stands out"),
        pytest.param([9, -5, 9], "none", id="one of them is clearly denied"),
        pytest.param([-1, -1, -1], "none", id="none of them is a digit to any detector"),
    ],
)
def test_a_number_is_sure_where_its_digits_stand_out(best, verdict):
    scores = np.full((3, 10), -25.0)
    scores[:, 4] = best
    digits = [
        FoundDigit((30 * k, 0, 20, 30), np.zeros((28, 28), np.uint8), vote)
        for k, vote in enumerate(count_votes(scores))
    ]
    assert Field(0, 0, digits).verdict == verdict
    assert Field(0, 0, digits, fits=False).verdict == "none"
    assert Field(0, 0, digits, n_beside=1).verdict != "sure"
