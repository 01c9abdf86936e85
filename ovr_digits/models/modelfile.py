"""models.pkl: written whole, and read without running anything that is in it.

The file is a plain pickle of a list of ten ``DigitDetector``, so that
``pickle.load`` gives them to whoever trusts the file. The reader here does
not trust it. It looks through the opcodes first, then lets ``pickle`` rebuild
the list from inert stand-ins: records that hold what they are given, and
arrays of plain numbers. No name in the file is ever imported or called.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from ovr_digits.core.arrays import Array
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.features import Branch, KernelLayer, LeadingAxes, n_positions
from ovr_digits.core.views import VIEWS
from ovr_digits.files import write_bytes
from ovr_digits.models.place import MAX_BYTES, ModelFileError, find_models, read_models

_IMAGE_SHAPE = (28, 28)
_N_DIGITS = 10
_MAX_OPCODES = 200_000
# Voting holds these for a batch of images, in every thread: with four threads and the most of
# all, under 1 GB. The limits are three to ten times what the largest preset needs.
#: The most numbers that a layer may make of one image.
_MAX_NUMBERS = 300_000
#: The most features of all branches, products among them.
_MAX_FEATURES = 80_000
#: The most numbers in the layers and axes of all branches.
_MAX_STORED = 4_000_000
#: The most axes whose coordinates are multiplied with one another.
MAX_LEADING = 256
MAX_VIEWS = 16
MAX_LAYERS = 4
MAX_ANCHORS = 4096
#: Sides of patches, in positions.
PATCH_SIZES = frozenset(range(1, 16, 2))
#: In positions: one window for a whole image.
MAX_STRIDE = 28
#: Of the sharpness of a comparison; beyond, it is a comparison no more.
MAX_ALPHA = 1e3
_PROTOCOL = 4

# What pickle protocols 2 to 5 need for lists, dicts, plain values, objects and
# arrays. Absent on purpose: persistent ids, the extension registry,
# out-of-band buffers, and the text opcodes of protocols 0 and 1.
_OPCODE_NAMES = frozenset(
    """
    PROTO FRAME STOP MARK POP POP_MARK
    NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT
    SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8
    SHORT_BINUNICODE BINUNICODE BINUNICODE8
    EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    EMPTY_DICT SETITEM SETITEMS
    BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE
    GLOBAL STACK_GLOBAL REDUCE BUILD NEWOBJ
    """.split()  # noqa: SIM905
)
_OPCODES: Mapping[bytes, Any] = {
    opcode.code.encode("latin-1"): opcode
    for opcode in pickletools.opcodes
    if opcode.name in _OPCODE_NAMES
}


@dataclass(frozen=True)
class StoredSizes:
    """Bytes of a models.pkl and of the arrays in it, as they are stored.

    Attributes
    ----------
    file : int
    layers : tuple of tuple of int
        For each branch, of the anchors and the whitener of each of its layers.
    leading : tuple of int
        For each branch, of its leading axes; 0 where there are none.
    weights : int
        Of the weights and intercepts of all detectors.
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
    """
    return load_with_sizes(path)[0]


def load_with_sizes(
    path: str | os.PathLike[str] | None = None,
) -> tuple[DetectorArrays, StoredSizes]:
    """``load_models``, and how much of the file each part takes."""
    data, models, content = _read(path)
    return models, _sizes(len(data), content)


def load_bytes(path: str | os.PathLike[str] | None = None) -> bytes:
    """The bytes of a models.pkl that ``load_models`` takes, for ``parse_models`` elsewhere."""
    return _read(path)[0]


def _read(
    path: str | os.PathLike[str] | None,
) -> tuple[bytes, DetectorArrays, list[_Detector]]:
    """A models.pkl as it is stored, and what is in it."""
    path = find_models(path)
    data = read_models(path)
    try:
        return data, *_parse(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None


def parse_models(data: bytes) -> DetectorArrays:
    """Read the bytes of a models.pkl without running anything in them.

    Raises
    ------
    ModelFileError
    """
    return _parse(data)[0]


def _parse(data: bytes) -> tuple[DetectorArrays, list[_Detector]]:
    """The arrays in a models.pkl, and the stand-ins that they were found in."""
    if not data:
        raise ModelFileError("the file is empty; make a new one with: ovr-digits train")
    if len(data) > MAX_BYTES:
        raise ModelFileError(f"over {MAX_BYTES // 1_000_000} MB: no models.pkl is that large")
    _check_opcodes(data)
    try:
        content = _Unpickler(io.BytesIO(data)).load()
        return _detector_arrays(content), content
    except ModelFileError:
        raise
    # A broken stream can make pickle stumble in many ways; all of them mean the same here.
    except Exception as error:
        raise ModelFileError(f"not a whole models.pkl ({type(error).__name__})") from None


def save_models(detectors: Sequence[Any], path: str | os.PathLike[str]) -> None:
    """Write ten fitted ``DigitDetector`` as models.pkl, whole or not at all.

    Raises
    ------
    ModelFileError
        Where the folder is missing, cannot be written, or is full.
    """
    data = pickle.dumps(list(detectors), protocol=_PROTOCOL)
    parse_models(data)  # what is written can be read
    try:
        write_bytes(Path(path), data)
    # ValueError: a NUL in the name; RuntimeError: a link to itself, before Python 3.13.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(
            f"{path}: cannot be written ({reason}); nothing there was changed"
        ) from None


# --- the opcodes ---------------------------------------------------------------------------


def _check_opcodes(data: bytes) -> None:
    """Refuse a stream before any of it is carried out, for what it might ask of pickle itself.

    Every length must be covered by bytes that are there, and a memo index by
    opcodes that came before, so that a few bytes cannot claim gigabytes. Of an
    opcode that has no place here not even the argument is read.
    """
    stream = io.BytesIO(data)
    try:
        for count in range(_MAX_OPCODES):
            code = stream.read(1)
            opcode = _OPCODES.get(code)
            if opcode is None:
                _refuse_opcode(data, code)
            if code == pickle.GLOBAL:
                _stand_in(_line(stream), _line(stream))
                continue
            argument: Any = opcode.arg.reader(stream) if opcode.arg else None
            if opcode.name.endswith("BINPUT") and argument > count:
                raise ModelFileError("refused: a memo index without its object")
            if code == pickle.STOP:
                break
        else:
            raise ModelFileError("refused: too many opcodes for a models.pkl")
    except ModelFileError:
        raise
    except Exception:
        if data[:1] != pickle.PROTO:
            raise ModelFileError("not a models.pkl (no pickle of protocol 2 or later)") from None
        raise ModelFileError("not a whole models.pkl (it ends too early or is damaged)") from None
    if stream.read(1):
        raise ModelFileError("refused: it goes on after its end")


def _line(stream: io.BytesIO) -> str:
    """A name as pickle reads it; pickletools would see escapes in it."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line[:-1].decode()


def _refuse_opcode(data: bytes, code: bytes) -> NoReturn:
    names = {opcode.code: opcode.name for opcode in pickletools.opcodes}
    name = names.get(code.decode("latin-1"))
    if name is None or data[:1] != pickle.PROTO:
        raise ValueError("no pickle")
    raise ModelFileError(f"refused: pickle opcode {name} has no place in a models.pkl")


# --- the stand-ins -------------------------------------------------------------------------


class _Sealed(type):
    """Classes that nothing in a pickle can change."""

    def __setattr__(cls, name: str, value: object) -> NoReturn:
        raise ModelFileError("refused: it tries to change a class")


class _Record(metaclass=_Sealed):
    """An inert object: the state that the pickle gave it, and no behaviour."""

    state: Mapping[str, Any]

    def __new__(cls, *arguments: object) -> _Record:
        if arguments:
            raise ModelFileError("refused: an object made with arguments")
        record = super().__new__(cls)
        object.__setattr__(record, "state", {})
        return record

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):  # its keys are names: see _check_keys
            raise ModelFileError("refused: an object's state that is no table of names")
        object.__setattr__(self, "state", state)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ModelFileError("refused: it tries to set an attribute")


class _Detector(_Record):
    pass


class _Features(_Record):
    pass


class _Branch(_Record):
    pass


class _Layer(_Record):
    pass


class _Leading(_Record):
    pass


class _SGD(_Record):
    pass


class _ArrayType(_Record):
    """Stands for numpy.ndarray where an array says which kind it is."""


_DTYPES = {"f2": "<f2", "f4": "<f4", "f8": "<f8", "i8": "<i8", "b1": "|b1", "u1": "|u1"}


class _DType(metaclass=_Sealed):
    """Stands for numpy.dtype: plain little-endian numbers only."""

    code: str

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        if not isinstance(code, str) or code not in _DTYPES or align is not False:
            raise ModelFileError(f"refused: an array of {_shown(code)}, not of plain numbers")
        object.__setattr__(self, "code", _DTYPES[code])

    def __setstate__(self, state: object) -> None:
        if not (
            isinstance(state, tuple)
            and len(state) == 8
            and state[1] in ("<", "|")
            and state[2:5] == (None, None, None)
        ):
            raise ModelFileError("refused: an array that is not of plain numbers")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ModelFileError("refused: it tries to set an attribute")


class _Encoded(metaclass=_Sealed):
    """Stands for the function by which pickles of protocol 2 make bytes of text."""

    text: str

    def __init__(self, text: object, encoding: object) -> None:
        if not isinstance(text, str) or encoding != "latin1":
            raise ModelFileError("refused: bytes of an unknown kind")
        object.__setattr__(self, "text", text)

    def __len__(self) -> int:
        return len(self.text)

    def __setstate__(self, state: object) -> NoReturn:
        raise ModelFileError("refused: it tries to change what was read")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ModelFileError("refused: it tries to set an attribute")


class _StoredArray(metaclass=_Sealed):
    """An array to be: filled by ``__setstate__`` from bytes that must fit its shape."""

    parts: tuple[bytes | bytearray | _Encoded, np.dtype[Any], tuple[int, ...], bool] | None

    def __init__(self) -> None:
        object.__setattr__(self, "parts", None)

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise ModelFileError("refused: an array that is not whole")
        _, shape, dtype, fortran, content = state
        self._fill(shape, dtype, fortran is True, content)

    def _fill(self, shape: object, dtype: object, fortran: bool, content: object) -> None:
        if not (
            isinstance(shape, tuple)
            and len(shape) <= 4
            and all(type(side) is int and 0 < side <= MAX_BYTES for side in shape)
            and isinstance(dtype, _DType)
            and isinstance(content, bytes | bytearray | _Encoded)
        ):
            raise ModelFileError("refused: an array that is not of plain numbers")
        kind = np.dtype(dtype.code)
        if math.prod(shape) * kind.itemsize != len(content):
            raise ModelFileError("refused: an array whose bytes do not fit its shape")
        object.__setattr__(self, "parts", (content, kind, shape, fortran))

    @property
    def n_bytes(self) -> int:
        """What its numbers take in the file."""
        return 0 if self.parts is None else len(self.parts[0])

    @property
    def value(self) -> Array | None:
        """The array, made only now: a thousand that nobody asks for cost no memory."""
        if self.parts is None:
            return None
        content, kind, shape, fortran = self.parts
        if isinstance(content, _Encoded):
            content = content.text.encode("latin1")
        return np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ModelFileError("refused: it tries to set an attribute")


class _Reconstruct(metaclass=_Sealed):
    """Stands for NumPy's function of that name, by which pickles of protocol 2 to 4 make arrays."""

    def __new__(cls, kind: object, shape: object, code: object) -> Any:
        if kind is not _ArrayType:
            raise ModelFileError("refused: an array of an unknown kind")
        return _StoredArray()


class _FromBuffer(metaclass=_Sealed):
    """Stands for NumPy's function of that name, by which pickles of protocol 5 make arrays."""

    def __new__(cls, content: object, dtype: object, shape: object, order: object) -> Any:
        array = _StoredArray()
        array._fill(shape, dtype, order == "F", content)
        return array


_STAND_INS: Mapping[tuple[str, str], type] = {
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
    ("_codecs", "encode"): _Encoded,
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _DType,
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer,
    ("numpy.core.numeric", "_frombuffer"): _FromBuffer,
}


def _stand_in(module: str, name: str) -> type:
    """What stands for a name in the file; every name that has none is refused."""
    stand_in = _STAND_INS.get((module, name))
    if stand_in is None:
        raise ModelFileError(
            f"refused: it asks for {_shown(module)}.{_shown(name)}, "
            "which no models.pkl needs; nothing was run"
        )
    return stand_in


_PythonUnpickler: Any = pickle._Unpickler


class _Unpickler(_PythonUnpickler):
    """Knows only stand-ins; every other name is refused before it is touched.

    The unpickler in Python rather than in C, since it can look at the keys of
    a dict before they are hashed: to hash tuples that hold the same tuple
    twice, and so on, takes for ever.
    """

    def find_class(self, module: str, name: str) -> type:
        return _stand_in(module, name)

    def persistent_load(self, pid: object) -> NoReturn:
        raise ModelFileError("refused: it refers to something outside the file")

    def load_setitem(self) -> None:
        _check_keys(self.stack[-2:])
        super().load_setitem()

    def load_setitems(self) -> None:
        _check_keys(self.stack)  # since the mark, that is
        super().load_setitems()

    def load_reduce(self) -> None:
        _check_arguments(self.stack[-1])
        super().load_reduce()

    def load_newobj(self) -> None:
        _check_arguments(self.stack[-1])
        super().load_newobj()

    dispatch: ClassVar[Any] = {
        **_PythonUnpickler.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
    }


def _check_keys(items: list[Any]) -> None:
    if not all(type(key) is str for key in items[::2]):
        raise ModelFileError("refused: a table whose keys are no names")


def _check_arguments(arguments: object) -> None:
    # Of a text of 60 MB, pickle would make a list of as many arguments.
    if type(arguments) is not tuple:
        raise ModelFileError("refused: an object made with arguments that are none")


def _shown(text: object) -> str:
    """At most sixty printable characters of a name out of a file that is not trusted."""
    if not isinstance(text, str):
        return f"a {type(text).__name__.lstrip('_')}"  # never its text, which may have no end
    return _printable(text[:60])


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


# --- from stand-ins to arrays --------------------------------------------------------------


def _detector_arrays(content: object) -> DetectorArrays:
    if type(content) is not list or not all(type(item) is _Detector for item in content):
        raise ModelFileError("it holds no list of digit detectors")
    if len(content) != _N_DIGITS:
        raise ModelFileError(f"it holds {len(content)} detectors, not {_N_DIGITS}")
    states = [detector.state for detector in content]
    features = states[0].get("features_")
    if type(features) is not _Features or any(s.get("features_") is not features for s in states):
        raise ModelFileError("its detectors do not share their features")
    shape = features.state.get("image_shape_")
    if shape != _IMAGE_SHAPE:
        raise ModelFileError("its detectors are not made for images of 28×28")
    branches = _branches(features.state.get("branches_"))
    n_features = sum(branch.n_features(_IMAGE_SHAPE) for branch in branches)
    weights, offsets = [], []
    for state in states:
        sgd = state.get("sgd_")
        if type(sgd) is not _SGD:
            raise ModelFileError("a detector has no SGD classifier")
        weights.append(_numbers(sgd.state.get("coef_"), "coef_", (1, n_features), 1e9))
        offsets.append(_numbers(sgd.state.get("intercept_"), "intercept_", (1,), 1e9))
    provenance = states[0].get("provenance_", {})
    if not isinstance(provenance, dict):
        raise ModelFileError("its provenance is no table")
    return DetectorArrays(
        branches,
        _IMAGE_SHAPE,
        np.concatenate(weights, dtype=np.float32),
        np.concatenate(offsets, dtype=np.float64),
        _plain(provenance),
    )


def _branches(items: object) -> tuple[Branch, ...]:
    if type(items) is not tuple or not 1 <= len(items) <= MAX_VIEWS:
        raise ModelFileError("its features have no layers")
    branches: list[Branch] = []
    n_features = n_stored = 0  # a layer, or its array, may be in the file once and used often
    for item in items:
        if type(item) is not _Branch or type(item.state.get("layers")) is not tuple:
            raise ModelFileError("its features have no layers")
        view, layers = item.state.get("view"), item.state["layers"]
        if not isinstance(view, str) or view not in VIEWS:
            raise ModelFileError(f"it needs the view {_shown(view)}, unknown to this version")
        if not 1 <= len(layers) <= MAX_LAYERS:
            raise ModelFileError("its features have no layers")
        side, n_channels, checked = _IMAGE_SHAPE[0], 1, []
        for stored in layers:
            layer = _layer(stored, n_channels)
            side = _side_after(layer, side)
            n_channels = len(layer.anchors) if layer.whitener is None else layer.whitener.shape[1]
            n_stored += _n_stored(layer)
            checked.append(layer)
            _check_limits(0, n_stored)
        branch = Branch(view, tuple(checked))
        _check_limits(n_features + branch.n_pooled(_IMAGE_SHAPE), n_stored)
        branch = replace(branch, leading=_leading(branch, item.state.get("leading")))
        n_stored += 0 if branch.leading is None else branch.leading.axes.size
        n_features += branch.n_features(_IMAGE_SHAPE)
        _check_limits(n_features, n_stored)
        branches.append(branch)
    return tuple(branches)


def check_size(branches: Sequence[Branch]) -> None:
    """Refuse features of 28×28 images that no models.pkl may hold; looks at shapes alone.

    Raises
    ------
    ModelFileError
    """
    n_stored = 0
    for branch in branches:
        side = _IMAGE_SHAPE[0]
        for layer in branch.layers:
            side = _side_after(layer, side)
            n_stored += _n_stored(layer)
        n_stored += 0 if branch.leading is None else branch.leading.axes.size
    _check_limits(sum(branch.n_features(_IMAGE_SHAPE) for branch in branches), n_stored)


def _side_after(layer: KernelLayer, side: int) -> int:
    """The side of the maps that a layer makes of maps of ``side``."""
    n = n_positions(side, layer.patch_size)
    if n * n * sum(layer.anchors.shape) > _MAX_NUMBERS:
        raise ModelFileError("a layer of its features needs too much memory")
    return math.ceil(n / layer.stride)


def _n_stored(layer: KernelLayer) -> int:
    return layer.anchors.size + (0 if layer.whitener is None else layer.whitener.size)


def _check_limits(n_features: int, n_stored: int) -> None:
    if n_features > _MAX_FEATURES or n_stored > _MAX_STORED:
        raise ModelFileError("its features need too much memory")


def _leading(branch: Branch, item: object) -> LeadingAxes | None:
    if item is None:
        return None
    if type(item) is not _Leading:
        raise ModelFileError("the leading axes of its features are none")
    n_pooled = branch.n_pooled(_IMAGE_SHAPE)
    axes = _numbers(item.state.get("axes"), "axes", (n_pooled, None), 1e3)
    if axes.shape[1] > MAX_LEADING:
        raise ModelFileError("its features need too much memory")
    offset = _numbers(item.state.get("offset"), "offset", (axes.shape[1],), 1e6)
    return LeadingAxes(axes, offset)


def _layer(item: object, n_channels: int) -> KernelLayer:
    if type(item) is not _Layer:
        raise ModelFileError("a layer of its features is no layer")
    state = item.state
    patch_size, stride, alpha = state.get("patch_size"), state.get("stride"), state.get("alpha")
    if type(patch_size) is not int or type(stride) is not float or type(alpha) is not float:
        raise ModelFileError("a layer of its features has wrong settings")
    if not (patch_size in PATCH_SIZES and 1 <= stride <= MAX_STRIDE and 0 < alpha < MAX_ALPHA):
        raise ModelFileError("a layer of its features has wrong settings")
    anchors = _numbers(state.get("anchors"), "anchors", (None, patch_size**2 * n_channels), 2.0)
    if len(anchors) > MAX_ANCHORS or np.linalg.norm(anchors, axis=1).max() > 1.001:
        raise ModelFileError("a layer of its features has wrong settings")
    whitener = state.get("whitener")
    if whitener is not None:
        whitener = _numbers(whitener, "whitener", (len(anchors), None), 1e4)
        if not 1 <= whitener.shape[1] <= len(anchors):
            raise ModelFileError("a layer of its features has wrong settings")
    return KernelLayer(anchors, patch_size, alpha, stride, state.get("centred") is True, whitener)


def _sizes(file: int, content: list[_Detector]) -> StoredSizes:
    """Add up the arrays in stand-ins that have passed ``_detector_arrays``."""

    def stored(record: _Record | None, *names: str) -> int:
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

    Nor is any number larger than ``most``, far beyond what training gives:
    scores then stay finite too, whatever the image.
    """
    value = item.value if type(item) is _StoredArray else None
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
            return {_shown(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
        if isinstance(value, str):
            characters -= len(value)
            if characters < 0:
                raise ModelFileError("its provenance is too long")
            return _printable(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelFileError("its provenance holds numbers that are not finite")
        if value is None or isinstance(value, bool | int | float):
            return value
        raise ModelFileError("its provenance holds more than plain values")

    return plain(value, 0)
