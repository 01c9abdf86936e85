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
from ovr_digits.data import load_split


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


# One check gives targets that are NaN, and casting them warns inside scikit-learn.
@parametrize_with_checks(ESTIMATORS)
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


def test_another_number_of_pixels_is_refused(detector):
    with pytest.raises(ValueError, match="784"):
        detector.predict(np.zeros((2, 783), np.uint8))


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
    with pytest.raises(ValueError, match=r"'sideways' is not one of .*upright"):
        small_features(views=("sideways",)).fit(digits[0])


# --- among other estimators ----------------------------------------------------------------


def test_features_in_a_pipeline(digits):
    X, y = digits
    pipeline = make_pipeline(
        small_features(n_anchors=(8, 16), random_state=0),
        SGDClassifier(loss="hinge", alpha=1e-3, max_iter=30, tol=None, random_state=0),
    )
    assert pipeline.fit(X, y).score(X, y) > 0.8


def test_detector_in_a_grid_search(digits):
    X, y = digits
    search = GridSearchCV(
        small_detector(random_state=0),
        {"alpha": [1e-6, 1e-3], "features__n_anchors": [(4, 8)]},
        cv=2,
    ).fit(X, y == 0)
    assert search.best_params_["alpha"] in (1e-6, 1e-3)
    assert search.best_score_ > 0.9
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_ten_in_a_grid_search(digits):
    X, y = digits
    search = GridSearchCV(small_ten(random_state=0), {"epochs": [1, 4]}, cv=2).fit(X, y)
    assert search.best_estimator_.predict(X).dtype == y.dtype
    assert search.best_score_ > 0.6


def test_parameters_survive_cloning():
    model = small_ten(alpha=1e-3, random_state=3)
    copy = clone(model)
    assert copy is not model
    assert copy.features is not model.features
    options, again = (m.get_params(deep=True) for m in (model, copy))
    assert {k: v for k, v in options.items() if k != "features"} == {
        k: v for k, v in again.items() if k != "features"
    }
    assert again["features__n_anchors"] == (4, 8)
    assert copy.set_params(features__n_anchors=(2, 2)).features.n_anchors == (2, 2)
    assert model.features.n_anchors == (4, 8)


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


def test_a_detector_takes_no_third_class(digits):
    with pytest.raises(ValueError, match="Only binary classification"):
        small_detector().fit(*digits)


def test_images_and_targets_must_be_as_many(digits):
    X, y = digits
    with pytest.raises(ValueError, match="samples"):
        small_ten().fit(X, y[:-1])


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


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_hinge", "modified_huber"])
def test_every_loss_learns(digits, loss):
    X, y = digits
    assert small_ten(loss=loss, random_state=0).fit(X, y).score(X, y) > 0.8
