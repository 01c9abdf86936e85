"""The arrays of ten detectors in one piece, and a description of them for JavaScript."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.features import Branch, n_positions, pooling_matrix
from ovr_digits.core.views import VIEWS

#: Bytes of which a multiple stands before every array.
_ALIGNMENT = 4


def pack(models: DetectorArrays) -> tuple[dict[str, Any], bytes]:
    """Describe ten detectors, and give the bytes of their arrays, little-endian.

    An array is described by its ``type`` (float16 where nothing is lost by that, else float32),
    where it starts in the bytes, and how many numbers it has.
    """
    content = bytearray()

    def stored(array: Array) -> dict[str, Any]:
        with np.errstate(over="ignore"):
            half = array.astype("<f2")
        kept = half if (half == array).all() else array.astype("<f4")
        content.extend(bytes(-len(content) % _ALIGNMENT))
        start = len(content)
        content.extend(kept.tobytes())
        return {"type": kept.dtype.name, "start": start, "length": kept.size}

    description = {
        "branches": [
            _described(branch, models.image_shape[0], stored) for branch in models.branches
        ],
        "weights": stored(models.coef),
        "intercepts": models.intercept.tolist(),
    }
    return description, bytes(content)


def _described(branch: Branch, side: int, stored: Any) -> dict[str, Any]:
    layers = []
    for layer in branch.layers:
        pooling = pooling_matrix(n_positions(side, layer.patch_size), layer.stride)
        side = len(pooling)
        layers.append(
            {
                "patch_size": layer.patch_size,
                "alpha": layer.alpha,
                "centred": layer.centred,
                "anchors": stored(layer.anchors),
                "whitener": None if layer.whitener is None else stored(layer.whitener.T),
                "pooling": stored(pooling),
            }
        )
    leading = branch.leading
    return {
        "view": asdict(VIEWS[branch.view]),
        "layers": layers,
        "leading": None
        if leading is None
        else {"axes": stored(leading.axes.T), "offset": stored(leading.offset)},
    }
