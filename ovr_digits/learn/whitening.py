"""Principal axes of features, scaled so that gradient descent meets even ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import eigh, qr, solve_triangular

from ovr_digits.core.arrays import Float32, Float64, Floats
from ovr_digits.learn.run import Run
from ovr_digits.parallel import matmul

#: Multiplications by the covariance that turn random directions to its principal axes.
_ITERATIONS = 4


@dataclass(frozen=True)
class Whitening:
    """The map z = (f - mean) @ axes, block by block.

    Attributes
    ----------
    mean : (n_features,) float64
    blocks : sequence of slice
        Consecutive groups of features, each with axes of its own.
    axes : sequence of (size of block, n_components) float32
        Principal axes of each block, each divided by the root of its
        eigenvalue plus a ridge.
    """

    mean: Float64
    blocks: Sequence[slice]
    axes: Sequence[Float32]

    def apply(self, features: Floats) -> Floats:
        """Features (n, n_features) as coordinates (n, sum of n_components)."""
        parts = [
            features[:, block] @ axes - offset.astype(features.dtype)
            for block, axes, offset in zip(self.blocks, self.axes, self.offsets, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    @cached_property
    def offsets(self) -> list[Float64]:
        """Coordinates of the mean: taken off those of a sample, which are fewer than features."""
        pairs = zip(self.blocks, self.axes, strict=True)
        return [self.mean[block] @ axes for block, axes in pairs]

    def fold(self, coef: Float64, intercept: Float64) -> tuple[Float64, Float64]:
        """Weights on coordinates (t, n_coordinates) as weights on features (t, n_features)."""
        ends = np.cumsum([axes.shape[1] for axes in self.axes])[:-1]
        pieces = np.split(coef.astype(np.float64), ends, axis=1)
        folded = np.concatenate(
            [c @ axes.T.astype(np.float64) for c, axes in zip(pieces, self.axes, strict=True)],
            axis=1,
        )
        return folded, intercept - folded @ self.mean


def principal_axes(covariance: Float32, n_components: int, run: Run) -> tuple[Float64, Float32]:
    """The leading eigenvalues and eigenvectors of a covariance matrix.

    Subspace iteration with a few spare directions (Halko, Martinsson and
    Tropp, *Finding structure with randomness*, 2011): for the leading sixth of
    thousands of axes far quicker than a full decomposition, and more exact
    than the whitening needs.

    Parameters
    ----------
    covariance : (d, d) float32, symmetric, positive semi-definite
    n_components : int, at most d
    run : Run

    Returns
    -------
    values : (n_components,) float64, descending
    vectors : (d, n_components) float32, orthonormal columns
    """
    d = len(covariance)
    width = min(d, n_components + n_components // 10 + 20)
    if width > d // 2:
        values, vectors = np.linalg.eigh(covariance.astype(np.float64))
        return values[::-1][:n_components], vectors[:, ::-1][:, :n_components].astype(np.float32)
    basis = run.rng.standard_normal((d, width)).astype(np.float32)
    for _ in range(_ITERATIONS):
        basis = _evened(matmul(covariance, basis, run.n_jobs))
    basis, _ = qr(basis, mode="economic", overwrite_a=True, check_finite=False)
    values, rotation = eigh((basis.T @ matmul(covariance, basis, run.n_jobs)).astype(np.float64))
    order = slice(None, -n_components - 1, -1)
    return values[order], basis @ rotation[:, order].astype(np.float32)


def _evened(basis: Float32) -> Float32:
    """Much the same span by columns that are nearly orthonormal, for the next multiplication.

    Cholesky of the Gram matrix, with a ridge that keeps it positive definite
    where columns have become alike: a fraction of the time of an exact QR.
    """
    basis = basis / np.maximum(np.linalg.norm(basis, axis=0), np.float32(1e-30))
    gram = (basis.T @ basis).astype(np.float64)
    gram[np.diag_indices_from(gram)] += 1e-4
    factor = np.linalg.cholesky(gram).astype(np.float32)
    return np.ascontiguousarray(solve_triangular(factor, basis.T, lower=True).T)


class Covariances:
    """Means and products of features, added up in memory that does not grow with the samples.

    Parameters
    ----------
    sizes : sequence of int
        Of consecutive groups of features that are whitened each on its own.

    Attributes
    ----------
    blocks : tuple of slice
        The groups.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        ends = np.cumsum(sizes).tolist()
        self.blocks = tuple(slice(end - n, end) for end, n in zip(ends, sizes, strict=True))
        self._n_samples = 0
        self._sum = np.zeros(self.blocks[-1].stop)
        self._products = [np.zeros((size, size), np.float32) for size in sizes]

    def add(self, batch: Floats, n_jobs: int | None = None) -> None:
        """Add features (m, n_features) float32."""
        self._sum += batch.sum(axis=0, dtype=np.float64)
        for total, block in zip(self._products, self.blocks, strict=True):
            part = batch[:, block]
            total += matmul(part.T, part, n_jobs)
        self._n_samples += len(batch)

    def whitening(self, n_components: int, ridge: float, run: Run) -> Whitening:
        """The whitening of what was added; nothing can be added afterwards.

        Parameters
        ----------
        n_components : int
            Axes to keep of each block; fewer where there are fewer features or samples.
        ridge : float
            Added to each eigenvalue, in units of the block's mean eigenvalue: what
            keeps axes that hold mostly noise from being blown up.
        run : Run

        Raises
        ------
        ValueError
            Where nothing was added.
        """
        if not self._n_samples:
            raise ValueError("no features to learn a whitening from")
        mean = self._sum / self._n_samples
        axes = []
        for covariance, block in zip(self._products, self.blocks, strict=True):
            covariance /= np.float32(self._n_samples)
            covariance -= np.outer(mean[block], mean[block]).astype(np.float32)
            mean_eigenvalue = max(float(np.trace(covariance)) / len(covariance), 1e-12)
            n_kept = min(n_components, len(covariance), self._n_samples)
            values, vectors = principal_axes(covariance, n_kept, run)
            scales = 1.0 / np.sqrt(np.maximum(values, 0.0) + ridge * mean_eigenvalue)
            axes.append((vectors * scales).astype(np.float32))
        return Whitening(mean, self.blocks, tuple(axes))
