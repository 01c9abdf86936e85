"""The patch features as a scikit-learn transformer, learnt without labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Float32, Floats
from ovr_digits.core.features import (
    Branch,
    KernelLayer,
    apply_layer,
    as_images,
    extract_patches,
    inverse_root_kernel,
    patch_directions,
    patch_kernel_features,
)
from ovr_digits.core.views import VIEWS
from ovr_digits.parallel import collect, resolve_jobs


class ImageInput(BaseEstimator):
    """Input that is images: rows of pixels in 2-D, or a stack of pictures in 3-D."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def check_images(self, X: Any, *, reset: bool) -> Array:
        """Validate images and flatten a stack (n, h, w) to rows (n, h * w)."""
        shape = getattr(X, "shape", ())
        stack_shape = tuple(shape[1:]) if len(shape) == 3 else None
        if stack_shape is not None:
            X = np.reshape(X, (len(X), -1))
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32, np.uint8])
        if reset:
            self.image_shape_ = stack_shape or _square_or_strip(X.shape[1])
        return np.asarray(X)


def _square_or_strip(n_pixels: int) -> tuple[int, int]:
    """The shape of a flattened image: square if it can be, else one row."""
    side = math.isqrt(n_pixels)
    return (side, side) if side * side == n_pixels else (1, n_pixels)


class PatchKernelFeatures(TransformerMixin, ImageInput):
    """Features of images: two layers of patches compared with learnt anchors.

    A convolutional kernel network learnt without labels [1]_, [2]_: each layer
    compares the direction of every patch x with anchors z, the cluster centres
    of sampled patches, as ‖x‖ exp(alpha (⟨x/‖x‖, z⟩ - 1)), and pools with a
    Gaussian; all but the last multiply by K^(-1/2), so that inner products
    approximate the kernel, and hand on the leading principal channels of that:
    a third of them holds 95 % of the energy, and costs a third in the next
    layer. The same is done for every view of the image.

    Parameters
    ----------
    views : sequence of str, default=("raw", "even")
        Ways to straighten the image first; see ``core.views.VIEWS``.
    n_anchors : sequence of int, default=(16, 128)
        Anchors of each layer.
    n_channels : int, default=8
        Channels that a layer hands on to the next, at most.
    patch_sizes : sequence of odd int, default=(3, 5)
        Side of each layer's patches.
    strides : sequence of float, default=(2.0, 1.9)
        Distance between the windows of each layer's pooling.
    alphas : sequence of float, default=(4.0, 4.0)
        Sharpness of each layer's comparison.
    n_images : int, default=3000
        Images that patches are sampled from.
    n_patches : int, default=60000
        Patches that each layer's anchors are clustered from, at most.
    n_jobs : int, optional
        Threads; -1 is one for each core.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    branches_ : tuple of Branch
        The learnt layers of each view.
    image_shape_ : (h, w)
        Of a stack as it came; else square if the number of pixels is a
        square, else one row.
    n_features_in_ : int
        Pixels of an image.

    References
    ----------
    .. [1] J. Mairal, P. Koniusz, Z. Harchaoui and C. Schmid, "Convolutional
       Kernel Networks", NIPS 2014.
    .. [2] J. Mairal, "End-to-End Kernel Learning with Supervised Convolutional
       Kernel Networks", NIPS 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data * (255 / 16)
    >>> features = PatchKernelFeatures(n_anchors=(8, 16), random_state=0)
    >>> features.fit_transform(X[:100]).shape
    (100, 32)
    """

    def __init__(
        self,
        views: Sequence[str] = ("raw", "even"),
        n_anchors: Sequence[int] = (16, 128),
        n_channels: int = 8,
        patch_sizes: Sequence[int] = (3, 5),
        strides: Sequence[float] = (2.0, 1.9),
        alphas: Sequence[float] = (4.0, 4.0),
        n_images: int = 3000,
        n_patches: int = 60_000,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.views = views
        self.n_anchors = n_anchors
        self.n_channels = n_channels
        self.patch_sizes = patch_sizes
        self.strides = strides
        self.alphas = alphas
        self.n_images = n_images
        self.n_patches = n_patches
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the anchors of every layer of every view.

        Parameters
        ----------
        X : (n, h * w) or (n, h, w) array
            Grey levels 0-255.
        y : ignored

        Returns
        -------
        self
        """
        X = self.check_images(X, reset=True)
        for view in self.views:
            if view not in VIEWS:
                raise ValueError(f"view {view!r} is not one of {', '.join(VIEWS)}")
        rng = check_random_state(self.random_state)
        chosen = rng.permutation(len(X))[: self.n_images]
        images = as_images(X[chosen], self.image_shape_).astype(np.float32)
        seeds = [rng.randint(2**31) for _ in self.views]
        with threadpool_limits(1):  # also in between, while one thread is done and another not
            self.branches_ = tuple(
                Parallel(n_jobs=resolve_jobs(self.n_jobs), prefer="threads")(
                    delayed(self._fit_branch)(view, images, np.random.RandomState(seed))
                    for view, seed in zip(self.views, seeds, strict=True)
                )
            )
        return self

    def learnt(self) -> dict[str, Array]:
        """What ``fit`` learnt, as ``restore`` takes it."""
        return {
            f"{name}-{k}-{depth}": array
            for k, branch in enumerate(self.branches_)
            for depth, layer in enumerate(branch.layers)
            for name, array in (("anchors", layer.anchors), ("whitener", layer.whitener))
            if array is not None
        }

    def restore(self, X: Any, learnt: Mapping[str, Array]) -> Self:
        """Become what ``fit`` on X made of features that had ``learnt`` this."""
        self.check_images(X, reset=True)
        self.branches_ = tuple(
            Branch(
                view,
                tuple(
                    self._layer(d, learnt[f"anchors-{k}-{d}"], learnt.get(f"whitener-{k}-{d}"))
                    for d in range(len(self.n_anchors))
                ),
            )
            for k, view in enumerate(self.views)
        )
        return self

    def _fit_branch(self, view: str, images: Floats, rng: np.random.RandomState) -> Branch:
        # k-means adds up in the order in which its threads finish: one thread repeats exactly.
        with threadpool_limits(1):
            return Branch(view, self._fit_layers(VIEWS[view](images)[..., None], rng))

    def _fit_layers(self, maps: Floats, rng: np.random.RandomState) -> tuple[KernelLayer, ...]:
        layers: list[KernelLayer] = []
        for depth, n_anchors in enumerate(self.n_anchors):
            if layers:
                maps = np.concatenate(
                    [apply_layer(maps[i : i + 100], layers[-1]) for i in range(0, len(maps), 100)]
                )
            anchors = self._fit_anchors(maps, self.patch_sizes[depth], depth == 0, n_anchors, rng)
            is_last = depth == len(self.n_anchors) - 1
            layer = self._layer(depth, anchors, None)
            layers.append(layer if is_last else self._whitened(layer, maps))
        return tuple(layers)

    def _layer(self, depth: int, anchors: Float32, whitener: Float32 | None) -> KernelLayer:
        return KernelLayer(
            anchors,
            patch_size=int(self.patch_sizes[depth]),
            alpha=float(self.alphas[depth]),
            stride=float(self.strides[depth]),
            centred=depth == 0,
            whitener=whitener,
        )

    def _whitened(self, layer: KernelLayer, maps: Floats) -> KernelLayer:
        """The layer with K^(-1/2) and the principal axes of what that gives on some maps."""
        root = inverse_root_kernel(layer.anchors, layer.alpha)
        channels = apply_layer(maps[:500], replace(layer, whitener=root)).reshape(-1, len(root))
        _, vectors = np.linalg.eigh((channels.T @ channels).astype(np.float64))
        leading = vectors[:, ::-1][:, : self.n_channels]
        return replace(layer, whitener=(root @ leading).astype(np.float32))

    def _fit_anchors(
        self, maps: Floats, patch_size: int, centred: bool, n_anchors: int, rng: Any
    ) -> Float32:
        """Cluster centres of the directions of patches that are not empty."""
        per_image = -(-self.n_patches // len(maps))
        sampled = []
        for i in range(0, len(maps), 100):
            patches = extract_patches(maps[i : i + 100], patch_size)
            patches = patches.reshape(-1, patches.shape[-1])
            count = min(len(patches), 2 * per_image * len(maps[i : i + 100]))
            sampled.append(patches[rng.permutation(len(patches))[:count]])
        directions, norms = patch_directions(np.concatenate(sampled), centred)
        if (norms > 1e-3).any():
            directions = directions[norms > 0.1 * np.median(norms[norms > 1e-3])]
        directions = directions[rng.permutation(len(directions))[: self.n_patches]]
        n_anchors = min(n_anchors, len(directions))
        kmeans = KMeans(n_anchors, init="random", n_init=1, max_iter=12, tol=0, random_state=rng)
        with warnings.catch_warnings():
            # Fewer distinct patches than anchors only means that some anchors are alike.
            warnings.simplefilter("ignore", ConvergenceWarning)
            centres = kmeans.fit(directions).cluster_centers_
        lengths = np.linalg.norm(centres, axis=1, keepdims=True)
        return (centres / np.maximum(lengths, 1e-6)).astype(np.float32)

    def transform(self, X: Any) -> Array:
        """Features of images.

        Parameters
        ----------
        X : (n, h * w) or (n, h, w) array
            Grey levels 0-255.

        Returns
        -------
        (n, n_features), float64 if X is, else float32
        """
        check_is_fitted(self)
        X = self.check_images(X, reset=False)
        return collect(
            lambda rows: patch_kernel_features(rows, self.branches_, self.image_shape_),
            X,
            self.n_jobs,
        )
