"""What a data set holds: how many of each digit, their mean images, and samples to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array, Float64, Integers
from ovr_digits.core.sampling import random_indices


@dataclass(frozen=True, eq=False)
class Summary:
    """A labelled set in numbers.

    Attributes
    ----------
    counts : (10,) int64
        How many there are of each digit.
    means : (10, 28, 28) float64 in 0..255
        The mean image of each digit; 0 where there is none of it.
    """

    counts: Integers
    means: Float64

    @property
    def samples(self) -> int:
        """How many there are of all digits."""
        return int(self.counts.sum())

    @property
    def finding(self) -> str:
        """Which digits there are most and fewest of, in words."""
        most, fewest = int(self.counts.max()), int(self.counts.min())
        if most == fewest:
            return f"every digit is equally frequent: {most:,} of {self.samples:,}"
        return (
            f"{self._digits_with(most)} the most frequent: {most:,} of {self.samples:,}; "
            f"{self._digits_with(fewest)} the rarest: {fewest:,}"
        )

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints, but for those that name the data."""
        return {"samples": self.samples, "counts": self.counts.tolist(), "finding": self.finding}

    def _digits_with(self, count: int) -> str:
        *others, last = (str(digit) for digit in np.flatnonzero(self.counts == count))
        return f"{', '.join(others)} and {last} are" if others else f"{last} is"


def summarise(X: Array, y: Array) -> Summary:
    """Count the digits of a set X (n, 784) uint8 with labels y (n,), and average their images."""
    counts = np.bincount(y, minlength=10)
    means = np.zeros((10, 28, 28))
    for digit in np.flatnonzero(counts):
        means[digit] = X[y == digit].mean(axis=0).reshape(28, 28)
    return Summary(counts, means)


def choose_samples(
    y: Array, count: int, digit: int | None = None, seed: int | None = None
) -> list[int]:
    """Choose samples at random, of one digit or of all.

    Parameters
    ----------
    y : (n,) int
        The labels.
    count : int
        Where there are fewer, all of them are chosen.
    digit : int, optional
    seed : int, optional
        The same seed chooses the same samples.

    Returns
    -------
    list of int
        Their places in ``y``.
    """
    rows = np.arange(len(y)) if digit is None else np.flatnonzero(y == digit)
    return [int(rows[place]) for place in random_indices(len(rows), count, seed)]
