"""Answers: what the ten detectors say of picture files and of labelled samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Vote, count_votes
from ovr_digits.errors import DigitsError
from ovr_digits.picture.digit import DigitPicture, find_digit
from ovr_digits.picture.ink import Ground
from ovr_digits.picture.lines import count_digits

#: A vote for the true digit, for the wrong answer, of another detector that fired, of the rest.
VoteRole = Literal["truth", "wrong", "fired", "quiet"]


@dataclass(frozen=True, eq=False)
class PictureAnswer:
    """The answer to one picture file, or why there is none.

    Attributes
    ----------
    path : str
        As it was given; "-" is standard input.
    found : DigitPicture or None
        The picture, and the digit that was found on it.
    vote : Vote or None
    error : str or None
        One line, where the picture could not be read.
    """

    path: str
    found: DigitPicture | None = None
    vote: Vote | None = None
    error: str | None = None

    @property
    def image(self) -> NDArray[np.uint8] | None:
        """What the detectors saw, (28, 28): ink is 255, paper is 0."""
        return None if self.found is None else self.found.image

    @property
    def n_digits(self) -> int:
        """How many digits the picture seems to hold; 1 where it could not be read."""
        return 1 if self.found is None else count_digits(self.found.marks)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        if self.vote is None:
            return {"path": self.path, "error": self.error}
        return {"path": self.path, **self.vote.as_json()}


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
    image: NDArray[np.uint8]
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


def answer_pictures(
    models: DetectorArrays,
    pictures: Iterable[tuple[str, str | bytes]],
    ground: Ground = "auto",
    level: float | None = None,
) -> Iterator[PictureAnswer]:
    """Answer pictures one after the other; one that can't be read does not stop the rest.

    Parameters
    ----------
    models : DetectorArrays
    pictures : iterable of (name, source)
        The source is a path, or the content of a file.
    ground, level :
        See ``ink.find_ink``.
    """
    for name, source in pictures:
        try:
            found = find_digit(source, ground, level)
        except DigitsError as error:
            yield PictureAnswer(name, error=str(error))
            continue
        vote = count_votes(models.decision_function(found.image.reshape(1, -1)))[0]
        yield PictureAnswer(name, found, vote)


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


def random_indices(n_samples: int, count: int, seed: int | None) -> list[int]:
    """``count`` different places in 0..n_samples-1, the same ones for the same seed."""
    chosen = np.random.default_rng(seed).permutation(n_samples)[:count]
    return [int(index) for index in chosen]
