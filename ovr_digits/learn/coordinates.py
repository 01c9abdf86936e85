"""Training images as SGD sees them: whitened features, and products of the leading ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ovr_digits.core.arrays import Array, Float32, Float64, Floats
from ovr_digits.core.distortion import MEDIUM, Distortions, apply_distortions, draw_distortions
from ovr_digits.core.features import (
    Branch,
    LeadingAxes,
    as_images,
    branch_features,
    pair_products,
)
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.options import LearningOptions
from ovr_digits.learn.run import Run
from ovr_digits.learn.whitening import Covariances, Whitening
from ovr_digits.parallel import collect

#: Images that the whitening is measured on, copies counted; more make no difference.
WHITENING_SAMPLES = 12_000

#: Size of a product of two leading coordinates beside a coordinate. Larger, the many
#: products outweigh the coordinates that they are made of, and errors rise.
PRODUCT_SCALE = 0.15

#: Gives the images (n, h * w) of a copy by its number, from 1 on.
Redraw = Callable[[int], Array]

#: Samples whose products are made at once: small enough for the caches.
_IN_CACHE = 256


@dataclass(frozen=True)
class Inputs:
    """What a detector sees of whitened features: some columns, and products of the leading ones.

    Attributes
    ----------
    columns : sequence of slice
        Of each branch, in the coordinates of all branches.
    n_leading : sequence of int
        How many of each branch's columns, the first ones, are multiplied.
    indices : (n_inputs,) int
        Where these inputs are among those from all branches.
    """

    columns: Sequence[slice]
    n_leading: Sequence[int]
    indices: Array

    def __call__(self, Z: Floats, rows: Array) -> Float32:
        """Inputs from some rows of the coordinates Z: (len(rows), n_inputs) float32."""
        inputs = np.empty((len(rows), len(self.indices)), np.float32)
        for first in range(0, len(rows), _IN_CACHE):
            part = inputs[first : first + _IN_CACHE]
            coordinates, leading = self._parts(Z[rows[first : first + _IN_CACHE]])
            start = coordinates.shape[1]
            part[:, :start] = coordinates
            for u in leading:
                products = pair_products(u)
                products[:, _squares(u.shape[1])] -= np.float32(PRODUCT_SCALE)
                part[:, start : start + products.shape[1]] = products
                start += products.shape[1]
        return inputs

    def scores(self, Z: Floats, rows: Array, coef: Floats) -> Floats:
        """``self(Z, rows) @ coef.T`` (len(rows), n_targets), with no product of a pair made.

        A detector's part in the products is a quadratic form, which one
        product of matrices gives for all samples.
        """
        coordinates, leading = self._parts(Z[rows])
        start = coordinates.shape[1]
        coef = coef.astype(np.float32)
        scores: Floats = coordinates @ coef[:, :start].T
        for u in leading:
            n = u.shape[1]
            weights = coef[:, start : start + n * (n + 1) // 2]
            start += weights.shape[1]
            form = np.zeros((n, n), np.float32)
            for target, of_target in enumerate(weights):
                form[np.triu_indices(n)] = of_target
                scores[:, target] += np.vecdot(u @ form, u)
                scores[:, target] -= np.float32(PRODUCT_SCALE) * of_target[_squares(n)].sum()
        return scores

    def _parts(self, Z: Floats) -> tuple[Float32, list[Float32]]:
        """The columns, and the leading ones of each branch so that products have their scale."""
        root = np.float32(math.sqrt(PRODUCT_SCALE))
        leading = [
            Z[:, columns.start : columns.start + n].astype(np.float32) * root
            for columns, n in zip(self.columns, self.n_leading, strict=True)
        ]
        parts = [Z[:, columns] for columns in self.columns]
        return np.concatenate(parts, axis=1, dtype=np.float32), leading


def _squares(n: int) -> Array:
    """Where the squares are among the products of n coordinates: their means are 1, not 0."""
    i = np.arange(n)
    return i * n - i * (i - 1) // 2


class CoordinateSpace:
    """The inputs that detectors learn from, and the way back to weights on features.

    Parameters
    ----------
    features : PatchKernelFeatures
        Fitted, without products.
    whitening : Whitening
        A block for each branch.
    n_leading : int
        Axes of each branch whose coordinates are multiplied; fewer where there are fewer.

    Attributes
    ----------
    branches : tuple of Branch
        Those of the features, with the products.
    n_inputs : int
        Coordinates and products of all branches.
    """

    def __init__(self, features: PatchKernelFeatures, whitening: Whitening, n_leading: int) -> None:
        self._leading = [min(n_leading, axes.shape[1]) for axes in whitening.axes]
        self.whitening = _with_half_precision(whitening, self._leading)
        self.branches: tuple[Branch, ...] = tuple(
            replace(branch, leading=_leading_axes(axes, offset, n))
            for branch, axes, offset, n in zip(
                features.branches_,
                self.whitening.axes,
                self.whitening.offsets,
                self._leading,
                strict=True,
            )
        )
        sizes = [axes.shape[1] for axes in whitening.axes]
        sizes += [branch.n_products for branch in self.branches]
        ends = np.cumsum(sizes)
        self.n_inputs = int(ends[-1])
        parts = [slice(int(end) - size, int(end)) for size, end in zip(sizes, ends, strict=True)]
        self._columns, self._products = parts[: len(self.branches)], parts[len(self.branches) :]

    def inputs(self, views: Sequence[str]) -> Inputs:
        """What detectors see that learn from some of the views."""
        chosen = [k for k, branch in enumerate(self.branches) if branch.view in views]
        parts = [self._columns[k] for k in chosen] + [self._products[k] for k in chosen]
        return Inputs(
            columns=[self._columns[k] for k in chosen],
            n_leading=[self._leading[k] for k in chosen],
            indices=np.concatenate([np.arange(part.start, part.stop) for part in parts]),
        )

    def mean_weights(
        self, groups: Sequence[Inputs], weights: Sequence[tuple[Floats, Floats]]
    ) -> tuple[Float64, Float64]:
        """The mean of the scores of groups of views, as weights (n_targets, n_inputs) and offsets.

        Parameters
        ----------
        groups : sequence of Inputs
        weights : sequence of (coef, intercept)
            What detectors have learnt from each group.
        """
        intercept = np.mean([offsets for _, offsets in weights], axis=0)
        coef = np.zeros((len(intercept), self.n_inputs))
        for inputs, (of_group, _) in zip(groups, weights, strict=True):
            coef[:, inputs.indices] += of_group / len(weights)
        return coef, intercept

    def score(self, Z: Floats, coef: Float64, intercept: Float64) -> Float64:
        """Scores (n, n_targets) of coordinates Z by weights (n_targets, n_inputs)."""
        inputs = self.inputs([branch.view for branch in self.branches])
        return inputs.scores(Z, np.arange(len(Z)), coef) + intercept

    def fold(self, coef: Float64, intercept: Float64) -> tuple[Float64, Float64]:
        """Weights on inputs (n_targets, n_inputs) as weights on features (n_targets, n_features).

        Returns
        -------
        coef : (n_targets, n_features) float64
        intercept : (n_targets,) float64
        """
        n_coordinates = self._columns[-1].stop
        on_pooled, intercept = self.whitening.fold(coef[:, :n_coordinates], intercept)
        parts = []
        for block, products, n in zip(
            self.whitening.blocks, self._products, self._leading, strict=True
        ):
            weights = coef[:, products] * PRODUCT_SCALE
            intercept = intercept - weights[:, _squares(n)].sum(axis=1)
            parts += [on_pooled[:, block], weights]
        return np.concatenate(parts, axis=1), intercept


def _with_half_precision(whitening: Whitening, n_leading: Sequence[int]) -> Whitening:
    """The whitening with leading axes as they will be stored, so that learning sees the same."""
    rounded = [axes.copy() for axes in whitening.axes]
    for axes, n in zip(rounded, n_leading, strict=True):
        axes[:, :n] = axes[:, :n].astype(np.float16)
    return replace(whitening, axes=rounded)


def _leading_axes(axes: Float32, offset: Float64, n: int) -> LeadingAxes | None:
    if not n:
        return None
    return LeadingAxes(axes[:, :n].astype(np.float16), offset[:n].astype(np.float32))


class TrainingImages:
    """Images, and copies of them that are distorted anew each time, on the way to coordinates.

    Parameters
    ----------
    X : (n, h * w) uint8 or float
        Grey levels 0-255.
    n_fit : int
        The whitening is learnt from some of so many images, the first ones; half of these
        are distorted, if copies will be.
    features : PatchKernelFeatures
        Fitted.
    options : LearningOptions
    run : Run
    redraw : callable, optional
        Gives the images of a copy, by its number, before they are distorted; X where not given.

    Attributes
    ----------
    space : CoordinateSpace
    """

    def __init__(
        self,
        X: Array,
        n_fit: int,
        features: PatchKernelFeatures,
        options: LearningOptions,
        run: Run,
        redraw: Redraw | None = None,
    ) -> None:
        self._X, self._image_shape, self._run = X, features.image_shape_, run
        self._redraw = redraw or (lambda copy: X)
        self._layers = features.branches_
        whitening = self._fit_whitening(n_fit, options)
        self.space = CoordinateSpace(features, whitening, options.n_leading)

    def _fit_whitening(self, n: int, options: LearningOptions) -> Whitening:
        rows = self._run.rng.permutation(n)[:WHITENING_SAMPLES]
        self._run.progress.stage("principal axes of the features", len(rows) * 1.5)
        halves = [(rows[::2], False), (rows[1::2], True)] if options.n_copies else [(rows, False)]
        # Larger pieces than a thread takes at a time: the products run at full speed on them.
        pieces = [
            (part, self._draw(len(part)) if is_copy else None)
            for half, is_copy in halves
            for part in np.array_split(half, -(-len(half) // 4096))
        ]
        covariances = Covariances([b.n_pooled(self._image_shape) for b in self._layers])
        for part, drawn in pieces:
            pooled = self._collect(self._X[part], drawn, lambda batch: batch)
            covariances.add(pooled, self._run.n_jobs)
        return covariances.whitening(options.n_components, options.whitening_ridge, self._run)

    def coordinates(self, name: str, copy: int = 0) -> Floats:
        """Coordinates of all images, or of a copy of each, distorted anew: (n, d) float16.

        Parameters
        ----------
        name : str
            What people are told that this is.
        copy : int
            Its number; 0 are the images as they are.
        """
        X = self._redraw(copy) if copy else self._X
        self._run.progress.stage(name, len(X))
        return self._collect(
            X,
            self._draw(len(X)) if copy else None,
            # Half precision is far finer than what tells one digit from another.
            lambda features: self.space.whitening.apply(features).astype(np.float16),
        )

    def _draw(self, n: int) -> Distortions:
        return draw_distortions(n, MEDIUM, self._run.rng)

    def _collect(
        self, X: Array, drawn: Distortions | None, then: Callable[[Floats], Floats]
    ) -> Floats:
        """What becomes of the features of images, or of copies with a distortion for each."""

        def work(rows: Array) -> Floats:
            images = as_images(X[rows], self._image_shape)
            if drawn is not None:
                images = apply_distortions(images, drawn[rows])
            return then(branch_features(images, self._layers))

        return collect(work, np.arange(len(X)), self._run.n_jobs, self._run.progress.advance)
