"""The mathematics, each function against its definition written out plainly."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ovr_digits
from ovr_digits.core.detectors import detector_scores
from ovr_digits.core.features import (
    Branch,
    KernelLayer,
    LeadingAxes,
    apply_layer,
    as_images,
    check_grey_levels,
    extract_patches,
    gaussian_pool,
    inverse_root_kernel,
    pair_products,
    patch_directions,
    patch_kernel_features,
)
from ovr_digits.core.occlusion import ink_contributions
from ovr_digits.core.views import VIEWS, bilinear_sample, fill_box
from ovr_digits.core.vote import count_votes, probabilities
from ovr_digits.data.splits import load_split
from ovr_digits.learn import calibration
from ovr_digits.learn.coordinates import PRODUCT_SCALE, CoordinateSpace
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.fitting import Samples, fit_detectors
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.run import Run
from ovr_digits.learn.whitening import Covariances, Whitening, principal_axes

PACKAGE = Path(ovr_digits.__file__).parent


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def unit_rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    rows = rng(seed).standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


# --- patches -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 7, 9, 3), (1, 5, 5, 1), (3, 8, 6, 2)])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_patches_are_those_of_a_plain_loop(shape, size):
    maps = rng().random(shape).astype(np.float32)
    n, h, w, _ = shape
    expected = np.array(
        [
            [
                [maps[i, r : r + size, c : c + size].ravel() for c in range(w - size + 1)]
                for r in range(h - size + 1)
            ]
            for i in range(n)
        ]
    )
    np.testing.assert_array_equal(extract_patches(maps, size), expected)


def test_a_map_smaller_than_the_patch_is_widened_with_zeros():
    maps = np.ones((1, 2, 3, 1), np.float32)
    patches = extract_patches(maps, 5)
    assert patches.shape == (1, 1, 1, 25)
    expected = np.zeros((5, 5))
    expected[1:3, 1:4] = 1
    np.testing.assert_array_equal(patches.reshape(5, 5), expected)


def test_patches_may_be_written_into():
    maps = np.zeros((1, 3, 3, 1), np.float32)
    extract_patches(maps, 3)[:] = 1
    extract_patches(maps, 1)[:] = 1
    assert not maps.any()


@pytest.mark.parametrize("centred", [False, True])
def test_directions_and_lengths_make_up_the_patch(centred):
    patches = rng().random((20, 9)) + 1
    directions, norms = patch_directions(patches, centred)
    wanted = patches - patches.mean(axis=1, keepdims=True) if centred else patches
    np.testing.assert_allclose(directions * norms[:, None], wanted, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-4)


# --- layers --------------------------------------------------------------------------------


def layer_of(centred: bool, n_channels: int = 0, stride: float = 1.0) -> KernelLayer:
    anchors = unit_rows(6, 9)
    whitener = inverse_root_kernel(anchors, 3.0)[:, :n_channels] if n_channels else None
    return KernelLayer(anchors, 3, 3.0, stride, centred, whitener)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("n_channels", [0, 2, 6])
def test_a_layer_is_its_formula_written_out(centred, n_channels):
    layer = layer_of(centred, n_channels, stride=2.0)
    maps = rng().random((2, 8, 9, 1)).astype(np.float32)
    responses = np.empty((2, 6, 7, 6))
    for i, r, c in np.ndindex(2, 6, 7):
        x = maps[i, r : r + 3, c : c + 3].ravel().astype(float)
        x = x - x.mean() if centred else x
        norm = math.sqrt(x @ x)
        for k, z in enumerate(layer.anchors.astype(float)):
            responses[i, r, c, k] = norm * math.exp(layer.alpha * (x @ z / norm - 1))
    expected = naive_pool(responses, 2.0)
    if layer.whitener is not None:
        expected = expected @ layer.whitener
    np.testing.assert_allclose(apply_layer(maps, layer), expected, rtol=1e-3, atol=1e-4)


def test_an_empty_image_answers_with_nothing():
    answers = apply_layer(np.zeros((1, 8, 8, 1), np.float32), layer_of(True))
    assert np.isfinite(answers).all()
    assert np.abs(answers).max() < 1e-4


def naive_pool(maps: np.ndarray, stride: float) -> np.ndarray:
    """Every window's Gaussian, sigma = stride / √2, one sum at a time."""
    n, h, w, c = maps.shape
    rows, columns = math.ceil(h / stride), math.ceil(w / stride)
    pooled = np.zeros((n, rows, columns, c))
    for i, j in np.ndindex(rows, columns):
        centre = (
            (h - 1) / 2 + stride * (i - (rows - 1) / 2),
            (w - 1) / 2 + stride * (j - (columns - 1) / 2),
        )
        for r, q in np.ndindex(h, w):
            down = math.exp(-((r - centre[0]) ** 2) / (2 * (stride / math.sqrt(2)) ** 2))
            across = math.exp(-((q - centre[1]) ** 2) / (2 * (stride / math.sqrt(2)) ** 2))
            if down >= 0.01 and across >= 0.01:
                pooled[:, i, j] += down * across * maps[:, r, q]
    return pooled


@pytest.mark.parametrize("stride", [1.0, 2.0, 3.0, 2.5])
@pytest.mark.parametrize("shape", [(2, 7, 5, 2), (1, 6, 6, 1), (1, 1, 4, 3)])
def test_pooling_is_a_sum_under_a_gaussian(stride, shape):
    maps = rng().random(shape).astype(np.float32)
    np.testing.assert_allclose(gaussian_pool(maps, stride), naive_pool(maps, stride), rtol=1e-4)


def test_inverse_root_of_the_kernel_matrix():
    anchors, alpha, ridge = unit_rows(12, 9), 4.0, 1e-3
    root = inverse_root_kernel(anchors, alpha, ridge).astype(float)
    cosines = anchors.astype(float) @ anchors.astype(float).T
    kernel = np.exp(alpha * (cosines - 1))
    np.testing.assert_allclose(root, root.T, atol=1e-5)
    np.testing.assert_allclose(root @ (kernel + ridge * np.eye(12)) @ root, np.eye(12), atol=1e-3)


def test_inverse_root_bears_anchors_that_are_alike():
    anchors = np.repeat(unit_rows(2, 9), 3, axis=0)
    assert np.isfinite(inverse_root_kernel(anchors, 4.0)).all()


# --- features ------------------------------------------------------------------------------


def two_branches() -> tuple[Branch, ...]:
    second = KernelLayer(unit_rows(5, 9 * 6, seed=1), 3, 2.0, 3.0, False, None)
    layers = (layer_of(True, 6, stride=2.0), second)
    return Branch("raw", layers), Branch("upright", layers)


def test_grey_levels_become_images_from_0_to_1():
    X = np.array([[0, 51, 255, 102]], np.uint8)
    images = as_images(X, (2, 2))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, [[[0, 0.2], [1, 0.4]]], rtol=1e-6)
    assert as_images(X.astype(np.float64), (2, 2)).dtype == np.float64


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.full((2, 4), 0.5), "lie in 0..1; multiply by 255"),
        (np.full((2, 4), 1, np.int64), "lie in 0..1; multiply by 255"),
        (np.full((2, 4), True), "are bool; multiply by 255"),
        (np.full((2, 4), 200, np.uint8).astype(np.int8), "go from -56 to -56"),
        (np.array([[0, 3, 0, 65535]], np.uint16), "go from 0 to 65535"),
        (np.array([[0, 3, -1.5, 255]]), "go from -1.5 to 255"),
        (np.array([[0, 3, np.nan, 255]]), "are not all finite"),
        (np.array([[0, 3, np.inf, 255]]), "are not all finite"),
        (np.array([["0", "3", "1", "2"]]), "are <U1"),
        (np.zeros((2, 5), np.uint8), r"have the shape \(2, 5\)"),
        (np.zeros(4, np.uint8), r"have the shape \(4,\)"),
    ],
)
def test_what_are_no_grey_levels_is_refused_in_one_sentence(X, said):
    with pytest.raises(ValueError, match=rf"array \(n, 4\) of grey levels 0..255.*these {said}$"):
        check_grey_levels(X, 4)


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((3, 4)),
        np.zeros((0, 4)),
        np.array([[0, 0.5, 3, 255]]),
        np.array([[0, 1, 1, 127]], np.int8),
        np.array([[0, 1, 1, 255]], np.uint16),
        np.ones((3, 2, 2), np.uint8),
    ],
)
def test_grey_levels_of_any_type_are_taken(X):
    check_grey_levels(X, 4)


def test_stored_detectors_refuse_what_are_no_grey_levels(tiny_models, digit_images):
    models = ovr_digits.load_models(tiny_models)
    for wrong in (digit_images / 255, digit_images > 127, digit_images.astype(np.int8)):
        with pytest.raises(ValueError, match=r"of grey levels 0..255"):
            models.decision_function(wrong)
    np.testing.assert_allclose(
        models.decision_function(digit_images.astype(float)),
        models.decision_function(digit_images),
        atol=1e-3,
    )


def test_the_faintest_ink_is_answered_and_explained(tiny_models, digit_images):
    models = ovr_digits.load_models(tiny_models)
    faint = np.minimum(digit_images[:1], 1)
    assert np.isfinite(models.decision_function(faint)).all()
    assert np.isfinite(ink_contributions(models, faint.reshape(28, 28), 3)).all()


def test_branches_lie_side_by_side():
    X = rng().integers(0, 256, (40, 784), np.uint8)
    branches = two_branches()
    together = patch_kernel_features(X, branches, (28, 28))
    assert together.shape == (40, sum(b.n_features((28, 28)) for b in branches))
    apart = [patch_kernel_features(X, [branch], (28, 28)) for branch in branches]
    np.testing.assert_allclose(together, np.hstack(apart), rtol=1e-5)


def test_features_in_double_precision_are_those_in_single():
    X = load_split("digits", "train").X[:20]
    single = patch_kernel_features(X, two_branches(), (28, 28))
    double = patch_kernel_features(X.astype(np.float64), two_branches(), (28, 28))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-3)


def test_scores_are_features_times_weights():
    X = load_split("digits", "train").X[:70]
    features = patch_kernel_features(X, two_branches(), (28, 28))
    coef = rng().standard_normal((3, features.shape[1])).astype(np.float32)
    intercept = np.array([1.0, -2.0, 3.0])
    scores = detector_scores(X, two_branches(), (28, 28), coef, intercept)
    np.testing.assert_allclose(scores, features @ coef.T + intercept, rtol=1e-3, atol=1e-3)
    alone = detector_scores(X, two_branches(), (28, 28), coef[1:2], intercept[1:2])
    np.testing.assert_array_equal(alone[:, 0], scores[:, 1])


# --- views ---------------------------------------------------------------------------------


def bar(slope: float, width: float = 2.0) -> np.ndarray:
    """A bar from row 6 to 21 that moves sideways by ``slope`` pixels a row: (1, 28, 28)."""
    rows, columns = np.mgrid[:28, :28].astype(np.float32)
    ink = np.clip(width - np.abs(columns - 13.5 - slope * (rows - 13.5)), 0, 1)
    return (ink * ((rows >= 6) & (rows <= 21)))[None].astype(np.float32)


def moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and covariance of the ink of one image."""
    places = np.mgrid[: image.shape[0], : image.shape[1]].reshape(2, -1).astype(float)
    weights = image.ravel().astype(float)
    return np.average(places, axis=1, weights=weights), np.cov(places, aweights=weights, ddof=0)


def slant(image: np.ndarray) -> float:
    _, covariance = moments(image)
    return float(covariance[0, 1] / covariance[0, 0])


@pytest.mark.parametrize("slope", [-0.7, -0.3, 0.2, 0.6])
@pytest.mark.parametrize("view", [name for name in VIEWS if name != "raw"])
def test_a_leaning_bar_stands_upright(view, slope):
    image = bar(slope)
    assert slant(image[0]) == pytest.approx(slope, abs=0.05)
    assert slant(VIEWS[view](image)[0]) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("shape", [(6, 3), (14, 4), (20, 20)])
def test_ink_is_stretched_to_the_box_within_limits(shape):
    images = np.zeros((1, 28, 28), np.float32)
    images[0, 4 : 4 + shape[0], 10 : 10 + shape[1]] = 1  # off the middle
    filled = fill_box(images, height=20, width=14)[0] > 0.5
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    height, width = min(20, shape[0] * 2), min(14, shape[1] * 4)
    assert len(rows) == pytest.approx(height, abs=1)
    assert len(columns) == pytest.approx(width, abs=1)
    assert abs(rows.mean() - 13.5) <= 0.5
    assert abs(columns.mean() - 13.5) <= 0.5


def test_an_image_without_ink_fills_no_box():
    assert not fill_box(np.zeros((1, 28, 28), np.float32), 20, 14).any()


def test_what_need_not_be_changed_stays_as_it_is():
    np.testing.assert_allclose(VIEWS["upright"](bar(0.0)), bar(0.0), atol=0.02)
    np.testing.assert_array_equal(VIEWS["raw"](bar(0.5)), bar(0.5))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_view_keeps_form_and_range(view, dtype):
    images = as_images(load_split("digits", "train").X[:30], (28, 28)).astype(dtype)
    given = images.copy()
    seen = VIEWS[view](images)
    assert seen.shape == images.shape
    assert seen.dtype == dtype
    assert seen.min() >= 0
    assert seen.max() <= 1 + 1e-6
    np.testing.assert_array_equal(images, given)  # the caller's are left alone
    np.testing.assert_allclose(VIEWS[view](images[7:8])[0], seen[7], atol=1e-5)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_keeps_the_centre_of_the_ink(view):
    for slope in (-0.4, 0.0, 0.4):
        before, after = (moments(image[0])[0] for image in (bar(slope), VIEWS[view](bar(slope))))
        np.testing.assert_allclose(after, before, atol=0.3)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(28, 28), (20, 28), (1, 7), (1, 1)])
def test_every_view_bears_blank_full_and_dotted_images(view, shape):
    blank, full, dot = (np.zeros((1, *shape), np.float32) for _ in range(3))
    full[:] = 1
    dot[0, 0, 0] = 1
    np.testing.assert_array_equal(VIEWS[view](blank), blank)
    for image in (full, dot):
        seen = VIEWS[view](image)
        assert np.isfinite(seen).all()
        assert seen.shape == image.shape


def test_reading_between_pixels_weighs_the_four_around():
    image = np.array([[[0.0, 1.0], [2.0, 5.0]]], np.float32)
    half = np.full((1, 2, 2), 0.5, np.float32)
    np.testing.assert_allclose(bilinear_sample(image, half, half), np.full((1, 2, 2), 2.0))


def test_beyond_the_edge_is_paper():
    image = np.ones((1, 3, 3), np.float32)
    for far in (-50.0, -1.0, 3.0, 1e6):
        place = np.full((1, 3, 3), far, np.float32)
        assert not bilinear_sample(image, place, np.ones_like(place)).any()
        assert not bilinear_sample(image, np.ones_like(place), place).any()


# --- the vote ------------------------------------------------------------------------------

SCORES = hnp.arrays(np.float64, (1, 10), elements=st.floats(-1e4, 1e4))


def scores_of(**fired: float) -> np.ndarray:
    scores = np.full((1, 10), -3.0)
    for name, score in fired.items():
        scores[0, int(name[1:])] = score
    return scores


@pytest.mark.parametrize(
    ("fired", "digit", "verdict", "digits"),
    [
        ({"d4": 2.0}, 4, "sure", (4,)),
        ({"d9": 0.5, "d2": 3.0, "d5": 1.0}, 2, "conflict", (2, 5, 9)),
        ({"d6": -0.5}, 6, "none", ()),  # and yet the best guess is told
        ({"d3": 0.0}, 3, "none", ()),  # zero has not fired
        ({"d8": 1.0, "d1": 1.0}, 1, "conflict", (1, 8)),  # a tie goes to the smaller digit
        ({f"d{d}": 0.0 for d in range(10)}, 0, "none", ()),
    ],
)
def test_who_wins_and_how_sure_that_is(fired, digit, verdict, digits):
    vote = count_votes(scores_of(**fired))[0]
    assert (vote.digit, vote.verdict, vote.fired) == (digit, verdict, digits)
    assert vote.confidence == pytest.approx(1 / (1 + math.exp(-fired[f"d{digit}"])))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    with pytest.raises(ValueError, match="finite"):
        count_votes(scores_of(d0=value))


def test_extreme_scores_are_certainties_without_a_warning():
    np.testing.assert_array_equal(probabilities(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])
    vote = count_votes(np.array([[1e4] + [-1e4] * 9]))[0]
    assert vote.votes == (1.0,) + (0.0,) * 9


def test_no_pictures_no_votes():
    assert count_votes(np.empty((0, 10))) == []


@given(SCORES)
def test_verdict_and_votes_follow_from_the_scores(scores):
    vote = count_votes(scores)[0]
    assert vote.digit == scores[0].argmax()
    assert vote.confidence == vote.votes[vote.digit] == max(vote.votes)
    assert vote.scores == tuple(scores[0])
    assert vote.fired == tuple(d for d in range(10) if scores[0, d] > 0)
    assert vote.verdict == {0: "none", 1: "sure"}.get(len(vote.fired), "conflict")
    assert all(0 <= p <= 1 for p in vote.votes)
    assert all(p >= 0.5 for d, p in enumerate(vote.votes) if d in vote.fired)


@given(SCORES)
def test_votes_rise_with_scores(scores):
    votes = np.array(count_votes(scores)[0].votes)
    assert (np.diff(votes[scores[0].argsort(kind="stable")]) >= 0).all()


@given(SCORES)
def test_a_vote_is_plain_json(scores):
    table = count_votes(scores)[0].as_json()
    assert list(table) == ["digit", "confidence", "verdict", "fired", "votes", "scores"]
    again = json.loads(json.dumps(table, allow_nan=False))
    assert again == table
    np.testing.assert_allclose(again["scores"], scores[0], atol=1e-6)


# --- whitening -----------------------------------------------------------------------------


def correlated(n: int = 2000, d: int = 12, seed: int = 0) -> np.ndarray:
    r = rng(seed)
    return (r.standard_normal((n, d)) @ r.standard_normal((d, d)) + 5).astype(np.float32)


def whitened(features: np.ndarray, sizes, n_components: int, ridge: float = 1e-9) -> Whitening:
    covariances = Covariances(sizes)
    for batch in np.array_split(features, 7):
        covariances.add(batch)
    return covariances.whitening(n_components, ridge, Run(np.random.RandomState(0)))


@pytest.mark.parametrize("n_components", [12, 4])
def test_whitened_coordinates_are_uncorrelated_and_of_unit_variance(n_components):
    features = correlated()
    Z = whitened(features, [12], n_components).apply(features)
    assert Z.shape == (2000, n_components)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(np.cov(Z.T), np.eye(n_components), atol=2e-2)


def test_blocks_are_whitened_each_on_its_own():
    features = correlated()
    both = whitened(features, [5, 7], 3).apply(features)
    for i, part in enumerate((features[:, :5], features[:, 5:])):
        alone = whitened(part, [part.shape[1]], 3).apply(part)
        np.testing.assert_allclose(np.abs(both[:, 3 * i : 3 * i + 3]), np.abs(alone), atol=2e-2)


def test_a_ridge_holds_weak_axes_back():
    features = correlated()
    free, held = (
        whitened(features, [12], 12, ridge).apply(features).var(axis=0) for ridge in (1e-9, 1.0)
    )
    assert (held < free).all()
    assert held[-1] < held[0]


def test_folded_weights_score_as_the_coordinates_do():
    features = correlated().astype(np.float64)
    whitening = whitened(features.astype(np.float32), [5, 7], 4)
    coef, intercept = rng(1).standard_normal((3, 8)), rng(2).standard_normal(3)
    folded, offset = whitening.fold(coef, intercept)
    assert folded.shape == (3, 12)
    np.testing.assert_allclose(
        features @ folded.T + offset, whitening.apply(features) @ coef.T + intercept, atol=1e-9
    )


def test_fewer_samples_than_features_give_fewer_axes():
    features = correlated(n=5, d=12)
    Z = whitened(features, [12], 12, ridge=0.1).apply(features)
    assert Z.shape == (5, 5)
    assert np.isfinite(Z).all()


def test_features_that_never_change_are_borne():
    Z = whitened(np.ones((50, 6), np.float32), [6], 6, ridge=0.1).apply(np.ones((3, 6), np.float32))
    np.testing.assert_allclose(Z, 0, atol=1e-3)


def test_whitening_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no features"):
        Covariances([3]).whitening(2, 0.1, Run(np.random.RandomState(0)))


@pytest.mark.parametrize("n_components", [5, 60])  # the quick way, and the exact one
def test_principal_axes_are_the_leading_eigenvectors(n_components):
    d = 100
    vectors, _ = np.linalg.qr(rng().standard_normal((d, d)))
    values = 0.8 ** np.arange(d)
    covariance = ((vectors * values) @ vectors.T).astype(np.float32)
    found, axes = principal_axes(covariance, n_components, Run(np.random.RandomState(0)))
    np.testing.assert_allclose(found[:5], values[:5], rtol=1e-3)
    np.testing.assert_allclose(axes.T @ axes, np.eye(n_components), atol=1e-3)
    overlap = np.abs(np.sum(axes[:, :5] * vectors[:, :5], axis=0))
    np.testing.assert_allclose(overlap, 1, atol=1e-3)


# --- fitting -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_validation", [0, 60])
def test_what_is_stored_votes_as_the_unfolded_pipeline(n_validation, monkeypatch):
    """Features, whitening, SGD and calibration one after the other give the folded scores."""
    unfolded = []
    fold = CoordinateSpace.fold

    def spy(self, coef, intercept):
        unfolded.append((self, coef, intercept))
        return fold(self, coef, intercept)

    monkeypatch.setattr(CoordinateSpace, "fold", spy)
    split = load_split("digits", "train")
    X, y = split.X[:300], split.y[:300]
    fitted = fit_detectors(
        Samples(X, y[:, None] == np.arange(10), np.ones(len(X)), n_validation),
        PatchKernelFeatures(("raw", "upright"), n_anchors=(6, 12), n_images=100, random_state=0),
        LearningOptions(epochs=3, n_leading=5),
        Run(np.random.RandomState(0)),
    )
    ((space, coef, intercept),) = unfolded
    pooled = [replace(branch, leading=None) for branch in fitted.features.branches_]
    features = patch_kernel_features(X.astype(np.float64), pooled, (28, 28))
    one_by_one = space.score(space.whitening.apply(features), coef, intercept)
    branches = fitted.features.branches_
    stored = detector_scores(X, branches, (28, 28), fitted.coef, fitted.intercept)
    np.testing.assert_allclose(stored, one_by_one, atol=2e-3 * np.abs(one_by_one).max())
    np.testing.assert_array_equal(stored.argmax(axis=1), one_by_one.argmax(axis=1))
    assert (stored.argmax(axis=1) == y).mean() > 0.9
    if n_validation:
        assert fitted.validation_scores.shape == (n_validation, 10)
    else:
        assert fitted.validation_scores is None


def small_space(n_leading: int = 4) -> tuple[np.ndarray, CoordinateSpace]:
    """Coordinates (300, 14) of two views' features, and the space that they are in."""
    X = load_split("digits", "train").X[:300]
    features = PatchKernelFeatures(("raw", "even"), n_anchors=(4, 8), n_images=60, random_state=0)
    pooled = features.fit(X).transform(X)
    half = pooled.shape[1] // 2
    sizes = [half, half]
    space = CoordinateSpace(features, whitened(pooled, sizes, 7, ridge=0.01), n_leading)
    return space.whitening.apply(pooled), space


@pytest.mark.parametrize("views", [("raw",), ("even",), ("raw", "even")])
def test_detectors_see_coordinates_and_products_of_the_leading_ones(views):
    Z, space = small_space()
    rows = np.arange(300)[::-7]
    seen = space.inputs(views)(Z, rows)
    starts = [{"raw": 0, "even": 7}[view] for view in views]
    wanted = [Z[rows, start : start + 7] for start in starts]
    for start in starts:
        for i in range(4):
            for j in range(i, 4):
                product = Z[rows, start + i] * Z[rows, start + j] - (i == j)
                wanted.append(PRODUCT_SCALE * product[:, None])
    np.testing.assert_allclose(seen, np.hstack(wanted), atol=1e-5)
    assert seen.shape[1] == len(space.inputs(views).indices)


@pytest.mark.parametrize("n_leading", [0, 4, 7, 100])
def test_scores_need_no_product_to_be_made(n_leading):
    Z, space = small_space(n_leading)
    inputs = space.inputs(("raw", "even"))
    rows = np.arange(20, 280)
    coef = rng().standard_normal((3, space.n_inputs))
    np.testing.assert_allclose(
        inputs.scores(Z, rows, coef), inputs(Z, rows) @ coef.T, rtol=1e-3, atol=1e-3
    )


def test_inputs_of_some_views_are_found_among_those_of_all():
    Z, space = small_space()
    rows = np.arange(50)
    of_all = space.inputs(("raw", "even"))(Z, rows)
    for views in (("raw",), ("even",)):
        some = space.inputs(views)
        np.testing.assert_array_equal(of_all[:, some.indices], some(Z, rows))


def test_products_of_pairs_go_by_rows():
    u = rng().standard_normal((5, 3))
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    np.testing.assert_allclose(
        pair_products(u), np.stack([u[:, i] * u[:, j] for i, j in pairs], axis=1)
    )


def test_products_of_leading_coordinates_stand_behind_the_pooled_maps():
    X = load_split("digits", "train").X[:70]
    plain = two_branches()[0]
    pooled = patch_kernel_features(X, [plain], (28, 28))
    axes = rng(3).standard_normal((pooled.shape[1], 3)).astype(np.float16)
    leading = LeadingAxes(axes, np.array([1, 2, 3], np.float32))
    branch = replace(plain, leading=leading)
    features = patch_kernel_features(X, [branch, plain], (28, 28))
    assert branch.n_features((28, 28)) == pooled.shape[1] + 6
    u = pooled @ axes.astype(np.float32) - [1, 2, 3]
    wanted = np.hstack([pooled, pair_products(u), pooled])
    np.testing.assert_allclose(features, wanted, rtol=1e-3, atol=1e-3)


def test_held_out_samples_are_not_seen_by_the_features_or_the_first_fit():
    split = load_split("digits", "train")
    X, y = split.X[:200].copy(), split.y[:200]
    targets = y[:, None] == np.arange(10)

    def fit(images):
        features = PatchKernelFeatures(("raw",), n_anchors=(4, 8), n_images=100, random_state=0)
        samples = Samples(images, targets, np.ones(len(images)), n_held_out=50)
        options = LearningOptions(epochs=2)
        return fit_detectors(samples, features, options, Run(np.random.RandomState(0)))

    before = fit(X)
    X[199] = 255 - X[199]
    after = fit(X)
    for one, other in zip(before.features.branches_, after.features.branches_, strict=True):
        np.testing.assert_array_equal(one.layers[1].anchors, other.layers[1].anchors)
    assert not np.array_equal(before.coef, after.coef)  # the final fit takes it in


def logistic_sample(slope: float, offset: float, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    scores = rng().normal(0, 1.5, (n, 1))
    return scores, rng(1).random((n, 1)) < probabilities(slope * scores + offset)


@pytest.mark.parametrize(("slope", "offset"), [(2.5, -1.0), (0.4, 0.5), (1.0, 0.0)])
def test_calibration_finds_slope_and_offset(slope, offset):
    slopes, offsets = calibration.calibrate(*logistic_sample(slope, offset))
    assert slopes[0] == pytest.approx(slope, rel=0.08)
    assert offsets[0] == pytest.approx(offset, abs=0.08)


def test_calibration_undoes_a_change_of_units():
    scores, target = logistic_sample(2.0, -1.0)
    slopes, offsets = calibration.calibrate(np.hstack([scores, scores * 1000]), target.repeat(2, 1))
    assert slopes[1] * 1000 == pytest.approx(slopes[0], rel=1e-2)
    assert offsets[1] == pytest.approx(offsets[0], abs=1e-2)


def test_calibration_of_classes_that_part_perfectly_is_finite():
    scores = np.linspace(-1, 1, 100)[:, None]
    slopes, offsets = calibration.calibrate(scores, scores > 0)
    assert np.isfinite(slopes).all()
    assert slopes[0] > 0
    assert abs(offsets[0]) < 1


@pytest.mark.parametrize("target", [np.ones((50, 1), bool), np.zeros((50, 1), bool)])
def test_calibration_on_one_class_leaves_the_scores_alone(target):
    slopes, offsets = calibration.calibrate(rng().normal(size=(50, 1)), target)
    assert (slopes[0], offsets[0]) == (1, 0)


def test_calibration_never_turns_a_detector_round():
    scores, target = logistic_sample(2.0, 0.0, 500)
    slopes, offsets = calibration.calibrate(-scores, target)
    assert (slopes[0], offsets[0]) == (1, 0)


# --- layers of the program -----------------------------------------------------------------


def test_the_core_imports_numpy_alone():
    modules = [f"ovr_digits.core.{path.stem}" for path in (PACKAGE / "core").glob("[!_]*.py")]
    assert len(modules) >= 4
    script = (
        "import sys, json, importlib, numpy\n"
        "before = set(sys.modules)\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout)
    assert set(modules) <= set(loaded)
    others = {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert others <= {"ovr_digits", "numpy"}
    own = {name for name in loaded if name.startswith("ovr_digits")}
    own -= {"ovr_digits", "ovr_digits.version"}
    assert all(name.startswith("ovr_digits.core") for name in own)
