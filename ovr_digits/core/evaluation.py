"""How good the detectors are: accuracy, errors by digit, and how far votes can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array, Bools, Float64, Indices, Integers
from ovr_digits.core.vote import VERDICTS, Vote, count_votes, probabilities


@dataclass(frozen=True)
class DigitScores:
    """How well one digit is told from the others by the vote; shares are 0 where they are 0/0.

    Of the samples ``true`` are the digit, ``answered`` are said to be it, ``right`` are both.
    """

    digit: int
    precision: float
    recall: float
    f1: float
    right: int
    answered: int
    true: int


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

    confusion: Integers
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
            precision, recall = right / max(answered, 1), right / max(true, 1)
            f1 = 2 * right / max(answered + true, 1)
            result.append(DigitScores(digit, precision, recall, f1, right, answered, true))
        return result

    @property
    def confused(self) -> list[tuple[int, int, int]]:
        """Every mistake that was made: truth, answer and how often; the most frequent first."""
        counts = self.confusion - np.diag(np.diag(self.confusion))
        pairs = [(int(t), int(a), int(counts[t, a])) for t, a in np.argwhere(counts)]
        return sorted(pairs, key=lambda pair: -pair[2])

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints, but for those that name the data."""
        return {
            "samples": self.samples,
            "accuracy": round(self.accuracy, 6),
            "errors": self.errors,
            "fired_none": self.fired_none,
            "fired_several": self.fired_several,
            "per_digit": [
                {"digit": s.digit}
                | {name: round(getattr(s, name), 6) for name in ("precision", "recall", "f1")}
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

    counts: Integers
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
    10 n votes. Scores, labels and errors are those of ``evaluate_scores``.
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


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """What one detector finds, and how much of it rightly, at every threshold on its score.

    Shares are 0 where they would be 0/0.

    Attributes
    ----------
    digit : int
    precision, recall : (k + 1,) float64
        From each of k different scores on; the last pair is precision 1 at recall 0.
    chosen_precision, chosen_recall : float in 0..1
        At the threshold that the detector has: above score 0, a vote of 50 %.
    """

    digit: int
    precision: Float64
    recall: Float64
    chosen_precision: float
    chosen_recall: float

    @property
    def area(self) -> float:
        """Average precision, 0..1: the area below the curve, as steps and not as slopes."""
        return float(-(np.diff(self.recall) @ self.precision[:-1]))


def precision_recall_curves(scores: Float64, labels: Array) -> list[PrecisionRecall]:
    """Each detector's precision and recall, as ``sklearn.metrics.precision_recall_curve`` does.

    Scores (n, n_detectors) are log-odds, labels (n,) in 0..n_detectors-1; n is not 0.
    """
    curves = []
    for digit, column in enumerate(scores.T):
        is_digit = np.asarray(labels) == digit
        order = np.argsort(-column, kind="stable")
        # Equal scores lie on one side of any threshold: only the last of each is one.
        ends = np.append(np.flatnonzero(np.diff(column[order])), len(order) - 1)
        found = np.cumsum(is_digit[order])[ends]
        fired = column > 0
        n_true, n_fired, n_found = is_digit.sum(), fired.sum(), (fired & is_digit).sum()
        curves.append(
            PrecisionRecall(
                digit,
                precision=np.append((found / (ends + 1))[::-1], 1.0),
                recall=np.append((found / max(n_true, 1))[::-1], 0.0),
                chosen_precision=float(n_found / max(n_fired, 1)),
                chosen_recall=float(n_found / max(n_true, 1)),
            )
        )
    return curves


def truth_leads(scores: Float64, labels: Array) -> Float64:
    """By how much the truth's score leads the best other: (n,), below 0 where the answer is wrong.

    Of scores (n, 10) with the labels (n,) in 0..9.
    """
    is_truth = np.asarray(labels)[:, None] == np.arange(scores.shape[1])
    return scores[is_truth] - np.where(is_truth, -np.inf, scores).max(axis=1)


def find_mistakes(scores: Float64, labels: Array) -> Indices:
    """Which samples are answered wrongly, worst first: in the order of ``truth_leads``."""
    return _worst_first(scores.argmax(axis=1) != labels, truth_leads(scores, labels))


def find_unsure(scores: Float64, labels: Array) -> Indices:
    """For which samples no detector fired, or several did; in the order of ``truth_leads``."""
    return _worst_first((scores > 0).sum(axis=1) != 1, truth_leads(scores, labels))


def _worst_first(chosen: Bools, leads: Float64) -> Indices:
    indices = np.flatnonzero(chosen)
    return indices[np.argsort(leads[indices], kind="stable")]


def _check_lengths(scores: Float64, labels: Array) -> None:
    if len(scores) == 0 or len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores for {len(labels)} labels")


#: Below this a difference is called significant, as is the custom.
SIGNIFICANT = 0.05


@dataclass(frozen=True, eq=False)
class Comparison:
    """The votes of two sets of detectors, A and B, on the same labelled samples.

    Attributes
    ----------
    votes_a, votes_b : list of Vote
    labels : (n,) int in 0..9
    only_a, only_b : (m,) intp
        Samples that A alone answers rightly, and B alone.
    both, neither : int
        Samples that both answer rightly, and none of the two.
    """

    votes_a: list[Vote]
    votes_b: list[Vote]
    labels: Array
    only_a: Indices
    only_b: Indices
    both: int
    neither: int

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test."""
        return mcnemar_test(len(self.only_a), len(self.only_b))

    @property
    def same_answer(self) -> int:
        """Samples for which both give the same digit, right or wrong."""
        return sum(a.digit == b.digit for a, b in zip(self.votes_a, self.votes_b, strict=True))

    @property
    def same_verdict(self) -> int:
        """Samples for which both give the same verdict."""
        return sum(a.verdict == b.verdict for a, b in zip(self.votes_a, self.votes_b, strict=True))

    @property
    def conclusion(self) -> str:
        """What follows, in words."""
        n_a, n_b, p = len(self.only_a), len(self.only_b), self.p_value
        if n_a + n_b == 0:
            return "A and B are right on the same images: no difference"
        better, other = ("B", "A") if n_b > n_a else ("A", "B")
        more, fewer = max(n_a, n_b), min(n_a, n_b)
        significant = f"{better} is significantly better"
        found = significant if p < SIGNIFICANT else "no significant difference"
        shown = "p < 0.001" if p < 0.001 else f"p = {p:.3g}"
        return (
            f"{better} is right on {more:,} image{'s' if more > 1 else ''} where {other} is wrong, "
            f"and wrong on {fewer:,} where {other} is right: {found}, "
            f"{shown} (McNemar's exact test)"
        )

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints, but for those that name the data and models."""
        return {
            "samples": len(self.labels),
            "a": _summary(self.votes_a, self.both + len(self.only_a)),
            "b": _summary(self.votes_b, self.both + len(self.only_b)),
            "both_right": self.both,
            "both_wrong": self.neither,
            "only_a_right": self.only_a.tolist(),
            "only_b_right": self.only_b.tolist(),
            "same_answer": self.same_answer,
            "same_verdict": self.same_verdict,
            "p_value": self.p_value,
            "significant": self.p_value < SIGNIFICANT,
            "conclusion": self.conclusion,
        }


def _summary(votes: list[Vote], right: int) -> dict[str, Any]:
    verdicts = [vote.verdict for vote in votes]
    return {
        "right": right,
        "accuracy": round(right / len(votes), 6),
        "verdicts": {name: verdicts.count(name) for name in VERDICTS},
    }


def compare_scores(scores_a: Float64, scores_b: Float64, labels: Array) -> Comparison:
    """Compare two sets of ten detectors by their scores of the same samples.

    Scores, labels and errors are those of ``evaluate_scores``.
    """
    _check_lengths(scores_a, labels)
    _check_lengths(scores_b, labels)
    right_a, right_b = (scores.argmax(axis=1) == labels for scores in (scores_a, scores_b))
    return Comparison(
        votes_a=count_votes(scores_a),
        votes_b=count_votes(scores_b),
        labels=labels,
        only_a=np.flatnonzero(right_a & ~right_b),
        only_b=np.flatnonzero(right_b & ~right_a),
        both=int((right_a & right_b).sum()),
        neither=int((~right_a & ~right_b).sum()),
    )


def mcnemar_test(only_a: int, only_b: int) -> float:
    """McNemar's exact test: how likely so uneven a split is where neither is better.

    Each sample that only one of two answers rightly is then a fair coin's
    toss, and what is sought is the two-sided tail of a binomial distribution.
    """
    n = only_a + only_b
    ways = tail = 1  # in whole numbers, so that no count is too large or too small for it
    for k in range(min(only_a, only_b)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**n)
