"""Detectors that go on learning: from a person's corrected digits, without forgetting the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from scipy.linalg import cho_solve, cholesky, solve_triangular
from sklearn.linear_model import SGDClassifier
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Float64, Floats
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.distortion import MEDIUM, apply_distortions, draw_distortions
from ovr_digits.core.features import as_images, branch_features
from ovr_digits.learn.detectors import DigitDetector, detectors_of
from ovr_digits.parallel import collect, matmul, resolve_jobs
from ovr_digits.progress import Progress

#: Parts of the kept digits that are left out in turn, to tell what is gained on others.
_N_FOLDS = 5
#: What the old score is divided by, so that it weighs about as much as all coordinates.
_SCORE_UNIT = 10.0
#: Added to the squared length of a sample, about 1, where samples may be alike.
_ROUNDING = 1e-4
#: Features that are turned to double precision at once.
_COLUMNS = 1024


@dataclass(frozen=True)
class AdaptationOptions:
    """How detectors go on learning.

    Attributes
    ----------
    n_rehearsal : int
        Images of the data set that are learnt from too, so that they are not forgotten.
    n_copies : int
        Distorted copies of every kept digit.
    max_samples : int
        Kept digits and their copies together: of many digits there are fewer
        copies, and of very many only the latest are learnt from.
    epochs : int
        Passes of SGD.
    step : float
        Learning rate; a sample is about 1 long.
    ridge : float
        Added to each eigenvalue, in units of the mean eigenvalue.
    seed : int
    """

    n_rehearsal: int = 3000
    n_copies: int = 3
    max_samples: int = 1000
    epochs: int = 3
    step: float = 0.1
    ridge: float = 0.01
    seed: int = 0


@dataclass(frozen=True, eq=False)
class AdaptedDetectors:
    """What adaptation gives.

    Attributes
    ----------
    detectors : list of ten DigitDetector
    n_kept, n_rehearsal : int
        Digits that were learnt from.
    left_out_scores : (n_kept, 10) float64
        Scores of the kept digits by detectors that learnt from others of them only.
    """

    detectors: list[DigitDetector]
    n_kept: int
    n_rehearsal: int
    left_out_scores: Float64


def adapt_detectors(
    models: DetectorArrays,
    kept: tuple[Array, Array],
    rehearsal: tuple[Array, Array],
    options: AdaptationOptions = AdaptationOptions(),
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> AdaptedDetectors:
    """Let every detector learn from kept digits, beginning from what it is.

    Steps on the features as they are would move far along the few directions
    in which all images vary, and hardly along those that tell an odd digit from
    another. So the classifiers see whitened coordinates, and beside these the
    score that the detector gives: they begin as just that score. What they have
    learnt is then folded back into the weights on the features.

    Parameters
    ----------
    models : DetectorArrays
    kept : (n, h * w) uint8 and (n,) int
        The images to learn, grey levels 0-255, the latest last, and their digits; an image whose
        label is none of 0 to 9 is a negative for all ten.
    rehearsal : (m, h * w) uint8 and (m,) int
        Images as the detectors were trained on, and their digits; some are drawn from them.
    options : AdaptationOptions
    n_jobs : int, optional
    progress : Progress, optional

    Returns
    -------
    AdaptedDetectors

    Raises
    ------
    ValueError
        Where there is nothing to learn or nothing to rehearse.
    """
    X, y = (part[-options.max_samples :] for part in kept)
    if not len(X) or not len(rehearsal[0]):
        raise ValueError("adaptation needs kept digits, and images to rehearse")
    progress = progress or Progress()
    rng = np.random.RandomState(options.seed)
    chosen = rng.permutation(len(rehearsal[0]))[: options.n_rehearsal]
    n_copies = min(options.n_copies, options.max_samples // len(X) - 1)
    images = [as_images(part, models.image_shape) for part in (rehearsal[0][chosen], X)]
    for _ in range(n_copies):
        drawn = draw_distortions(len(X), MEDIUM, rng)
        images.append(apply_distortions(images[1], drawn))
    # Whose copy a sample is: a kept digit's number, or -1 for what is rehearsed.
    origin = np.concatenate([np.full(len(chosen), -1), np.tile(np.arange(len(X)), n_copies + 1)])
    targets = np.concatenate([rehearsal[1][chosen], np.tile(y, n_copies + 1)])

    progress.stage("features of kept and rehearsed digits", len(origin))
    features = collect(
        lambda part: branch_features(part, models.branches),
        np.concatenate(images),
        n_jobs,
        progress.advance,
    )
    scores = features @ models.coef.T + models.intercept
    progress.stage("whitening", 1)
    mean = features[: len(chosen)].mean(axis=0)
    features -= mean
    whitening = _Whitening(features, len(chosen), options.ridge, n_jobs)
    inputs = whitening.coordinates
    progress.advance(1)

    folds = np.array_split(rng.permutation(len(X)), min(_N_FOLDS, len(X)))
    progress.stage("learning", len(folds) + 1)

    def learn(left_out: Array) -> tuple[Float64, Float64]:
        rows = np.flatnonzero(~np.isin(origin, left_out))
        learnt = _learn(scores[rows], inputs[rows], targets[rows], options)
        progress.advance(1)
        return learnt

    parts = Parallel(n_jobs=resolve_jobs(n_jobs), prefer="threads")(
        delayed(learn)(left_out) for left_out in [*folds, np.array([], int)]
    )
    left_out_scores = np.empty((len(X), len(models.coef)))
    for fold, (coef, intercept) in zip(folds, parts, strict=False):
        rows = len(chosen) + fold
        left_out_scores[fold] = scores[rows] * coef[:, 0] + inputs[rows] @ coef[:, 1:].T + intercept

    coef, intercept = parts[-1]
    change = whitening.fold(coef[:, 1:]).astype(np.float32) @ features
    adapted = DetectorArrays(
        models.branches,
        models.image_shape,
        (models.coef * coef[:, :1] + change).astype(np.float32),
        models.intercept * coef[:, 0] + intercept - change @ mean,
        models.provenance,
    )
    n_updates = options.epochs * len(origin)
    return AdaptedDetectors(
        detectors_of(adapted, "log_loss", n_updates), len(X), len(chosen), left_out_scores
    )


class _Whitening:
    """Samples evened out by how much those that are rehearsed vary in each direction.

    Directions in which only the kept digits differ are then long, so that what
    is learnt goes there first, where it does no harm. There are fewer samples
    than features, so all is done with their inner products: those after the
    whitening are k(x, y) = x (C + ridge)^-1 y, with C the covariance of the
    rehearsed (by Woodbury's identity), and rows of its Cholesky factor have
    just these inner products.

    Parameters
    ----------
    features : (n, n_features) float32
        Centred; the first ones are those that are rehearsed.
    n_rehearsal : int
    ridge : float
        In units of the mean eigenvalue of C.
    n_jobs : int, optional

    Attributes
    ----------
    coordinates : (n, n) float64
        Of the samples; of those that are rehearsed the mean squared length is 1.
    """

    def __init__(
        self, features: Floats, n_rehearsal: int, ridge: float, n_jobs: int | None
    ) -> None:
        gram = _inner_products(features, n_jobs)
        rehearsed = gram[:n_rehearsal]
        ridge *= float(np.trace(rehearsed)) / features.shape[1]
        system = rehearsed[:, :n_rehearsal] + ridge * np.eye(n_rehearsal)
        with threadpool_limits(1, user_api="blas"):
            self._factor = cholesky(system, lower=True)
            explained = solve_triangular(self._factor, rehearsed, lower=True)
        self._rehearsed = rehearsed.copy()
        gram -= matmul(explained.T, explained, n_jobs)
        self._scale = float(np.trace(gram[:n_rehearsal])) / n_rehearsal
        gram /= self._scale
        gram[np.diag_indices_from(gram)] += _ROUNDING
        with threadpool_limits(1, user_api="blas"):
            self.coordinates: Float64 = cholesky(gram, lower=True)

    def fold(self, coef: Float64) -> Float64:
        """Weights on coordinates (t, n) as shares of the samples' features in weights on these."""
        shares = solve_triangular(self.coordinates, coef.T, lower=True, trans="T") / self._scale
        shares[: len(self._factor)] -= cho_solve((self._factor, True), self._rehearsed @ shares)
        return shares.T


def _inner_products(X: Floats, n_jobs: int | None) -> Float64:
    """X @ X.T in double precision, which keeps it positive; a block of columns to each thread."""
    n_jobs = resolve_jobs(n_jobs)

    def of_block(columns: Array) -> Float64:
        total = np.zeros((len(X), len(X)))
        for start in range(0, len(columns), _COLUMNS):
            part = X[:, columns[start : start + _COLUMNS]].astype(np.float64)
            total += part @ part.T
        return total

    with threadpool_limits(1, user_api="blas"):
        totals = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(of_block)(columns) for columns in np.array_split(np.arange(X.shape[1]), n_jobs)
        )
    return np.sum(totals, axis=0)


def _learn(
    scores: Float64, inputs: Float64, labels: Array, options: AdaptationOptions
) -> tuple[Float64, Float64]:
    """Weights (10, 1 + n_axes) of a detector's old score and of each coordinate, and offsets."""
    samples = np.concatenate([scores[:, :1], inputs], axis=1)
    coef = np.zeros((scores.shape[1], samples.shape[1]))
    coef[:, 0] = _SCORE_UNIT
    intercept = np.zeros(len(coef))
    for digit in range(len(coef)):
        samples[:, 0] = scores[:, digit] / _SCORE_UNIT
        classifier = SGDClassifier(
            loss="log_loss",
            penalty=None,
            learning_rate="constant",
            eta0=options.step,
            random_state=np.random.RandomState(options.seed),
        )
        classifier.classes_ = np.array([False, True])
        classifier.coef_ = coef[digit : digit + 1]
        classifier.intercept_ = intercept[digit : digit + 1]
        classifier.n_features_in_ = samples.shape[1]
        classifier.t_ = 1.0
        for _ in range(options.epochs):
            classifier.partial_fit(samples, labels == digit)
        coef[digit], intercept[digit] = classifier.coef_[0], classifier.intercept_[0]
    coef[:, 0] /= _SCORE_UNIT
    return coef, intercept
