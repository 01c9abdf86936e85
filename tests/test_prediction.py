"""Answers to pictures and samples, by detectors that only look where the ink is."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from ovr_digits.core.sampling import random_indices
from ovr_digits.picture.answers import DigitAnswer, Unreadable, answer_pages, answer_picture
from ovr_digits.report.samples import answer_samples


def detectors(*winners: int) -> Any:
    """Stands in for detectors: says the given digits, one call or row after the other."""
    left = list(winners)

    def decision_function(X: np.ndarray) -> np.ndarray:
        scores = np.full((len(X), 10), -2.0)
        for row in scores:
            row[left.pop(0)] = 2.0
        return scores

    return SimpleNamespace(decision_function=decision_function)


def test_pictures_in_order_and_errors_between():
    buffer = io.BytesIO()
    picture = Image.new("L", (20, 20), 255)
    picture.paste(0, (8, 4, 11, 16))
    picture.save(buffer, "PNG")
    good = buffer.getvalue()
    pictures = [("a", good), ("b", b"nonsense"), ("c", "/absent"), ("d", good)]
    models = detectors(1, 7)
    first, second, third, fourth = answer_pages(
        lambda content: DigitAnswer.of(*answer_picture(models, content)), pictures
    )
    assert isinstance(first, DigitAnswer)
    assert isinstance(second, Unreadable)
    assert (first.digit, fourth.digit) == (1, 7)
    assert first.image.shape == (28, 28)
    assert list(first.as_json()) == [
        *("path", "digit", "confidence", "verdict", "fired", "votes", "scores")
    ]
    assert second.image is None
    assert second.as_json() == {"path": "b", "error": second.error}
    assert third.as_json() == {"path": "c", "error": "no such file"}


def test_samples():
    X = np.arange(3 * 784).reshape(3, 784).astype(np.uint8)
    wrong, right = answer_samples(detectors(4, 9), X, np.array([9, 0, 5], np.uint8), [2, 0])
    assert (wrong.index, wrong.label, wrong.correct, wrong.vote.digit) == (2, 5, False, 4)
    assert (right.index, right.label, right.correct) == (0, 9, True)
    np.testing.assert_array_equal(right.image, X[0].reshape(28, 28))
    assert list(right.as_json())[:3] == ["index", "label", "correct"]


def test_random_indices():
    chosen = random_indices(50, 20, 1)
    assert len(set(chosen)) == 20
    assert set(chosen) <= set(range(50))
    assert chosen == random_indices(50, 20, 1)
    assert chosen != random_indices(50, 20, 2)
    assert sorted(random_indices(5, 5, None)) == [0, 1, 2, 3, 4]
    assert len({tuple(random_indices(1000, 5, None)) for _ in range(5)}) > 1
