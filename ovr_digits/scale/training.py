"""The training run on digits that need not fit into memory, by as many workers as there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.evaluation import evaluate_scores
from ovr_digits.core.features import as_images
from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable
from ovr_digits.learn.calibration import calibrate
from ovr_digits.learn.coordinates import WHITENING_SAMPLES
from ovr_digits.learn.detectors import detectors_of
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.fitting import learn_images
from ovr_digits.learn.negatives import draw_negatives
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.presets import PARTS, STREAM_EPOCHS
from ovr_digits.learn.run import Run
from ovr_digits.learn.sgd import BLOCK, learning_rate
from ovr_digits.learn.training import MIN_SAMPLES, CommonOptions, TrainingResult, provenance
from ovr_digits.models.modelfile import save_models
from ovr_digits.models.stamp import stamp
from ovr_digits.parallel import collect
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.progress import Progress
from ovr_digits.scale.checkpoint import Arrays, Checkpoint
from ovr_digits.scale.engine.base import Engine
from ovr_digits.scale.engine.opening import open_engine
from ovr_digits.scale.part import (
    Learnt,
    Lesson,
    Weights,
    combined,
    learn_part,
    read_piece,
    score_piece,
)
from ovr_digits.scale.sources.opening import (
    dataset_source,
    distorted,
    finely,
    is_part_of,
    open_source,
)
from ovr_digits.scale.sources.pieces import Piece, Source

#: The least number of pieces: some can be held out then, and parts differ little in size.
_MIN_PIECES = 48
#: Pieces that a part is made of.
PIECES_A_PART = 4
#: Share of the digits that is held out at first, and how many digits that is at most.
HELD_OUT_FRACTION, MAX_HELD_OUT = 1 / 6, 10_000
#: Pictures of no digit are drawn for so many digits at most, and distorted anew for others.
MAX_DIGITS_WITH_NEGATIVES = 60_000
#: The weight of a round in the mean of all is its number to this power, so that what the first
#: rounds came to is soon forgotten (Shamir and Zhang, *Stochastic gradient descent for non-smooth
#: optimization*, 2013).
_POWER = 3
#: Lines that name digits which cannot be read; the rest are counted.
_MAX_NAMED = 20


@dataclass(frozen=True)
class StreamOptions(CommonOptions):
    """What the person can choose of a training on a stream.

    Attributes
    ----------
    source : Path, optional
        See ``sources.open_source``; without it, the training images of ``dataset``.
    augment : int, optional
        Learn from so many digits: those of the source, and distorted copies of them.
    scheduler : str, optional
        Address of a Dask scheduler; without it, ``n_jobs`` processes of this machine work.
    parts : int
        Parts that learn side by side before their weights are averaged. More can
        keep more workers busy; how many workers there are does not change the models.
    epochs : int
        Passes over a part, in place of the preset's.
    checkpoint : Path, optional
        Folder in which the state of the training is kept, and from which it is
        removed at the end.
    resume : bool
        Go on from the state in that folder, if there is one.
    """

    source: Path | None = None
    augment: int | None = None
    scheduler: str | None = None
    parts: int = PARTS
    epochs: int = STREAM_EPOCHS
    checkpoint: Path | None = None
    resume: bool = False

    @property
    def learning(self) -> LearningOptions:
        """What is learnt from the stream, whose copies are made by the source."""
        n_copies = int(self.augment is not None)
        return replace(self.preset.learning, epochs=self.epochs, n_copies=n_copies)


def train_stream(options: StreamOptions, progress: Progress | None = None) -> TrainingResult:
    """Train ten detectors on a source that is read piece by piece, and write models.pkl.

    The features are learnt from a sample. The detectors pass over the stream
    once, in rounds of parts; memory does not grow with the stream. Some of the
    digits are held out from one committee of detectors, which gives the
    validation accuracy and the calibration; another learns from all, and is
    what is written. Where the source is a data set, its test set is read once,
    at the end.

    Raises
    ------
    DigitsError
        Where the source cannot be read or lacks a digit, the output cannot be
        written, or the workers are lost; an output that was there before is
        untouched then.
    """
    progress = progress or Progress()
    check_writable(options.output)
    if options.source is not None and is_part_of(options.output, options.source):
        raise DigitsError(
            f"{options.output}: is of what is to be learnt from; name another --output"
        )
    checkpoint = Checkpoint(options.checkpoint, options.resume, progress.note)
    if options.source is None:
        base = dataset_source(options.dataset, options.data_dir, progress)
    else:
        base = open_source(options.source, labelled=True)
    base = stream = finely(base, _MIN_PIECES)
    if options.augment is not None:
        stream = distorted(base, options.augment, options.seed)
    asked = _asked(options)
    checkpoint.begin(
        {"source": base.digest, "digits": stream.n, **asked}
        | stamp("numpy", "scikit-learn", "scipy")["versions"]
    )
    with open_engine(options.n_jobs, options.scheduler) as engine:
        held_out = _held_out(base, options.seed)
        lesson = engine.share(_prepare(options, base, held_out, engine, progress))
        course = Course(checkpoint, progress)
        course.run(lesson, stream, options.parts, engine)
        progress.stage("voting on the images held out", sum(piece.n for piece in held_out))
        weights, parts = combined(lesson, course.mean, 0), []
        for part in engine.run(score_piece, ((lesson, piece, *weights) for piece in held_out)):
            parts.append(part)
            progress.advance(len(part[1]))
    scores, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    slope, offset = calibrate(scores, y[:, None] == np.arange(10))
    coef, intercept = combined(lesson, course.mean, 1)
    coef, intercept = lesson.space.fold(coef * slope[:, None], intercept * slope + offset)
    models = DetectorArrays(lesson.space.branches, IMAGE_SHAPE, coef.astype(np.float32), intercept)
    test_accuracy, n_test = _test(models, options, progress)
    result = TrainingResult(
        output=options.output,
        dataset=options.dataset if options.source is None else "other",
        source=base.name,
        samples=course.n_digits,
        test_samples=n_test,
        seconds=checkpoint.seconds,
        validation_accuracy=evaluate_scores(scores * slope + offset, y).accuracy,
        test_accuracy=test_accuracy,
        kept_epoch=lesson.options.epochs,
        options=asked,
    )
    split = f"{len(y):,} images held out first"
    models = replace(models, provenance=provenance(result, base.digest, split))
    n_updates = course.n_digits * lesson.options.epochs
    save_models(detectors_of(models, lesson.options.loss, n_updates), options.output)
    checkpoint.clear()
    return result


def _asked(options: StreamOptions) -> dict[str, Any]:
    """What the models depend on, beside the source and the versions."""
    return {
        "preset": options.preset.name,
        "seed": options.seed,
        "epochs": options.epochs,
        "detector_loss": options.learning.loss,
        "negatives": options.negatives,
        "augment": options.augment,
        "parts": options.parts,
    }


def _held_out(base: Source, seed: int) -> list[Piece]:
    """Pieces chosen at random: what one committee does not see."""
    wanted = min(round(HELD_OUT_FRACTION * base.n), MAX_HELD_OUT)
    n = 0
    chosen: list[Piece] = []
    for index in np.random.RandomState(seed).permutation(len(base.pieces))[:-1]:
        if n >= wanted:
            break
        chosen.append(base.pieces[int(index)])
        n += chosen[-1].n
    if base.n < MIN_SAMPLES or not chosen:
        raise DigitsError(f"{base.name}: {base.n} images are too few; give at least {MIN_SAMPLES}")
    return chosen


def _prepare(
    options: StreamOptions,
    base: Source,
    held_out: Sequence[Piece],
    engine: Engine,
    progress: Progress,
) -> Lesson:
    """Learn from a sample what comes before the detectors."""
    preset, learning = options.preset, options.learning
    run = Run(np.random.RandomState(options.seed), options.n_jobs, progress)
    held = frozenset(piece.origin for piece in held_out)
    X = _sample(base, held, engine, progress)
    n_negatives = round(options.negatives * min(base.n, MAX_DIGITS_WITH_NEGATIVES))
    progress.stage("pictures of no digit", n_negatives)
    negatives = draw_negatives(n_negatives, X, options.seed, progress.advance)
    X = np.concatenate([negatives[: round(options.negatives * len(X))], X])
    features = PatchKernelFeatures(
        preset.views, n_channels=preset.n_channels, random_state=int(run.rng.randint(2**31))
    )
    with threadpool_limits(1, user_api="blas"):
        space = learn_images(X, len(X), features, learning, run).space
        lesson = Lesson(
            layers=features.branches_,
            space=space,
            groups=[space.inputs(group) for group in learning.groups or [preset.views]],
            learning_rates=[],
            options=learning,
            negatives=negatives,
            share=options.negatives,
            held_out=held,
            seed=options.seed,
        )
        some = lesson.coordinates(as_images(X[:: -(-len(X) // BLOCK)], IMAGE_SHAPE))
    rows = np.arange(len(some))
    rates = [learning_rate(group(some, rows), learning.step) for group in lesson.groups]
    return replace(lesson, learning_rates=rates)


def _sample(base: Source, held: frozenset[int], engine: Engine, progress: Progress) -> Array:
    """Images from all over the source (n, 784), among which every digit is."""
    pieces = [piece for piece in base.pieces if piece.origin not in held]
    n_wanted = max(1, round(WHITENING_SAMPLES * len(pieces) / max(base.n, 1)))
    chosen = np.linspace(0, len(pieces) - 1, min(len(pieces), n_wanted)).astype(int)
    progress.stage("a sample of the digits", len(chosen))
    parts: list[Array] = []
    left_out: list[str] = []
    counts = np.zeros(10, int)
    for X, y, lines in engine.run(read_piece, ((pieces[int(index)],) for index in chosen)):
        parts.append(X)
        left_out += lines
        counts += np.bincount(y, minlength=10)
        progress.advance()
    missing = ", ".join(str(digit) for digit in np.flatnonzero(counts == 0))
    if left_out and missing:
        raise DigitsError(
            f"{base.name}: of digit {missing} nothing can be learnt from: {len(left_out):,} of "
            f"{counts.sum() + len(left_out):,} images are left out, as {left_out[0]}"
        )
    if missing:
        raise DigitsError(
            f"{base.name}: no digit {missing} among {counts.sum():,} images from all over it; "
            "a detector cannot learn a digit that does not occur"
        )
    return np.concatenate(parts)


class Course:
    """Passes once over a stream, in rounds.

    Attributes
    ----------
    n_digits : int
        Learnt from so far.
    """

    def __init__(self, checkpoint: Checkpoint, progress: Progress) -> None:
        self._checkpoint, self._progress = checkpoint, progress
        self._weights: Weights | None = None
        self._sums: list[Float64] = []
        self._n_rounds = self._n_unread = self.n_digits = 0
        stored = checkpoint.load()
        if stored is not None:
            self._n_rounds, self.n_digits, self._n_unread = stored["counts"].tolist()
            n_learners = sum(name.startswith("sums-") for name in stored)
            self._weights = [stored[f"weights-{k}"] for k in range(n_learners)]
            self._sums = [stored[f"sums-{k}"] for k in range(n_learners)]

    @property
    def mean(self) -> list[Float64]:
        """The mean of what the rounds came to, of which the later ones count for more."""
        total = sum(number**_POWER for number in range(1, self._n_rounds + 1))
        return [weights / total for weights in self._sums]

    def run(self, lesson: Lesson, stream: Source, n_parts: int, engine: Engine) -> None:
        """Go on to the end of the stream, ``n_parts`` side by side."""
        order = _order(stream, lesson.seed)
        numbers = [order[i : i + PIECES_A_PART] for i in range(0, len(order), PIECES_A_PART)]
        self._progress.stage("detectors", stream.n)
        self._progress.advance(self.n_digits + self._n_unread)
        for first in range(self._n_rounds * n_parts, len(numbers), n_parts):
            tasks = (
                (lesson, part, [stream.pieces[int(k)] for k in numbers[part]], self._weights)
                for part in range(first, min(first + n_parts, len(numbers)))
            )
            learnt = []
            for result in engine.run(learn_part, tasks):
                learnt.append(result)
                self._progress.advance(result.n_digits + len(result.errors))
            self.end_round(learnt)
        if self._n_unread > _MAX_NAMED:
            self._progress.note(f"and {self._n_unread - _MAX_NAMED:,} more that cannot be read")
        if not self.n_digits:
            raise DigitsError(f"{stream.name}: none of its digits can be read")

    def end_round(self, learnt: Sequence[Learnt]) -> None:
        """Let the next round begin with the mean of what the parts came to."""
        for line in [line for part in learnt for line in part.errors]:
            if self._n_unread < _MAX_NAMED:
                self._progress.note(f"left out: {line}")
            self._n_unread += 1
        counts = np.array([part.n_digits for part in learnt])
        shares = counts if counts.any() else np.ones(len(counts))
        shares = shares / shares.sum()
        means = [
            np.tensordot(shares, np.stack(of_parts), axes=1)
            for of_parts in zip(*(part.weights for part in learnt), strict=True)
        ]
        self._n_rounds += 1
        self.n_digits += int(counts.sum())
        sums = self._sums or [np.zeros_like(mean) for mean in means]
        self._sums = [
            total + self._n_rounds**_POWER * mean for total, mean in zip(sums, means, strict=True)
        ]
        self._weights = [mean.astype(np.float32) for mean in means]
        state: Arrays = {"counts": np.array([self._n_rounds, self.n_digits, self._n_unread])}
        state |= {f"weights-{k}": weights for k, weights in enumerate(self._weights)}
        state |= {f"sums-{k}": total for k, total in enumerate(self._sums)}
        self._checkpoint.save(state)


def _order(stream: Source, seed: int) -> Array:
    """In which order the pieces are learnt from: by chance, but all of a copy before the next."""
    rng = np.random.RandomState(seed)
    copies = np.array([piece.origin for piece in stream.pieces])
    starts = np.flatnonzero(copies == 0).tolist()
    ends = [*starts[1:], len(copies)]
    return np.concatenate(
        [start + rng.permutation(end - start) for start, end in zip(starts, ends, strict=True)]
    )


def _test(
    models: DetectorArrays, options: StreamOptions, progress: Progress
) -> tuple[float | None, int]:
    """Accuracy on the test set of the data set that the source is, and how many digits that has."""
    if options.source is not None:
        return None, 0
    split = load_split(options.dataset, "test", options.data_dir, progress)
    progress.stage("voting on the test set", len(split))
    scores = collect(models.decision_function, split.X, options.n_jobs, progress.advance)
    return evaluate_scores(scores, split.y).accuracy, len(split)
