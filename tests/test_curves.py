"""Learning curves: what is measured after an epoch, which epoch is kept, how they are drawn."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.metrics import hinge_loss, log_loss

from ovr_digits import DigitDetector, OneVsRestDigits, PatchKernelFeatures
from ovr_digits.data.splits import load_split
from ovr_digits.learn import fitting
from ovr_digits.learn.curves import EpochResult, Measures, measure
from ovr_digits.learn.negatives import draw_negatives
from ovr_digits.report.plots.style import save_figure
from ovr_digits.report.plots.training import plot_curves

MARGINS = [-3, -1, -0.5, 0.5, 1, 4]


def few_features() -> PatchKernelFeatures:
    return PatchKernelFeatures(
        ("raw",), n_anchors=(4, 8), n_images=100, n_patches=1000, random_state=0
    )


def small_ten(**options: Any) -> OneVsRestDigits:
    return OneVsRestDigits(few_features(), **({"epochs": 3, "random_state": 0} | options))


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    split = load_split("digits", "train")
    return split.X[:300], split.y[:300]


def scripted(losses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every epoch's loss, on whatever images, the next of some."""
    given = [loss for loss in losses for _ in ("train", "validation")]

    def measured(*_: object) -> Measures:
        return Measures(given.pop(0), 1.0, (0.0,) * 10, (1.0,) * 10)

    monkeypatch.setattr(fitting, "measure", measured)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("hinge", [4, 2, 1.5, 0.5, 0, 0]),
        ("squared_hinge", [16, 4, 2.25, 0.25, 0, 0]),
        ("modified_huber", [12, 4, 2.25, 0.25, 0, 0]),
        ("squared_error", [8, 2, 1.125, 0.125, 0, 4.5]),
        ("log_loss", [3.048587, 1.313262, 0.974077, 0.474077, 0.313262, 0.018150]),
    ],
)
def test_loss_at_a_margin(loss, expected):
    for margin, value in zip(MARGINS, expected, strict=True):
        for target in (True, False):
            score = np.array([[margin if target else -margin]])
            assert measure(score, score, np.array([[target]]), loss).loss == pytest.approx(
                value, abs=1e-6
            )


def test_losses_are_those_that_scikit_learn_knows():
    rng = np.random.RandomState(0)
    scores, targets = rng.standard_normal((200, 3)), rng.rand(200, 3) < 0.3
    hinges = [hinge_loss(t, s) for t, s in zip(targets.T, scores.T, strict=True)]
    np.testing.assert_allclose(measure(scores, scores, targets, "hinge").detector_loss, hinges)
    logs = [log_loss(t, 1 / (1 + np.exp(-s))) for t, s in zip(targets.T, scores.T, strict=True)]
    np.testing.assert_allclose(measure(scores, scores, targets, "log_loss").detector_loss, logs)
    with pytest.raises(ValueError, match="perceptron"):
        measure(scores, scores, targets, "perceptron")


def test_images_of_no_class_count_in_the_loss_but_not_in_the_vote():
    scores = np.array([[2.0, -2], [-2, 2], [-2, 2]])
    targets = np.array([[True, False], [True, False], [False, False]])
    found = measure(scores, scores, targets, "hinge")
    assert found.accuracy == 0.5
    assert found.detector_accuracy == pytest.approx((2 / 3, 1 / 3))
    assert found.detector_loss == pytest.approx((3 / 3, 6 / 3))
    assert found.loss == pytest.approx(1.5)


def test_what_is_told_of_an_epoch_is_what_the_model_would_be(digits):
    X, y = digits
    told: list[EpochResult] = []
    options = {"validation_fraction": 0.2, "n_copies": 1}
    negatives = draw_negatives(50, X, seed=0)
    model = small_ten(epochs=4, **options).fit(X, y, negatives=negatives, on_epoch=told.append)
    assert [result.epoch for result in told] == [1, 2, 3, 4]
    assert {result.n_copies for result in told} == {1}
    assert model.kept_epoch_ == 4
    for epochs in (2, 4):
        unwatched = small_ten(epochs=epochs, **options).fit(X, y, negatives=negatives)
        assert told[epochs - 1].validation.accuracy == unwatched.validation_score_
    np.testing.assert_array_equal(unwatched.arrays().coef, model.arrays().coef)
    np.testing.assert_array_equal(unwatched.arrays().intercept, model.arrays().intercept)


def test_nothing_is_measured_where_nobody_asks(digits, monkeypatch):
    scripted([], monkeypatch)
    small_ten(validation_fraction=0.2).fit(*digits)
    with pytest.raises(IndexError):
        small_ten(validation_fraction=0.2).fit(*digits, on_epoch=print)


def test_patience_keeps_the_best_epoch_of_all_detectors(digits, monkeypatch):
    """Also of those that learn from all images: they are what two epochs make."""
    two = small_ten(epochs=2, validation_fraction=0.2).fit(*digits)
    scripted([3, 1, 2, 1, 0], monkeypatch)
    patient = small_ten(epochs=9, validation_fraction=0.2, patience=2).fit(*digits)
    assert patient.kept_epoch_ == 2
    assert patient.validation_score_ == two.validation_score_
    np.testing.assert_array_equal(patient.arrays().coef, two.arrays().coef)
    np.testing.assert_array_equal(patient.arrays().intercept, two.arrays().intercept)
    assert patient.detectors_[0].sgd_.t_ == two.detectors_[0].sgd_.t_ == 2 * 300 + 1


def test_patience_goes_through_all_copies(digits, monkeypatch):
    """A window of copies that brings nothing more makes place for the next."""
    monkeypatch.setattr(fitting, "WINDOW_BYTES", 1)
    scripted([5, 4, 4.5, 3, 2, 1], monkeypatch)
    told: list[EpochResult] = []
    model = small_ten(n_copies=2, validation_fraction=0.2, patience=1)
    model.fit(*digits, on_epoch=told.append)
    assert [(result.epoch, result.n_copies) for result in told] == [
        *((1, 1), (2, 1), (3, 1)),  # no better any more
        *((4, 2), (5, 2), (6, 2)),  # as many as there are epochs
    ]
    assert model.kept_epoch_ == 6


def test_without_held_out_images_there_is_no_validation_and_no_patience(digits, tmp_path):
    told: list[EpochResult] = []
    small_ten().fit(*digits, on_epoch=told.append)
    assert [result.validation for result in told] == [None] * 3
    assert json.loads(json.dumps(told[0].as_json()))["validation"] is None
    save_figure(plot_curves(told, 3), tmp_path / "curves.png")
    with pytest.raises(ValueError, match="validation_fraction"):
        small_ten(patience=2).fit(*digits)
    with pytest.raises(ValueError, match="'patience'"):
        small_ten(patience=0, validation_fraction=0.2).fit(*digits)


def test_a_detector_alone_has_patience(digits, monkeypatch):
    X, y = digits
    detector = DigitDetector(few_features(), patience=1, validation_fraction=0.2, random_state=0)
    scripted([2, 1, 3], monkeypatch)
    assert detector.fit(X, y == 3).sgd_.t_ == 2 * 300 + 1


def test_detectors_from_before_there_was_patience(tiny_models_bytes):
    detector = pickle.loads(tiny_models_bytes)[0]
    del detector.__dict__["patience"]
    assert "DigitDetector" in repr(detector)
    assert clone(detector).patience is None


@pytest.mark.parametrize("n_epochs", [1, 40])
def test_every_panel_shows_all_of_its_curves(n_epochs, tmp_path):
    rng = np.random.RandomState(0)

    def some() -> Measures:
        losses = tuple(rng.rand(10) / 100)
        return Measures(float(np.mean(losses)), 0.99 + rng.rand() / 100, losses, (1.0,) * 10)

    results = [EpochResult(n + 1, 0, some(), some()) for n in range(n_epochs)]
    kept = results[-1].validation
    figure = plot_curves(results, n_epochs)
    save_figure(figure, tmp_path / "curves.png")
    panels = figure.axes
    assert len(panels) == 12
    for axes in panels:
        drawn = np.concatenate([line.get_ydata() for line in axes.lines[1:]])
        assert len(drawn) == 2 * n_epochs
        bottom, top = axes.get_ylim()
        assert bottom == 0
        assert drawn.max() <= top
    (worst,) = [k for k, axes in enumerate(panels[2:]) if "worst" in axes.get_title(loc="left")]
    assert worst == np.argmax(kept.detector_loss)
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
