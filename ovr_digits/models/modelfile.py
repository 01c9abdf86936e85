"""models.pkl: ten detectors in one file, written whole and read without running anything in it.

The file is a plain pickle of a list of ten ``DigitDetector``, so that
``pickle.load`` gives them to whoever trusts the file. The reader here does
not trust it: it takes the arrays out of what ``safe_pickle`` makes of the
file, and checks all of them.
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array
from ovr_digits.core.detectors import PIECE_CLASSES, SIGN_CLASSES, DetectorArrays
from ovr_digits.core.features import Branch, KernelLayer, LeadingAxes
from ovr_digits.core.views import VIEWS
from ovr_digits.errors import DigitsError
from ovr_digits.files import write_bytes
from ovr_digits.models import safe_pickle
from ovr_digits.models.limits import (
    IMAGE_SHAPE,
    MAX_ALPHA,
    MAX_ANCHORS,
    MAX_LAYERS,
    MAX_LEADING,
    MAX_STRIDE,
    MAX_VIEWS,
    PATCH_SIZES,
    check_size,
    check_stored,
)
from ovr_digits.models.place import MAX_BYTES, ModelFileError, find_models, read_models
from ovr_digits.models.safe_pickle import Record, StoredArray, printable, shown

_N_DIGITS = 10
#: What tells signs and wrong cuts from digits, beside any models.pkl.
NUMBERS_PATH = Path(__file__).parents[1] / "numbers.pkl"


class _Detector(Record): ...


class _Features(Record): ...


class _Branch(Record): ...


class _Layer(Record): ...


class _Leading(Record): ...


class _SGD(Record): ...


#: What stands for each class that a models.pkl names.
_KNOWN: Mapping[tuple[str, str], type[Record]] = {
    ("ovr_digits", "DigitDetector"): _Detector,
    ("ovr_digits", "PatchKernelFeatures"): _Features,
    ("ovr_digits", "Branch"): _Branch,
    ("ovr_digits", "KernelLayer"): _Layer,
    ("ovr_digits", "LeadingAxes"): _Leading,
    # Where these were in files from before they had public names.
    ("ovr_digits.detectors", "DigitDetector"): _Detector,  # keep-old-name
    ("ovr_digits.features", "PatchKernelFeatures"): _Features,  # keep-old-name
    ("ovr_digits.core.features", "Branch"): _Branch,
    ("ovr_digits.core.features", "KernelLayer"): _Layer,
    ("ovr_digits.core.features", "LeadingAxes"): _Leading,
    ("sklearn.linear_model._stochastic_gradient", "SGDClassifier"): _SGD,
}


@dataclass(frozen=True)
class StoredSizes:
    """Bytes of a models.pkl and of the arrays in it, as they are stored.

    For each branch those of each of its layers, and of its leading axes (0 where there are none);
    and those of the weights of all detectors.
    """

    file: int
    layers: tuple[tuple[int, ...], ...]
    leading: tuple[int, ...]
    weights: int

    @property
    def rest(self) -> int:
        """Of what is no such array: names, settings, provenance."""
        return self.file - sum(map(sum, self.layers)) - sum(self.leading) - self.weights


def load_models(path: str | os.PathLike[str] | None = None) -> DetectorArrays:
    """Read models.pkl without running anything in it.

    Parameters
    ----------
    path : path, optional
        Default: see ``find_models``.

    Returns
    -------
    DetectorArrays

    Raises
    ------
    ModelFileError
        Where the file is missing, no models.pkl, or asks for anything else
        than the parts of one; the message names what is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> models = load_models()  # or load_models("my-models.pkl")
    >>> X = np.zeros((5, 784), np.uint8)  # five samples of 28×28 levels: ink is 255, paper is 0
    >>> scores = models.decision_function(X)
    >>> scores.shape, count_votes(scores)[0].verdict
    ((5, 10), 'none')
    """
    return load_with_sizes(path)[0]


def load_with_sizes(
    path: str | os.PathLike[str] | None = None,
) -> tuple[DetectorArrays, StoredSizes]:
    """``load_models``, and how much of the file each part takes."""
    data, models, content = _read(path)
    return models, _sizes(len(data), content)


def load_with_bytes(path: str | os.PathLike[str] | None = None) -> tuple[bytes, DetectorArrays]:
    """``load_models``, and the content of the file."""
    return _read(path)[:2]


def _read(
    path: str | os.PathLike[str] | None,
) -> tuple[bytes, DetectorArrays, list[_Detector]]:
    """A models.pkl as it is stored, and what is in it."""
    path = find_models(path)
    data = read_models(path)
    try:
        (models,), content = _parse(data, _N_DIGITS)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    return data, with_numbers(models), content


def with_numbers(models: DetectorArrays) -> DetectorArrays:
    """Ten detectors with those beside them that whole numbers need, whoever's they are."""
    signs, pieces = _parse(read_models(NUMBERS_PATH), len(SIGN_CLASSES), len(PIECE_CLASSES))[0]
    return replace(models, signs=signs, pieces=pieces)


def parse_models(data: bytes) -> DetectorArrays:
    """Read the bytes of a models.pkl, and nothing else, without running anything in them.

    Raises
    ------
    ModelFileError
    """
    (models,), _ = _parse(data, _N_DIGITS)
    return models


def _parse(data: bytes, *counts: int) -> tuple[list[DetectorArrays], list[_Detector]]:
    """The arrays of so many detectors in a file, and the stand-ins that they were found in.

    Those that share their features come one after the other, ``counts`` of them.
    """
    if not data:
        raise ModelFileError("the file is empty; make a new one with: ovr-digits train")
    if len(data) > MAX_BYTES:
        raise ModelFileError(f"over {MAX_BYTES // 1_000_000} MB: no models.pkl is that large")
    try:
        content = safe_pickle.load(data, _KNOWN)
    except DigitsError as error:
        raise ModelFileError(str(error)) from None
    except ValueError as error:
        raise ModelFileError(f"not a models.pkl: {error}") from None
    if type(content) is not list or not all(type(item) is _Detector for item in content):
        raise ModelFileError("it holds no list of digit detectors")
    if len(content) != sum(counts):
        raise ModelFileError(f"it holds {len(content)} detectors, not {sum(counts)}")
    rest = iter(content)
    return [_detector_arrays([*islice(rest, n)]) for n in counts], content


def save_models(detectors: Sequence[Any], path: str | os.PathLike[str]) -> None:
    """Write ten fitted ``DigitDetector`` as models.pkl, whole or not at all.

    Parameters
    ----------
    detectors : sequence of DigitDetector
        That of digit d is item d; they are made for samples of 28×28.
    path : path
        An older file is replaced at the end.

    Raises
    ------
    ModelFileError
        Where the folder is missing, cannot be written, or is full.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> small, y = load_digits(return_X_y=True)
    >>> large = np.kron(small[:300].reshape(-1, 8, 8), np.ones((3, 3))) * (255 / 16)
    >>> X = np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784)
    >>> features = PatchKernelFeatures(n_anchors=(8, 16), random_state=0)
    >>> model = OneVsRestDigits(features, epochs=2, random_state=0).fit(X, y[:300])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_models(model.detectors_, Path(folder, "models.pkl"))
    ...     models = load_models(Path(folder, "models.pkl"))
    >>> bool((models.decision_function(X).argmax(axis=1) == y[:300]).mean() > 0.9)
    True
    """
    _save(list(detectors), path, _N_DIGITS)


def save_numbers(signs: Sequence[Any], pieces: Sequence[Any], path: str | os.PathLike[str]) -> None:
    """Write fitted detectors of ``SIGN_CLASSES`` and of ``PIECE_CLASSES`` as ``save_models`` does,
    their weights halved.
    """
    for detector in (*signs, *pieces):
        detector.sgd_.coef_ = detector.sgd_.coef_.astype(np.float16)
    _save([*signs, *pieces], path, len(SIGN_CLASSES), len(PIECE_CLASSES))


def _save(detectors: list[Any], path: str | os.PathLike[str], *counts: int) -> None:
    data = pickle.dumps(detectors, protocol=safe_pickle.PROTOCOL)
    _parse(data, *counts)  # what is written can be read
    try:
        write_bytes(Path(path), data)
    # ValueError: a NUL in the name; RuntimeError: a link to itself, before Python 3.13.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(
            f"{path}: cannot be written ({reason}); nothing there was changed"
        ) from None


# --- from stand-ins to arrays --------------------------------------------------------------

_UNSHARED = "its detectors do not share their features"
_NO_LAYERS = "its features have no layers"


def _detector_arrays(content: Sequence[_Detector]) -> DetectorArrays:
    states = [detector.state for detector in content]
    if any(state.get("features_") is not states[0].get("features_") for state in states):
        raise ModelFileError(_UNSHARED)
    features = _state(states[0].get("features_"), _Features, _UNSHARED)
    if features.get("image_shape_") != IMAGE_SHAPE:
        raise ModelFileError("its detectors are not made for images of 28×28")
    branches = _branches(features.get("branches_"))
    n_features = sum(branch.n_features(IMAGE_SHAPE) for branch in branches)
    weights, offsets = [], []
    for state in states:
        sgd = _state(state.get("sgd_"), _SGD, "a detector has no SGD classifier")
        weights.append(_numbers(sgd.get("coef_"), "coef_", (1, n_features), 1e9))
        offsets.append(_numbers(sgd.get("intercept_"), "intercept_", (1,), 1e9))
    provenance = states[0].get("provenance_", {})
    if not isinstance(provenance, dict):
        raise ModelFileError("its provenance is no table")
    return DetectorArrays(
        branches,
        IMAGE_SHAPE,
        np.concatenate(weights, dtype=np.float32),
        np.concatenate(offsets, dtype=np.float64),
        _plain(provenance),
    )


def _branches(items: object) -> tuple[Branch, ...]:
    if type(items) is not tuple or not 1 <= len(items) <= MAX_VIEWS:
        raise ModelFileError(_NO_LAYERS)
    branches: list[Branch] = []
    for item in items:
        state = _state(item, _Branch, _NO_LAYERS)
        view, stored = state.get("view"), state.get("layers")
        if type(stored) is not tuple or not 1 <= len(stored) <= MAX_LAYERS:
            raise ModelFileError(_NO_LAYERS)
        if not isinstance(view, str) or view not in VIEWS:
            raise ModelFileError(f"it needs the view {shown(view)}, unknown to this version")
        n_channels, branch = 1, Branch(view, ())
        for layer in stored:
            branch = replace(branch, layers=(*branch.layers, _layer(layer, n_channels)))
            check_stored((*branches, branch))
            last = branch.layers[-1]
            n_channels = len(last.anchors) if last.whitener is None else last.whitener.shape[1]
        check_size((*branches, branch))
        branches.append(replace(branch, leading=_leading(branch, state.get("leading"))))
        check_size(branches)
    return tuple(branches)


def _leading(branch: Branch, item: object) -> LeadingAxes | None:
    if item is None:
        return None
    state = _state(item, _Leading, "the leading axes of its features are none")
    axes = _numbers(state.get("axes"), "axes", (branch.n_pooled(IMAGE_SHAPE), None), 1e3)
    if axes.shape[1] > MAX_LEADING:
        raise ModelFileError("its features need too much memory")
    offset = _numbers(state.get("offset"), "offset", (axes.shape[1],), 1e6)
    return LeadingAxes(axes, offset)


def _layer(item: object, n_channels: int) -> KernelLayer:
    state = _state(item, _Layer, "a layer of its features is no layer")
    wrong = ModelFileError("a layer of its features has wrong settings")
    patch_size, stride, alpha = state.get("patch_size"), state.get("stride"), state.get("alpha")
    if type(patch_size) is not int or type(stride) is not float or type(alpha) is not float:
        raise wrong
    if not (patch_size in PATCH_SIZES and 1 <= stride <= MAX_STRIDE and 0 < alpha < MAX_ALPHA):
        raise wrong
    anchors = _numbers(state.get("anchors"), "anchors", (None, patch_size**2 * n_channels), 2.0)
    if len(anchors) > MAX_ANCHORS or np.linalg.norm(anchors, axis=1).max() > 1.001:
        raise wrong
    whitener = state.get("whitener")
    if whitener is not None:
        whitener = _numbers(whitener, "whitener", (len(anchors), None), 1e4)
        if not 1 <= whitener.shape[1] <= len(anchors):
            raise wrong
    return KernelLayer(anchors, patch_size, alpha, stride, state.get("centred") is True, whitener)


def _state(item: object, kind: type[Record], problem: str) -> Mapping[str, Any]:
    if not isinstance(item, kind):
        raise ModelFileError(problem)
    return item.state


def _sizes(file: int, content: list[_Detector]) -> StoredSizes:
    """Add up the arrays in stand-ins that have passed ``_detector_arrays``."""

    def stored(record: Record | None, *names: str) -> int:
        arrays = [record.state.get(name) for name in names] if record is not None else []
        return sum(array.n_bytes for array in arrays if array is not None)

    branches = [branch.state for branch in content[0].state["features_"].state["branches_"]]
    return StoredSizes(
        file,
        tuple(tuple(stored(x, "anchors", "whitener") for x in b["layers"]) for b in branches),
        tuple(stored(branch.get("leading"), "axes", "offset") for branch in branches),
        sum(stored(detector.state["sgd_"], "coef_", "intercept_") for detector in content),
    )


def _numbers(item: object, name: str, shape: tuple[int | None, ...], most: float) -> Array:
    """The floating-point array in a stand-in: of the given shape (None: any length), and finite.

    No number is larger than ``most``, far beyond what training gives, so that scores stay finite.
    """
    value = item.value if type(item) is StoredArray else None
    if value is None or value.dtype.kind != "f":
        raise ModelFileError(f"its {name} is no array of numbers")
    fits = value.ndim == len(shape) and all(
        want in (None, have) for have, want in zip(value.shape, shape, strict=True)
    )
    if not fits:
        wanted = "×".join("?" if side is None else str(side) for side in shape)
        found = "×".join(map(str, value.shape))
        raise ModelFileError(f"its {name} has the wrong shape ({found}, not {wanted})")
    if not np.isfinite(value).all():
        raise ModelFileError(f"its {name} holds numbers that are not finite")
    if float(np.abs(value).max()) > most:  # as half precision, most may be infinite
        raise ModelFileError(f"its {name} holds numbers that are too large")
    if name == "intercept_":
        return value
    return np.require(value, np.float32, ["C"])


def _plain(value: object) -> Any:
    """Provenance as plain values, so that it can be printed without a thought.

    No text has a character that a terminal or JSON would stumble at, nor are
    they more than a page can show.
    """
    left = 10_000  # lists that hold one another could otherwise unfold without end
    characters = 5_000_000  # nor a text that is there once and meant ten thousand times

    def plain(value: object, depth: int) -> Any:
        nonlocal left, characters
        left -= 1
        if depth > 8:
            raise ModelFileError("its provenance is nested too deep")
        if left < 0:
            raise ModelFileError("its provenance is too long")
        if isinstance(value, dict):
            return {shown(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
        if isinstance(value, str):
            characters -= len(value)
            if characters < 0:
                raise ModelFileError("its provenance is too long")
            return printable(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelFileError("its provenance holds numbers that are not finite")
        if value is None or isinstance(value, bool | int | float):
            return value
        raise ModelFileError("its provenance holds more than plain values")

    return plain(value, 0)
