"""Reads bytes as a models.pkl, watched by Python's audit."""

from __future__ import annotations

import contextlib
import gc
import json
import pickle
import pickletools  # noqa: F401  # which the reader imports to name an opcode
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ovr_digits.models.modelfile import parse_models
from ovr_digits.models.place import ModelFileError

_record: list[str] | None = None
_thread = 0
_is_hooked = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _record is not None and threading.get_ident() == _thread and len(_record) < 1000:
        _record.append(" ".join([event, *(str(a)[:80] for a in arguments[:2])]))


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """The events while the block runs: imports, opened files, code, processes, sockets, all."""
    global _record, _thread, _is_hooked
    if not _is_hooked:
        sys.addaudithook(_note)  # for good: Python has no way to take one back
        _is_hooked = True
    events: list[str] = []
    gc.disable()  # what others have left to be closed is none of the block's
    _record, _thread = events, threading.get_ident()
    try:
        yield events
    finally:
        _record = None
        gc.enable()


class BrokenPromiseError(Exception):
    """The reader did what it must not do."""


def check_reading(data: bytes, why: str = "") -> bool:
    """Read some bytes; whether they are a models.pkl.

    Raises
    ------
    BrokenPromiseError
        Where that did anything that Python's audit sees, or gave neither one
        line, in which ``why`` stands, nor finite arrays.
    """
    models, message = None, ""
    with recorded() as events, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            models = parse_models(data)
        except ModelFileError as error:
            message = str(error)
    if events or warned:
        raise BrokenPromiseError(f"it did something: {events} {[str(w) for w in warned]}")
    if models is None:
        if not (message and message.isprintable() and len(message) < 300 and why in message):
            raise BrokenPromiseError(f"no short line with {why!r}: {message!r}")
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


def read_plainly(data: bytes) -> None:
    """Read some bytes with Python's own pickle.

    Raises
    ------
    BrokenPromiseError
        With what that did.
    """
    with recorded() as events, contextlib.suppress(Exception):
        pickle.loads(data)
    raise BrokenPromiseError(f"it did something: {events}")
