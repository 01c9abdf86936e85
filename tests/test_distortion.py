"""Distorted copies: how far they go, that they repeat, and that detectors learn from a stream."""

from __future__ import annotations

import numpy as np
import pytest

from ovr_digits.core.distortion import (
    MEDIUM,
    Distortions,
    DistortionStrength,
    apply_distortions,
    draw_distortions,
)
from ovr_digits.learn import fitting
from ovr_digits.learn.detectors import OneVsRestDigits
from ovr_digits.learn.features import PatchKernelFeatures

NOTHING = DistortionStrength(rotation=0, scale=0, shear=0, shift=0, elastic=0)


@pytest.fixture
def bars() -> np.ndarray:
    """Five images of 28×28 with an upright bar three pixels wide in the middle."""
    images = np.zeros((5, 28, 28), np.float32)
    images[:, 4:24, 12:15] = 1.0
    return images


def rng(seed: int = 0) -> np.random.RandomState:
    return np.random.RandomState(seed)


def test_no_strength_leaves_images_as_they_are(bars):
    distorted = apply_distortions(bars, draw_distortions(5, NOTHING, rng()))
    np.testing.assert_allclose(distorted, bars, atol=1e-6)


def test_copies_differ_from_the_image_and_from_one_another(bars):
    copies = apply_distortions(bars, draw_distortions(5, MEDIUM, rng()))
    assert copies.shape == bars.shape
    assert copies.dtype == np.float32
    assert 0 <= copies.min() <= copies.max() <= 1
    everything = [bars[0], *copies]
    for i, one in enumerate(everything):
        for other in everything[:i]:
            assert np.abs(one - other).mean() > 0.005


def test_the_ink_stays_about_as_much_and_about_where_it_was(bars):
    copies = apply_distortions(np.repeat(bars, 40, axis=0), draw_distortions(200, MEDIUM, rng()))
    ink = copies.sum(axis=(1, 2)) / bars[0].sum()
    assert abs(ink.mean() - 1) < 0.05
    assert 0.6 < ink.min() < ink.max() < 1.5
    columns = copies.sum(axis=1) @ np.arange(28) / copies.sum(axis=(1, 2))
    assert np.abs(columns - 13).max() < 3


@pytest.mark.parametrize(
    ("linear", "shift", "expected"),
    [
        ([[1, 0], [0, 1]], [2, 0], (slice(2, 22), slice(12, 15))),
        ([[1, 0], [0, 1]], [0, -3], (slice(4, 24), slice(15, 18))),
    ],
)
def test_a_shift_reads_from_where_it_says(bars, linear, shift, expected):
    drawn = Distortions(
        np.array([linear] * 5, np.float32),
        np.array([shift] * 5, np.float32),
        np.zeros((5, 2, 6, 6), np.float32),
    )
    wanted = np.zeros((28, 28), np.float32)
    wanted[expected] = 1.0
    np.testing.assert_allclose(apply_distortions(bars, drawn)[0], wanted, atol=1e-5)


def test_a_turn_by_a_right_angle_lays_the_bar_down(bars):
    drawn = Distortions(
        np.array([[[0, -1], [1, 0]]] * 5, np.float32),
        np.zeros((5, 2), np.float32),
        np.zeros((5, 2, 6, 6), np.float32),
    )
    turned = apply_distortions(bars, drawn)[0]
    np.testing.assert_allclose(turned, np.rot90(bars[0], -1), atol=1e-4)


def test_the_same_seed_draws_the_same_copies(bars):
    one, same, other = (
        apply_distortions(bars, draw_distortions(5, MEDIUM, rng(seed))) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    from ovr_digits.data.splits import load_split

    split = load_split("digits", "train")
    return split.X[:300], split.y[:300]


def fit_on_copies(digits, **options) -> OneVsRestDigits:
    features = PatchKernelFeatures(("upright",), n_anchors=(8, 16))
    model = OneVsRestDigits(features, n_copies=3, random_state=0, **options)
    return model.fit(*digits)


def test_detectors_learn_from_copies_too(digits):
    assert fit_on_copies(digits).score(*digits) > 0.9


def test_copies_that_do_not_fit_in_memory_together_are_learnt_one_after_the_other(
    digits, monkeypatch
):
    together = fit_on_copies(digits).arrays().coef
    monkeypatch.setattr(fitting, "WINDOW_BYTES", 0)
    model = fit_on_copies(digits)
    assert model.score(*digits) > 0.9
    assert np.abs(model.arrays().coef - together).max() > 0


def test_copies_do_not_depend_on_the_number_of_threads(digits):
    one, two = (fit_on_copies(digits, n_jobs=n).arrays().coef for n in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3 * np.abs(one).max())


def test_the_held_out_part_is_judged_undistorted(digits):
    model = fit_on_copies(digits, validation_fraction=0.25)
    assert model.validation_score_ > 0.85
