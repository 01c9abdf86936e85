"""The digits that a training learns from: a data set's, other people's, and drawn ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ovr_digits.core.arrays import Array, Bools, Grey, Integers
from ovr_digits.data.hands import Hands
from ovr_digits.data.splits import Split
from ovr_digits.learn.forms import digits_of_forms, draw_forms
from ovr_digits.learn.rows import draw_cut_digits
from ovr_digits.progress import Progress

#: Gives some rows of a set, in the copy of a number: images (len(rows), 784).
Images = Callable[[int, Integers], Grey]
#: As many digits as forms are cut out of rows, but no more than one for so many others.
_CUT_EVERY = 12


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


@dataclass(frozen=True)
class Drawing:
    """What is drawn for a training, and how.

    Attributes
    ----------
    n_forms : int
        Digits of the world's forms; at most as many are cut out of rows.
    seed : int
    n_jobs : int
        Threads; -1 is one for each core.
    progress : Progress
    """

    n_forms: int
    seed: int
    n_jobs: int = -1
    progress: Progress = field(default_factory=Progress)


def gather(split: Split, hands: Sequence[Hands], held_out: float, drawing: Drawing) -> TrainingSet:
    """Put the digits together of which detectors learn.

    Parameters
    ----------
    split : Split
    hands : sequence of Hands
        Whole writers of them are held out.
    held_out : float in 0..1
        Share of each set; of what is drawn beside them nothing is held out.
    drawing : Drawing
    """
    n_forms, seed, n_jobs = drawing.n_forms, drawing.seed, drawing.n_jobs
    progress = drawing.progress

    def forms(copy: int, rows: Integers) -> Grey:
        return draw_forms(n_forms, seed, copy)[rows]

    def digits(copy: int, rows: Integers) -> Grey:
        return split.X[rows]

    def redrawn(other: Hands) -> Images:
        return lambda copy, rows: other.images(copy, seed, rows, n_jobs, progress)

    # Of each set: what gives its images, its labels, and which are held out.
    sources: list[tuple[Images, Array, Bools]] = []
    sources.append((forms, digits_of_forms(n_forms), np.zeros(n_forms, bool)))
    for other in hands:
        writers = np.unique(other.writers)
        last = writers[len(writers) - round(held_out * len(writers)) :]
        sources.append((redrawn(other), other.y, np.isin(other.writers, last)))
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
    whole = TrainingSet(np.concatenate(y_parts), n_held_out, parts)
    n_fit = len(whole.y) - n_held_out
    n_cut = min(n_forms, n_fit // _CUT_EVERY)
    if not n_cut:
        return whole
    chosen = np.random.default_rng(seed).choice(n_fit, n_cut, replace=False)

    @cache
    def all_cut() -> Grey:
        others = whole.images()[:n_fit]
        progress.stage("digits cut out of rows", n_cut)
        return draw_cut_digits(others[chosen], others, seed, n_jobs, progress.advance)

    def cut(copy: int, rows: Integers) -> Grey:
        return all_cut()[rows]

    y = np.concatenate([whole.y[chosen], whole.y])
    return TrainingSet(y, n_held_out, [(cut, np.arange(n_cut)), *parts])
