"""Hostile models.pkl files: calls that would run, bombs, and what chance makes of real ones."""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import pickle
import pickletools
import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Asks:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def text(value: str) -> bytes:
    """The opcode of a string."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def _creates(marker: Path) -> str:
    """Python that creates the marker."""
    return f"open({str(marker)!r}, 'w').close()"


@functools.cache
def small_detectors() -> list[Any]:
    """Ten detectors, learnt in a second or two from digits that scikit-learn brings along."""
    from ovr_digits import OneVsRestDigits, PatchKernelFeatures
    from ovr_digits.data.splits import load_split

    split = load_split("digits", "train")
    features = PatchKernelFeatures(n_anchors=(2, 3), random_state=0)
    model = OneVsRestDigits(features, epochs=1, n_leading=2, random_state=0)
    return list(model.fit(split.X[:300], split.y[:300]).detectors_)


@functools.cache
def small_models(protocol: int = 4) -> bytes:
    """A models.pkl of 13 to 19 kB."""
    return pickle.dumps(small_detectors(), protocol=protocol)


# --- calls ---------------------------------------------------------------------------------

#: Payloads that create a marker file where plain pickle reads them, and what the refusal names.
LIVE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "os.system": (lambda m: pickle.dumps([Asks(os.system, f"touch '{m}'")]), "posix.system"),
    "os.system, by a dotted name": (
        lambda m: b"\x80\x04" + text("shutil") + text("os.system") + b"\x93"
        + text(f"touch '{m}'") + b"\x85R.",
        "shutil.os.system",
    ),
    "eval": (lambda m: pickle.dumps([Asks(eval, _creates(m))]), "builtins.eval"),
    "exec, protocol 2": (
        lambda m: pickle.dumps([Asks(exec, _creates(m))], protocol=2),
        "__builtin__.exec",
    ),
    "subprocess.Popen": (
        lambda m: pickle.dumps([Asks(subprocess.Popen, ["touch", str(m)])]),
        "subprocess.Popen",
    ),
    "a chain of getattr": (
        lambda m: pickle.dumps(
            [Asks(operator.call, Asks(getattr, Asks(__import__, "os"), "mkdir"), str(m))]
        ),
        "_operator.call",
    ),
    "functools.partial": (
        lambda m: pickle.dumps([Asks(functools.partial(os.mkdir, str(m)))]),
        "functools.partial",
    ),
    "operator.methodcaller": (
        lambda m: pickle.dumps([Asks(operator.methodcaller("touch"), m)]),
        "operator.methodcaller",
    ),
    "operator.attrgetter": (
        lambda m: b"\x80\x02coperator\nattrgetter\n" + text("mkdir") + b"\x85R"
        + b"c__builtin__\n__import__\n" + text("os") + b"\x85R\x85R" + text(str(m)) + b"\x85R.",
        "operator.attrgetter",
    ),
    "numpy's own exec": (
        lambda m: b"\x80\x02cnumpy.testing._private.utils\nrunstring\n"
        + text(_creates(m)) + b"}\x86R.",
        "numpy.testing._private.utils.runstring",
    ),
    "numpy.savetxt": (
        lambda m: b"\x80\x02cnumpy\nsavetxt\n" + text(str(m)) + b"]K\x01a\x86R.", "numpy.savetxt"
    ),
    "sqlite3.connect": (
        lambda m: b"\x80\x02csqlite3\nconnect\n" + text(str(m)) + b"\x85R.", "sqlite3.connect"
    ),
    "a pickle in a pickle": (
        lambda m: pickle.dumps([Asks(pickle.loads, b"cos\nmkdir\n" + text(str(m)) + b"\x85R.")]),
        "_pickle.loads",
    ),
    "in protocol 0": (
        lambda m: f"cos\nsystem\nS\"touch '{m}'\"\n\x85R.".encode("latin-1"), "os.system"
    ),
    "GLOBAL": (lambda m: b"\x80\x02cos\nmkdir\n" + text(str(m)) + b"\x85R.", "os.mkdir"),
    "INST": (lambda m: b"\x80\x02(" + text(str(m)) + b"ios\nmkdir\n.", "INST"),
    "OBJ": (lambda m: b"\x80\x02(cos\nmkdir\n" + text(str(m)) + b"o.", "os.mkdir"),
    "thrown away": (lambda m: b"\x80\x02cos\nmkdir\n" + text(str(m)) + b"\x85R0].", "os.mkdir"),
    "names out of the memo": (
        lambda m: b"\x80\x04" + text("os") + b"\x940" + text("mkdir") + b"\x940h\x00h\x01\x93"
        + text(str(m)) + b"\x85R.",
        "os.mkdir",
    ),
    "in frames": (
        lambda m: b"\x80\x04" + b"".join(
            b"\x95" + struct.pack("<Q", len(part)) + part
            for part in (text("os") + text("mkdir") + b"\x93", text(str(m)) + b"\x85R.")
        ),
        "os.mkdir",
    ),
    "in front of a real file": (
        lambda m: b"\x80\x02cos\nmkdir\n" + text(str(m)) + b"\x85R0" + small_models()[2:],
        "os.mkdir",
    ),
}  # fmt: skip


def hidden(marker: Path) -> Iterator[tuple[str, bytes]]:
    """A call in many places of a real file."""
    places: dict[str, Callable[[list[Any], Any], object]] = {
        "provenance": lambda ten, call: vars(ten[0]).update(provenance_={"x": [(call,)]}),
        "an attribute": lambda ten, call: vars(ten[9]).update(more=call),
        "the features": lambda ten, call: vars(ten[0].features_).update(branches_=call),
        "the weights": lambda ten, call: vars(ten[4].sgd_).update(coef_=call),
        "front": lambda ten, call: ten.insert(0, call),
        "the end": lambda ten, call: ten.append(call),
    }
    for name, hide in places.items():
        for protocol in (2, 4, 5):
            ten = pickle.loads(small_models())
            hide(ten, Asks(os.mkdir, str(marker)))
            yield f"in {name}, protocol {protocol}", pickle.dumps(ten, protocol)


# --- too much ------------------------------------------------------------------------------

_DETECTOR = b"covr_digits.learn.detectors\nDigitDetector\n"
_DTYPE = b"cnumpy\ndtype\n"
_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
#: A tuple of two that are the same tuple of two, and so on.
_TOWER = b")q\x000" + b"h\x00h\x00\x86q\x000" * 60
_LARGE_STATE = (
    b"}(" + b"".join(text(f"{key}") + b"N" for key in range(60_000)) + b"uq\x000"
    + b"h\x00b" * 35_000 + b"."
)  # fmt: skip
_LONG = 60_000_000

#: A few bytes that claim gigabytes or a time without end, or many that ask for far more.
BOMBS: dict[str, Callable[[], bytes]] = {
    **{
        f"{name} of {size} bytes": functools.partial(
            operator.add, b"\x80\x05" + code, size.to_bytes(width, "little") + b"x."
        )
        for name, code, width in [
            ("BINBYTES8", b"\x8e", 8), ("BINUNICODE8", b"\x8d", 8), ("BYTEARRAY8", b"\x96", 8),
            ("FRAME", b"\x95", 8), ("BINBYTES", b"B", 4), ("BINSTRING", b"T", 4),
            ("LONG4", b"\x8b", 4),
        ]
        for size in ((1 << 31) - 1, (1 << 8 * width) - 1)
    },
    "a memo far ahead": lambda: b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b".",
    "array shape": lambda: (
        b"\x80\x02" + _ARRAY + b"(K\x01\x8a\x05\x00\x00\x00\x80\x00\x85" + _DTYPE + text("u1")
        + b"\x85R\x89C\x01xtb."
    ),
    "frombuffer shape": lambda: (
        b"\x80\x04cnumpy.core.numeric\n_frombuffer\n(C\x01x" + _DTYPE
        + text("u1") + b"\x85R\x8a\x05\x00\x00\x00\x80\x00\x85" + text("C") + b"tR."
    ),
    "a key that takes for ever to hash": lambda: b"\x80\x02" + _TOWER + b"}h\x00Ns.",
    "keys that take for ever to hash": lambda: b"\x80\x02" + _TOWER + b"}(h\x00Nu.",
    "a tower for a name": lambda: b"\x80\x04" + _TOWER + b"h\x00h\x00\x93.",
    "a tower for a dtype": lambda: b"\x80\x02" + _TOWER + _DTYPE + b"h\x00\x85R.",
    "a text for the arguments of a call": lambda: (
        b"\x80\x02" + _DETECTOR + b"X" + struct.pack("<I", _LONG) + b"x" * _LONG + b"R."
    ),
    "bytes for the arguments of an object": lambda: (
        b"\x80\x03" + _DETECTOR + b"B" + struct.pack("<I", _LONG) + bytes(_LONG) + b"\x81."
    ),
    "a text four times its bytes": lambda: (
        b"\x80\x02X" + struct.pack("<I", _LONG + 4) + b"x" * _LONG + "\U0001f600".encode() + b"."
    ),
    "the same large state again and again": lambda: (
        b"\x80\x02" + _DETECTOR + b")\x81" + _LARGE_STATE
    ),
    "the same large state for bytes again and again": lambda: (
        b"\x80\x02c_codecs\nencode\n" + text("x") + text("latin1") + b"\x86R" + _LARGE_STATE
    ),
    "one array in column order, copied a thousand times": lambda: (
        b"\x80\x02B" + struct.pack("<I", 8_000_000) + bytes(8_000_000) + b"q\x000"
        + _DTYPE + text("f4") + b"\x85Rq\x010]q\x02"
        + (_ARRAY + b"(K\x01M\xd0\x07M\xe8\x03\x86h\x01\x88h\x00tba") * 1000 + b"."
    ),
    "a long number in words": lambda: b"L" + b"9" * 8_000_000 + b"L\n.",
    "millions of opcodes": lambda: b"\x80\x02" + b"]" * 20_000_000 + b".",
    "more marks than ends": lambda: b"\x80\x02" + b"(" * 100_000 + b".",
    "tuples in one another": lambda: b"\x80\x02)" + b"\x85" * 30_000 + b".",
    "lists in one another": lambda: b"\x80\x02]" + b"q\x000]h\x00a" * 30_000 + b".",
    "over 64 MB": lambda: bytes(64_000_001),
}  # fmt: skip


# --- chance --------------------------------------------------------------------------------


def _asked_for() -> Iterator[bytes]:
    """The names in real files, as opcodes."""
    for protocol in (2, 5):
        texts: list[str] = []
        for opcode, argument, _ in pickletools.genops(small_models(protocol)):
            if opcode.name == "GLOBAL":
                yield b"c" + argument.replace(" ", "\n").encode() + b"\n"
            elif opcode.name == "STACK_GLOBAL" and all(value.isprintable() for value in texts[-2:]):
                yield text(texts[-2]) + text(texts[-1]) + b"\x93"
            texts += [argument] if isinstance(argument, str) else []


@functools.cache
def fragments() -> list[bytes]:
    """Opcodes with their arguments, of which hostile streams are made."""
    names = [*dict.fromkeys(_asked_for())]
    names += [b"cos\nsystem\n", b"c_codecs\nencode\n", text("builtins") + text("eval") + b"\x93"]
    made = [name + end for name in names for end in (b")R", b")\x81", b"N}\x86b")]
    words = """state text code branches_ layers anchors view sgd_ coef_ provenance_ f4 O latin1 x
        __class__ __dict__ __setstate__ __reduce__ __init__ os system"""
    values = [b"N", b"K\x01", b"J\xff\xff\xff\xff", b"G?\xf0" + bytes(6), b"C\x04abcd", b"]", b"}"]
    values += [b")", b"\x88", b"\x89", b"\x8f", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", _TOWER]
    actions = [bytes([code]) for code in b"Rb\x81\x93sueat\x85\x86\x870(\x9412d.Q\x92\x91\x90ol"]
    actions += [b"h\x00", b"h\x01", b"q\x00", b"q\x01", b"\x82\x01", b"P0\n", b"\x98", b"\x97"]
    return [*names, *made, *map(text, words.split()), *values, *actions, *actions]


def change_opcodes(data: bytes, rng: random.Random) -> bytes:
    """Take out, double, swap or put in some opcodes."""
    starts = [0]
    with contextlib.suppress(Exception):  # it may be damaged already, and stays in one piece
        starts = [place or 0 for _, _, place in pickletools.genops(data)]
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    for _ in range(rng.choice([1, 1, 2, 4])):
        place, way = rng.randrange(len(parts) + 1), rng.randrange(4)
        if way == 0:
            del parts[place : place + rng.choice([1, 1, 2, 8])]
        elif way == 1:
            start = rng.randrange(len(parts) + 1)
            parts[place:place] = parts[start : start + rng.choice([1, 2, 4, 16])]
        elif way == 2 and len(parts) > 1:
            first, second = rng.sample(range(len(parts)), 2)
            parts[first], parts[second] = parts[second], parts[first]
        else:
            parts.insert(place, rng.choice(fragments()))
    return b"".join(parts)
