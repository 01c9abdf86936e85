"""Fits one-vs-rest detectors: whitened features, SGD for each target, calibration, and one fold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Floats
from ovr_digits.learn.calibration import calibrate
from ovr_digits.learn.coordinates import CoordinateSpace, Inputs, Redraw, TrainingImages
from ovr_digits.learn.curves import EpochResult, measure
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.run import Run
from ovr_digits.learn.sgd import AveragedSGD, pass_over
from ovr_digits.parallel import collect

#: Bytes of coordinates that are held at once, of the images and of as many copies as fit;
#: at least one copy is. SGD goes over these for all epochs, then they make place for others.
WINDOW_BYTES = 2_000_000_000

#: Samples that were learnt from on which curves are measured, spread evenly over them all.
CURVE_SAMPLES = 10_000


@dataclass(frozen=True)
class Samples:
    """What detectors learn from.

    Attributes
    ----------
    X : (n, h * w) uint8 or float
        Grey levels 0-255.
    targets : (n, n_targets) bool
        A column for each detector: what it should say.
    weights : (n,) float64
        What each sample counts for in the steps of SGD and in the calibration.
    n_held_out : int
        The last samples, held out to calibrate the detectors that learn from
        all; 0 leaves the scores as SGD made them.
    redraw : callable, optional
        Gives the images of a copy, by its number, before they are distorted; X where not given.
    """

    X: Array
    targets: Bools
    weights: Float64
    n_held_out: int = 0
    redraw: Redraw | None = None

    @property
    def n_fit(self) -> int:
        """How many samples are not held out: the first ones."""
        return len(self.X) - self.n_held_out


@dataclass(frozen=True)
class FittedDetectors:
    """What fitting gives.

    Attributes
    ----------
    features : PatchKernelFeatures
    coef : (n_targets, n_features) float32
        Weights on raw pooled features; scores are calibrated log-odds.
    intercept : (n_targets,) float64
    n_updates : int
        Samples that each detector passed over.
    validation_scores : (n_validation, n_targets) float64 or None
        Scores of held-out samples by detectors that had not seen them.
    kept_epoch : int
        The epoch, from 1 on, whose weights these are.
    """

    features: PatchKernelFeatures
    coef: Float32
    intercept: Float64
    n_updates: int
    validation_scores: Float64 | None
    kept_epoch: int


def fit_detectors(
    samples: Samples, features: PatchKernelFeatures, options: LearningOptions, run: Run
) -> FittedDetectors:
    """Learn features without labels, then one SGD detector for each target, folded.

    Parameters
    ----------
    samples : Samples
    features : PatchKernelFeatures
        Fitted here, on the samples that are not held out.
    options : LearningOptions
    run : Run

    Returns
    -------
    FittedDetectors

    Raises
    ------
    ValueError
        Where the groups of views are not made of the views of the features,
        or where there is patience but no sample is held out.
    """
    targets, weights, n_fit = samples.targets, samples.weights, samples.n_fit
    groups = options.groups or [tuple(features.views)]
    if {view for group in groups for view in group} != set(features.views):
        raise ValueError("the groups of views must name every view of the features, and no other")
    if options.patience is not None and not samples.n_held_out:
        raise ValueError(
            "patience needs held-out samples to measure the loss on: give a validation_fraction"
        )
    with threadpool_limits(1, user_api="blas"):  # the cores are shared out by parallel
        images = learn_images(samples.X, n_fit, features, options, run, samples.redraw)
        space = images.space
        features.branches_ = space.branches
        originals = images.coordinates("features of all images")
        inputs = [space.inputs(group) for group in groups]
        committees = [
            _Committee(inputs, targets[:size], weights[:size], options, run.rng)
            for size in sorted({n_fit, len(targets)})
        ]
        watch = _Watch(committees, space, originals, samples, options, run)
        _learn(committees, images, originals, watch, options, run)
        kept = watch.kept
        coef, intercept = kept.weights[-1]
        validation_scores = None
        if samples.n_held_out:
            validation_scores = space.score(originals[n_fit:], *kept.weights[0])
            slope, offset = calibrate(validation_scores, targets[n_fit:], weights[n_fit:])
            validation_scores = validation_scores * slope + offset
            coef, intercept = coef * slope[:, None], intercept * slope + offset
    coef, intercept = space.fold(coef, intercept)
    return FittedDetectors(
        features,
        coef.astype(np.float32),
        intercept,
        kept.n_updates,
        validation_scores,
        kept.epoch,
    )


def learn_images(
    X: Array,
    n_fit: int,
    features: PatchKernelFeatures,
    options: LearningOptions,
    run: Run,
    redraw: Redraw | None = None,
) -> TrainingImages:
    """All that comes before the detectors: patches and principal axes, learnt without labels.

    Both are learnt from the first ``n_fit`` of the images X, and the features
    are fitted. BLAS should be held to one thread.
    """
    run.progress.stage("learning the patches", 1)
    features.set_params(n_jobs=run.n_jobs).fit(X[:n_fit]).set_params(n_jobs=None)
    return TrainingImages(X, n_fit, features, options, run, redraw)


class _Committee:
    """Detectors that learn from each group of views alone, and score together."""

    def __init__(
        self,
        inputs: Sequence[Inputs],
        targets: Bools,
        weights: Float64,
        options: LearningOptions,
        rng: np.random.RandomState,
    ) -> None:
        self._inputs = inputs
        self.learners = [AveragedSGD(i, targets, options, rng, weights) for i in inputs]

    def weights(self, space: CoordinateSpace) -> tuple[Float64, Float64]:
        """Mean of the groups' scores, as weights (n_targets, n_inputs) and intercepts."""
        of_groups = [(learner.coef, learner.intercept) for learner in self.learners]
        return space.mean_weights(self._inputs, of_groups)


@dataclass(frozen=True)
class _State:
    """The committees after an epoch."""

    epoch: int
    weights: Sequence[tuple[Float64, Float64]]
    n_updates: int


class _Watch:
    """Keeps what the committees were after the best epoch, or the last where none is the best.

    The committee that has not seen what is held out is measured, and where
    there is one, another that learns from all follows it: the same epoch of
    both is kept. Nothing is measured where nobody wants to know.

    Attributes
    ----------
    kept : _State
        Once there was an epoch.
    n_worse : int
        Epochs since then.
    """

    def __init__(
        self,
        committees: Sequence[_Committee],
        space: CoordinateSpace,
        originals: Floats,
        samples: Samples,
        options: LearningOptions,
        run: Run,
    ) -> None:
        self._committees, self._space, self._originals = committees, space, originals
        self._samples, self._options, self._run = samples, options, run
        self._n_epochs, self._lowest = 0, math.inf
        self.n_worse = 0

    def end_epoch(self, n_copies: int) -> None:
        """See whether the committees as they are now, after so many copies, are those to keep."""
        self._n_epochs += 1
        weights = [committee.weights(self._space) for committee in self._committees]
        if self._run.on_epoch is not None or self._options.patience is not None:
            result = self._examine(*weights[0], n_copies)
            if self._run.on_epoch is not None:
                self._run.on_epoch(result)
            if self._options.patience is not None and result.validation is not None:
                if result.validation.loss >= self._lowest:
                    self.n_worse += 1
                    return
                self._lowest = result.validation.loss
        n_updates = self._committees[-1].learners[0].n_samples
        self.kept, self.n_worse = _State(self._n_epochs, weights, n_updates), 0

    def _examine(self, coef: Float64, intercept: Float64, n_copies: int) -> EpochResult:
        def scores_of(rows: Array) -> Float64:
            return collect(
                lambda part: self._space.score(self._originals[part], coef, intercept),
                rows,
                self._run.n_jobs,
            )

        targets, loss, n_fit = self._samples.targets, self._options.loss, self._samples.n_fit
        rows = np.linspace(0, n_fit - 1, min(n_fit, CURVE_SAMPLES)).astype(np.intp)
        train, held_out = scores_of(rows), np.arange(n_fit, len(targets))
        slope, offset = np.ones(len(coef)), np.zeros(len(coef))
        validation = None
        if len(held_out):
            scores = scores_of(held_out)
            slope, offset = calibrate(scores, targets[held_out])
            validation = measure(scores, scores * slope + offset, targets[held_out], loss)
        return EpochResult(
            self._n_epochs,
            n_copies,
            measure(train, train * slope + offset, targets[rows], loss),
            validation,
        )


def _learn(
    committees: Sequence[_Committee],
    images: TrainingImages,
    originals: Floats,
    watch: _Watch,
    options: LearningOptions,
    run: Run,
) -> None:
    """Pass over the images and their copies, a window of copies at a time."""
    learners = [learner for committee in committees for learner in committee.learners]
    n_held = max(1, WINDOW_BYTES // originals.nbytes - 1)
    for first in range(0, max(1, options.n_copies), n_held):
        last = min(first + n_held, options.n_copies)
        window = [originals]
        for copy in range(first + 1, last + 1):
            name = f"copy {copy} of {options.n_copies}"
            window.append(images.coordinates(name, copy))
        said = f", copies up to {last}" if last else ""
        run.progress.stage(f"detectors{said}", options.epochs * len(window))
        watch.n_worse = 0
        for _ in range(options.epochs):
            if watch.n_worse == options.patience:
                break
            for number in range(len(window)):  # a copy with a name would outlive its window
                pass_over(learners, window[number], run)
                run.progress.advance(1)
            watch.end_epoch(last)
