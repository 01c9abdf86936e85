"""Counting votes on labelled samples, on cases small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from ovr_digits.core.evaluation import (
    Evaluation,
    evaluate_scores,
    find_mistakes,
    find_unsure,
    measure_reliability,
    precision_recall_curves,
    truth_leads,
)


def scores_for(*rows: dict[int, float]) -> np.ndarray:
    """Scores of -1 but where a row says otherwise."""
    scores = np.full((len(rows), 10), -1.0)
    for row, given in zip(scores, rows, strict=True):
        for digit, score in given.items():
            row[digit] = score
    return scores


def test_counts():
    scores = scores_for({1: 2.0}, {1: 2.0, 7: 3.0}, {7: -0.5}, {1: 0.0}, {7: 1.0})
    result = evaluate_scores(scores, np.array([1, 1, 7, 1, 7], np.uint8))
    assert (result.samples, result.errors, result.accuracy) == (5, 1, 0.8)
    # A score of exactly 0 does not fire.
    assert (result.fired_none, result.fired_several) == (2, 1)
    assert result.confusion[1, 1] == result.confusion[7, 7] == 2
    assert result.confusion[1, 7] == 1
    one, seven = result.per_digit[1], result.per_digit[7]
    assert (one.precision, one.recall, one.f1) == pytest.approx((1.0, 2 / 3, 0.8))
    assert (seven.precision, seven.recall, seven.f1) == pytest.approx((2 / 3, 1.0, 0.8))
    assert (one.right, one.answered, one.true) == (2, 2, 3)
    assert (seven.right, seven.answered, seven.true) == (2, 3, 2)
    assert result.confused == [(1, 7, 1)]


def test_most_frequent_confusion_comes_first():
    confusion = np.diag(np.full(10, 9))
    confusion[4, 9], confusion[2, 7], confusion[9, 4] = 3, 1, 5
    assert Evaluation(confusion, 0, 0).confused == [(9, 4, 5), (4, 9, 3), (2, 7, 1)]


def test_digit_that_never_occurs_is_zero():
    result = evaluate_scores(scores_for({3: 1.0}), np.array([3]))
    assert [s.f1 for s in result.per_digit] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert result.accuracy == 1


def test_json_is_plain_and_rounded():
    confusion = np.diag(np.full(10, 3))
    confusion[0, 1] = 1
    said = Evaluation(confusion, 2, 1).as_json()
    assert said["accuracy"] == 0.967742
    assert said["per_digit"][0] == {"digit": 0, "precision": 1.0, "recall": 0.75, "f1": 0.857143}
    assert said["confusion"][0] == [3, 1, *[0] * 8]
    assert type(said["confusion"][0][0]) is int


@pytest.mark.parametrize(("n_scores", "n_labels"), [(0, 0), (2, 3)])
def test_numbers_that_differ(n_scores, n_labels):
    with pytest.raises(ValueError, match=f"{n_scores} scores for {n_labels} labels"):
        evaluate_scores(np.zeros((n_scores, 10)), np.zeros(n_labels, np.uint8))


def log_odds(*votes: float) -> np.ndarray:
    return np.log(np.array(votes) / (1 - np.array(votes)))


def test_votes_that_are_as_often_right_as_they_say_have_no_error():
    # Four samples, two detectors: votes of 0.75 are right three times in four, 0.25 once.
    scores = np.tile(log_odds(0.75, 0.25), (4, 1))
    found = measure_reliability(scores, np.array([0, 0, 0, 1]), n_bins=10)
    assert found.calibration_error == pytest.approx(0, abs=1e-12)
    assert found.counts.tolist() == [0, 0, 4, 0, 0, 0, 0, 4, 0, 0]
    assert (found.votes[7], found.shares[7]) == pytest.approx((0.75, 0.75))
    assert np.isnan(found.shares[0])


def test_the_calibration_error_is_the_mean_gap():
    scores = np.array([log_odds(0.9, 0.3), log_odds(0.7, 0.1)])
    found = measure_reliability(scores, np.array([0, 1]), n_bins=5)
    # 0.9 was so, 0.3 was not, 0.7 was not, 0.1 was so: each in a part of its own.
    assert found.calibration_error == pytest.approx((0.1 + 0.3 + 0.7 + 0.9) / 4)


def test_votes_of_0_and_1_have_a_place():
    found = measure_reliability(np.array([[800.0, -800.0]]), np.array([0]))
    assert (found.counts[0], found.counts[-1], found.calibration_error) == (1, 1, 0)


def test_reliability_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 scores"):
        measure_reliability(np.empty((0, 10)), np.array([]))


@pytest.mark.parametrize("rounded", [False, True], ids=["different scores", "equal scores"])
def test_precision_recall_curves_are_those_of_scikit_learn(rounded):
    random = np.random.default_rng(3)
    labels = random.integers(10, size=400)
    scores = random.normal(size=(400, 10)) + 2 * (labels[:, None] == np.arange(10))
    if rounded:
        scores = scores.round()
    curves = precision_recall_curves(scores, labels)
    assert [curve.digit for curve in curves] == list(range(10))
    for curve, column in zip(curves, scores.T, strict=True):
        truth = labels == curve.digit
        precision, recall, _ = metrics.precision_recall_curve(truth, column)
        np.testing.assert_allclose(curve.precision, precision)
        np.testing.assert_allclose(curve.recall, recall)
        assert curve.area == pytest.approx(metrics.average_precision_score(truth, column))
        assert curve.chosen_precision == metrics.precision_score(truth, column > 0)
        assert curve.chosen_recall == metrics.recall_score(truth, column > 0)


def test_detector_that_never_fires_and_digit_that_never_occurs():
    three, four = precision_recall_curves(scores_for({4: 1.0}, {}), np.array([3, 3]))[3:5]
    assert (three.chosen_precision, three.chosen_recall, three.area) == (0, 0, 1)
    assert (four.chosen_precision, four.chosen_recall, four.area) == (0, 0, 0)


def test_mistakes_are_found_worst_first():
    scores = scores_for({1: 2.0}, {1: 2.0, 7: 3.0}, {7: 5.0}, {0: 1.0, 1: 4.0}, {}, {8: 9.0})
    labels = np.array([1, 1, 3, 0, 2, 8])
    assert truth_leads(scores, labels).tolist() == [3, -1, -6, -3, 0, 10]
    # The tie is answered with 0, the first of the highest.
    assert find_mistakes(scores, labels).tolist() == [2, 3, 1, 4]
    assert find_unsure(scores, labels).tolist() == [3, 1, 4]
    assert find_mistakes(scores[:1], labels[:1]).tolist() == []
