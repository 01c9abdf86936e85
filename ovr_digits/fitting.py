"""Fits one-vs-rest detectors: whitened features, SGD for each target, calibration, and one fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Floats
from ovr_digits.core.distortion import (
    MEDIUM,
    Distortions,
    DistortionStrength,
    apply_distortions,
    draw_distortions,
)
from ovr_digits.core.features import as_images, branch_features
from ovr_digits.features import PatchKernelFeatures
from ovr_digits.parallel import collect, resolve_jobs
from ovr_digits.progress import Progress
from ovr_digits.sgd import fit_sgd
from ovr_digits.whitening import Whitening, fit_whitening

#: Images that the whitening is measured on; more make no difference.
WHITENING_SAMPLES = 20_000

#: Distorted copies that are made, turned into features, learnt from and thrown away together.
STREAM_CHUNK = 20_000
#: How often SGD passes over such a chunk.
STREAM_REPEATS = 2


@dataclass(frozen=True)
class DetectorOptions:
    """How detectors are fitted on features.

    Attributes
    ----------
    loss : str
        One of ``presets.DETECTOR_LOSSES``.
    epochs : int
        Passes over the samples as they are; without effect where copies are distorted.
    distorted_passes : int
        Passes over the samples in which each is distorted anew; 0 for none.
    distortion : DistortionStrength
    alpha : float
        Weight of the L2 penalty.
    step : float
        Learning rate times the mean squared length of a sample.
    n_components : int
        Principal axes kept of each branch.
    whitening_ridge : float
        See ``whitening.fit_whitening``.
    n_validation : int
        The last samples, held out to calibrate the detectors before the final
        fit takes them in too; 0 leaves the scores as SGD made them.
    """

    loss: str = "hinge"
    epochs: int = 15
    distorted_passes: int = 0
    distortion: DistortionStrength = MEDIUM
    alpha: float = 1e-6
    step: float = 1.0
    n_components: int = 1000
    whitening_ridge: float = 0.1
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
        SGD steps of each detector.
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
    """
    progress = progress or Progress()
    n_jobs = resolve_jobs(n_jobs)
    n_fit = len(X) - options.n_validation

    def fit(n: int, held_out: str) -> tuple[Float64, Float64, int]:
        passes = samples.passes(targets[:n], held_out)
        return fit_sgd(passes, options.loss, options.alpha, options.step, rng, n_jobs)

    with threadpool_limits(1, user_api="blas"):  # the cores are shared out by parallel
        progress.stage("learning the patches", 1)
        features.fit(X[:n_fit])
        samples = _Samples(X, features, options, rng, n_jobs, progress)
        samples.whiten(n_fit)
        slope, offset = np.ones(targets.shape[1]), np.zeros(targets.shape[1])
        validation_scores = None
        if options.n_validation:
            coef, intercept, _ = fit(n_fit, ", validation part held out")
            validation_scores = samples.clean(n_fit)[:, :-1] @ coef.T + intercept
            slope, offset = _calibrate(validation_scores, targets[n_fit:])
            validation_scores = validation_scores * slope + offset
        coef, intercept, n_updates = fit(len(X), ", all digits")
    coef, intercept = coef * slope[:, None], intercept * slope + offset
    coef, intercept = samples.whitening.fold(coef, intercept)
    return FittedDetectors(
        features, coef.astype(np.float32), intercept, n_updates, validation_scores
    )


class _Samples:
    """Training images as SGD sees them: whitened coordinates, of the images or of copies."""

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
        self._streams = options.distorted_passes > 0
        self._coordinates: Floats | None = None

    def whiten(self, n: int) -> None:
        """Learn the whitening from some of the first n samples, distorted if all will be."""
        rows = np.sort(self._rng.permutation(n)[:WHITENING_SAMPLES])
        self._progress.stage("principal axes of the features", len(rows) * 1.5)
        # Larger pieces than a thread takes at a time: the products run at full speed on them.
        pieces = (
            self._map(lambda features: features, rows[start : start + 4096], self._streams)
            for start in range(0, len(rows), 4096)
        )
        sizes = [b.n_features(self._features.image_shape_) for b in self._features.branches_]
        ends = np.cumsum(sizes)
        blocks = [slice(int(end) - size, int(end)) for size, end in zip(sizes, ends, strict=True)]
        options = self._options
        self.whitening = fit_whitening(
            pieces, blocks, options.n_components, options.whitening_ridge, self._rng, self._n_jobs
        )

    def passes(self, targets: Bools, held_out: str) -> Iterator[tuple[Floats, Bools]]:
        """Chunks of coordinates of the first samples, with their targets, for SGD to pass over."""
        n, options = len(targets), self._options
        if not self._streams:
            coordinates = self.clean(0)[:n]
            self._progress.stage(f"detectors{held_out}", options.epochs)
            for _ in range(options.epochs):
                yield coordinates, targets
                self._progress.advance(1)
            return
        self._progress.stage(f"detectors{held_out}", n * options.distorted_passes)
        for _ in range(options.distorted_passes):
            order = self._rng.permutation(n)
            for start in range(0, n, STREAM_CHUNK):
                rows = order[start : start + STREAM_CHUNK]
                chunk = self._map(self._project, rows, distorted=True)
                for _ in range(STREAM_REPEATS):
                    yield chunk, targets[rows]

    def clean(self, start: int) -> Floats:
        """Coordinates of the samples from ``start`` on, undistorted."""
        if self._streams:
            return self._map(self._project, np.arange(start, len(self._X)), distorted=False)
        if self._coordinates is None:
            self._progress.stage("features of all digits", len(self._X))
            self._coordinates = self._map(self._project, np.arange(len(self._X)), distorted=False)
        return self._coordinates[start:]

    def _project(self, features: Floats) -> Floats:
        """Whitened coordinates, and a constant whose weight is a detector's offset."""
        constant = np.ones((len(features), 1), features.dtype)
        return np.hstack([self.whitening.apply(features), constant])

    def _map(self, then: Callable[[Floats], Floats], rows: Array, distorted: bool) -> Floats:
        """Features of some samples, or of distorted copies of them, and what follows."""
        drawn: Distortions | None = None
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
