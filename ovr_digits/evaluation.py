"""How good the detectors are: accuracy, errors by digit, and how far votes can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.core.vote import probabilities


@dataclass(frozen=True)
class DigitScores:
    """How well one digit is told from the others by the vote.

    ``precision`` and ``recall`` are 0 where they would be 0/0.
    """

    digit: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """The votes on a labelled set, counted.

    Attributes
    ----------
    confusion : (10, 10) int64
        Rows are the truth, columns the answers.
    fired_none, fired_several : int
        Samples for which no detector, or more than one, said True.
    """

    confusion: NDArray[np.int64]
    fired_none: int
    fired_several: int

    @property
    def samples(self) -> int:
        """How many samples there were."""
        return int(self.confusion.sum())

    @property
    def errors(self) -> int:
        """How many answers were wrong."""
        return self.samples - int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return 1.0 - self.errors / self.samples

    @property
    def per_digit(self) -> list[DigitScores]:
        """Precision, recall and F1 of each digit."""
        result = []
        for digit in range(len(self.confusion)):
            right = int(self.confusion[digit, digit])
            answered = int(self.confusion[:, digit].sum())
            true = int(self.confusion[digit].sum())
            precision = right / answered if answered else 0.0
            recall = right / true if true else 0.0
            both = precision + recall
            f1 = 2 * precision * recall / both if both else 0.0
            result.append(DigitScores(digit, precision, recall, f1))
        return result

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints, but for those that name the data."""
        return {
            "samples": self.samples,
            "accuracy": round(self.accuracy, 6),
            "errors": self.errors,
            "fired_none": self.fired_none,
            "fired_several": self.fired_several,
            "per_digit": [
                {
                    "digit": s.digit,
                    "precision": round(s.precision, 6),
                    "recall": round(s.recall, 6),
                    "f1": round(s.f1, 6),
                }
                for s in self.per_digit
            ],
            "confusion": self.confusion.tolist(),
        }


def evaluate_scores(scores: Float64, labels: Array) -> Evaluation:
    """Count the votes of detectors whose scores are given.

    Parameters
    ----------
    scores : (n, 10) float
        Log-odds.
    labels : (n,) int in 0..9

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        Where there is no sample, or the numbers of scores and labels differ.
    """
    _check_lengths(scores, labels)
    n_classes = scores.shape[1]
    confusion = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(confusion, (np.asarray(labels, np.intp), scores.argmax(axis=1)), 1)
    n_fired = (scores > 0).sum(axis=1)
    return Evaluation(confusion, int((n_fired == 0).sum()), int((n_fired > 1).sum()))


@dataclass(frozen=True)
class Reliability:
    """How often votes of about one height were right, over all detectors together.

    Attributes
    ----------
    counts : (n_bins,) int64
        Votes in each of n_bins equal parts of 0..1.
    votes : (n_bins,) float64
        Their mean; NaN where there is none.
    shares : (n_bins,) float64
        Share of them whose sample was the detector's digit; NaN where there is none.
    """

    counts: NDArray[np.int64]
    votes: Float64
    shares: Float64

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, 0..1: the mean of |share - vote| over all votes."""
        filled = self.counts > 0
        gaps = np.abs(self.shares - self.votes)[filled]
        return float(gaps @ self.counts[filled] / self.counts.sum())


def measure_reliability(scores: Float64, labels: Array, n_bins: int = 15) -> Reliability:
    """Compare every detector's votes with what was so.

    As Guo, Pleiss, Sun and Weinberger do (*On calibration of modern neural
    networks*, 2017), but for each detector's own yes or no: n samples give
    10 n votes.

    Parameters
    ----------
    scores : (n, 10) float
        Log-odds.
    labels : (n,) int in 0..9
    n_bins : int

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        Where there is no sample, or the numbers of scores and labels differ.
    """
    _check_lengths(scores, labels)
    votes = probabilities(scores).ravel()
    right = (np.asarray(labels)[:, None] == np.arange(scores.shape[1])).ravel()
    bins = np.minimum((votes * n_bins).astype(np.intp), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean_votes = np.bincount(bins, votes, n_bins) / counts
        shares = np.bincount(bins, right, n_bins) / counts
    return Reliability(counts, mean_votes, shares)


def _check_lengths(scores: Float64, labels: Array) -> None:
    if len(scores) == 0 or len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores for {len(labels)} labels")
