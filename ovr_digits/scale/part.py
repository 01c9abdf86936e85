"""What a worker does: ten detectors learn from a part of a stream, from weights that are given.

Parts of a round begin with the same weights and learn side by side; the mean of what they come to
is what the next round begins with (McDonald, Hall and Mann, *Distributed training strategies for
the structured perceptron*, 2010; Stich, *Local SGD converges fast and communicates little*, 2019).
What is learnt depends on how many parts a round has, and not on who learns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ovr_digits.core.arrays import Bools, Float32, Float64, Floats, Grey
from ovr_digits.core.distortion import MEDIUM, apply_distortions, draw_distortions
from ovr_digits.core.features import Branch, as_images, branch_features
from ovr_digits.learn.coordinates import CoordinateSpace, Inputs
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.sgd import AveragedSGD
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.scale.sources.pieces import Piece, Reading

#: Weights and offsets (10, n_inputs + 1) of each group of views of each committee, in turn.
Weights = list[Float32]

#: Images whose features are made at once: these are large.
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Lesson:
    """What does not change from part to part: sent to every worker once.

    Attributes
    ----------
    layers : tuple of Branch
        The way from an image to features.
    space : CoordinateSpace
        And from there to what detectors see.
    groups : sequence of Inputs
        What detectors see that learn together.
    learning_rates : sequence of float
        Of each group.
    options : LearningOptions
        The epochs are passes over a part.
    negatives : (n_negatives, 784) uint8
        Pictures of no digit, from which each part takes some, distorted anew.
    share : float
        How many it takes for each digit.
    held_out : frozenset of int
        Pieces of the undistorted source from which the first committee does not learn; the
        second learns from all.
    seed : int
    """

    layers: tuple[Branch, ...]
    space: CoordinateSpace
    groups: Sequence[Inputs]
    learning_rates: Sequence[float]
    options: LearningOptions
    negatives: Grey
    share: float
    held_out: frozenset[int]
    seed: int

    def coordinates(self, images: Floats) -> Floats:
        """Coordinates (n, d) float16 of images (n, 28, 28) in 0..1."""
        batches = (images[first : first + _BATCH] for first in range(0, len(images), _BATCH))
        features = (branch_features(batch, self.layers) for batch in batches)
        return np.concatenate([self.space.whitening.apply(f).astype(np.float16) for f in features])


@dataclass(frozen=True, eq=False)
class Learnt:
    """What came of a part: weights, and from how many digits; a line for each that is left out."""

    weights: Weights
    n_digits: int
    errors: Sequence[str]


def learn_part(
    lesson: Lesson, number: int, pieces: Sequence[Piece], weights: Weights | None
) -> Learnt:
    """Learn from some pieces, beginning with weights, or with none.

    The number of the part in the whole stream settles, with the seed, what is drawn for it.
    """
    readings = [piece.read() for piece in pieces]
    X, y, errors = _readable(readings)
    if not len(X):
        return Learnt(weights or _zeros(lesson), 0, errors)
    is_held = [piece.origin in lesson.held_out for piece in pieces]
    held = np.repeat(is_held, [int(reading.is_read.sum()) for reading in readings])
    rng = np.random.RandomState([lesson.seed, number])
    negatives = _negatives(lesson, round(lesson.share * len(X)), rng)
    # The first committee sees but the first of them.
    images = np.concatenate(
        [as_images(X[~held], IMAGE_SHAPE), negatives, as_images(X[held], IMAGE_SHAPE)]
    )
    targets = np.concatenate([y[~held], np.full(len(negatives), 255), y[held]])[:, None]
    targets = targets == np.arange(10)
    Z = lesson.coordinates(images)
    learners = _learners(lesson, targets, len(Z) - int(held.sum()), weights, rng)
    for _ in range(lesson.options.epochs):
        order = rng.permutation(len(Z))
        for learner in learners:
            for some in learner.begin_pass(Z):
                learner.learn(Z, order, some)
    last = (np.column_stack(learner.last) for learner in learners)
    return Learnt([weights.astype(np.float32) for weights in last], len(X), errors)


def _learners(
    lesson: Lesson,
    targets: Bools,
    n_first: int,
    weights: Weights | None,
    rng: np.random.RandomState,
) -> list[AveragedSGD]:
    """For each group of two committees, of which one sees the first samples alone."""
    learners: list[AveragedSGD] = []
    starts = iter(weights or _zeros(lesson))
    for n_seen in (n_first, len(targets)):
        for group, rate in zip(lesson.groups, lesson.learning_rates, strict=True):
            start = next(starts)
            learner = AveragedSGD(group, targets[:n_seen], lesson.options, rng)
            learner.begin_with(start[:, :-1], start[:, -1], rate)
            learners.append(learner)
    return learners


def _zeros(lesson: Lesson) -> Weights:
    """What the first parts begin with."""
    return [np.zeros((10, len(group.indices) + 1), np.float32) for group in lesson.groups] * 2


def score_piece(
    lesson: Lesson, piece: Piece, coef: Float64, intercept: Float64
) -> tuple[Float64, Grey]:
    """Scores (n, 10) of the digits of a piece by weights on what detectors see; their labels."""
    X, y, _ = read_piece(piece)
    Z = lesson.coordinates(as_images(X, IMAGE_SHAPE))
    return lesson.space.score(Z, coef, intercept), y


def read_piece(piece: Piece) -> tuple[Grey, Grey, list[str]]:
    """Images (n, 784) and digits (n,) of a piece, and a line for each that is left out."""
    return _readable([piece.read()])


def combined(lesson: Lesson, weights: Sequence[Floats], committee: int) -> tuple[Float64, Float64]:
    """The weights of a committee's groups as one: (10, n_inputs) and offsets (10,)."""
    n = len(lesson.groups)
    chosen = weights[committee * n : (committee + 1) * n]
    return lesson.space.mean_weights(lesson.groups, [(w[:, :-1], w[:, -1]) for w in chosen])


def _negatives(lesson: Lesson, n: int, rng: np.random.RandomState) -> Floats:
    """Some of the pictures of no digit, distorted anew: (n, 28, 28) in 0..1."""
    n = n if len(lesson.negatives) else 0
    chosen = lesson.negatives[rng.randint(max(1, len(lesson.negatives)), size=n)]
    images = as_images(chosen, IMAGE_SHAPE)
    return apply_distortions(images, draw_distortions(n, MEDIUM, rng))


def _readable(readings: Sequence[Reading]) -> tuple[Grey, Grey, list[str]]:
    """Images and digits of what could be read, and a line for each that could not."""
    lines = []
    for reading in readings:
        for position, error in reading.errors.items():
            file, row = reading.places[position]
            lines.append(f"{file}: {error}" if row is None else f"{file}, row {row:,}: {error}")
    X = np.concatenate([reading.X[reading.is_read] for reading in readings])
    labels = [reading.y[reading.is_read] for reading in readings if reading.y is not None]
    return X, np.concatenate(labels), lines
