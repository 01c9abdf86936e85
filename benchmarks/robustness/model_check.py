"""Reads bytes as a models.pkl and tells whether the reader kept its promises."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from benchmarks.robustness.audit import recorded
from ovr_digits.models import modelfile


class BrokenPromiseError(Exception):
    """The reader did what it must not do."""


def check_reading(data: bytes) -> bool:
    """Read some bytes; whether they are a models.pkl.

    Raises
    ------
    BrokenPromiseError
        Where that did anything that Python's audit sees, or gave neither one
        line nor finite arrays.
    """
    models, message = None, ""
    with recorded() as events, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            models = modelfile.parse_models(data)
        except modelfile.ModelFileError as error:
            message = str(error)
    if events or warned:
        raise BrokenPromiseError(f"it did something: {events} {[str(w) for w in warned]}")
    if models is None:
        if not (message and message.isprintable() and len(message) < 300):
            raise BrokenPromiseError(f"no short line: {message!r}")
        return False
    arrays: list[Any] = [models.coef, models.intercept]
    for branch in models.branches:
        arrays += [layer.anchors for layer in branch.layers]
        arrays += [layer.whitener for layer in branch.layers if layer.whitener is not None]
        if branch.leading is not None:
            arrays += [branch.leading.axes, branch.leading.offset]
    n_features = sum(branch.n_features(models.image_shape) for branch in models.branches)
    if models.coef.shape != (10, n_features) or models.intercept.shape != (10,):
        raise BrokenPromiseError("weights of the wrong shape")
    if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays):
        raise BrokenPromiseError("numbers that are not finite")
    json.dumps(models.provenance, allow_nan=False, ensure_ascii=False).encode()
    return True
