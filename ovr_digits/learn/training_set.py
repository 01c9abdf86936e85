"""The digits that a training learns from: a data set's, other people's, and drawn forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ovr_digits.core.arrays import Array, Bools, Grey, Integers
from ovr_digits.data.hands import Hands
from ovr_digits.data.splits import Split
from ovr_digits.learn.forms import digits_of_forms, draw_forms

#: Gives some rows of a set, in the copy of a number: images (len(rows), 784).
Images = Callable[[int, Integers], Grey]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Labelled digits, those that are held out last.

    Attributes
    ----------
    y : (n,) uint8
    n_held_out : int
        The last digits of the data set, and those of the last writers of each other set.
    """

    y: Grey
    n_held_out: int
    _parts: Sequence[tuple[Images, Integers]]

    def images(self, copy: int = 0) -> Grey:
        """The digits (n, 784) of a copy: those that are drawn are drawn anew for each."""
        return np.concatenate([images(copy, rows) for images, rows in self._parts])


def gather(
    split: Split, hands: Sequence[Hands], n_forms: int, held_out: float, seed: int
) -> TrainingSet:
    """Put the digits together of which detectors learn.

    Parameters
    ----------
    split : Split
    hands : sequence of Hands
        Whole writers of them are held out.
    n_forms : int
        Digits to be drawn, none of them held out.
    held_out : float in 0..1
        Share of each set.
    seed : int
        Settles what is drawn.
    """

    def forms(copy: int, rows: Integers) -> Grey:
        return draw_forms(n_forms, seed, copy)[rows]

    def digits(copy: int, rows: Integers) -> Grey:
        return split.X[rows]

    # Of each set: what gives its images, its labels, and which are held out.
    sources: list[tuple[Images, Array, Bools]] = []
    sources.append((forms, digits_of_forms(n_forms), np.zeros(n_forms, bool)))
    for other in hands:
        writers = np.unique(other.writers)
        last = writers[len(writers) - round(held_out * len(writers)) :]
        sources.append((partial(_redrawn, other, seed), other.y, np.isin(other.writers, last)))
    first_held_out = len(split) - round(held_out * len(split))
    sources.append((digits, split.y, np.arange(len(split)) >= first_held_out))

    parts, y_parts = [], []
    for is_held_out in (False, True):
        for images, labels, held_out_there in sources:
            rows = np.flatnonzero(held_out_there == is_held_out)
            if len(rows):
                parts.append((images, rows))
                y_parts.append(labels[rows])
    n_held_out = sum(int(held_out_there.sum()) for _, _, held_out_there in sources)
    return TrainingSet(np.concatenate(y_parts), n_held_out, parts)


def _redrawn(hands: Hands, seed: int, copy: int, rows: Integers) -> Grey:
    return hands.images(copy, seed, rows)
