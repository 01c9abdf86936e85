"""Answers to labelled samples: what the ten detectors say of them, beside what is true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ovr_digits.core.arrays import Array, Float64, Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Vote, count_votes

#: A vote for the true digit, for the wrong answer, of another detector that fired, of the rest.
VoteRole = Literal["truth", "wrong", "fired", "quiet"]


@dataclass(frozen=True, eq=False)
class SampleAnswer:
    """The answer to one labelled sample of a data set.

    Attributes
    ----------
    index : int
        Its place in the set.
    label : int
        The true digit.
    image : (28, 28) uint8
        Ink is 255, paper is 0.
    vote : Vote
    """

    index: int
    label: int
    image: Grey
    vote: Vote

    @property
    def correct(self) -> bool:
        """Whether the answer is the true digit."""
        return self.vote.digit == self.label

    @property
    def roles(self) -> list[VoteRole]:
        """What each of the ten votes is to this sample."""
        return [
            "truth"
            if digit == self.label
            else "wrong"
            if digit == self.vote.digit
            else "fired"
            if digit in self.vote.fired
            else "quiet"
            for digit in range(10)
        ]

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return {
            "index": self.index,
            "label": self.label,
            "correct": self.correct,
            **self.vote.as_json(),
        }


def answer_samples(
    models: DetectorArrays, X: Array, y: Array, indices: Iterable[int]
) -> list[SampleAnswer]:
    """Answer chosen samples of a data set X (n, 784) uint8 with labels y (n,)."""
    chosen = list(indices)
    return pair_samples(X, y, chosen, models.decision_function(X[chosen]))


def pair_samples(X: Array, y: Array, indices: Iterable[int], scores: Float64) -> list[SampleAnswer]:
    """Chosen samples of a data set with the votes of their scores (len(indices), 10)."""
    return [
        SampleAnswer(int(index), int(y[index]), X[index].reshape(28, 28), vote)
        for index, vote in zip(indices, count_votes(scores), strict=True)
    ]
