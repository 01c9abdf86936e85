"""Averaged SGD for several detectors side by side, fed with one chunk of samples after another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import SGDClassifier

from ovr_digits.core.arrays import Bools, Float64, Floats


def fit_sgd(
    chunks: Iterable[tuple[Floats, Bools]],
    loss: str,
    alpha: float,
    step: float,
    rng: np.random.RandomState,
    n_jobs: int,
) -> tuple[Float64, Float64, int]:
    """Fit an SGDClassifier for each target, in memory that does not grow with the chunks.

    Parameters
    ----------
    chunks : iterable of (Z, targets)
        Z (m, d) float32, whose last column is 1 throughout, and targets
        (m, n_targets) bool: what each detector should say. Each is passed over once.
    loss : str
        One of ``presets.DETECTOR_LOSSES``.
    alpha : float
        Weight of the L2 penalty.
    step : float
        Learning rate times the mean squared length of a sample of the first chunk.
    rng : RandomState
    n_jobs : int

    Returns
    -------
    coef : (n_targets, d - 1) float64
        Averages over all steps.
    intercept : (n_targets,) float64
    n_updates : int
        SGD steps of each detector.

    Raises
    ------
    ValueError
        Where there is no chunk.

    Notes
    -----
    The offset is the weight of a constant column. SGDClassifier's own
    intercept will not do: ``partial_fit`` with averaging starts it from zero
    at every call.
    """
    classifiers: list[SGDClassifier] = []
    classes = np.array([False, True])
    n_updates = 0
    for Z, targets in chunks:
        if not classifiers:
            mean_square = float(np.einsum("ij,ij->", Z, Z, dtype=np.float64)) / len(Z)
            classifiers = [
                SGDClassifier(
                    loss=loss,
                    alpha=alpha,
                    learning_rate="constant",
                    eta0=step / max(mean_square, 1e-12),
                    average=True,
                    fit_intercept=False,
                    random_state=np.random.RandomState(rng.randint(2**31)),
                )
                for _ in range(targets.shape[1])
            ]
        Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(classifier.partial_fit)(Z, target, classes=classes)
            for classifier, target in zip(classifiers, targets.T, strict=True)
        )
        n_updates += len(Z)
    if not classifiers:
        raise ValueError("no samples to fit detectors on")
    weights = np.concatenate([c.coef_ for c in classifiers]).astype(np.float64)
    return weights[:, :-1], weights[:, -1], n_updates
