"""Pictures of no digit: how they are drawn, and that detectors learn to say no to them."""

from __future__ import annotations

import numpy as np
import pytest
from strokes import picture_of

from ovr_digits import OneVsRestDigits, PatchKernelFeatures
from ovr_digits.data.splits import load_split
from ovr_digits.learn.forms import digits_of_forms, draw_forms
from ovr_digits.learn.negatives import draw_negatives
from ovr_digits.picture.digit import find_form

N = 400


@pytest.fixture(scope="module")
def digits():
    return load_split("digits", "train")


@pytest.fixture(scope="module")
def drawn(digits):
    return draw_negatives(N, digits.X, seed=0)


def test_negatives_have_the_form_of_mnist(drawn):
    assert drawn.shape == (N, 784)
    assert drawn.dtype == np.uint8
    images = drawn.reshape(N, 28, 28).astype(float)
    inked = images[images.any(axis=(1, 2))]
    boxes = [
        max(np.ptp(np.flatnonzero(image.any(axis=axis))) + 1 for axis in (0, 1)) for image in inked
    ]
    assert max(boxes) <= 20
    mass = inked.sum(axis=(1, 2))
    middles = [(inked.sum(axis=axis) @ np.arange(28)) / mass for axis in (1, 2)]
    assert np.median(np.abs(np.array(middles) - 13.5)) < 0.5


def test_some_are_blank_and_hardly_any_occurs_twice(drawn):
    blank = ~drawn.any(axis=1)
    assert 1 <= blank.sum() <= 0.01 * N
    assert len(np.unique(drawn[~blank], axis=0)) > 0.98 * (~blank).sum()


def test_the_same_seed_draws_the_same(digits, drawn):
    np.testing.assert_array_equal(draw_negatives(50, digits.X, seed=0), drawn[:50])
    assert (draw_negatives(50, digits.X, seed=1) != drawn[:50]).any(axis=1).mean() > 0.9


def test_none_at_all(digits):
    assert draw_negatives(0, digits.X, seed=0).shape == (0, 784)


@pytest.mark.parametrize(
    "digits_at_hand",
    [
        np.zeros((0, 784), np.uint8),
        np.zeros((5, 784), np.uint8),
        np.full((5, 784), 120, np.uint8),
        np.full((5, 784), 255, np.uint8),
        np.random.default_rng(0).integers(90, 150, (5, 784), np.uint8),
        np.eye(5, 784, dtype=np.uint8) * 255,  # a speck each
    ],
    ids=["none", "blank", "grey", "white", "noise", "specks"],
)
def test_digits_of_any_kind_come_to_an_end(digits_at_hand):
    drawn = draw_negatives(150, digits_at_hand, seed=0)
    assert drawn.any(axis=1).sum() >= 148


def test_blank_digits_are_passed_over(digits):
    some = digits.X[:50]
    with_blank = np.concatenate([some[:20], np.zeros((30, 784), np.uint8), some[20:]])
    np.testing.assert_array_equal(
        draw_negatives(100, with_blank, seed=0), draw_negatives(100, some, seed=0)
    )


def hearts(n):
    """Drawn with a curve for each side, unlike those that are taught, and with any pen."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 40)[:, None]
    forms = []
    for _ in range(n):
        dip, (lift, wide) = rng.uniform(0.15, 0.3), rng.uniform((0.1, 0.1), (0.4, 0.3))
        bends = np.array([[0.5, dip], [0.3, -lift], [-wide, 0.2], [0.5, 1]])
        half = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]) @ bends
        outline = np.concatenate([half, (half * (-1, 1) + (1, 0))[::-1]])
        points = (60 + 160 * outline).tolist()
        file = picture_of([points], pen=int(rng.integers(8, 30)))
        forms.append(find_form(file, "dark ink").ravel())
    return np.stack(forms)


def fitted(X, y, negatives):
    features = PatchKernelFeatures(("raw",), n_anchors=(8, 32), random_state=0)
    model = OneVsRestDigits(features, epochs=5, validation_fraction=0.2, random_state=0)
    return model.fit(X, y, negatives=negatives)


def n_fired(model, X):
    return (model.decision_function(X) > 0).sum(axis=1)


def test_detectors_learn_to_say_no(digits):
    """And still know the digits."""

    unseen = draw_negatives(N, digits.X[1000:], seed=1)
    X, y = digits.X[:1000], digits.y[:1000]
    untaught, taught = fitted(X, y, None), fitted(X, y, draw_negatives(300, X[:800], seed=0))
    assert (n_fired(untaught, unseen) == 0).mean() < 0.6
    assert (n_fired(taught, unseen) == 0).mean() > 0.85
    assert (n_fired(taught, digits.X[1000:]) == 1).mean() > 0.93
    assert taught.score(digits.X[1000:], digits.y[1000:]) > 0.96
    assert taught.validation_score_ > 0.95


@pytest.mark.mnist
@pytest.mark.long
def test_a_heart_is_no_zero_whose_ends_turn_inwards(mnist_dir):
    """Zeros with a run in and a run out are among the forms that are learnt."""
    n, n_forms = 3000, 600
    digits = load_split("mnist", "train", mnist_dir)
    X = np.concatenate([draw_forms(n_forms, 0), digits.X[:n]])
    y = np.concatenate([digits_of_forms(n_forms), digits.y[:n]])
    model = fitted(X, y, draw_negatives(450, digits.X[:2000], seed=0))
    assert (n_fired(model, hearts(60)) == 0).mean() > 0.7
