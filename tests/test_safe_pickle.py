"""Pickles that are read without running anything in them, whatever they ask for."""

from __future__ import annotations

import copyreg
import functools
import io
import os
import pickle
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovr_digits.errors import DigitsError
from ovr_digits.models.safe_pickle import Record, load


class Thing(Record):
    """Stands for what pickles call ``things.Thing``."""


KNOWN = {("things", "Thing"): Thing}


def text(value: str) -> bytes:
    """The opcode of a string."""
    content = value.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def name(module: str, name: str) -> bytes:
    """The opcodes that ask for a name."""
    return text(module) + text(name) + b"\x93"


def whole(opcodes: bytes) -> bytes:
    return b"\x80\x04" + opcodes + b"."


THING = name("things", "Thing")
DTYPE = name("numpy", "dtype")
F4 = DTYPE + text("f4") + b"\x89\x88\x87R"
RECONSTRUCT = name("numpy._core.multiarray", "_reconstruct")
EMPTY_ARRAY = RECONSTRUCT + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
#: A tuple of two that are the same tuple of two, and so on; the highest is number 60 in the memo.
TOWER = b")\x94" + b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(60))


def array(
    shape: bytes = b"K\x01\x85",
    dtype: bytes = F4,
    fortran: bytes = b"\x89",
    content: bytes = b"C\x04abcd",
) -> bytes:
    return whole(EMPTY_ARRAY + b"(K\x01" + shape + dtype + fortran + content + b"tb")


def refusal(data: bytes) -> str:
    """Why these bytes are refused."""
    with pytest.raises((DigitsError, ValueError)) as caught:
        load(data, KNOWN)
    message = str(caught.value)
    assert message.isprintable()
    assert 0 < len(message) < 300
    assert isinstance(caught.value, DigitsError) == message.startswith("refused: ")
    return message


# --- what is read --------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text() | st.binary(),
    lambda of: st.lists(of) | st.lists(of).map(tuple) | st.dictionaries(st.text(), of),
)  # fmt: skip


@given(PLAIN)
@settings(max_examples=40)  # each is a whole tree of values
def test_plain_values_come_back_as_they_were(value):
    assert load(pickle.dumps(value, protocol=4), KNOWN) == value


@pytest.mark.parametrize("code", ["f2", "f4", "f8", "i8", "b1", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_plain_numbers_come_back_as_they_were(code, order):
    stored = np.asarray(np.arange(6).reshape(2, 3), code, order=order)
    read = load(pickle.dumps(stored, protocol=4), KNOWN)
    assert read.n_bytes == stored.nbytes
    np.testing.assert_array_equal(read.value, stored)
    assert read.value.dtype == stored.dtype


def test_an_object_is_a_record_of_its_state_and_shared_parts_stay_shared():
    read = load(whole(b"]\x94" + THING + b")\x81\x94}" + text("x") + b"h\x00sbah\x01a"), KNOWN)
    assert type(read[0]) is Thing
    assert read[0].state == {"x": read}
    assert read[1] is read[0]


@pytest.mark.parametrize("protocol", [2, 3, 5])
def test_other_protocols_are_refused_in_words_that_help(protocol):
    message = refusal(pickle.dumps([1], protocol=protocol))
    assert message == f"refused: a pickle of protocol {protocol}; write it with protocol 4"


# --- calls ---------------------------------------------------------------------------------


class Asks:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def touch(marker: Path) -> bytes:
    return text(f"touch '{marker}'")


#: Payloads that create a marker file where plain pickle reads them (tests/hostile shows that they
#: do), and what the refusal names.
LIVE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a call": (
        lambda m: pickle.dumps([Asks(os.system, f"touch '{m}'")], protocol=4),
        f"{os.system.__module__}.system",
    ),
    "code": (
        lambda m: pickle.dumps(Asks(exec, f"open({str(m)!r}, 'w').close()"), protocol=4),
        "builtins.exec",
    ),
    "a call in a table": (
        lambda m: pickle.dumps({"x": (Asks(os.mkdir, str(m)),)}, protocol=4),
        f"{os.mkdir.__module__}.mkdir",
    ),
    "a dotted name": (
        lambda m: whole(name("ovr_digits.files", "os.system") + touch(m) + b"\x85R"),
        "ovr_digits.files.os.system",
    ),
    "a chain of calls": (
        lambda m: whole(
            name("builtins", "getattr") + name("builtins", "__import__") + text("os") + b"\x85R"
            + text("mkdir") + b"\x86R" + text(str(m)) + b"\x85R"
        ),
        "builtins.getattr",
    ),
    "a function in a function": (
        lambda m: pickle.dumps(Asks(functools.partial(os.mkdir, str(m))), protocol=4),
        "functools.partial",
    ),
    "thrown away again": (
        lambda m: whole(name("os", "system") + touch(m) + b"\x85R0]"),
        "os.system",
    ),
    "names out of the memo": (
        lambda m: whole(b"(" + text("os") + b"\x94" + text("system") + b"\x94h\x00h\x01\x93"
        + touch(m) + b"\x85Rt"),
        "os.system",
    ),
    "GLOBAL": (lambda m: whole(b"cos\nsystem\n" + touch(m) + b"\x85R"), "opcode GLOBAL"),
    "INST": (lambda m: whole(b"(" + touch(m) + b"ios\nsystem\n"), "opcode INST"),
    "OBJ": (lambda m: whole(b"(" + name("os", "system") + touch(m) + b"o"), "os.system"),
    "protocol 2": (lambda m: b"\x80\x02cos\nsystem\n" + touch(m) + b"\x85R.", "protocol 2"),
    "protocol 0": (
        lambda m: f"cos\nsystem\nS\"touch '{m}'\"\n\x85R.".encode("latin-1"),
        "no pickle of protocol 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIVE)
def test_hostile_calls_are_refused_by_name_and_do_nothing(case, tmp_path):
    build, asked_for = LIVE[case]
    marker = tmp_path / "ran"
    assert asked_for in refusal(build(marker))
    assert not marker.exists()


def test_no_module_is_imported_for_a_name(tmp_path, monkeypatch):
    (tmp_path / "stowaway.py").write_text("x = int")
    monkeypatch.syspath_prepend(tmp_path)
    assert "stowaway.x" in refusal(whole(name("stowaway", "x")))
    assert "stowaway" not in sys.modules


def test_a_registered_extension_is_not_looked_up(tmp_path):
    copyreg.add_extension("os", "system", 250)
    try:
        assert "EXT1" in refusal(whole(b"\x82\xfa" + touch(tmp_path / "ran") + b"\x85R"))
    finally:
        copyreg.remove_extension("os", "system", 250)
    assert not (tmp_path / "ran").exists()


# --- what has no place ---------------------------------------------------------------------


def joblib_bytes(value: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    return buffer.getvalue()


def dumped(value: Any) -> bytes:
    return pickle.dumps(value, protocol=4)


#: Things that are not needed, or are almost what is, and what the refusal names.
FOREIGN: dict[str, tuple[bytes, str]] = {
    "a function of numpy": (dumped(np.load), "numpy.load"),
    "a file as an array": (whole(name("numpy", "memmap")), "numpy.memmap"),
    "a name of an unknown thing": (whole(name("things", "Thing2")), "things.Thing2"),
    "what a known thing has": (whole(name("things", "Thing.__init__")), "things.Thing.__init__"),
    "a module with a line end": (whole(name("numpy\r", "dtype")), r"numpy\?.dtype"),
    "a Cyrillic letter": (whole(name("nump\u0443", "dtype")), "nump\u0443.dtype"),
    "a number for a name": (whole(b"K\x01K\x02\x93"), "a int.a int"),
    "joblib": (joblib_bytes([np.arange(10.0)]), "joblib.numpy_pickle"),
    "a set": (dumped({1}), "EMPTY_SET"),
    "a persistent id": (whole(text("x") + b"Q"), "BINPERSID"),
    "a buffer from outside": (whole(b"\x97"), "NEXT_BUFFER"),
    "an object made with named arguments": (whole(THING + b")}\x92"), "NEWOBJ_EX"),
    "something thrown away": (whole(b"NN0"), "POP"),
    "another head": (whole(b"\x80\x04]"), "PROTO"),
    "an object made by a call": (whole(THING + b")R"), "no function"),
    "an object made with arguments": (whole(THING + b"K\x01\x85\x81"), "made with arguments"),
    "an object of no class": (whole(text("x") + b")\x81"), "of no class"),
    "an object of an object": (whole(THING + b")\x81)\x81"), "of no class"),
    "a class of numpy as an object": (whole(DTYPE + b")\x81"), "of no class"),
    "an attribute of a class": (whole(THING + b"}" + text("state") + b"]sb"), "state"),
    "attributes by slots": (whole(THING + b")\x81N}" + text("x") + b"]s\x86b"), "state"),
    "a state that is no table": (whole(THING + b")\x81K\x01b"), "state"),
    "a state for a text": (whole(text("x") + b"}b"), "state"),
    "items for an object": (whole(THING + b")\x81" + text("state") + b"Ns"), "no names"),
    "items for a tuple": (whole(b")Na"), "no list"),
    "a key that is a number": (whole(b"}K\x01Ns"), "no names"),
    "an array of objects": (dumped(np.array([None])), "plain numbers"),
    "an array of records": (dumped(np.zeros(2, [("a", "f4")])), "plain numbers"),
    "an array of dates": (dumped(np.zeros(2, "M8[s]")), "plain numbers"),
    "an array of complex numbers": (dumped(np.zeros(2, complex)), "plain numbers"),
    "a big-endian array": (dumped(np.zeros(2, ">f4")), "plain numbers"),
    "a masked array": (dumped(np.ma.zeros(2)), "numpy.ma"),
    "an array of another class": (
        whole(RECONSTRUCT + THING + b"K\x00\x85C\x01b\x87R"), "unknown kind"
    ),
    "a dtype of an object": (whole(DTYPE + THING + b"\x89\x88\x87R"), "a type, not of plain"),
    "a dtype asked to align": (whole(DTYPE + text("f4") + b"\x88\x88\x87R"), "plain numbers"),
    "a dtype that is described": (
        whole(F4 + b"(K\x03" + text("<") + text("O8") + b"NNJ\xff\xff\xff\xffK\x00K\x3ftb"),
        "plain numbers",
    ),
    "an array without a dtype": (array(dtype=b"N"), "plain numbers"),
    "an array of a text": (array(content=text("abcd")), "not whole"),
    "an array that is too short": (array(content=b"C\x03abc"), "do not fit"),
    "an array that is its own shape": (
        whole(EMPTY_ARRAY + b"\x94(K\x01h\x00" + F4 + b"\x89C\x04abcdtb"), "not whole"
    ),
    "a shape of five axes": (array(b"(" + b"K\x01" * 5 + b"t"), "not whole"),
    "a negative shape": (array(b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"), "not whole"),
    "a shape that is true": (array(b"\x88\x85"), "not whole"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_what_has_no_place_is_refused(case):
    data, named = FOREIGN[case]
    assert named.replace("\\", "") in refusal(data)


@pytest.mark.parametrize("more", [b"\0", b".", b"PK\x05\x06" + bytes(18), b"\nimport os\n"])
def test_what_goes_on_after_its_end_is_refused(more):
    assert "goes on after its end" in refusal(dumped([1]) + more)


def test_names_are_shown_short_and_printable():
    message = refusal(whole(name("\x1b[31mred" + "e" * 5000, "x\x07y")))
    assert "?[31mrede" in message


# --- damage --------------------------------------------------------------------------------

#: What makes the machine stumble.
BROKEN = {
    "nothing": b"",
    "a text": b"hello",
    "only a head": b"\x80\x04",
    "an empty stack": whole(b""),
    "two things on the stack": whole(b"NN"),
    "a mark without an end": whole(b"(N"),
    "an end without a mark": whole(b"t"),
    "too few for a tuple": whole(b"N\x87"),
    "nothing for a memo": whole(b"\x94"),
    "a memo that is not there": whole(b"h\x07"),
    "a key without its value": whole(b"}(" + text("x") + b"u"),
    "no opcode": whole(b"\xff"),
    "a text that is none": whole(b"\x8c\x01\xff"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_whole_pickle_is_told(case):
    refusal(BROKEN[case])


def test_random_changes_never_give_another_error():
    """Of bytes, in a pickle that has a little of everything."""
    stored = {"a": [np.zeros((2, 3), "f4"), 2.5, -(2**40)], "b": ("x", None, b"y", {"c": True})}
    data = whole(b"(" + dumped(stored)[2:-1] + THING + b")\x81}" + text("x") + b"Nsbt")
    load(data, KNOWN)
    rng = random.Random(0)
    refused = 0
    for _ in range(5_000):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 4])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            load(bytes(changed), KNOWN)
        except (DigitsError, ValueError):
            refused += 1
    assert 1_000 < refused < 5_000


# --- too much ------------------------------------------------------------------------------


def claims(code: bytes, size: int, claimed: int) -> bytes:
    return whole(code + claimed.to_bytes(size, "little") + b"x")


#: A few bytes that claim gigabytes, or a time without end; tests/hostile measures what they take.
BOMBS = {
    "BINBYTES": claims(b"B", 4, (4 << 30) - 1),
    "BINUNICODE": claims(b"X", 4, (4 << 30) - 1),
    "BINBYTES8": claims(b"\x8e", 8, 1 << 63),
    "BYTEARRAY8": claims(b"\x96", 8, 4 << 30),
    "LONG4": claims(b"\x8b", 4, 2**31 - 1),
    "FRAME": claims(b"\x95", 8, 4 << 30),
    "a memo far ahead": claims(b"j", 4, (4 << 30) - 1),
    "the shape of an array": array(b"\x8a\x05\0\0\0\x80\0\x85"),
    "a shape whose product is huge": array(b"(" + (b"\x8a\x20" + b"\x7f" * 32) * 4 + b"t"),
    "a key that takes for ever to hash": whole(b"(" + TOWER + b"}h\x3cNst"),
    "keys that take for ever to hash": whole(b"(" + TOWER + b"}(h\x3cNut"),
    "a name that takes for ever to hash": whole(b"(" + TOWER + b"h\x3ch\x3c\x93t"),
    "a dtype without end": whole(b"(" + TOWER + DTYPE + b"h\x3c\x89\x88\x87Rt"),
    "keys that take long to compare": whole(
        b"(" + (b"X\0\x09\x3d\0" + b"x" * 4_000_000 + b"\x94") * 2
        + b"}" + b"h\x00Nsh\x01Ns" * 30_000 + b"t"
    ),
    "a text for the arguments of a call": whole(
        DTYPE + b"X\0\x87\x93\x03" + b"x" * 60_000_000 + b"R"
    ),
    "a large state again and again": whole(
        b"(}(" + b"".join(text(f"{key}") + b"N" for key in range(60_000)) + b"u\x94"
        + THING + b")\x81" + b"h\x00b" * 35_000 + b"t("
    ),
    "one array in column order, a thousand times": whole(
        b"(B\0\x12\x7a\0" + bytes(8_000_000) + b"\x94" + F4 + b"\x94"
        + (EMPTY_ARRAY + b"(K\x01M\xd0\x07M\xe8\x03\x86h\x01\x88h\x00tb") * 1000 + b"t("
    ),
    "millions of opcodes": whole(b"]" * 20_000_000),
    "tuples in one another": whole(b")" + b"\x85" * 150_000 + b"("),
}  # fmt: skip
