"""Distorted copies of digits: small turns, stretches, shifts and elastic bends.

As Simard, Steinkraus and Platt made them for MNIST (*Best practices for
convolutional neural networks applied to visual document analysis*, 2003),
milder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ovr_digits.core.arrays import Array, Float32, Floats
from ovr_digits.core.views import bilinear_sample

#: Bumps along each side of the grid that bends an image.
_N_BUMPS = 6


@dataclass(frozen=True)
class DistortionStrength:
    """How far copies may differ from the original; each value is drawn evenly from ± the bound."""

    rotation: float  #: Degrees.
    scale: float  #: Logarithm of the stretch of either side.
    shear: float  #: Columns a row moves for each row it is off the centre.
    shift: float  #: Pixels.
    elastic: float  #: Standard deviation of the bumps of the bending field, pixels.


MEDIUM = DistortionStrength(rotation=8.0, scale=0.08, shear=0.05, shift=1.0, elastic=0.7)


@dataclass(frozen=True)
class Distortions:
    """Distortions drawn for n images.

    Attributes
    ----------
    linear : (n, 2, 2) float32
        From (row, column) off the centre of the copy to that of the original.
    shift : (n, 2) float32
        Rows and columns.
    bumps : (n, 2, 6, 6) float32
        Heights of the bumps whose sum bends rows, and columns, in pixels.
    """

    linear: Float32
    shift: Float32
    bumps: Float32

    def __getitem__(self, rows: Array) -> Distortions:
        return Distortions(self.linear[rows], self.shift[rows], self.bumps[rows])


def draw_distortions(
    n: int, strength: DistortionStrength, rng: np.random.RandomState
) -> Distortions:
    """Draw distortions for n images."""

    def even(bound: float) -> Float32:
        return rng.uniform(-bound, bound, n).astype(np.float32)

    angle = np.deg2rad(even(strength.rotation))
    cosine, sine = np.cos(angle), np.sin(angle)
    tall, wide = np.exp(even(strength.scale)), np.exp(even(strength.scale))
    slant = even(strength.shear)
    linear = np.stack(
        [cosine * tall, -sine * wide, sine * tall + slant, cosine * wide], axis=1
    ).reshape(n, 2, 2)
    shift = np.stack([even(strength.shift), even(strength.shift)], axis=1)
    bumps = rng.standard_normal((n, 2, _N_BUMPS, _N_BUMPS)) * strength.elastic
    return Distortions(linear, shift, bumps.astype(np.float32))


def apply_distortions(images: Floats, distortions: Distortions) -> Floats:
    """Distort images (n, h, w), 0..1, each in its own way: the same shape."""
    _, h, w = images.shape
    row = (np.arange(h, dtype=np.float32) - np.float32((h - 1) / 2))[None, :, None]
    column = (np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2))[None, None, :]
    down, across = _bump_basis(h), _bump_basis(w)
    sources = []
    for axis, side in enumerate((h, w)):
        linear = distortions.linear[:, axis, :, None, None]
        bend = down @ distortions.bumps[:, axis] @ across.T
        offset = distortions.shift[:, axis, None, None] + np.float32((side - 1) / 2)
        sources.append(linear[:, 0] * row + linear[:, 1] * column + offset + bend)
    return bilinear_sample(images, *sources)


def _bump_basis(size: int) -> Float32:
    """Gaussian bumps spread over an axis, (size, 6), their squares summing to one everywhere."""
    centres = np.linspace(0, size - 1, _N_BUMPS)
    width = max(size - 1, 1) / (_N_BUMPS - 1)
    bumps = np.exp(-0.5 * ((np.arange(size)[:, None] - centres) / width) ** 2)
    return (bumps / np.sqrt((bumps**2).sum(axis=1, keepdims=True))).astype(np.float32)
