"""What is in a models.pkl: its parts, its patches, and what each detector looks for."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array, Float32, Float64, Indices
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.features import (
    Branch,
    KernelLayer,
    apply_layers,
    as_images,
    extract_patches,
    n_positions,
    patch_directions,
)
from ovr_digits.core.occlusion import ink_effects
from ovr_digits.core.views import VIEWS
from ovr_digits.data.splits import Split
from ovr_digits.models.modelfile import StoredSizes, load_with_sizes
from ovr_digits.models.place import find_models
from ovr_digits.parallel import collect, map_batches
from ovr_digits.progress import Progress

#: Every view in words.
VIEW_MEANINGS = {
    "raw": "the image as it is",
    "upright": "its slant taken out",
    "narrow": "slant and width evened out",
    "even": "slant, width and height evened out",
    "boxed": "slant taken out, stretched to a box",
}

#: Images among which a patch is sought for each anchor of the last layer.
_SEARCHED = 1000
#: Patches with less ink than this share of the median fit nothing in particular.
_LEAST_NORM = 0.5
#: Images of each digit over which effects of ink are averaged: more change them little.
_AVERAGED = 6
#: Images of each kind that are picked for a detector.
_PICKED = 5

_SILENT = Progress()


@dataclass(frozen=True, eq=False)
class Inspection:
    """A models.pkl, and how much of it each part takes."""

    path: Path
    models: DetectorArrays
    sizes: StoredSizes

    @property
    def norms(self) -> Float64:
        """Euclidean norm of each detector's weights: (10,)."""
        return np.linalg.norm(self.models.coef.astype(np.float64), axis=1)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        models, sizes = self.models, self.sizes
        views = [
            {
                "view": branch.view,
                "layers": [
                    {
                        "anchors": len(layer.anchors),
                        "patch_size": layer.patch_size,
                        "channels": n_channels(layer),
                        "alpha": layer.alpha,
                        "stride": layer.stride,
                        "bytes": n_bytes,
                    }
                    for layer, n_bytes in zip(branch.layers, layer_bytes, strict=True)
                ],
                "leading_axes": 0 if branch.leading is None else len(branch.leading.offset),
                "leading_bytes": leading_bytes,
                "features": branch.n_features(models.image_shape),
            }
            for branch, layer_bytes, leading_bytes in zip(
                models.branches, sizes.layers, sizes.leading, strict=True
            )
        ]
        detectors = [
            {"digit": digit, "intercept": round(float(intercept), 6), "norm": round(float(norm), 6)}
            for digit, (intercept, norm) in enumerate(
                zip(models.intercept, self.norms, strict=True)
            )
        ]
        return {
            "path": str(self.path),
            "bytes": sizes.file,
            "provenance": dict(models.provenance),
            "views": views,
            "features": models.coef.shape[1],
            "weights": models.coef.size,
            "weight_bytes": sizes.weights,
            "other_bytes": sizes.rest,
            "detectors": detectors,
        }


def inspect_models(path: str | os.PathLike[str] | None = None) -> Inspection:
    """Open a models.pkl, by default the one that ``find_models`` finds, without running it."""
    path = find_models(path)
    return Inspection(path, *load_with_sizes(path))


def n_channels(layer: KernelLayer) -> int:
    """How many numbers a layer's patches have for each of their positions."""
    return layer.anchors.shape[1] // layer.patch_size**2


# --- anchors -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ViewAnchors:
    """The anchors of one view, as pictures.

    Attributes
    ----------
    view, meaning : str
        Its name, and the view in words.
    first : (n_anchors, s, s) float32
        The first layer's, which are patches of pixels; above 0 is more ink than their mean.
    last : (n_anchors, t, t) float32 in 0..1, or None
        For each anchor of the last layer, which has no pixels of its own, the piece of an
        image that fits it best. ``None`` where the first layer is the last.
    cosines : (n_anchors,) float32 or None
        How well each piece fits its anchor; 1 is perfect.
    """

    view: str
    meaning: str
    first: Float32
    last: Float32 | None
    cosines: Float32 | None


def show_anchors(
    models: DetectorArrays, X: Array, progress: Progress = _SILENT
) -> list[ViewAnchors]:
    """Bring the anchors of every view back to pixels.

    Pieces of the first 1,000 images X (n, h * w) uint8 stand for the anchors of the last layer.
    """
    progress.stage("seeking what fits the anchors", len(models.branches))
    images = as_images(X[:_SEARCHED], models.image_shape)
    shown = []
    for branch in models.branches:
        layer = branch.layers[0]
        first = layer.anchors.reshape(-1, layer.patch_size, layer.patch_size)
        found = (None, None) if len(branch.layers) == 1 else _best_pieces(branch, images)
        shown.append(ViewAnchors(branch.view, VIEW_MEANINGS[branch.view], first, *found))
        progress.advance()
    return shown


def _best_pieces(branch: Branch, images: Float32) -> tuple[Float32, Float32]:
    """The piece of an image that fits each anchor of the last layer best, and how well."""
    last = branch.layers[-1]
    seen = VIEWS[branch.view](images)
    best = np.full(len(last.anchors), -np.inf, np.float32)
    places = np.zeros((len(last.anchors), 3), np.intp)
    step = 100
    for start in range(0, len(seen), step):
        patches = extract_patches(
            apply_layers(seen[start : start + step], branch.layers[:-1]), last.patch_size
        )
        directions, norms = patch_directions(patches.reshape(-1, patches.shape[3]), last.centred)
        cosines = directions @ last.anchors.T
        cosines[norms < _LEAST_NORM * np.median(norms)] = -1
        found = cosines.argmax(axis=0)
        better = cosines.max(axis=0) > best
        best[better] = cosines.max(axis=0)[better]
        n, row, column = np.unravel_index(found[better], patches.shape[:3])
        places[better] = np.stack([n + start, row, column], axis=1)
    height, width = images.shape[1:]
    side = max(height, width)
    half = min(round(_reach(branch.layers)), side - 1)  # beyond, there is no more of the image
    margin = side + half  # the middle of a window may lie outside the image, though never so far
    pieces = np.empty((len(places), 2 * half + 1, 2 * half + 1), np.float32)
    for piece, (n, row, column) in zip(pieces, places, strict=True):
        top = round(_pixel(row, branch.layers, height)) + side
        left = round(_pixel(column, branch.layers, width)) + side
        piece[:] = np.pad(seen[n], margin)[top : top + len(piece), left : left + len(piece)]
    return pieces, best


def _reach(layers: Sequence[KernelLayer]) -> float:
    """How far from its middle a patch of the last layer sees, in pixels.

    Pooling windows have no edge; what they weigh less than half is left out.
    """
    reach = (layers[-1].patch_size - 1) / 2
    for layer in reversed(layers[:-1]):
        reach = layer.stride * (reach + math.sqrt(math.log(2))) + (layer.patch_size - 1) / 2
    return reach


def _pixel(place: int, layers: Sequence[KernelLayer], size: int) -> float:
    """The pixel in the middle of what a patch of the last layer sees along an axis of ``size``."""
    sizes = [size]  # of what each layer's patches are cut from
    for layer in layers[:-1]:
        sizes.append(math.ceil(n_positions(sizes[-1], layer.patch_size) / layer.stride))
    middle = _middle(place, layers[-1], sizes[-1])
    for layer, size in zip(layers[-2::-1], sizes[-2::-1], strict=True):
        n_responses = n_positions(size, layer.patch_size)
        n_windows = math.ceil(n_responses / layer.stride)
        middle = (n_responses - 1) / 2 + layer.stride * (middle - (n_windows - 1) / 2)
        middle = _middle(middle, layer, size)
    return middle


def _middle(place: float, layer: KernelLayer, size: int) -> float:
    """The middle of the patch at a place, on an axis that is widened where the patch is longer."""
    return place + (layer.patch_size - 1) / 2 - max(layer.patch_size - size, 0) // 2


# --- detectors ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DetectorPortrait:
    """What one detector looks for, and how it fares on a labelled set.

    Attributes
    ----------
    digit : int
    effects : (h, w) float64
        What ink at each place does to its score, in log-odds, averaged over images
        of its digit; see ``core.occlusion.ink_effects``.
    mean : (h, w) float64
        The mean of all images of its digit, grey levels 0-255.
    highest, lowest_own, highest_other : (n,) intp
        Indices of the images with the highest scores, of those of its digit with the
        lowest, and of those of other digits with the highest.
    scores : (n_samples,) float64
        Its score of every image.
    missed, false_alarms : int
        Images of its digit on which it does not fire, and others on which it does.
    """

    digit: int
    effects: Float64
    mean: Float64
    highest: Indices
    lowest_own: Indices
    highest_other: Indices
    scores: Float64
    missed: int
    false_alarms: int


def portray_detectors(
    models: DetectorArrays, split: Split, n_jobs: int = -1, progress: Progress = _SILENT
) -> list[DetectorPortrait]:
    """Find out what each of ten detectors looks for, on a set that holds every digit."""
    progress.stage("voting on the images", len(split))
    scores = collect(models.decision_function, split.X, n_jobs, progress.advance)
    chosen = [np.flatnonzero(split.y == digit)[:_AVERAGED] for digit in range(10)]
    progress.stage("inking them place by place", sum(map(len, chosen)))

    def effects_of(X: Array) -> Array:
        return ink_effects(models, X[0].reshape(models.image_shape))[None]

    portraits = []
    for digit, own in enumerate(chosen):
        effects = np.zeros(models.image_shape)
        for _, found in map_batches(effects_of, split.X[own], n_jobs, chunk=1):
            effects += found[0, digit] / len(own)
            progress.advance()
        score, is_own = scores[:, digit], split.y == digit
        ascending = score.argsort(kind="stable")
        portraits.append(
            DetectorPortrait(
                digit=digit,
                effects=effects,
                mean=split.X[is_own].mean(axis=0).reshape(models.image_shape),
                highest=ascending[::-1][:_PICKED],
                lowest_own=ascending[is_own[ascending]][:_PICKED],
                highest_other=ascending[~is_own[ascending]][::-1][:_PICKED],
                scores=score,
                missed=int((score[is_own] <= 0).sum()),
                false_alarms=int((score[~is_own] > 0).sum()),
            )
        )
    return portraits
