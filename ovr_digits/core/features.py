"""Convolutional kernel features: patches compared with anchors, then pooled.

Plain functions of arrays. The method is the convolutional kernel network
(Mairal, Koniusz, Harchaoui and Schmid, *Convolutional Kernel Networks*, NIPS
2014) in its Nyström form (Mairal, *End-to-End Kernel Learning with Supervised
Convolutional Kernel Networks*, NIPS 2016), learnt without labels and without
back-propagation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ovr_digits.core.arrays import Array, Float32, Floats
from ovr_digits.core.views import VIEWS

#: Images that go through the layers at once: small enough for the caches.
BATCH = 64

#: Added to the norm of a patch, so that an empty patch has a direction (any) and no weight.
_TINY = np.float32(1e-6)


@dataclass(frozen=True)
class KernelLayer:
    """One layer: what a patch is compared with, how sharply, and how the answers are pooled.

    Attributes
    ----------
    anchors : (n_anchors, patch_size * patch_size * n_channels) float32
        Unit vectors, a patch each, rows of pixels outermost, channels innermost.
    patch_size : int
        Side of the square patch in positions, odd.
    alpha : float
        Sharpness of the comparison; 1 / alpha is a squared distance on the unit sphere.
    stride : float
        Distance between the windows of the pooling, in positions; ceil(size / stride)
        of them share an axis.
    centred : bool
        Whether a patch's own mean is subtracted first.
    whitener : (n_anchors, n_channels) float32 or None
        K^(-1/2), which turns responses into coordinates whose inner product
        approximates the kernel, and then the leading principal axes of these.
        ``None`` in the last layer, whose responses a whitening of all features
        takes further.

    Examples
    --------
    >>> layer = load_models().branches[0].layers[0]
    >>> isinstance(layer, KernelLayer), layer.anchors.shape
    (True, (16, 9))
    """

    __module__ = "ovr_digits"  # the public name, which models.pkl stores

    anchors: Float32
    patch_size: int
    alpha: float
    stride: float
    centred: bool
    whitener: Float32 | None


def n_positions(size: int, patch_size: int) -> int:
    """How many places a patch has along an axis of ``size``: at least one."""
    return max(size - patch_size, 0) + 1


def extract_patches(maps: Floats, patch_size: int, spare: int = 0) -> Floats:
    """Cut every patch inside maps (n, h, w, c): (n, h', w', patch_size² c + spare), a copy.

    An axis that is shorter than the patch is first widened with zeros to its size; ``spare`` places
    are left free at the end of every patch.
    """
    maps = _widened(maps, patch_size)
    n, h, w, c = maps.shape
    rows, columns = n_positions(h, patch_size), n_positions(w, patch_size)
    size = patch_size * patch_size * c
    patches = np.empty((n, rows, columns, size + spare), maps.dtype)
    if c == 1:  # a pixel at a time: thrice as fast here as patch by patch
        for k, (i, j) in enumerate(np.ndindex(patch_size, patch_size)):
            patches[..., k] = maps[:, i : i + rows, j : j + columns, 0]
    else:
        windows = sliding_window_view(maps, (patch_size, patch_size), axis=(1, 2))
        of_patches = patches[..., :size].reshape(*windows.shape[:3], patch_size, patch_size, c)
        of_patches[:] = windows.transpose(0, 1, 2, 4, 5, 3)
    return patches


def _widened(maps: Floats, size: int) -> Floats:
    """The maps (n, h, w, c) with zeros about them, where an axis is shorter than ``size``."""
    if min(maps.shape[1:3]) >= size:
        return maps
    missing = [max(size - side, 0) for side in maps.shape[1:3]]
    margins = [(gap // 2, gap - gap // 2) for gap in missing]
    return np.pad(maps, ((0, 0), *margins, (0, 0)))


def patch_directions(patches: Floats, centred: bool) -> tuple[Floats, Floats]:
    """Split patches (n, d), less their own mean if ``centred``, into unit directions and norms."""
    if centred:
        patches = patches - patches.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.vecdot(patches, patches))
    return patches / (norms + _TINY)[:, None], norms


def inverse_root_kernel(anchors: Float32, alpha: float, ridge: float = 1e-3) -> Float32:
    """K^(-1/2), (n_anchors, n_anchors), of the anchors: K = exp(alpha (Z Zᵀ - 1)) + ridge."""
    gram = anchors.astype(np.float64) @ anchors.T.astype(np.float64)
    values, vectors = np.linalg.eigh(np.exp(alpha * (gram - 1.0)))
    roots = 1.0 / np.sqrt(np.maximum(values, 0.0) + ridge)
    return ((vectors * roots) @ vectors.T).astype(np.float32)


def _responses(maps: Floats, layer: KernelLayer) -> Floats:
    """‖x‖ exp(alpha (⟨x/‖x‖, z⟩ - 1)) for every patch x and anchor z: (n, h', w', n_anchors)."""
    maps = _widened(maps, layer.patch_size)
    is_plain = maps.shape[3] == 1  # NumPy's sums over an axis of one are slow
    squares = _window_sums(
        maps[..., 0] ** 2 if is_plain else np.vecdot(maps, maps), layer.patch_size
    )
    anchors = layer.anchors
    if layer.centred:
        # ⟨x - mean(x), z⟩ = ⟨x, z - mean(z)⟩, and ‖x - mean(x)‖² = ‖x‖² - sum(x)² / size.
        anchors = anchors - anchors.mean(axis=1, keepdims=True)
        sums = _window_sums(maps[..., 0] if is_plain else maps.sum(axis=3), layer.patch_size)
        size = np.float32(anchors.shape[1])
        # The floor is above what rounding may leave of the difference in a patch of even grey.
        squares = np.maximum(squares - sums * (sums / size), np.float32(1e-6) * squares)
    norms = np.sqrt(squares) + _TINY
    alpha = np.float32(layer.alpha)
    # One exponential takes the norm in too, exp(alpha (cos - 1) + log ‖x‖), and one product
    # gives all that it is of: the last weight of every anchor is 1, the last of a patch the rest.
    weights = np.concatenate([anchors, np.ones((len(anchors), 1), anchors.dtype)], axis=1).T
    rest = np.log(norms) - alpha
    if is_plain:
        planes = _scaled_planes(maps[..., 0], layer.patch_size, alpha / norms, rest)
        exponents = planes.T @ weights
    else:
        patches = extract_patches(maps, layer.patch_size, spare=1)
        patches[..., -1] = rest * norms / alpha
        exponents = patches.reshape(norms.size, -1) @ weights
        exponents *= (alpha / norms).reshape(-1, 1)
    responses: Floats = np.exp(exponents, out=exponents).reshape(*norms.shape, -1)
    return responses


def _scaled_planes(images: Floats, size: int, scale: Floats, last: Floats) -> Floats:
    """Patches of images (n, h, w), each times its scale (n, h', w'), and one more number each.

    In planes (size * size + 1, n * h' * w'), one for each place in the patch: where there are few
    numbers to a patch and few anchors, far faster than patch by patch.
    """
    h, w = scale.shape[1:]
    planes = np.empty((size * size + 1, *scale.shape), images.dtype)
    for plane, (i, j) in zip(planes, np.ndindex(size, size), strict=False):
        np.multiply(images[:, i : i + h, j : j + w], scale, out=plane)
    planes[-1] = last
    return planes.reshape(len(planes), -1)


def _window_sums(maps: Floats, size: int) -> Floats:
    """Sums over every size × size window of maps (n, h, w)."""
    for axis in (1, 2):
        count = maps.shape[axis] - size + 1
        parts = [maps[(slice(None),) * axis + (slice(i, i + count),)] for i in range(size)]
        maps = parts[0].copy()
        for part in parts[1:]:
            maps += part
    return maps


@lru_cache(maxsize=64)
def pooling_matrix(size: int, stride: float) -> Float32:
    """Gaussian weights (ceil(size / stride), size) that pool one axis; sigma = stride / √2.

    The windows are spread evenly about the middle of the axis. Weights below
    1 % of the largest are dropped.
    """
    n_windows = math.ceil(size / stride)
    centres = (size - 1) / 2 + stride * (np.arange(n_windows) - (n_windows - 1) / 2)
    weights = np.exp(-((centres[:, None] - np.arange(size)) ** 2) / stride**2)
    weights[weights < 0.01] = 0.0
    return weights.astype(np.float32)


def gaussian_pool(maps: Floats, stride: float) -> Floats:
    """Pool maps (n, h, w, c) to (n, ceil(h / stride), ceil(w / stride), c)."""
    n, h, w, c = maps.shape
    rows, columns = pooling_matrix(h, stride), pooling_matrix(w, stride)
    pooled = (rows @ maps.reshape(n, h, w * c)).reshape(n, len(rows), w, c)
    return columns @ pooled


def apply_layer(maps: Floats, layer: KernelLayer) -> Floats:
    """Send maps (n, h, w, c) through one layer: (n, h', w', n_channels).

    h' is ceil(n_positions(h, patch_size) / stride), and w' likewise; without a whitener there are
    n_anchors channels.
    """
    pooled = gaussian_pool(_responses(maps, layer), layer.stride)
    return pooled if layer.whitener is None else pooled @ layer.whitener


@dataclass(frozen=True)
class LeadingAxes:
    """The directions in which a branch's pooled features vary most: u = f @ axes - offset.

    Attributes
    ----------
    axes : (n_pooled, n_axes) float16
        Principal axes, each divided by the standard deviation along it. Half
        precision, since these would otherwise be most of a models.pkl.
    offset : (n_axes,) float32
        The coordinates of the mean.

    Examples
    --------
    >>> leading = load_models().branches[0].leading
    >>> isinstance(leading, LeadingAxes), leading.offset.shape
    (True, (64,))
    """

    __module__ = "ovr_digits"  # the public name, which models.pkl stores

    axes: Array
    offset: Float32

    def coordinates(self, pooled: Floats) -> Floats:
        """Pooled features (n, n_pooled) as (n, n_axes) coordinates of about unit variance."""
        u: Floats = pooled @ self.axes.astype(np.float32, copy=False) - self.offset
        return u


def pair_products(u: Floats) -> Floats:
    """Products u_i u_j, i <= j, of the columns of u (n, m): (n, m (m + 1) / 2), by rows of i."""
    n, m = u.shape
    every = np.multiply(u[:, :, None], u[:, None, :]).reshape(n, m * m)
    return every.take(_upper_triangle(m), axis=1)


@lru_cache(maxsize=64)
def _upper_triangle(m: int) -> Array:
    """Where the upper triangle of an (m, m) matrix is once that is flattened."""
    rows, columns = np.triu_indices(m)
    return rows * m + columns


@dataclass(frozen=True)
class Branch:
    """One way of seeing: how the image is straightened first, and the layers it then goes through.

    Its features are the pooled maps of the last layer and, where there are
    leading axes, the products of every two coordinates along them: a detector
    is linear in both, and so a quadratic function of the leading coordinates.

    Attributes
    ----------
    view : str
        A key of ``views.VIEWS``.
    layers : tuple of KernelLayer
    leading : LeadingAxes or None

    Examples
    --------
    >>> branch = load_models().branches[0]
    >>> isinstance(branch, Branch), [layer.patch_size for layer in branch.layers]
    (True, [3, 5])
    """

    __module__ = "ovr_digits"  # the public name, which models.pkl stores

    view: str
    layers: tuple[KernelLayer, ...]
    leading: LeadingAxes | None = None

    def n_pooled(self, image_shape: tuple[int, int]) -> int:
        """How many numbers the last layer's pooled maps hold for one image."""
        h, w = image_shape
        for layer in self.layers:
            h, w = (
                math.ceil(n_positions(side, layer.patch_size) / layer.stride) for side in (h, w)
            )
        return h * w * len(self.layers[-1].anchors)

    @property
    def n_products(self) -> int:
        """How many products of leading coordinates are among the features."""
        n_axes = 0 if self.leading is None else len(self.leading.offset)
        return n_axes * (n_axes + 1) // 2

    def n_features(self, image_shape: tuple[int, int]) -> int:
        """How many features this branch gives for one image."""
        return self.n_pooled(image_shape) + self.n_products


def check_grey_levels(X: Array, n_pixels: int) -> None:
    """Raise ValueError where X is not (n, n_pixels), or (n, h, w) of as many, from 0 to 255.

    Images all in 0..1 that are not blank have another scale, and would be answered wrongly. Of
    ``uint8`` only the type and the shape are looked at, which takes no time.
    """
    if X.ndim < 2 or math.prod(X.shape[1:]) != n_pixels:
        found = f"have the shape {X.shape}"
    elif X.dtype == np.uint8 or not X.size:
        return
    elif X.dtype.kind not in "iuf":
        found = f"are {X.dtype}" + ("; multiply by 255" if X.dtype == bool else "")
    else:
        low, high = X.min(), X.max()
        if low >= 0 and (high == 0 or 1 < high <= 255):
            return
        if not np.isfinite([low, high]).all():
            found = "are not all finite"
        elif low >= 0 and high <= 1:
            found = "lie in 0..1; multiply by 255"
        else:
            found = f"go from {low:g} to {high:g}"
    raise ValueError(
        f"images are an array (n, {n_pixels}) of grey levels 0..255, paper 0 and ink high: "
        f"these {found}"
    )


def as_images(X: Array, image_shape: tuple[int, int]) -> Floats:
    """Grey levels 0-255, (n, h * w), as images (n, h, w) in 0..1: float64 if X is, else float32."""
    images: Floats = X.astype(np.float64 if X.dtype == np.float64 else np.float32)
    return (images / 255).reshape(len(X), *image_shape)


def apply_layers(images: Floats, layers: Sequence[KernelLayer]) -> Floats:
    """Send images (n, h, w) through every layer in turn: maps (n, h', w', n_anchors)."""
    maps = images[..., None]
    for layer in layers:
        maps = apply_layer(maps, layer)
    return maps


def branch_features(images: Floats, branches: Sequence[Branch]) -> Floats:
    """Features of images (n, h, w) in 0..1: every branch's, flattened, side by side."""
    image_shape = (images.shape[1], images.shape[2])
    n_features = sum(branch.n_features(image_shape) for branch in branches)
    features = np.empty((len(images), n_features), images.dtype)
    start = 0
    for branch in branches:
        end = start + branch.n_pooled(image_shape)
        pooled = features[:, start:end]
        # Many small steps, which threads would wait for one another at: on all images at once.
        seen = VIEWS[branch.view](images)
        for first in range(0, len(images), BATCH):
            maps = apply_layers(seen[first : first + BATCH], branch.layers)
            pooled[first : first + BATCH] = maps.reshape(len(maps), -1)
        start, end = end, end + branch.n_products
        if branch.leading is not None:
            features[:, start:end] = pair_products(branch.leading.coordinates(pooled))
        start = end
    return features


def patch_kernel_features(
    X: Array, branches: Sequence[Branch], image_shape: tuple[int, int]
) -> Floats:
    """Features (n, sum of the branches' n_features) of flattened images X (n, h * w), 0-255."""
    return branch_features(as_images(X, image_shape), branches)
