"""The estimators: they keep every promise of scikit-learn, and their own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from ovr_digits import DigitDetector, OneVsRestDigits, PatchKernelFeatures
from ovr_digits.data.splits import load_split


def small_features(**options: Any) -> PatchKernelFeatures:
    defaults: dict[str, Any] = {"n_anchors": (4, 8), "n_images": 60, "n_patches": 600}
    return PatchKernelFeatures(**{"views": ("upright",), **defaults, **options})


def small_detector(**options: Any) -> DigitDetector:
    return DigitDetector(small_features(), epochs=5, **options)


def small_ten(**options: Any) -> OneVsRestDigits:
    return OneVsRestDigits(small_features(), epochs=3, **options)


ESTIMATORS: list[BaseEstimator] = [small_features(), small_detector(n_leading=3), small_ten()]


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Two hundred digits: images (200, 784) uint8 and labels."""
    split = load_split("digits", "train")
    return split.X[:200], split.y[:200]


@pytest.fixture(scope="module")
def detector(digits) -> DigitDetector:
    """A detector of sevens; to be used, not fitted again."""
    X, y = digits
    return small_detector(random_state=0).fit(X, y == 7)


@pytest.fixture(scope="module")
def ten(digits) -> OneVsRestDigits:
    """Ten detectors; to be used, not fitted again."""
    return small_ten(random_state=0).fit(*digits)


# --- scikit-learn's own checks -------------------------------------------------------------


def expected_to_fail(estimator: BaseEstimator) -> dict[str, str]:
    """What scikit-learn expects of its own SGDClassifier too."""
    if isinstance(estimator, PatchKernelFeatures):
        return {}
    reason = "a sample that is there twice is met at two moments, one of weight 2 at one"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


# One check gives targets that are NaN, and casting them warns inside scikit-learn.
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_to_fail)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "at_least"),
    list(zip(ESTIMATORS, [45, 52, 52], strict=True)),
    ids=lambda value: type(value).__name__,
)
def test_the_checks_are_many(estimator, at_least):
    """A tag of the estimator can turn whole groups of them off: they are on."""
    names = Counter(
        getattr(check, "func", check).__name__
        for _, check in estimator_checks_generator(estimator, legacy=True)
    )
    assert sum(names.values()) >= at_least
    legacy_in_2d = {"check_estimators_dtypes", "check_fit2d_1sample", "check_dtype_object"}
    assert legacy_in_2d | {"check_n_features_in", "check_estimators_pickle"} <= set(names)


# --- images in, whatever their form --------------------------------------------------------


def test_a_stack_of_pictures_is_as_good_as_rows(digits, detector, ten):
    X, y = digits
    stack = X.reshape(-1, 28, 28)
    by_rows, by_stack = (small_features(random_state=0).fit_transform(x) for x in (X, stack))
    np.testing.assert_array_equal(by_rows, by_stack)
    for fitted in (detector, ten):
        np.testing.assert_array_equal(fitted.predict(stack), fitted.predict(X))
        again = clone(fitted).fit(stack, y == 7 if fitted is detector else y)
        np.testing.assert_array_equal(again.decision_function(X), fitted.decision_function(X))


def test_images_need_not_be_square(digits):
    X, _ = digits
    wide = X.reshape(-1, 28, 28)[:, :20]
    features = small_features(random_state=0).fit(wide)
    assert features.image_shape_ == (20, 28)
    rows = wide.reshape(len(wide), -1)
    np.testing.assert_array_equal(features.transform(wide), features.transform(rows))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(np.uint8, np.float32), (np.float32, np.float32), (np.float64, np.float64)],
)
def test_features_are_in_single_precision_unless_the_images_are_in_double(digits, given, wanted):
    X = digits[0][:30].astype(given)
    assert small_features().fit(X).transform(X).dtype == wanted


def test_features_of_an_image_do_not_depend_on_its_company(digits):
    X = digits[0]
    features = small_features(random_state=0).fit(X)
    np.testing.assert_allclose(
        features.transform(X[50:51])[0], features.transform(X)[50], rtol=1e-4
    )


def test_views_stand_side_by_side(digits):
    X = digits[0]
    one, two = (small_features(views=v).fit(X) for v in (("raw",), ("raw", "upright")))
    assert [branch.view for branch in two.branches_] == ["raw", "upright"]
    assert two.transform(X).shape[1] == 2 * one.transform(X).shape[1]


def test_a_layer_hands_on_its_leading_channels(digits):
    all_of_them, two = (small_features(n_channels=n).fit(digits[0]) for n in (8, 2))
    assert [f.branches_[0].layers[0].whitener.shape for f in (all_of_them, two)] == [(4, 4), (4, 2)]
    assert two.branches_[0].layers[1].anchors.shape == (8, 5 * 5 * 2)


def test_products_of_leading_axes_are_features_too(digits):
    X, y = digits
    plain, quadratic = (small_ten(n_leading=n, random_state=0).fit(X, y) for n in (0, 6))
    n_plain, n_quadratic = (m.arrays().coef.shape[1] for m in (plain, quadratic))
    assert n_quadratic == n_plain + 6 * 7 // 2
    assert quadratic.score(X, y) > 0.9
    assert np.abs(quadratic.arrays().coef[:, n_plain:]).min(axis=1).max() > 0


def test_groups_of_views_learn_alone_and_score_together(digits):
    X, y = digits
    features = small_features(views=("raw", "even"))
    model = OneVsRestDigits(features, groups=(("raw",), ("even", "raw")), epochs=5, random_state=0)
    together = OneVsRestDigits(features, epochs=5, random_state=0).fit(X, y)
    model.fit(X, y)
    assert model.score(X, y) > 0.9
    assert np.abs(model.arrays().coef - together.arrays().coef).max() > 0


@pytest.mark.parametrize("groups", [(("raw",),), (("raw", "even"), ("boxed",))])
def test_groups_that_are_not_of_the_views_are_refused(digits, groups):
    model = small_ten(groups=groups).set_params(features__views=("raw", "even"))
    with pytest.raises(ValueError, match="must name every view"):
        model.fit(*digits)


def test_an_unknown_view_is_refused_with_those_there_are(digits):
    with pytest.raises(ValueError, match=r"'views\[0\]' .*upright.* Got 'sideways'"):
        small_features(views=("sideways",)).fit(digits[0])


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda X: X / 255, id="0..1"),
        pytest.param(lambda X: X > 127, id="bool"),
        pytest.param(lambda X: X.astype(np.int8), id="int8"),
        pytest.param(lambda X: X.astype(np.uint16) * 257, id="16 bits"),
    ],
)
def test_images_on_another_scale_are_neither_learnt_nor_answered(digits, detector, ten, wrong):
    X, y = digits
    for fitted in (detector, ten, detector.features_):
        method = fitted.transform if fitted is detector.features_ else fitted.predict
        with pytest.raises(ValueError, match=r"array \(n, 784\) of grey levels 0..255"):
            method(wrong(X))
        with pytest.raises(ValueError, match=r"of grey levels 0..255"):
            clone(fitted).fit(wrong(X), y == 7)


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, np.float64])
def test_grey_levels_are_taken_in_any_type_of_number(digits, ten, dtype):
    X = digits[0]
    scores = ten.decision_function(X.astype(dtype))
    np.testing.assert_allclose(scores, ten.decision_function(X), atol=1e-3)


# --- parameters ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 0}, r"'epochs' .* range \[1, inf\). Got 0"),
        ({"epochs": 1.5}, "'epochs' .* must be an int"),
        ({"n_copies": -1}, "'n_copies'"),
        ({"alpha": -1e-6}, "'alpha'"),
        ({"step": np.nan}, "'step'"),
        ({"n_components": 0}, "'n_components'"),
        ({"whitening_ridge": 0.0}, "'whitening_ridge'"),
        ({"n_leading": 257}, r"'n_leading' .* \[0, 256\]"),
        ({"validation_fraction": -1}, "'validation_fraction'"),
        ({"validation_fraction": 0.999}, "leaves none of 200 samples"),
        ({"patience": 0, "validation_fraction": 0.2}, "'patience'"),
        ({"patience": 2}, "give a validation_fraction"),
        ({"loss": "perceptron"}, "'loss' .*hinge"),
        ({"groups": 5}, "'groups'"),
        ({"groups": ("upright",)}, r"'groups\[0\]'"),
        ({"features": "raw"}, "'features'"),
        ({"features__views": ()}, "views needs 1 to 16"),
        ({"features__views": "upright"}, "'views'"),
        ({"features__n_channels": 0}, "'n_channels'"),
        ({"features__n_images": 0}, "'n_images'"),
        ({"features__n_patches": 0}, "'n_patches'"),
        ({"features__n_anchors": (4, 0)}, r"'n_anchors\[1\]'"),
        ({"features__patch_sizes": (3, 4)}, r"'patch_sizes\[1\]' .*{1, 3, 5, .* Got 4"),
        ({"features__strides": (0.5, 2)}, r"'strides\[0\]' .* \[1.0, 28.0\]. Got 0.5"),
        ({"features__alphas": (4, 0)}, r"'alphas\[1\]'"),
        ({"features__strides": (2,)}, "as many numbers as there are layers"),
    ],
)
@pytest.mark.parametrize("make", [small_detector, small_ten])
def test_parameters_out_of_range_are_refused_by_name(digits, make, options, said):
    X, y = digits
    with pytest.raises(ValueError, match=said):
        make().set_params(**options).fit(X, y == 7)


@pytest.mark.parametrize(
    "options",
    [
        {"features__n_anchors": (4, 200), "features__strides": (1, 1)},
        {"features__n_anchors": (500, 4)},
        {"features__views": ("raw", "even", "narrow", "boxed") * 4, "n_leading": 100},
        {"features__n_anchors": (4, 1000), "n_leading": 200, "n_components": 300},
    ],
)
def test_what_no_file_may_hold_is_refused_before_it_is_learnt(digits, monkeypatch, options):
    def learns(*_: object) -> None:
        raise AssertionError("it began to learn")

    X, y = digits
    model = small_ten().set_params(**options)
    monkeypatch.setattr(PatchKernelFeatures, "fit", learns)
    with pytest.raises(ValueError, match=r"no models.pkl may hold .* too much memory; give fewer"):
        model.fit(X, y)
    with pytest.raises(AssertionError, match="began"):  # of another size, it is nobody's file
        model.fit(X[:, : 28 * 20].reshape(-1, 20, 28), y)


@pytest.mark.parametrize("n_leading", [0, 6, 500])
def test_features_are_as_large_as_was_planned(digits, n_leading):
    X, y = digits
    model = small_ten(n_leading=min(n_leading, 256), n_components=10).fit(X, y)
    features = model.detectors_[0].features_
    planned = features.planned_branches((28, 28), min(n_leading, 10))
    for branch, plan in zip(features.branches_, planned, strict=True):
        for layer, plan_of_layer in zip(branch.layers, plan.layers, strict=True):
            assert layer.anchors.shape == plan_of_layer.anchors.shape
            assert (layer.whitener is None) == (plan_of_layer.whitener is None)
        assert branch.n_features((28, 28)) == plan.n_features((28, 28))


# --- weights -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [small_detector, small_ten])
def test_a_sample_without_weight_is_left_out(digits, make):
    X, y = digits[0], digits[1] % 2
    weights = np.where(np.arange(len(y)) % 3, 1.0, 0.0)
    weighted = make(random_state=0).fit(X, y, sample_weight=weights)
    without = make(random_state=0).fit(X[weights > 0], y[weights > 0])
    np.testing.assert_array_equal(weighted.decision_function(X), without.decision_function(X))
    even = make(random_state=0).fit(X, y, np.ones(len(y)))
    plain = make(random_state=0).fit(X, y)
    np.testing.assert_array_equal(even.decision_function(X), plain.decision_function(X))


@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
def test_a_weight_of_two_is_about_a_sample_twice(digits, loss):
    """Of images with two labels each, the label that weighs more is learnt."""
    X, y = digits
    other = (y + 1) % 10
    both = np.concatenate([X, X]), np.concatenate([y, other])
    for weights in (np.repeat([2.0, 1.0], len(y)), np.repeat([1.0, 2.0], len(y))):
        weighted = small_ten(loss=loss, random_state=0).fit(*both, sample_weight=weights)
        twice = [np.repeat(part, weights.astype(int), axis=0) for part in both]
        repeated = small_ten(loss=loss, random_state=0).fit(*twice)
        heavier = y if weights[0] == 2 else other
        assert weighted.score(X, heavier) > 0.9
        assert (weighted.predict(X) == repeated.predict(X)).mean() > 0.9


def test_held_out_samples_count_by_their_weights(digits):
    X, y = digits
    y = y.copy()
    y[-10:] = (y[-10:] + 1) % 10  # wrong, among the 50 that are held out
    weights = np.ones(len(y))
    even, light = (
        small_ten(random_state=0, validation_fraction=0.25).fit(X, y, weights)
        for weights in (weights, np.where(np.arange(len(y)) < len(y) - 10, 1.0, 1e-3))
    )
    assert even.validation_score_ < 0.85
    assert light.validation_score_ > even.validation_score_ + 0.1
    assert light.decision_function(X).max() > even.decision_function(X).max()


@pytest.mark.parametrize("weights", [np.ones(199), -np.ones(200), np.zeros(200), np.ones((200, 2))])
def test_weights_that_are_none_are_refused(digits, weights):
    with pytest.raises(ValueError, match="a number for each of 200 samples"):
        small_ten().fit(*digits, sample_weight=weights)


# --- among other estimators ----------------------------------------------------------------


def test_features_in_a_pipeline(digits):
    X, y = digits
    pipeline = make_pipeline(
        small_features(n_anchors=(8, 16), random_state=0),
        SGDClassifier(loss="hinge", alpha=1e-3, max_iter=30, tol=None, random_state=0),
    )
    assert pipeline.fit(X, y).score(X, y) > 0.8


def test_features_have_names(digits):
    features = small_features().fit(digits[0]).set_output(transform="default")
    names = features.get_feature_names_out()
    assert len(names) == len(set(names)) == features.transform(digits[0]).shape[1]
    assert names[0] == "patchkernelfeatures0"


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (small_detector, {"alpha": [1e-6, 1e-3], "features__n_anchors": [(4, 8)]}),
        (small_ten, {"epochs": [1, 4]}),
    ],
)
def test_detectors_in_a_grid_search(digits, make, options):
    X, y = digits
    targets = y if make is small_ten else y == 0
    search = GridSearchCV(make(random_state=0), options, cv=2).fit(X, targets)
    assert search.best_estimator_.predict(X).dtype == targets.dtype
    assert search.best_score_ > 0.6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_fitting_leaves_the_given_features_alone(digits):
    features = small_features()
    model = DigitDetector(features, epochs=1).fit(digits[0], digits[1] == 1)
    assert not hasattr(features, "branches_")
    assert features.random_state is None
    assert model.features_ is not features


# --- repeatable ----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_detectors(digits, ten):
    again = small_ten(random_state=0).fit(*digits)
    other = small_ten(random_state=1).fit(*digits)
    np.testing.assert_array_equal(again.arrays().coef, ten.arrays().coef)
    np.testing.assert_array_equal(again.arrays().intercept, ten.arrays().intercept)
    assert not np.array_equal(other.arrays().coef, ten.arrays().coef)


def test_threads_change_nothing(digits, ten):
    X, y = digits
    threaded = small_ten(random_state=0, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(threaded.arrays().coef, ten.arrays().coef)
    np.testing.assert_array_equal(threaded.decision_function(X), ten.decision_function(X))
    one, two = (small_features(n_jobs=n, random_state=0).fit_transform(X) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


# --- the detectors -------------------------------------------------------------------------


def test_score_answer_and_probability_agree(digits, detector):
    X, y = digits
    scores, answers = detector.decision_function(X), detector.predict(X)
    chances = detector.predict_proba(X)
    assert answers.dtype == bool
    assert answers.any()
    assert not answers.all()
    np.testing.assert_array_equal(answers, scores > 0)
    np.testing.assert_array_equal(answers, chances[:, 1] > 0.5)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(chances[:, 1] / chances[:, 0]), scores, rtol=1e-6)
    assert detector.score(X, y == 7) > 0.95


def test_a_detector_answers_in_the_classes_it_was_given(digits):
    X, y = digits
    named = np.where(y == 7, "seven", "another")
    model = small_detector(random_state=0).fit(X, named)
    assert model.classes_.tolist() == ["another", "seven"]
    assert set(model.predict(X)) == {"another", "seven"}


def test_the_last_step_is_sgd_on_the_features(digits, detector):
    X, _ = digits
    (first, features), (last, sgd) = detector.steps
    assert (first, last) == ("features", "sgd")
    assert isinstance(sgd, SGDClassifier)
    np.testing.assert_array_equal(sgd.predict(features.transform(X)), detector.predict(X))


def test_sgd_goes_on_from_where_it_is(digits, detector):
    """partial_fit neither fails nor forgets."""
    X, y = digits
    sgd = clone(detector.sgd_).set_params(learning_rate="constant", eta0=1e-9)
    for name in ("coef_", "intercept_", "classes_", "n_features_in_", "t_"):
        setattr(sgd, name, np.copy(getattr(detector.sgd_, name))[()])
    features = detector.features_.transform(X)
    sgd.partial_fit(features, y == 7)
    np.testing.assert_allclose(sgd.coef_, detector.sgd_.coef_, atol=1e-4)


@pytest.mark.parametrize("make", [small_detector, small_ten])
def test_one_class_is_too_few(digits, make):
    X, _ = digits
    with pytest.raises(ValueError, match="only one class"):
        make().fit(X, np.ones(len(X), int))


def test_arrays_vote_as_the_estimator(digits, ten):
    X, _ = digits
    arrays = ten.arrays()
    scores = arrays.decision_function(X)
    np.testing.assert_array_equal(scores, ten.decision_function(X))
    np.testing.assert_array_equal(scores.argmax(axis=1), ten.predict(X))
    for digit, single in enumerate(ten.detectors_):
        np.testing.assert_array_equal(single.decision_function(X), scores[:, digit])
        assert single.classes_.tolist() == [False, True]
        assert single.features_ is ten.detectors_[0].features_


def test_held_out_images_are_scored_and_calibrate(digits):
    X, y = digits
    model = small_ten(random_state=0, validation_fraction=0.25).fit(X, y)
    assert 0.5 < model.validation_score_ <= 1
    assert small_ten(random_state=0).fit(X, y).validation_score_ is None


def test_probabilities_of_ten_sum_to_one_and_agree_with_the_answer(digits, ten):
    X, _ = digits
    chances = ten.predict_proba(X)
    assert chances.shape == (200, 10)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(ten.classes_[chances.argmax(axis=1)], ten.predict(X))
    of_each = np.stack([d.predict_proba(X)[:, 1] for d in ten.detectors_], axis=1)
    np.testing.assert_allclose(chances, of_each / of_each.sum(axis=1, keepdims=True))


def test_probabilities_are_there_where_every_detector_says_no(ten, monkeypatch):
    scores = np.full((1, 10), -2000.0)
    scores[0, 3] = -1999.0
    monkeypatch.setattr(OneVsRestDigits, "decision_function", lambda self, X: scores)
    chances = ten.predict_proba(None)
    np.testing.assert_allclose(chances.sum(), 1)
    assert chances[0, 3] == pytest.approx(np.e * chances[0, 0])


def test_probabilities_of_two_classes(digits):
    X, y = digits[0], digits[1] % 2
    model = small_ten(random_state=0).fit(X, y)
    chances = model.predict_proba(X)
    np.testing.assert_allclose(np.log(chances[:, 1] / chances[:, 0]), model.decision_function(X))


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_hinge", "modified_huber"])
def test_every_loss_learns(digits, loss):
    X, y = digits
    assert small_ten(loss=loss, random_state=0).fit(X, y).score(X, y) > 0.8
