"""Fits one-vs-rest detectors: whitened features, SGD for each target, calibration, and one fold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Floats
from ovr_digits.core.distortion import MEDIUM, DistortionStrength
from ovr_digits.learn.checkpoint import Arrays, Checkpoint, random_state_array, set_random_state
from ovr_digits.learn.coordinates import CoordinateSpace, Inputs, TrainingImages
from ovr_digits.learn.curves import EpochResult, OnEpoch, measure
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.sgd import AveragedSGD, SGDOptions, pass_over
from ovr_digits.parallel import collect, resolve_jobs
from ovr_digits.progress import Progress

#: Bytes of coordinates that are held at once, of the images and of as many copies as fit;
#: at least one copy is. SGD goes over these for all epochs, then they make place for others.
WINDOW_BYTES = 2_000_000_000

#: Samples that were learnt from on which curves are measured, spread evenly over them all.
CURVE_SAMPLES = 10_000

#: Imagined counter-examples of either class, see ``calibrate``.
_PSEUDO_COUNT = 0.1


@dataclass(frozen=True)
class DetectorOptions:
    """How detectors are fitted on features.

    Attributes
    ----------
    loss : str
        One of ``presets.DETECTOR_LOSSES``.
    epochs : int
        Passes of SGD over the samples and over each of their copies.
    n_copies : int
        Distorted copies of every sample.
    distortion : DistortionStrength
    alpha : float
        Weight of the L2 penalty.
    step : float
        Learning rate times the mean squared length of a sample.
    n_components : int
        Principal axes kept of each branch.
    whitening_ridge : float
        See ``whitening.fit_whitening``.
    n_leading : int
        Axes of each branch, the leading ones, whose coordinates are also
        multiplied with one another.
    groups : sequence of sequences of str, optional
        Views whose features learn together; a detector's score is the mean of
        those that its groups of views give. ``None`` is one group of all.
    n_validation : int
        The last samples, held out to calibrate the detectors that learn from
        all; 0 leaves the scores as SGD made them.
    patience : int, optional
        Epochs to wait for a lower loss on the held-out samples, see
        ``detectors.DigitDetector``.
    """

    loss: str = "hinge"
    epochs: int = 10
    n_copies: int = 0
    distortion: DistortionStrength = MEDIUM
    alpha: float = 1e-6
    step: float = 1.0
    n_components: int = 1000
    whitening_ridge: float = 0.1
    n_leading: int = 0
    groups: Sequence[Sequence[str]] | None = None
    n_validation: int = 0
    patience: int | None = None


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
    X: Array,
    targets: Bools,
    features: PatchKernelFeatures,
    options: DetectorOptions,
    rng: np.random.RandomState,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Checkpoint | None = None,
    sample_weight: Float64 | None = None,
) -> FittedDetectors:
    """Learn features without labels, then one SGD detector for each target, folded.

    Parameters
    ----------
    X : (n, h * w) uint8 or float
        Grey levels 0-255.
    targets : (n, n_targets) bool
        A column for each detector: what it should say.
    features : PatchKernelFeatures
        Fitted here, on the samples that are not held out.
    options : DetectorOptions
    rng : RandomState
    n_jobs : int, optional
    progress : Progress, optional
    on_epoch : callable, optional
        Told a ``curves.EpochResult`` after each epoch.
    checkpoint : Checkpoint, optional
        Asked for what an earlier call with the same arguments, and the same state of
        ``rng``, has come to.
    sample_weight : (n,) float64, optional
        What each sample counts for in the steps of SGD and in the calibration.

    Returns
    -------
    FittedDetectors

    Raises
    ------
    ValueError
        Where the groups of views are not made of the views of the features,
        or where there is patience but no sample is held out.
    """
    progress = progress or Progress()
    checkpoint = checkpoint or Checkpoint()
    n_jobs = resolve_jobs(n_jobs)
    n_fit = len(X) - options.n_validation
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    groups = options.groups or [tuple(features.views)]
    if {view for group in groups for view in group} != set(features.views):
        raise ValueError("the groups of views must name every view of the features, and no other")
    if options.patience is not None and not options.n_validation:
        raise ValueError(
            "patience needs held-out samples to measure the loss on: give a validation_fraction"
        )
    with threadpool_limits(1, user_api="blas"):  # the cores are shared out by parallel
        images, space = learn_space(X, features, options, rng, n_jobs, progress, checkpoint)
        features.branches_ = space.branches
        originals = images.coordinates(space, "features of all images")
        inputs = [space.inputs(group) for group in groups]
        sizes = [n_fit, len(X)] if options.n_validation else [len(X)]
        committees = [
            _Committee(inputs, targets[:size], weights[:size], options, rng) for size in sizes
        ]
        watch = _Watch(committees, space, originals, targets, options, n_jobs, on_epoch)
        _learn(
            committees,
            images,
            space,
            originals,
            options,
            rng,
            n_jobs,
            progress,
            watch,
            checkpoint,
        )
        kept = watch.kept
        coef, intercept = kept.weights[-1]
        validation_scores = None
        if options.n_validation:
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


def learn_space(
    X: Array,
    features: PatchKernelFeatures,
    options: DetectorOptions,
    rng: np.random.RandomState,
    n_jobs: int,
    progress: Progress,
    checkpoint: Checkpoint,
) -> tuple[TrainingImages, CoordinateSpace]:
    """All that comes before the detectors: patches and principal axes, learnt without labels.

    Parameters are those of ``fit_detectors``; the features are fitted. BLAS
    should be held to one thread.
    """
    n_fit = len(X) - options.n_validation
    progress.stage("learning the patches", 1)
    if (learnt := checkpoint.load("patches")) is not None:
        features.restore(X[:n_fit], learnt)
    else:
        features.set_params(n_jobs=n_jobs).fit(X[:n_fit]).set_params(n_jobs=None)
        checkpoint.save("patches", features.learnt())
    images = TrainingImages(X, features, options.distortion, rng, n_jobs, progress, checkpoint)
    whitening = images.fit_whitening(
        n_fit, options.n_components, options.whitening_ridge, distorted=options.n_copies > 0
    )
    return images, CoordinateSpace(features, whitening, options.n_leading)


class _Committee:
    """Detectors that learn from each group of views alone, and score together."""

    def __init__(
        self,
        inputs: Sequence[Inputs],
        targets: Bools,
        weights: Float64,
        options: DetectorOptions,
        rng: np.random.RandomState,
    ) -> None:
        sgd = SGDOptions(options.loss, options.alpha, options.step)
        self._inputs = inputs
        self.learners = [AveragedSGD(i, targets, sgd, rng, weights) for i in inputs]

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
        targets: Bools,
        options: DetectorOptions,
        n_jobs: int,
        on_epoch: OnEpoch | None,
    ) -> None:
        self._committees, self._space, self._originals = committees, space, originals
        self._targets, self._options, self._n_jobs = targets, options, n_jobs
        self._on_epoch = on_epoch
        self._n_epochs, self._lowest = 0, math.inf
        self._curve: list[EpochResult] = []
        self.n_worse = 0

    def end_epoch(self, n_copies: int) -> None:
        """See whether the committees as they are now, after so many copies, are those to keep."""
        self._n_epochs += 1
        weights = [committee.weights(self._space) for committee in self._committees]
        if self._on_epoch is not None or self._options.patience is not None:
            result = self._examine(*weights[0], n_copies)
            self._curve.append(result)
            if self._on_epoch is not None:
                self._on_epoch(result)
            if self._options.patience is not None and result.validation is not None:
                if result.validation.loss >= self._lowest:
                    self.n_worse += 1
                    return
                self._lowest = result.validation.loss
        n_updates = self._committees[-1].learners[0].n_samples
        self.kept, self.n_worse = _State(self._n_epochs, weights, n_updates), 0

    def state(self) -> Arrays:
        """What ``restore`` goes on from."""
        state = {
            "counts": np.array([self._n_epochs, self.n_worse]),
            "lowest": np.array(self._lowest),
            "curve": np.array([result.encoded() for result in self._curve], np.str_),
        }
        if self._n_epochs:
            state["kept"] = np.array([self.kept.epoch, self.kept.n_updates])
            for k, (coef, intercept) in enumerate(self.kept.weights):
                state |= {f"coef-{k}": coef, f"intercept-{k}": intercept}
        return state

    def restore(self, state: Arrays) -> None:
        """Become what a watch was whose ``state`` this is, and tell of its epochs."""
        self._n_epochs, self.n_worse = state["counts"].tolist()
        self._lowest = float(state["lowest"])
        self._curve = [EpochResult.decode(text) for text in state["curve"].tolist()]
        if self._n_epochs:
            epoch, n_updates = state["kept"].tolist()
            weights = [
                (state[f"coef-{k}"], state[f"intercept-{k}"]) for k in range(len(self._committees))
            ]
            self.kept = _State(epoch, weights, n_updates)
        if self._on_epoch is not None:
            for result in self._curve:
                self._on_epoch(result)

    def _examine(self, coef: Float64, intercept: Float64, n_copies: int) -> EpochResult:
        def scores_of(rows: Array) -> Float64:
            return collect(
                lambda part: self._space.score(self._originals[part], coef, intercept),
                rows,
                self._n_jobs,
            )

        n, n_held_out = len(self._targets), self._options.n_validation
        n_fit = n - n_held_out
        rows = np.linspace(0, n_fit - 1, min(n_fit, CURVE_SAMPLES)).astype(np.intp)
        train, held_out = scores_of(rows), np.arange(n_fit, n)
        slope, offset = np.ones(len(coef)), np.zeros(len(coef))
        validation = None
        if n_held_out:
            scores, targets = scores_of(held_out), self._targets[held_out]
            slope, offset = calibrate(scores, targets)
            validation = measure(scores, scores * slope + offset, targets, self._options.loss)
        return EpochResult(
            self._n_epochs,
            n_copies,
            measure(train, train * slope + offset, self._targets[rows], self._options.loss),
            validation,
        )


class _Course:
    """How far SGD has come: at first to the beginning, or to where the checkpoint goes on.

    Attributes
    ----------
    first : int
        The first copy of the window.
    n_passes : int
        Passes over the images and copies of the window.
    """

    def __init__(
        self,
        learners: Sequence[AveragedSGD],
        watch: _Watch,
        rng: np.random.RandomState,
        checkpoint: Checkpoint,
    ) -> None:
        self._learners, self._watch, self._rng = learners, watch, rng
        self._checkpoint = checkpoint
        self.first = self.n_passes = 0
        stored = checkpoint.load("sgd")
        if stored is not None:
            self.first, self.n_passes = stored["place"].tolist()
            set_random_state(rng, stored["at_window"])
            self._at_pass = stored["at_pass"]
            watch.restore(_unprefixed(stored, "watch"))
            for k, learner in enumerate(learners):
                learner.restore(_unprefixed(stored, f"learner-{k}"))
        self._at_window = random_state_array(rng)

    def begin_passes(self) -> None:
        """Let the passes go on where they were left; the copies have been drawn."""
        if self.n_passes:
            set_random_state(self._rng, self._at_pass)

    def save_if_due(self) -> None:
        """Save between two passes, unless that was done a moment ago."""
        if self._checkpoint.is_due():
            self._save()

    def end_window(self, n_copies: int) -> None:
        """Move on by so many copies."""
        self.first, self.n_passes, self._watch.n_worse = self.first + n_copies, 0, 0
        self._at_window = random_state_array(self._rng)
        if self._checkpoint.keeps:
            self._save()

    def _save(self) -> None:
        state = {
            "place": np.array([self.first, self.n_passes]),
            "at_window": self._at_window,
            "at_pass": random_state_array(self._rng),
        }
        parts = {f"learner-{k}": learner.state() for k, learner in enumerate(self._learners)}
        for prefix, part in (parts | {"watch": self._watch.state()}).items():
            state |= {f"{prefix}.{name}": array for name, array in part.items()}
        self._checkpoint.save("sgd", state)


def _unprefixed(state: Arrays, prefix: str) -> Arrays:
    """The part of a state whose names begin with a prefix and a point, without these."""
    return {
        name.removeprefix(f"{prefix}."): array
        for name, array in state.items()
        if name.startswith(f"{prefix}.")
    }


def _learn(
    committees: Sequence[_Committee],
    images: TrainingImages,
    space: CoordinateSpace,
    originals: Floats,
    options: DetectorOptions,
    rng: np.random.RandomState,
    n_jobs: int,
    progress: Progress,
    watch: _Watch,
    checkpoint: Checkpoint,
) -> None:
    """Pass over the images and their copies, a window of copies at a time."""
    learners = [learner for committee in committees for learner in committee.learners]
    n_held = max(1, WINDOW_BYTES // originals.nbytes - 1)
    course = _Course(learners, watch, rng, checkpoint)
    while course.first < max(1, options.n_copies):
        last = min(course.first + n_held, options.n_copies)
        window = [originals]
        for k in range(course.first, last):
            name = f"copy {k + 1} of {options.n_copies}"
            window.append(images.coordinates(space, name, k, place=f"copy-{len(window)}"))
        said = f", copies up to {last}" if last else ""
        n_passes = options.epochs * len(window)
        progress.stage(f"detectors{said}", n_passes)
        course.begin_passes()
        progress.advance(course.n_passes)
        while course.n_passes < n_passes and watch.n_worse != options.patience:
            pass_over(learners, window[course.n_passes % len(window)], rng, n_jobs)
            course.n_passes += 1
            progress.advance(1)
            if course.n_passes % len(window) == 0:
                watch.end_epoch(last)
            course.save_if_due()
        course.end_window(n_held)


def calibrate(
    scores: Float64, targets: Bools, sample_weight: Float64 | None = None
) -> tuple[Float64, Float64]:
    """Slope and offset that make each column of scores log-odds (Platt 1999).

    Like Platt's, the targets are drawn in from 0 and 1, so that scores which
    part the classes perfectly still give a finite slope; but by a tenth of a
    count in place of one, which would pull the middling votes of detectors
    that are nearly always right too far down.
    """
    weights = np.ones(len(scores)) if sample_weight is None else sample_weight
    slopes, offsets = np.ones(scores.shape[1]), np.zeros(scores.shape[1])
    for k, (column, target) in enumerate(zip(scores.T, targets.T, strict=True)):
        n_true, n_false = weights[target].sum(), weights[~target].sum()
        if not n_true or not n_false:
            continue
        belief = np.where(
            target,
            (n_true + _PSEUDO_COUNT) / (n_true + 2 * _PSEUDO_COUNT),
            _PSEUDO_COUNT / (n_false + 2 * _PSEUDO_COUNT),
        )
        spread = float(column.std()) or 1.0
        model = LogisticRegression(C=1e6, max_iter=1000)
        model.fit(
            np.tile(column / spread, 2)[:, None],
            np.repeat([True, False], len(column)),
            sample_weight=np.concatenate([belief * weights, (1 - belief) * weights]),
        )
        slope = float(model.coef_[0, 0]) / spread
        if slope > 0:
            slopes[k], offsets[k] = slope, float(model.intercept_[0])
    return slopes, offsets
