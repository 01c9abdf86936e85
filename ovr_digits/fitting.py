"""Fits one-vs-rest detectors: whitened features, SGD for each target, calibration, and one fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression, SGDClassifier
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Floats
from ovr_digits.core.features import patch_kernel_features
from ovr_digits.features import PatchKernelFeatures
from ovr_digits.parallel import collect, resolve_jobs
from ovr_digits.progress import Progress
from ovr_digits.whitening import Whitening, fit_whitening

#: Losses of SGDClassifier that make sense for a detector.
DETECTOR_LOSSES = ("hinge", "log_loss", "squared_hinge", "modified_huber", "squared_error")

#: Images that the whitening is measured on; more make no difference.
WHITENING_SAMPLES = 20_000

#: The column beside the coordinates whose weight is a detector's offset.
_CONSTANT = 1.0


@dataclass(frozen=True)
class DetectorOptions:
    """How detectors are fitted on features.

    Attributes
    ----------
    loss : str
        One of ``DETECTOR_LOSSES``.
    epochs : int
        Passes over the samples.
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
    alpha: float = 1e-6
    step: float = 2.2
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
    with threadpool_limits(1, user_api="blas"):  # the cores are shared out by parallel
        progress.stage("learning the patches", 1)
        features.fit(X[:n_fit])
        whitening = _whiten(X[:n_fit], features, options, rng, n_jobs, progress)

        def project(rows: Array) -> Array:
            raw = patch_kernel_features(rows, features.branches_, features.image_shape_)
            constant = np.full((len(rows), 1), _CONSTANT, raw.dtype)
            return np.hstack([whitening.apply(raw), constant])

        progress.stage("features of all digits", len(X))
        coordinates = collect(project, X, n_jobs, progress.advance)

        slope, offset = np.ones(targets.shape[1]), np.zeros(targets.shape[1])
        validation_scores = None
        if options.n_validation:
            progress.stage("detectors, validation part held out", options.epochs)
            coef, intercept, _ = _fit_sgd(
                coordinates[:n_fit], targets[:n_fit], options, rng, n_jobs, progress.advance
            )
            validation_scores = coordinates[n_fit:, :-1].astype(np.float64) @ coef.T + intercept
            slope, offset = _calibrate(validation_scores, targets[n_fit:])
            validation_scores = validation_scores * slope + offset
        progress.stage("detectors, all digits", options.epochs)
        coef, intercept, n_updates = _fit_sgd(
            coordinates, targets, options, rng, n_jobs, progress.advance
        )
    coef, intercept = coef * slope[:, None], intercept * slope + offset
    coef, intercept = whitening.fold(coef, intercept)
    return FittedDetectors(
        features, coef.astype(np.float32), intercept, n_updates, validation_scores
    )


def _whiten(
    X: Array,
    features: PatchKernelFeatures,
    options: DetectorOptions,
    rng: np.random.RandomState,
    n_jobs: int,
    progress: Progress,
) -> Whitening:
    sample = X[np.sort(rng.permutation(len(X))[:WHITENING_SAMPLES])]
    progress.stage("principal axes of the features", len(sample) * 1.5)

    def batches() -> Iterator[Floats]:
        # Larger pieces make the products of fit_whitening run at full speed on all cores.
        for start in range(0, len(sample), 4096):
            part = collect(
                lambda rows: patch_kernel_features(rows, features.branches_, features.image_shape_),
                sample[start : start + 4096],
                n_jobs,
            )
            progress.advance(len(part))
            yield part

    blocks = _blocks(features)
    return fit_whitening(
        batches(), blocks, options.n_components, options.whitening_ridge, rng, n_jobs
    )


def _blocks(features: PatchKernelFeatures) -> list[slice]:
    """Which features belong to which branch."""
    sizes = [branch.n_features(features.image_shape_) for branch in features.branches_]
    ends = np.cumsum(sizes)
    return [slice(int(e) - n, int(e)) for n, e in zip(sizes, ends, strict=True)]


def _fit_sgd(
    Z: Array,
    targets: Bools,
    options: DetectorOptions,
    rng: np.random.RandomState,
    n_jobs: int,
    advance: Callable[[int], None],
) -> tuple[Float64, Float64, int]:
    """Averaged SGD, a classifier a target: weights, offsets, and the steps each took.

    The last column of Z (n, d) is a constant, and its weight is the offset.
    SGDClassifier's own intercept will not do: ``partial_fit`` with averaging
    starts it from zero at every call.
    """
    mean_square = float(np.einsum("ij,ij->", Z, Z, dtype=np.float64)) / len(Z)
    classifiers = [
        SGDClassifier(
            loss=options.loss,
            alpha=options.alpha,
            learning_rate="constant",
            eta0=options.step / max(mean_square, 1e-12),
            average=True,
            fit_intercept=False,
            random_state=np.random.RandomState(rng.randint(2**31)),
        )
        for _ in range(targets.shape[1])
    ]
    classes = np.array([False, True])
    for _ in range(options.epochs):
        Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(classifier.partial_fit)(Z, target, classes=classes)
            for classifier, target in zip(classifiers, targets.T, strict=True)
        )
        advance(1)
    weights = np.concatenate([c.coef_ for c in classifiers]).astype(np.float64)
    return weights[:, :-1], weights[:, -1] * _CONSTANT, options.epochs * len(Z)


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
