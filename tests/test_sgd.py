"""Averaged SGD: what it learns, from which samples, and that it may leave out the easy ones."""

from __future__ import annotations

import numpy as np
import pytest

from ovr_digits.learn import sgd
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.run import Run
from ovr_digits.learn.sgd import AveragedSGD, pass_over

HINGE = LearningOptions()


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (5000, 20) and three targets that a line parts but for some noise."""
    rng = np.random.RandomState(0)
    Z = rng.standard_normal((5000, 20)).astype(np.float16)
    scores = Z.astype(float) @ rng.standard_normal((20, 3)) - [1, 0, 3]
    return Z, scores + 0.1 * rng.standard_normal(scores.shape) > 0


class Columns:
    """Inputs that are some of the columns as they are."""

    def __init__(self, columns: slice) -> None:
        self.columns = columns

    def __call__(self, Z: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return Z[rows, self.columns].astype(np.float32)

    def scores(self, Z: np.ndarray, rows: np.ndarray, coef: np.ndarray) -> np.ndarray:
        return self(Z, rows) @ coef.T


def learnt(Z, targets, n_passes=5, n_jobs=1, options=HINGE, columns=slice(0, 20)) -> AveragedSGD:
    learner = AveragedSGD(Columns(columns), targets, options, np.random.RandomState(1))
    run = Run(np.random.RandomState(2), n_jobs)
    for _ in range(n_passes):
        pass_over([learner], Z, run)
    return learner


def scores_of(learner: AveragedSGD, Z: np.ndarray) -> np.ndarray:
    return Z.astype(float) @ learner.coef.T + learner.intercept


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_hinge", "modified_huber"])
def test_it_finds_the_line(samples, loss):
    Z, targets = samples
    learner = learnt(Z, targets, options=LearningOptions(loss))
    assert ((scores_of(learner, Z) > 0) == targets).mean() > 0.98
    assert learner.n_samples == 5 * len(Z)


def test_leaving_out_samples_far_beyond_the_margin_changes_little(samples, monkeypatch):
    Z, targets = samples
    some = learnt(Z, targets)
    monkeypatch.setattr(sgd, "_SLACK", np.inf)
    all_of_them = learnt(Z, targets)
    for one, other in zip(some.coef, all_of_them.coef, strict=True):
        assert one @ other > 0.99 * np.linalg.norm(one) * np.linalg.norm(other)
    said, as_well = (scores_of(learner, Z) > 0 for learner in (some, all_of_them))
    assert (said == as_well).mean() > 0.99


def test_most_samples_are_left_out_once_they_are_known(samples, monkeypatch):
    Z, targets = samples
    counts = []
    near = AveragedSGD._near_margin

    def spy(*arguments):
        needed = near(*arguments)
        counts.append(needed.mean())
        return needed

    monkeypatch.setattr(AveragedSGD, "_near_margin", spy)
    learnt(Z, targets)
    assert counts[0] == 1
    assert counts[-1] < 0.5


def test_samples_beyond_the_targets_are_not_seen(samples):
    Z, targets = samples
    other = Z.copy()
    other[3000:] = 7
    one, two = (learnt(z, targets[:3000]) for z in (Z, other))
    np.testing.assert_array_equal(one.coef, two.coef)


def test_other_columns_are_not_seen(samples):
    Z, targets = samples
    other = Z.copy()
    other[:, 10:] = 7
    one, two = (learnt(z, targets, columns=slice(0, 10)) for z in (Z, other))
    np.testing.assert_array_equal(one.coef, two.coef)


def test_threads_change_nothing(samples):
    one, two = (learnt(*samples, n_jobs=n) for n in (1, 3))
    np.testing.assert_array_equal(one.coef, two.coef)
    np.testing.assert_array_equal(one.intercept, two.intercept)
