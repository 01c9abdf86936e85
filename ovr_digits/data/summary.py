"""What a data set holds: how many of each digit, their mean images, and samples to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array, Float64, Integers
from ovr_digits.core.sampling import random_indices


@dataclass(frozen=True, eq=False)
class Summary:
    """How many there are of each digit (10,), and their mean images (10, 28, 28) in 0..255."""

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
    """Choose ``count`` samples at random, or all there are, of one digit or of all: indices of y.

    The same seed chooses the same samples.
    """
    rows = np.arange(len(y)) if digit is None else np.flatnonzero(y == digit)
    return [int(rows[place]) for place in random_indices(len(rows), count, seed)]
