"""The patch features as a scikit-learn transformer, learnt without labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from ovr_digits.core.arrays import Array, Float32, Floats
from ovr_digits.core.features import (
    Branch,
    KernelLayer,
    LeadingAxes,
    apply_layer,
    as_images,
    check_grey_levels,
    extract_patches,
    inverse_root_kernel,
    patch_directions,
    patch_kernel_features,
)
from ovr_digits.core.views import VIEWS
from ovr_digits.models.limits import (
    MAX_ALPHA,
    MAX_ANCHORS,
    MAX_LAYERS,
    MAX_STRIDE,
    MAX_VIEWS,
    PATCH_SIZES,
)
from ovr_digits.parallel import collect, resolve_jobs
from ovr_digits.picture.mnist_form import IMAGE_SHAPE

#: For parameters: what a value has to be one of, in scikit-learn's terms.
Constraints = dict[str, list[Any]]

#: Parameters that have a number for each layer.
_PER_LAYER = ("n_anchors", "patch_sizes", "strides", "alphas")


class ImageInput(BaseEstimator):
    """Input that is images: rows of pixels in 2-D, or a stack of pictures in 3-D.

    What is of the size of MNIST's images has to have their scale too.
    """

    _parameter_constraints: ClassVar[Constraints] = {}
    _item_constraints: ClassVar[Constraints] = {}  # of each item of a parameter that is a sequence

    def check_parameters(self) -> None:
        """Refuse values of parameters that cannot be learnt with, or not be saved.

        Raises
        ------
        ValueError
        """
        self._validate_params()
        constraints, items = {}, {}
        for name, of_items in self._item_constraints.items():
            for k, item in enumerate(getattr(self, name) or ()):
                constraints[f"{name}[{k}]"], items[f"{name}[{k}]"] = of_items, item
        validate_parameter_constraints(constraints, items, type(self).__name__)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def check_images(self, X: Any, *, reset: bool) -> Array:
        """Validate images and flatten a stack (n, h, w) to rows (n, h * w).

        Raises
        ------
        ValueError
            Where they are not as they were in ``fit``, or not finite, or, being of 28×28
            pixels, not grey levels 0-255.
        """
        shape = getattr(X, "shape", ())
        stack_shape = tuple(shape[1:]) if len(shape) == 3 else None
        if stack_shape is not None:
            X = np.reshape(X, (len(X), -1))
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32, np.uint8])
        if reset:
            self.image_shape_ = stack_shape or _square_or_strip(X.shape[1])
        if self.image_shape_ == IMAGE_SHAPE:
            check_grey_levels(X, X.shape[1])
        return np.asarray(X)


def _square_or_strip(n_pixels: int) -> tuple[int, int]:
    """The shape of a flattened image: square if it can be, else one row."""
    side = math.isqrt(n_pixels)
    return (side, side) if side * side == n_pixels else (1, n_pixels)


class PatchKernelFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ImageInput):
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
        Side of each layer's patches, 15 at most.
    strides : sequence of float, default=(2.0, 1.9)
        Distance between the windows of each layer's pooling, in 1..28.
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

    __module__ = "ovr_digits"  # the public name, which models.pkl stores

    _parameter_constraints: ClassVar[Constraints] = {
        **{name: ["array-like"] for name in ("views", *_PER_LAYER)},
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "n_images": [Interval(Integral, 1, None, closed="left")],
        "n_patches": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    _item_constraints: ClassVar[Constraints] = {
        "views": [StrOptions(set(VIEWS))],
        "n_anchors": [Interval(Integral, 1, MAX_ANCHORS, closed="both")],
        "patch_sizes": [Options(Integral, PATCH_SIZES)],
        "strides": [Interval(Real, 1, MAX_STRIDE, closed="both")],
        "alphas": [Interval(Real, 0, MAX_ALPHA, closed="neither")],
    }

    def __init__(  # noqa: PLR0913
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

        Raises
        ------
        ValueError
            Where a parameter or the images are not as they should be.
        """
        self.check_parameters()
        X = self.check_images(X, reset=True)
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

    def check_parameters(self) -> None:  # noqa: D102
        super().check_parameters()
        if len({len(getattr(self, name)) for name in _PER_LAYER}) > 1:
            raise ValueError(f"{', '.join(_PER_LAYER)} need as many numbers as there are layers")
        for name, most in (("n_anchors", MAX_LAYERS), ("views", MAX_VIEWS)):
            if not 1 <= len(getattr(self, name)) <= most:
                raise ValueError(f"{name} needs 1 to {most} items")

    def planned_branches(self, image_shape: tuple[int, int], n_leading: int) -> tuple[Branch, ...]:
        """Branches of the shapes that those learnt will have at most, of zeros without memory."""

        def zeros(*shape: int) -> Float32:
            return np.broadcast_to(np.float32(0), shape)

        layers, n_inputs = [], 1
        for depth, n in enumerate(self.n_anchors):
            anchors = zeros(n, self.patch_sizes[depth] ** 2 * n_inputs)
            n_inputs = min(self.n_channels, n)
            is_last = depth == len(self.n_anchors) - 1
            layers.append(self._layer(depth, anchors, None if is_last else zeros(n, n_inputs)))
        branches = [Branch(view, tuple(layers)) for view in self.views]
        n_pooled = branches[0].n_pooled(image_shape)
        n_axes = min(n_leading, n_pooled)
        leading = LeadingAxes(zeros(n_pooled, n_axes), zeros(n_axes)) if n_axes else None
        return tuple(replace(branch, leading=leading) for branch in branches)

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

    @property
    def _n_features_out(self) -> int:
        return sum(branch.n_features(self.image_shape_) for branch in self.branches_)

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
