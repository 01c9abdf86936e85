"""Fits one-vs-rest detectors: whitened features, SGD for each target, calibration, and one fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Floats
from ovr_digits.core.distortion import (
    MEDIUM,
    DistortionStrength,
    apply_distortions,
    draw_distortions,
)
from ovr_digits.core.features import as_images, branch_features
from ovr_digits.features import PatchKernelFeatures
from ovr_digits.parallel import collect, resolve_jobs
from ovr_digits.progress import Progress
from ovr_digits.sgd import AveragedSGD, SGDOptions, pass_over
from ovr_digits.whitening import Whitening, fit_whitening

#: Images that the whitening is measured on, copies counted; more make no difference.
WHITENING_SAMPLES = 12_000

#: Bytes of coordinates that are held at once, of the images and of as many copies as fit;
#: at least one copy is. SGD goes over these for all epochs, then they make place for others.
WINDOW_BYTES = 2_000_000_000


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
    groups : sequence of sequences of str, optional
        Views whose features learn together; a detector's score is the mean of
        those that its groups of views give. ``None`` is one group of all.
    n_validation : int
        The last samples, held out to calibrate the detectors that learn from
        all; 0 leaves the scores as SGD made them.
    """

    loss: str = "hinge"
    epochs: int = 10
    n_copies: int = 0
    distortion: DistortionStrength = MEDIUM
    alpha: float = 1e-6
    step: float = 1.0
    n_components: int = 1000
    whitening_ridge: float = 0.1
    groups: Sequence[Sequence[str]] | None = None
    n_validation: int = 0


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
    """

    features: PatchKernelFeatures
    coef: Float32
    intercept: Float64
    n_updates: int
    validation_scores: Float64 | None


def fit_detectors(
    X: Array,
    targets: Bools,
    features: PatchKernelFeatures,
    options: DetectorOptions,
    rng: np.random.RandomState,
    n_jobs: int | None = None,
    progress: Progress | None = None,
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

    Returns
    -------
    FittedDetectors

    Raises
    ------
    ValueError
        Where the groups of views are not made of the views of the features.
    """
    progress = progress or Progress()
    n_jobs = resolve_jobs(n_jobs)
    n_fit = len(X) - options.n_validation
    groups = options.groups or [tuple(features.views)]
    if {view for group in groups for view in group} != set(features.views):
        raise ValueError("the groups of views must name every view of the features, and no other")
    with threadpool_limits(1, user_api="blas"):  # the cores are shared out by parallel
        progress.stage("learning the patches", 1)
        features.set_params(n_jobs=n_jobs).fit(X[:n_fit]).set_params(n_jobs=None)
        coordinates = _Coordinates(X, features, options, rng, n_jobs, progress)
        coordinates.whiten(n_fit)
        originals = coordinates.of_all("features of all images", distorted=False)
        columns = [coordinates.columns(group) for group in groups]
        sizes = [n_fit, len(X)] if options.n_validation else [len(X)]
        committees = [
            _Committee(columns, targets[:size], options, rng, originals.shape[1]) for size in sizes
        ]
        _learn(committees, coordinates, originals, options, rng, n_jobs, progress)
        coef, intercept = committees[-1].weights()
        validation_scores = None
        if options.n_validation:
            first_coef, first_intercept = committees[0].weights()
            held_out = originals[n_fit:].astype(np.float32)
            validation_scores = held_out @ first_coef.T + first_intercept
            slope, offset = _calibrate(validation_scores, targets[n_fit:])
            validation_scores = validation_scores * slope + offset
            coef, intercept = coef * slope[:, None], intercept * slope + offset
    coef, intercept = coordinates.whitening.fold(coef, intercept)
    n_updates = committees[-1].learners[0].n_samples
    return FittedDetectors(
        features, coef.astype(np.float32), intercept, n_updates, validation_scores
    )


class _Committee:
    """Detectors that learn from each group of views alone, and score together."""

    def __init__(
        self,
        columns: Sequence[Sequence[slice]],
        targets: Bools,
        options: DetectorOptions,
        rng: np.random.RandomState,
        n_coordinates: int,
    ) -> None:
        sgd = SGDOptions(options.loss, options.alpha, options.step)
        self._columns, self._n_coordinates = columns, n_coordinates
        self.learners = [AveragedSGD(c, targets, sgd, rng) for c in columns]

    def weights(self) -> tuple[Float64, Float64]:
        """Mean of the groups' scores, as weights (n_targets, n_coordinates) and intercepts."""
        intercept = np.mean([learner.intercept for learner in self.learners], axis=0)
        coef = np.zeros((len(intercept), self._n_coordinates))
        for learner, columns in zip(self.learners, self._columns, strict=True):
            indices = np.concatenate([np.arange(c.start, c.stop) for c in columns])
            coef[:, indices] += learner.coef / len(self.learners)
        return coef, intercept


def _learn(
    committees: Sequence[_Committee],
    coordinates: _Coordinates,
    originals: Floats,
    options: DetectorOptions,
    rng: np.random.RandomState,
    n_jobs: int,
    progress: Progress,
) -> None:
    """Pass over the images and their copies, a window of copies at a time."""
    learners = [learner for committee in committees for learner in committee.learners]
    n_held = max(1, WINDOW_BYTES // originals.nbytes - 1)
    for first in range(0, max(1, options.n_copies), n_held):
        last = min(first + n_held, options.n_copies)
        window = [originals]
        for k in range(first, last):
            stage = f"copy {k + 1} of {options.n_copies}"
            window.append(coordinates.of_all(stage, distorted=True))
        said = f", copies up to {last}" if last else ""
        progress.stage(f"detectors{said}", options.epochs * len(window))
        for _ in range(options.epochs):
            for Z in window:
                pass_over(learners, Z, rng, n_jobs)
                progress.advance(1)


class _Coordinates:
    """Training images, or distorted copies of them, as SGD sees them: whitened features."""

    whitening: Whitening

    def __init__(
        self,
        X: Array,
        features: PatchKernelFeatures,
        options: DetectorOptions,
        rng: np.random.RandomState,
        n_jobs: int,
        progress: Progress,
    ) -> None:
        self._X, self._features, self._options = X, features, options
        self._rng, self._n_jobs, self._progress = rng, n_jobs, progress

    def whiten(self, n: int) -> None:
        """Learn the whitening from some of the first n samples, and from copies where there are."""
        rows = self._rng.permutation(n)[:WHITENING_SAMPLES]
        self._progress.stage("principal axes of the features", len(rows) * 1.5)
        # Larger pieces than a thread takes at a time: the products run at full speed on them.
        pieces = (
            self._map(lambda features: features, part, distorted)
            for rows, distorted in self._halves(rows)
            for part in np.array_split(rows, -(-len(rows) // 4096))
        )
        sizes = [b.n_features(self._features.image_shape_) for b in self._features.branches_]
        ends = np.cumsum(sizes)
        blocks = [slice(int(end) - size, int(end)) for size, end in zip(sizes, ends, strict=True)]
        options = self._options
        self.whitening = fit_whitening(
            pieces, blocks, options.n_components, options.whitening_ridge, self._rng, self._n_jobs
        )

    def _halves(self, rows: Array) -> list[tuple[Array, bool]]:
        if not self._options.n_copies:
            return [(rows, False)]
        return [(rows[::2], False), (rows[1::2], True)]

    def columns(self, views: Sequence[str]) -> list[slice]:
        """Where the coordinates of some views are, each view's in turn or several together."""
        found: list[slice] = []
        start = 0
        for branch, axes in zip(self._features.branches_, self.whitening.axes, strict=True):
            end = start + axes.shape[1]
            if branch.view in views:
                if found and found[-1].stop == start:
                    found[-1] = slice(found[-1].start, end)
                else:
                    found.append(slice(start, end))
            start = end
        return found

    def of_all(self, stage: str, *, distorted: bool) -> Floats:
        """Coordinates of all images, or of a copy of each, distorted anew: (n, d) float16."""
        self._progress.stage(stage, len(self._X))
        return self._map(self._project, np.arange(len(self._X)), distorted)

    def _project(self, features: Floats) -> Floats:
        # Half precision is far finer than what tells one digit from another.
        return self.whitening.apply(features).astype(np.float16)

    def _map(self, then: Callable[[Floats], Floats], rows: Array, distorted: bool) -> Floats:
        """Features of some samples, or of distorted copies of them, and what follows."""
        drawn = None
        if distorted:
            drawn = draw_distortions(len(rows), self._options.distortion, self._rng)
        features = self._features

        def work(positions: Array) -> Floats:
            images = as_images(self._X[rows[positions]], features.image_shape_)
            if drawn is not None:
                images = apply_distortions(images, drawn[positions])
            return then(branch_features(images, features.branches_))

        return collect(work, np.arange(len(rows)), self._n_jobs, self._progress.advance)


def _calibrate(scores: Float64, targets: Bools) -> tuple[Float64, Float64]:
    """Slope and offset that make each column of scores log-odds (Platt 1999).

    Like Platt's, the targets are drawn in from 0 and 1 by one count, so that
    scores which part the classes perfectly still give a finite slope.
    """
    slopes, offsets = np.ones(scores.shape[1]), np.zeros(scores.shape[1])
    for k, (column, target) in enumerate(zip(scores.T, targets.T, strict=True)):
        n_true = int(target.sum())
        n_false = len(target) - n_true
        if not n_true or not n_false:
            continue
        belief = np.where(target, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))
        spread = float(column.std()) or 1.0
        model = LogisticRegression(C=1e6, max_iter=1000)
        model.fit(
            np.tile(column / spread, 2)[:, None],
            np.repeat([True, False], len(column)),
            sample_weight=np.concatenate([belief, 1 - belief]),
        )
        slope = float(model.coef_[0, 0]) / spread
        if slope > 0:
            slopes[k], offsets[k] = slope, float(model.intercept_[0])
    return slopes, offsets
