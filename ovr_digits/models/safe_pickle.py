"""Reads a pickle of plain values, arrays and known objects, and runs nothing that is in it.

A pickle is a program for a machine with a stack. The machine here has the
opcodes of protocol 4 that such content needs, and no others. A name in the
file is looked up in a table, and never imported or called: what stands for a
class is a record that holds what it is given. Every length is covered by bytes
that are there, and every step takes no longer than the bytes that it reads.
"""

from __future__ import annotations

import enum
import math
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from ovr_digits.core.arrays import Array
from ovr_digits.errors import DigitsError

PROTOCOL = 4
_MAX_OPCODES = 200_000
#: Characters of a key: two that are long and alike would take long to compare, again and again.
_MAX_KEY = 1_000
#: Characters of a name in a message.
_MAX_SHOWN = 60


class Record:
    """An object as it is stored: its state, and no behaviour; a subclass for each known class."""

    def __init__(self) -> None:
        self.state: Mapping[str, Any] = {}


class StoredArray:
    """An array as it is stored: bytes that fit its shape."""

    def __init__(self) -> None:
        self._parts: tuple[bytes, np.dtype[Any], tuple[int, ...], bool] | None = None

    def fill(self, state: object) -> None:
        """Take what NumPy stores of an array, if it is whole."""
        if not (type(state) is tuple and len(state) == 5):
            raise DigitsError("refused: an array that is not whole")
        _, shape, dtype, fortran, content = state
        if not (
            type(content) is bytes
            and isinstance(dtype, _DType)
            and type(shape) is tuple
            and len(shape) <= 4
            and all(type(side) is int and 0 < side <= len(content) for side in shape)
        ):
            raise DigitsError("refused: an array that is not whole, or not of plain numbers")
        if math.prod(shape) * dtype.kind.itemsize != len(content):
            raise DigitsError("refused: an array whose bytes do not fit its shape")
        self._parts = (content, dtype.kind, shape, fortran is True)

    @property
    def n_bytes(self) -> int:
        """What its numbers take in the file."""
        return 0 if self._parts is None else len(self._parts[0])

    @property
    def value(self) -> Array | None:
        """The array, made only now: a thousand that nobody asks for cost no memory."""
        if self._parts is None:
            return None
        content, kind, shape, fortran = self._parts
        return np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")


class _DType:
    """A dtype as it is stored."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self.kind = kind


#: Plain numbers, by the codes that NumPy stores.
_KINDS = {code: np.dtype(code).newbyteorder("<") for code in ("f2", "f4", "f8", "i8", "b1", "u1")}


class _NumPy(enum.Enum):
    """What the pickle of an array names."""

    NDARRAY = enum.auto()
    DTYPE = enum.auto()
    RECONSTRUCT = enum.auto()


_NUMPY_NAMES = {
    ("numpy", "ndarray"): _NumPy.NDARRAY,
    ("numpy", "dtype"): _NumPy.DTYPE,
    ("numpy._core.multiarray", "_reconstruct"): _NumPy.RECONSTRUCT,
}


def load(data: bytes, known: Mapping[tuple[str, str], type[Record]]) -> Any:
    """What is in a pickle, as plain values, ``StoredArray`` and records.

    Parameters
    ----------
    data : bytes
    known : mapping of (str, str) to subclass of Record
        What stands for each class that may be in it, by module and name.

    Returns
    -------
    object
        It may hold itself, or one thing many times.

    Raises
    ------
    DigitsError
        Where the pickle has or asks for something that has no place in it.
    ValueError
        Where it is none, or damaged.
    """
    if data[:1] != pickle.PROTO:
        raise ValueError(f"no pickle of protocol {PROTOCOL}")
    machine = _Machine(data, known)
    try:
        return machine.run()
    # A damaged pickle makes the machine stumble so: no more bytes, nothing on its stack, a text
    # that is none.
    except (EOFError, IndexError, UnicodeDecodeError):
        raise ValueError("it ends too early or is damaged") from None


class _Machine:
    """Carries a pickle out: each method is an opcode, or part of some."""

    def __init__(self, data: bytes, known: Mapping[tuple[str, str], type[Record]]) -> None:
        self._data, self._at = data, 1
        self._known = {**known, **_NUMPY_NAMES}
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks below the marks
        self._memo: list[Any] = []

    def run(self) -> Any:
        protocol = self.number(1)
        if protocol != PROTOCOL:
            raise DigitsError(
                f"refused: a pickle of protocol {protocol}; write it with protocol {PROTOCOL}"
            )
        for _ in range(_MAX_OPCODES):
            code = self.take(1)
            if code == pickle.STOP:
                return self._end()
            step = _STEPS.get(code)
            if step is None:
                _refuse_opcode(code)
            step(self)
        raise DigitsError("refused: it has too many opcodes")

    def _end(self) -> Any:
        if self._at != len(self._data):
            raise DigitsError("refused: it goes on after its end")
        if self._below or len(self._stack) != 1:
            raise EOFError
        return self._stack[0]

    def take(self, n_bytes: int) -> bytes:
        """The next bytes, if there are so many."""
        end = self._at + n_bytes
        if end > len(self._data):
            raise EOFError
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, n_bytes: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(n_bytes), "little", signed=signed)

    def text(self, n_bytes: int) -> str:
        return self.take(n_bytes).decode("utf-8", "surrogatepass")

    def push(self, value: object) -> None:
        self._stack.append(value)

    def skip_frame(self) -> None:
        """Frames are there for who reads a file in parts; here they only have to be covered."""
        if self.number(8) > len(self._data) - self._at:
            raise EOFError

    def memoize(self) -> None:
        self._memo.append(self._stack[-1])

    def recall(self, n_bytes: int) -> None:
        self.push(self._memo[self.number(n_bytes)])

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def last(self, n: int) -> list[Any]:
        return [self._stack.pop() for _ in range(n)][::-1]

    def append(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise DigitsError("refused: items for what is no list")
        self._stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        table, keys, values = self._stack[-1], items[::2], items[1::2]
        if len(keys) > len(values):
            raise EOFError
        # To hash a tuple that holds the same tuple twice, and so on, would take for ever.
        are_names = all(type(key) is str and len(key) <= _MAX_KEY for key in keys)
        if type(table) is not dict or not are_names:
            raise DigitsError("refused: a table whose keys are no names")
        table.update(zip(keys, values, strict=True))

    def name(self) -> None:
        """What stands for a name; every name that nothing stands for is refused."""
        module, name = self.last(2)
        is_text = type(module) is str and type(name) is str
        stand_in = self._known.get((module, name)) if is_text else None
        if stand_in is None:
            raise DigitsError(
                f"refused: it asks for {shown(module)}.{shown(name)}, "
                "which has no place here; nothing was run"
            )
        self.push(stand_in)

    def make(self) -> None:
        """An object of a known class, without arguments."""
        kind, arguments = self.last(2)
        if not isinstance(kind, type) or type(arguments) is not tuple or arguments:
            raise DigitsError("refused: an object made with arguments, or of no class")
        self.push(kind())

    def call(self) -> None:
        """An array or its dtype: nothing else is made by a call."""
        function, arguments = self.last(2)
        is_tuple = type(arguments) is tuple and len(arguments) == 3
        if function is _NumPy.RECONSTRUCT:
            if not is_tuple or arguments[0] is not _NumPy.NDARRAY:
                raise DigitsError("refused: an array of an unknown kind")
            self.push(StoredArray())
        elif function is _NumPy.DTYPE:
            code = arguments[0] if is_tuple else None
            if type(code) is not str or code not in _KINDS or arguments[1:] != (False, True):
                raise DigitsError(f"refused: an array of {shown(code)}, not of plain numbers")
            self.push(_DType(_KINDS[code]))
        else:
            raise DigitsError("refused: a call of what is no function")

    def build(self) -> None:
        (state,) = self.last(1)
        made = self._stack[-1]
        if isinstance(made, StoredArray):
            made.fill(state)
        elif isinstance(made, _DType):
            if not (
                type(state) is tuple
                and len(state) == 8
                and state[1] in ("<", "|")
                and state[2:5] == (None, None, None)
            ):
                raise DigitsError("refused: an array that is not of plain numbers")
        elif isinstance(made, Record) and type(state) is dict:
            made.state = state
        else:
            raise DigitsError("refused: an object's state that is no table of names")


_STEPS: Mapping[bytes, Callable[[_Machine], None]] = {
    pickle.FRAME: _Machine.skip_frame,
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.BININT: lambda m: m.push(m.number(4, signed=True)),
    pickle.BININT1: lambda m: m.push(m.number(1)),
    pickle.BININT2: lambda m: m.push(m.number(2)),
    pickle.LONG1: lambda m: m.push(m.number(m.number(1), signed=True)),
    pickle.BINFLOAT: lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    pickle.SHORT_BINBYTES: lambda m: m.push(m.take(m.number(1))),
    pickle.BINBYTES: lambda m: m.push(m.take(m.number(4))),
    pickle.SHORT_BINUNICODE: lambda m: m.push(m.text(m.number(1))),
    pickle.BINUNICODE: lambda m: m.push(m.text(m.number(4))),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.TUPLE1: lambda m: m.push(tuple(m.last(1))),
    pickle.TUPLE2: lambda m: m.push(tuple(m.last(2))),
    pickle.TUPLE3: lambda m: m.push(tuple(m.last(3))),
    pickle.TUPLE: lambda m: m.push(tuple(m.since_mark())),
    pickle.MARK: _Machine.mark,
    pickle.APPEND: lambda m: m.append(m.last(1)),
    pickle.APPENDS: lambda m: m.append(m.since_mark()),
    pickle.SETITEM: lambda m: m.set_items(m.last(2)),
    pickle.SETITEMS: lambda m: m.set_items(m.since_mark()),
    pickle.MEMOIZE: _Machine.memoize,
    pickle.BINGET: lambda m: m.recall(1),
    pickle.LONG_BINGET: lambda m: m.recall(4),
    pickle.STACK_GLOBAL: _Machine.name,
    pickle.NEWOBJ: _Machine.make,
    pickle.REDUCE: _Machine.call,
    pickle.BUILD: _Machine.build,
}


def _refuse_opcode(code: bytes) -> NoReturn:
    import pickletools

    names = {opcode.code: opcode.name for opcode in pickletools.opcodes}
    name = names.get(code.decode("latin-1"))
    if name is None:
        raise EOFError  # no opcode: the file is damaged
    raise DigitsError(f"refused: the pickle opcode {name} has no place here")


def shown(text: object) -> str:
    """At most sixty printable characters of a name out of a file that is not trusted."""
    if type(text) is not str:
        return f"a {type(text).__name__.lstrip('_')}"  # never its text, which may have no end
    return printable(text[:_MAX_SHOWN])


def printable(text: str) -> str:
    """A text with question marks for what a terminal or JSON would stumble at."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
