"""Files that pass for a models.pkl and are hostile, broken or something else."""

from __future__ import annotations

import base64
import bz2
import copy
import dataclasses
import gzip
import io
import lzma
import pickle
import pickletools
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from benchmarks.robustness.small_models import small_detectors, small_models

#: Stands for the path of a file that live cases would create; as long as what replaces it.
CANARY = "/tmp/ovr-digits-canary/" + "x" * 40
_MB = 1 << 20


class Asks:
    """Pickles as a call."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.function = _Name(module, name)
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


class _Name:
    """A name that a pickle asks for; nothing of that name need be here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *arguments: Any) -> None:
        """Pickle wants something to call."""


_PythonPickler: Any = pickle._Pickler


class _Writer(_PythonPickler):
    """Writes names without looking them up."""

    def save(self, value: Any, *arguments: Any, **options: Any) -> None:
        if isinstance(value, _Name):
            if self.proto >= 4:
                self.save(value.module)
                self.save(value.name)
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(_global(value.module, value.name))
            return
        super().save(value, *arguments, **options)


def written(value: Any, protocol: int = 4) -> bytes:
    """A pickle of a value in which ``Asks`` may be anywhere."""
    buffer = io.BytesIO()
    _Writer(buffer, protocol).dump(value)
    return buffer.getvalue()


# --- opcodes -------------------------------------------------------------------------------


def _global(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def _text(value: str) -> bytes:
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def _value(value: object) -> bytes:
    """The opcodes of a plain value, in protocol 2."""
    return pickle.dumps(value, 2)[2:-1]


def _stack_global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


_DETECTOR = _global("ovr_digits.learn.detectors", "DigitDetector")
_RECONSTRUCT = _global("numpy._core.multiarray", "_reconstruct")
_FROM_BUFFER = _global("numpy._core.numeric", "_frombuffer")
_NDARRAY = _global("numpy", "ndarray")
_DTYPE = _global("numpy", "dtype")
_ENCODE = _global("_codecs", "encode")
_EMPTY_ARRAY = _RECONSTRUCT + _NDARRAY + b"K\x00\x85C\x01b\x87R"
_F4 = _DTYPE + _text("f4") + b"\x89\x88\x87R"
#: A tuple of two that are the same tuple of two, and so on.
_TOWER = b")q\x000" + b"h\x00h\x00\x86q\x000" * 60


# --- calls ---------------------------------------------------------------------------------

#: Functions that create the file, and their arguments: these run where plain pickle reads them.
_LIVE: list[tuple[str, str, tuple[Any, ...]]] = [
    ("os", "system", (f"touch {CANARY}",)),
    ("posix", "system", (f"touch {CANARY}",)),
    ("os", "mkdir", (CANARY,)),
    ("os", "mkfifo", (CANARY,)),
    ("os", "symlink", ("/", CANARY)),
    ("os", "open", (CANARY, 0o101)),
    ("os", "makedirs", (CANARY,)),
    ("builtins", "eval", (f"open({CANARY!r}, 'w').close()",)),
    ("builtins", "exec", (f"open({CANARY!r}, 'w').close()",)),
    ("builtins", "open", (CANARY, "w")),
    ("io", "open", (CANARY, "w")),
    ("_io", "FileIO", (CANARY, "w")),
    ("subprocess", "call", (["touch", CANARY],)),
    ("subprocess", "check_output", (["touch", CANARY],)),
    ("subprocess", "getoutput", (f"touch {CANARY}",)),
    ("pathlib", "Path.mkdir", (CANARY,)),
    ("shutil", "copyfile", ("/proc/self/comm", CANARY)),
    ("numpy.testing._private.utils", "runstring", (f"open({CANARY!r}, 'w').close()", {})),
    ("numpy", "savetxt", (CANARY, [1])),
    ("numpy", "memmap", (CANARY, "u1", "w+", 0, 1)),
    ("joblib.numpy_pickle", "dump", ([], CANARY)),
    ("sqlite3", "connect", (CANARY,)),
    ("logging", "FileHandler", (CANARY,)),
    ("ovr_digits.files", "os.mkdir", (CANARY,)),
    ("ovr_digits.models.modelfile", "os.system", (f"touch {CANARY}",)),
    ("ovr_digits.learn.detectors", "np.savetxt", (CANARY, [1])),
    ("pickle", "loads", (pickle.dumps(0)[:2] + b"cos\nmkdir\n" + _text(CANARY) + b"\x85R.",)),
]

#: Names that import a module, or would reach further, without a call.
_NAMES: list[tuple[str, str]] = [
    ("os", "fork"), ("os", "kill"), ("os", "_exit"), ("os", "environ"), ("os", "execv"),
    ("nt", "system"), ("commands", "getoutput"), ("__builtin__", "eval"), ("__main__", "x"),
    ("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "setattr"),
    ("builtins", "globals"), ("builtins", "compile"), ("builtins", "breakpoint"),
    ("builtins", "input"), ("builtins", "object"), ("builtins", "type"), ("builtins", "map"),
    ("builtins", "list"), ("builtins", "bytearray"), ("builtins", "str"), ("builtins", "slice"),
    ("sys", "exit"), ("sys", "modules"), ("sys", "settrace"), ("importlib", "import_module"),
    ("importlib", "reload"), ("runpy", "run_path"), ("pkgutil", "resolve_name"),
    ("functools", "partial"), ("functools", "reduce"), ("operator", "attrgetter"),
    ("operator", "methodcaller"), ("operator", "itemgetter"), ("operator", "call"),
    ("types", "CodeType"), ("types", "FunctionType"), ("marshal", "loads"), ("ctypes", "CDLL"),
    ("ctypes", "string_at"), ("socket", "socket"), ("socket", "create_connection"),
    ("urllib.request", "urlopen"), ("http.client", "HTTPConnection"), ("ftplib", "FTP"),
    ("smtplib", "SMTP"), ("webbrowser", "open"), ("requests", "get"), ("pty", "spawn"),
    ("platform", "popen"), ("multiprocessing", "Process"), ("threading", "Timer"),
    ("threading", "Thread"), ("atexit", "register"), ("signal", "signal"), ("weakref", "finalize"),
    ("tempfile", "mkstemp"), ("shutil", "rmtree"), ("pathlib", "Path"), ("pathlib", "PosixPath"),
    ("logging.config", "dictConfig"), ("antigravity", "webbrowser"), ("this", "s"),
    ("idlelib", "__path__"), ("distutils.file_util", "write_file"), ("pip", "main"),
    ("setuptools", "setup"), ("collections", "OrderedDict"), ("collections", "defaultdict"),
    ("copyreg", "_reconstructor"), ("copyreg", "__newobj__"), ("copyreg", "__newobj_ex__"),
    ("copyreg", "add_extension"), ("copyreg", "_extension_registry"), ("datetime", "datetime"),
    ("decimal", "Decimal"), ("random", "Random"), ("uuid", "UUID"), ("enum", "Enum"),
    ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "array"), ("numpy", "zeros"),
    ("numpy", "save"), ("numpy", "vectorize"), ("numpy.f2py", "compile"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "fromfile"), ("numpy._core.numeric", "fromfunction"),
    ("numpy.random._pickle", "__randomstate_ctor"), ("numpy.ma.core", "_mareconstruct"),
    ("numpy.rec", "recarray"), ("numpy.lib.format", "read_array"), ("scipy.sparse", "csr_matrix"),
    ("joblib", "load"), ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.pipeline", "Pipeline"), ("sklearn.preprocessing", "FunctionTransformer"),
    ("sklearn.linear_model", "SGDClassifier"), ("sklearn.datasets", "fetch_openml"),
    ("ovr_digits.models.modelfile", "load_models"), ("ovr_digits.models.modelfile", "save_models"),
    ("ovr_digits.files", "write_bytes"), ("ovr_digits.data.download", "download"),
    ("ovr_digits.models.modelfile", "_Detector"), ("ovr_digits.learn.detectors", "OneVsRestDigits"),
    ("torch._utils", "_rebuild_tensor_v2"), ("torch.storage", "_load_from_bytes"),
    ("pandas", "read_pickle"), ("dill._dill", "_create_function"), ("cloudpickle", "loads"),
    ("no_such_module_at_all", "x"), ("a" * 5000, "b"),
]  # fmt: skip

#: Names that are almost, or reach on from, one that is known.
_SHADOWS: list[tuple[str, str]] = [
    ("numpy", "Dtype"), ("numpy", "dtype "), (" numpy", "dtype"), ("numpy ", "dtype"),
    ("numpy\r", "dtype"), ("numpy", "dtype\r"), ("Numpy", "dtype"), ("numpy.", "dtype"),
    (".numpy", "dtype"), ("numpy", ""), ("", "dtype"), ("", ""), ("numpy dtype", "x"),
    ("numpy", "dtype x"), ("numpy\0", "dtype"), ("numpy", "dtype\0os.system"),
    ("nump\u0443", "dtype"), ("numpy", "d\u0442ype"), ("\uff4eumpy", "dtype"),
    ("numpy", "dtype.type"), ("numpy", "dtype.__class__"), ("numpy", "dtype.__subclasses__"),
    ("numpy", "ndarray.tofile"), ("numpy", "ndarray.__reduce__"), ("numpy", "os.system"),
    ("numpy", "sys.exit"), ("numpy.core", "multiarray._reconstruct"),
    ("numpy", "_core.multiarray._reconstruct"),
    ("numpy.core.multiarray", "_reconstruct.__globals__"), ("numpy.core.umath", "_reconstruct"),
    ("ovr_digits.learn.detectors", "DigitDetector.__init__"), ("ovr_digits.learn.detectors", "np"),
    ("ovr_digits.learn.detectors", "DigitDetector.__init__.__globals__"), ("ovr_digits", "detectors"),
    ("ovr_digits.learn.detectors", "DigitDetector.fit"), ("ovr_digits.learn.detectors", "Digitdetector"),
    ("ovr_digits.core.features", "Branch.__class__"), ("ovr_digits.core.features", "math.sqrt"),
    ("ovr_digits.core.features", "KernelLayer.__mro__"), ("ovr_digits.learn.features", "Branch"),
    ("sklearn.linear_model._stochastic_gradient", "SGDClassifier.fit"),
    ("sklearn.linear_model._stochastic_gradient", "np.savetxt"),
    ("sklearn.linear_model.stochastic_gradient", "SGDClassifier"), ("_codecs", "decode"),
    ("_codecs", "register"), ("_codecs", "lookup"), ("codecs", "encode"), ("codecs", "open"),
    ("_codecs", "encode.__self__"), ("\x1b[2J\x1b]0;owned\x07", "x"), ("../../etc", "passwd"),
    ("os\nsystem", "x"),
]  # fmt: skip


def _ways(module: str, name: str, arguments: tuple[Any, ...]) -> Iterator[tuple[str, bytes]]:
    """One call by every opcode that makes calls."""
    given = _value(arguments)
    items = b"".join(map(_value, arguments))
    if "." not in name:
        yield "GLOBAL, REDUCE", b"\x80\x02" + _global(module, name) + given + b"R."
        yield "INST", b"(" + items + b"i" + _global(module, name)[1:] + b"."
        yield "OBJ", b"\x80\x02(" + _global(module, name) + items + b"o."
        yield "thrown away", b"\x80\x02" + _global(module, name) + given + b"R0]."
        yield "in a memo", b"\x80\x02" + _global(module, name) + b"q\x000h\x00" + given + b"R."
    yield "STACK_GLOBAL, REDUCE", b"\x80\x04" + _stack_global(module, name) + given + b"R."
    yield (
        "names out of the memo",
        b"\x80\x04"
        + _text(module)
        + b"\x940"
        + _text(name)
        + b"\x940h\x00h\x01\x93"
        + given
        + b"R.",
    )
    yield "NEWOBJ", b"\x80\x04" + _stack_global(module, name) + given + b"\x81."
    yield "NEWOBJ_EX", b"\x80\x04" + _stack_global(module, name) + given + b"}\x92."
    yield (
        "in a frame of its own",
        b"\x80\x04"
        + b"".join(
            b"\x95" + struct.pack("<Q", len(part)) + part
            for part in (_stack_global(module, name), given + b"R.")
        ),
    )


def _calls() -> Iterator[tuple[str, bytes]]:
    for module, name, arguments in _LIVE:
        for way, data in _ways(module, name, arguments):
            yield f"{module}.{name} by {way}", data


def _names() -> Iterator[tuple[str, bytes]]:
    for module, name in _NAMES:
        yield f"{module[:40]}.{name}, GLOBAL", b"\x80\x02" + _global(module, name) + b"."
        yield (
            f"{module[:40]}.{name}, STACK_GLOBAL",
            b"\x80\x04" + _stack_global(module, name) + b".",
        )


def _shadows() -> Iterator[tuple[str, bytes]]:
    for module, name in _SHADOWS:
        if "\n" not in module:
            yield f"{module!r}.{name!r}, GLOBAL", b"\x80\x02" + _global(module, name) + b"."
        yield f"{module!r}.{name!r}, STACK_GLOBAL", b"\x80\x04" + _stack_global(module, name) + b"."


def _in_places() -> Iterator[tuple[str, bytes]]:
    """Calls in all places of a real file."""

    def provenance(detectors: list[Any], call: Any) -> None:
        detectors[0].provenance_ = {"dataset": [({"x": call},)]}

    def attribute(detectors: list[Any], call: Any) -> None:
        detectors[9].more = call

    def features(detectors: list[Any], call: Any) -> None:
        detectors[0].features_.branches_ = call

    def view(detectors: list[Any], call: Any) -> None:
        _change_branch(detectors, view=call)

    def layers(detectors: list[Any], call: Any) -> None:
        _change_branch(detectors, layers=call)

    def leading(detectors: list[Any], call: Any) -> None:
        _change_branch(detectors, leading=call)

    def anchors(detectors: list[Any], call: Any) -> None:
        _change_layer(detectors, 0, anchors=call)

    def weights(detectors: list[Any], call: Any) -> None:
        detectors[4].sgd_.coef_ = call

    def key(detectors: list[Any], call: Any) -> None:
        detectors[0].provenance_ = {call: 1}

    def last(detectors: list[Any], call: Any) -> None:
        detectors.append(call)

    def first(detectors: list[Any], call: Any) -> None:
        detectors.insert(0, call)

    places: list[Callable[[list[Any], Any], None]] = [
        provenance,
        attribute,
        features,
        view,
        layers,
        leading,
        anchors,
        weights,
        key,
        last,
        first,
    ]
    for place in places:
        for protocol in (2, 3, 4, 5):
            detectors = _small()
            place(detectors, Asks("os", "system", f"touch {CANARY}"))
            yield (
                f"os.system in {place.__name__}, protocol {protocol}",
                written(detectors, protocol),
            )


# --- opcodes that have no place ------------------------------------------------------------


def _opcodes() -> Iterator[tuple[str, bytes]]:
    """Every opcode that a models.pkl does not need, each with what it needs before it."""
    mark, two = b"(", b"K\x01K\x02"
    before = {
        "PERSID": b"",
        "BINPERSID": _text("x"),
        "STRING": b"",
        "UNICODE": b"",
        "INST": mark,
        "OBJ": mark + _DETECTOR,
        "DICT": mark,
        "LIST": mark,
        "FROZENSET": mark,
        "ADDITEMS": b"\x8f(" + two,
        "EMPTY_SET": b"",
        "NEWOBJ_EX": _DETECTOR + b")}",
        "READONLY_BUFFER": b"C\x01x",
        "DUP": b"]",
    }
    arguments = {
        "PERSID": b"x\n",
        "INT": b"1\n",
        "LONG": b"1L\n",
        "STRING": b"'x'\n",
        "UNICODE": b"x\n",
        "FLOAT": b"1\n",
        "PUT": b"0\n",
        "GET": b"0\n",
        "INST": b"os\nsystem\n",
        "EXT1": b"\x01",
        "EXT2": b"\x01\x01",
        "EXT4": b"\x01\0\0\0",
        "LONG4": b"\x01\0\0\0\x01",
    }
    no_place = """
        STRING UNICODE INST OBJ DICT LIST FROZENSET ADDITEMS EMPTY_SET NEWOBJ_EX READONLY_BUFFER
        NEXT_BUFFER DUP PERSID BINPERSID INT LONG FLOAT PUT GET EXT1 EXT2 EXT4 LONG4
    """.split()  # noqa: SIM905
    for opcode in pickletools.opcodes:
        if opcode.name in no_place:
            code = opcode.code.encode("latin-1") + arguments.get(opcode.name, b"")
            yield opcode.name, b"\x80\x05" + before.get(opcode.name, b"N") + code + b"."
            yield f"{opcode.name} in a real file", small_models()[:-1] + b"(" + code + b"1."
    for code in (b"\0", b"\x7f", b"\xff", b"\x98"):
        yield f"no opcode {code!r}", b"\x80\x04" + code + b"."
    yield "EXT1 of a call", b"\x80\x02\x82\xfa" + _text(f"touch {CANARY}") + b"\x85R."
    yield "persistent id of a name", b"\x80\x02(cos\nsystem\n" + _text("x") + b"tQ."
    for protocol in (0, 1):
        yield f"a real file in protocol {protocol}", small_models(protocol)
    yield "unknown protocol 6", b"\x80\x06" + small_models()[2:]
    yield "unknown protocol 255", b"\x80\xff" + small_models()[2:]


# --- states and arguments ------------------------------------------------------------------


def _states() -> Iterator[tuple[str, bytes]]:
    """BUILD, REDUCE and NEWOBJ turned on the stand-ins themselves."""
    stand_ins = {
        "a detector": _DETECTOR,
        "a branch": _global("ovr_digits.core.features", "Branch"),
        "an SGD classifier": _global("sklearn.linear_model._stochastic_gradient", "SGDClassifier"),
        "numpy.ndarray": _NDARRAY,
        "numpy.dtype": _DTYPE,
        "_reconstruct": _RECONSTRUCT,
        "_frombuffer": _FROM_BUFFER,
        "_codecs.encode": _ENCODE,
    }
    for name, opcodes in stand_ins.items():
        for attribute in ("__class__", "__new__", "__init__", "__setstate__", "state", "__bases__"):
            table = b"}" + _text(attribute) + _DETECTOR + b"s"
            yield f"{attribute} of {name}", b"\x80\x02" + opcodes + table + b"b."
            yield (
                f"{attribute} of {name}, by slots",
                b"\x80\x02" + opcodes + b"N" + table + b"\x86b.",
            )
    objects = {
        "a detector": _DETECTOR + b")\x81",
        "a dtype": _F4,
        "an array": _EMPTY_ARRAY,
        "bytes of text": _ENCODE + _text("x") + _text("latin1") + b"\x86R",
        "a list": b"]",
        "a text": _text("x"),
        "a tuple": b")",
        "a number": b"K\x01",
    }
    states = {
        "a number": b"K\x01",
        "a list": b"]",
        "a tower": _TOWER + b"h\x00",
        "nothing": b"N",
        "two tables": b"}}\x86",
        "a table of numbers": b"}K\x01K\x02s",
        "a detector": _DETECTOR,
        "its class": b"}" + _text("__class__") + _DETECTOR + b"s",
        "slots": b"N}" + _text("__setstate__") + _DETECTOR + b"s\x86",
    }
    for name, opcodes in objects.items():
        for state, given in states.items():
            yield f"{state} for the state of {name}", b"\x80\x03" + opcodes + given + b"b."
        yield f"{name} called", b"\x80\x03" + opcodes + b")R."
        yield f"{name} made anew", b"\x80\x03" + opcodes + b")\x81."
    wrong = {
        "none": b"N",
        "a text": _text("abc"),
        "bytes": b"C\x03abc",
        "a list": b"]N" + b"a",
        "a table": b"}" + _text("x") + b"Ns",
        "a class": _DETECTOR,
        "a class in a tuple": _DETECTOR + b"\x85",
        "nine": b"(" + b"N" * 9 + b"t",
        "itself": _DETECTOR + b")\x81\x85",
    }
    for name, opcodes in stand_ins.items():
        for arguments, given in wrong.items():
            yield f"{name} called with {arguments}", b"\x80\x03" + opcodes + given + b"R."
            yield f"{name} made with {arguments}", b"\x80\x03" + opcodes + given + b"\x81."


def _memos() -> Iterator[tuple[str, bytes]]:
    yield "a memo that is not there", b"\x80\x02h\x07."
    yield "a long memo that is not there", b"\x80\x02j\xff\xff\xff\x7f."
    yield "a memo of the mark", b"\x80\x02(q\x00."
    yield "a memo of nothing", b"\x80\x04\x94."
    yield "a memo far ahead", b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b"."
    yield "a memo written over by a name", b"\x80\x02]q\x00" + _global("os", "system") + b"q\x00."
    yield "a list in itself", b"\x80\x02]q\x00h\x00a."
    yield "a table in itself", b"\x80\x02}q\x00" + _text("x") + b"h\x00s."
    yield "a tuple in its list", b"\x80\x02]q\x00h\x00\x85a."
    yield "an object that is its own state", b"\x80\x02" + _DETECTOR + b")\x81q\x00h\x00b."
    yield (
        "an array that is its own shape",
        b"\x80\x02" + _EMPTY_ARRAY + b"q\x00(K\x01h\x00h\x00\x89h\x00tb.",
    )
    yield (
        "a dtype that is its own code",
        b"\x80\x02" + _F4 + b"q\x000" + _DTYPE + b"h\x00\x89\x88\x87R.",
    )
    yield "more marks than ends", b"\x80\x02" + b"(" * 100_000 + b"."
    yield "ends without a mark", b"\x80\x02t."
    yield "taken from nothing", b"\x80\x020."
    yield "no end", b"\x80\x04]"
    yield "nothing before the end", b"\x80\x04."
    yield "twice the same detector list", b"\x80\x02]q\x00(" + b"h\x00" * 10 + b"e."
    yield "items for a text", b"\x80\x02" + _text("x") + b"(K\x01e."
    yield "items for a number", b"\x80\x02K\x01K\x01a."
    yield "items for an object", b"\x80\x02" + _DETECTOR + b")\x81" + _text("state") + b"Ns."
    yield "items for a list", b"\x80\x02]" + _text("x") + b"Ns."
    yield "a table with a name too many", b"\x80\x02}(" + _text("x") + b"u."
    yield "a key that is a list", b"\x80\x02}]Ns."
    yield "a key that is an object", b"\x80\x02}" + _DETECTOR + b")\x81Ns."
    yield "a key that is a tuple", b"\x80\x02})Ns."
    yield "bytes that grow", b"\x80\x05\x96\x01" + bytes(7) + b"x(K\x01K\x02e."
    yield "numbers where STACK_GLOBAL wants names", b"\x80\x04K\x01K\x02\x93."
    yield "bytes where STACK_GLOBAL wants names", b"\x80\x04C\x02osC\x06system\x93."
    yield (
        "a frame in a frame",
        b"\x80\x04\x95" + struct.pack("<Q", 20) + b"\x95" + struct.pack("<Q", 9) + b"]" * 11 + b".",
    )
    yield (
        "a frame that ends in an opcode",
        b"\x80\x04\x95" + struct.pack("<Q", 3) + _text("hello") + b".",
    )
    yield "empty frames", b"\x80\x04" + (b"\x95" + bytes(8)) * 1000 + b"."


# --- arrays --------------------------------------------------------------------------------


def _array(
    shape: bytes, dtype: bytes = _F4, fortran: bytes = b"\x89", content: bytes = b"C\x04abcd"
) -> bytes:
    return b"\x80\x03" + _EMPTY_ARRAY + b"(K\x01" + shape + dtype + fortran + content + b"tb."


def _arrays() -> Iterator[tuple[str, bytes]]:
    kinds: dict[str, Any] = {
        "objects": np.array([None, 1]),
        "texts": np.array(["x"]),
        "bytes": np.array([b"x"]),
        "dates": np.zeros(2, "M8[s]"),
        "spans": np.zeros(2, "m8[D]"),
        "complex": np.zeros(2, "c8"),
        "voids": np.zeros(2, "V8"),
        "records": np.zeros(2, [("a", "f4"), ("b", "O")]),
        "sub-arrays": np.zeros(2, [("a", "f4", (2, 2))]),
        "big-endian": np.zeros(2, ">f4"),
        "long double": np.zeros(2, "g"),
        "masked": np.ma.zeros(2),
        "whole numbers": np.zeros(2, "u2"),
        "a scalar": np.float32(1),
        "a dtype of objects": np.dtype("O"),
    }
    for name, array in kinds.items():
        for protocol in (2, 4, 5):
            yield f"{name}, protocol {protocol}", pickle.dumps([array], protocol=protocol)
        detectors = _small()
        detectors[3].sgd_.coef_ = array
        yield f"{name} for weights", pickle.dumps(detectors)
        detectors = _small()
        _change_layer(detectors, 1, anchors=array)
        yield f"{name} for anchors", pickle.dumps(detectors)
    shapes = {
        "no tuple": b"]",
        "negative": b"J\xff\xff\xff\xff\x85",
        "zero": b"K\x00\x85",
        "true": b"\x88\x85",
        "a float": b"G?\xf0" + bytes(6) + b"\x85",
        "a text": _text("1") + b"\x85",
        "a tower": _TOWER + b"h\x00",
        "huge": b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85",
        "endless": b"\x8a\xff" + b"\x7f" * 255 + b"\x85",
        "two huge": b"\x8a\x05\0\0\0\0\x01" * 2 + b"\x86",
        "five axes": b"(" + b"K\x01" * 5 + b"t",
        "a thousand axes": b"(" + b"K\x01" * 1000 + b"t",
        "one too many": b"K\x02\x85",
        "none": b")",
        "an object": _DETECTOR + b")\x81\x85",
    }
    for name, opcodes in shapes.items():
        yield f"a shape that is {name}", _array(opcodes)
        yield (
            f"a shape that is {name}, from a buffer",
            b"\x80\x05"
            + _FROM_BUFFER
            + b"(\x96\x04"
            + bytes(7)
            + b"abcd"
            + _F4
            + opcodes
            + _text("C")
            + b"tR.",
        )
    codes = [
        "O",
        "O8",
        "|O",
        "S",
        "U",
        "V",
        "V8",
        "M8",
        "m8",
        "c8",
        "g",
        ">f4",
        "=f4",
        "f",
        "f4,f4",
        "(2,)f4",
        "object",
        "a",
        "f4\x00",
    ]
    for code in [*codes, "f4 ", ""]:
        yield f"a dtype {code!r}", _array(b"K\x01\x85", _DTYPE + _text(code) + b"\x89\x88\x87R")
    dtypes = {
        "aligned": _DTYPE + _text("f4") + b"\x88\x88\x87R",
        "of a list": _DTYPE + b"]\x89\x88\x87R",
        "of a table": _DTYPE + b"}\x89\x88\x87R",
        "not a dtype": b"N",
        "the class": _DTYPE,
        "never made": _DTYPE + b")\x81",
        "of a class": _DTYPE + _NDARRAY + b"\x89\x88\x87R",
        "with fields": _F4 + b"(K\x03" + _text("|") + b"N" + _text("a") + b"\x85}JJJJJK\x00tb",
        "with metadata": _F4
        + b"(K\x03"
        + _text("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00}tb",
        "with another order": _F4
        + b"(K\x03"
        + _text(">")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
    }
    for name, opcodes in dtypes.items():
        yield f"a dtype {name}", _array(b"K\x01\x85", opcodes)
    contents = {
        "a text": _text("abcd"),
        "a list": b"]",
        "nothing": b"N",
        "too short": b"C\x03abc",
        "another array": _EMPTY_ARRAY,
        "a number": b"K\x04",
        "objects": b"](NNNNe",
        "text as bytes with wide letters": _ENCODE
        + _text("abc\u20ac")
        + _text("latin1")
        + b"\x86R",
        "text as bytes by rot13": _ENCODE + _text("abcd") + _text("rot13") + b"\x86R",
        "text as bytes by hex": _ENCODE + b"C\x04abcd" + _text("hex") + b"\x86R",
        "text as bytes, never made": _ENCODE + b")\x81",
    }
    for name, opcodes in contents.items():
        yield f"content that is {name}", _array(b"K\x01\x85", content=opcodes)
    classes = {"a detector": _DETECTOR, "a dtype": _DTYPE, "nothing": b"N", "a text": _text("x")}
    for name, opcodes in classes.items():
        yield (
            f"an array of class {name}",
            b"\x80\x03" + _RECONSTRUCT + opcodes + b"K\x00\x85C\x01b\x87R.",
        )


# --- too much ------------------------------------------------------------------------------


def _bombs() -> Iterator[tuple[str, bytes]]:
    """A few bytes that claim gigabytes or hours, or many that ask for many times as many."""
    for name, code, size in (
        ("BINBYTES8", b"\x8e", 8),
        ("BINUNICODE8", b"\x8d", 8),
        ("BYTEARRAY8", b"\x96", 8),
        ("FRAME", b"\x95", 8),
        ("BINBYTES", b"B", 4),
        ("BINUNICODE", b"X", 4),
        ("BINSTRING", b"T", 4),
        ("LONG4", b"\x8b", 4),
    ):
        for claimed in (
            1 << 31,
            (1 << 31) - 1,
            (1 << 32) - 1,
            *([1 << 40, 1 << 63, (1 << 64) - 1] if size == 8 else []),
        ):
            yield (
                f"{name} of {claimed} bytes",
                b"\x80\x05" + code + claimed.to_bytes(size, "little") + b"x.",
            )
    yield "a long number in words", b"L" + b"9" * (8 * _MB) + b"L\n."
    yield "a float of many digits", b"F" + b"9" * (8 * _MB) + b"\n."
    yield "a key that takes for ever to hash", b"\x80\x02" + _TOWER + b"}h\x00Ns."
    yield "keys that take for ever to hash", b"\x80\x02" + _TOWER + b"}(h\x00Nu."
    yield "a tower for a name", b"\x80\x04" + _TOWER + b"h\x00h\x00\x93."
    yield "a tower for a dtype", b"\x80\x02" + _TOWER + _DTYPE + b"h\x00\x85R."
    yield "a tower for arguments", b"\x80\x02" + _TOWER + _DETECTOR + b"h\x00R."
    yield (
        "a text for arguments",
        b"\x80\x02"
        + _DETECTOR
        + b"X"
        + struct.pack("<I", 60 * 10**6)
        + b"x" * (60 * 10**6)
        + b"R.",
    )
    yield (
        "bytes for arguments",
        b"\x80\x03"
        + _DETECTOR
        + b"B"
        + struct.pack("<I", 60 * 10**6)
        + bytes(60 * 10**6)
        + b"\x81.",
    )
    large = b"}(" + b"".join(_text(f"{key}") + b"N" for key in range(60_000)) + b"uq\x000"
    yield (
        "a large state again and again",
        b"\x80\x02" + _DETECTOR + b")\x81" + large + b"h\x00b" * 35_000 + b".",
    )
    yield "more opcodes than it may have", b"\x80\x02" + b"N0" * 100_001 + b"N."
    yield "millions of opcodes", b"\x80\x02" + b"]" * 20_000_000 + b"."
    for name, part in (("tuples", b"\x85"), ("lists", b"]q\x000]h\x00a")):
        yield f"{name} in one another", b"\x80\x02)" + part * 30_000 + b"."
    yield (
        "tables in one another",
        b"\x80\x02}" + b"q\x000}" + (_text("x") + b"h\x00sq\x000}") * 30_000 + b".",
    )
    yield (
        "objects in one another",
        b"\x80\x02}"
        + (b"q\x000" + _DETECTOR + b")\x81}" + _text("x") + b"h\x00sb") * 15_000
        + b".",
    )
    yield (
        "a text four times its bytes",
        b"\x80\x02X"
        + struct.pack("<I", 60 * 10**6 + 4)
        + b"x" * (60 * 10**6)
        + "\U0001f600".encode()
        + b".",
    )
    array = (
        b"\x80\x02B"
        + struct.pack("<I", 8_000_000)
        + bytes(8_000_000)
        + b"q\x000"
        + _F4
        + b"q\x010]q\x02"
    )
    yield (
        "an array that is copied a thousand times",
        array + (_EMPTY_ARRAY + b"(K\x01M\xd0\x07M\xe8\x03\x86h\x01\x88h\x00tba") * 1000 + b".",
    )
    yield "over 64 MB", bytes(64_000_001)
    yield from _large_models()


def _large_models() -> Iterator[tuple[str, bytes]]:
    """Sound in every part; parts that are there once are used again and again."""
    from ovr_digits.core.features import Branch, KernelLayer, LeadingAxes

    def layer(n_anchors: int, n_inputs: int, size: int, stride: float = 28.0) -> KernelLayer:
        anchors: Any = np.zeros((n_anchors, n_inputs), np.float16)
        return KernelLayer(anchors, size, 1.0, stride, False, None)

    def models(branches: tuple[Branch, ...], coef: Any) -> bytes:
        detectors = _small()
        detectors[0].features_.branches_ = branches
        for detector in detectors:
            detector.sgd_.coef_ = coef
        return pickle.dumps(detectors, 4)

    wide = layer(4096, 4096, 1)
    branch = Branch("raw", (layer(4096, 225, 15), wide, wide, wide))
    yield (
        "one large layer in 48 places",
        models((branch,) * 16, np.zeros((1, 16 * 4096), np.float16)),
    )
    many = Branch("raw", (layer(4096, 1, 1, 1.0),))
    n_features = 8 * many.n_pooled((28, 28))
    yield (
        "25 million weights, ten times the same",
        models((many,) * 8, np.zeros((1, n_features), np.float16)),
    )
    few = Branch("raw", (layer(60, 9, 3, 2.0),))
    axes = LeadingAxes(
        np.zeros((few.n_pooled((28, 28)), 256), np.float16), np.zeros(256, np.float32)
    )
    few = dataclasses.replace(few, leading=axes)
    n_features = 16 * few.n_features((28, 28))
    yield "axes in sixteen places", models((few,) * 16, np.zeros((1, n_features), np.float16))


def _provenances() -> Iterator[tuple[str, bytes]]:
    def told(value: Any, protocol: int = 4) -> bytes:
        detectors = _small()
        for detector in detectors:
            detector.provenance_ = value
        return pickle.dumps(detectors, protocol)

    itself: dict[str, Any] = {}
    itself["x"] = itself
    laugh: Any = "ha"
    for _ in range(7):
        laugh = [laugh] * 10
    wrong = {
        "no table": [1],
        "nothing": None,
        "itself": itself,
        "laughs": {"x": laugh},
        "bytes": {"x": b"x"},
        "one text often": {"x": ["ha" * 1_000_000] * 9_000},
        "an array": {"x": np.zeros(2)},
        "no number": {"x": float("nan")},
        "endless": {"x": float("inf")},
        "numbers for keys": {1: 2},
        "a detector": {"x": _small()[0]},
        "complex": {"x": 1j},
        "a set": {"x": {1}},
        "a type": {"x": int},
    }
    for name, value in wrong.items():
        for protocol in (2, 4):
            yield f"{name}, protocol {protocol}", told(value, protocol)


# --- damage and other files ----------------------------------------------------------------


def _damaged() -> Iterator[tuple[str, bytes]]:
    for protocol in (2, 4, 5):
        data = small_models(protocol)
        for part in range(1, 12):
            end = len(data) * part // 12 + 1
            yield f"protocol {protocol}, cut at byte {end}", data[:end]
        for opcode, argument, place in pickletools.genops(data):
            assert place is not None
            if opcode.name == "GLOBAL" or (
                opcode.name == "SHORT_BINUNICODE" and argument == "DigitDetector"
            ):
                for bit in (0, 2):
                    flipped = bytearray(data)
                    flipped[place + 3] ^= 1 << bit
                    yield f"protocol {protocol}, bit {bit} flipped at {place + 3}", bytes(flipped)
        yield f"protocol {protocol}, no end", data[:-1]
        yield f"protocol {protocol}, its first byte lost", data[1:]
        yield f"protocol {protocol}, a byte put in front", b"\0" + data
        yield f"protocol {protocol}, backwards", data[::-1]
        yield f"protocol {protocol}, line ends of another system", data.replace(b"\n", b"\r\n")
        yield f"protocol {protocol}, as text", data.decode("latin-1").encode()
        yield f"protocol {protocol}, without its high bits", bytes(byte & 0x7F for byte in data)


def _others() -> Iterator[tuple[str, bytes]]:
    data = small_models()
    call = b"\x80\x02" + _global("os", "system") + _text(f"touch {CANARY}") + b"\x85R."
    script = f"import os\nos.mkdir({CANARY!r})\n".encode()
    packed = {
        "gzip": gzip.compress(data),
        "bzip2": bz2.compress(data),
        "xz": lzma.compress(data),
        "lzma": lzma.compress(data, lzma.FORMAT_ALONE),
        "zlib": zlib.compress(data),
        "base64": base64.b64encode(data),
    }
    for name, content in packed.items():
        yield name, content
    yield "a gzip bomb", gzip.compress(gzip.compress(bytes(50 * _MB)))
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("archive/data.pkl", call)
            archive.writestr("__main__.py", script)
        yield f"zip, {name}", buffer.getvalue()
        yield f"a real file, then a zip, {name}", data + buffer.getvalue()
        yield f"a call, then a zip, {name}", call + buffer.getvalue()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../../models.pkl"))
    yield "tar", buffer.getvalue()
    for name, head in (
        ("a script", b"#!/bin/sh\ntouch " + CANARY.encode() + b"\n"),
        ("Python", script),
        ("ELF", b"\x7fELF\x02\x01\x01"),
        ("MZ", b"MZ\x90\0"),
        ("PDF", b"%PDF-1.7\n"),
        ("JPEG", b"\xff\xd8\xff\xe0"),
        ("PNG", b"\x89PNG\r\n\x1a\n"),
        ("GIF", b"GIF89a"),
        ("a byte order mark", b"\xef\xbb\xbf"),
        ("a line end", b"\n"),
        ("HTML", b"<html>"),
    ):
        yield f"{name}, then a real file", head + data
        yield f"{name}, then a call", head + call
        yield f"a real file, then {name}", data + head
    yield "two real files", data + data
    yield "a real file, then a call", data + call
    yield "a call, then a real file", call + data
    yield "a call thrown away in front of a real file", call[:-1] + b"0" + data[2:]
    yield "a call thrown away at the end of a real file", data[:-1] + call[2:-1] + b"0."
    for name, encoding in (("UTF-16", "utf-16"), ("UTF-32", "utf-32"), ("UTF-7", "utf-7")):
        yield name, data.decode("latin-1").encode(encoding)
    array = io.BytesIO()
    np.save(array, np.array([Asks("os", "mkdir", CANARY).arguments], object), allow_pickle=True)
    yield "npy of objects", array.getvalue()
    yield "empty", b""
    for size in (1, 2, 28 * 28, 65_536):
        yield f"{size} zeros", bytes(size)
        yield f"{size} bytes at random", np.random.default_rng(size).bytes(size)
    for name, content in {
        "JSON": b"[1, 2]",
        "YAML": b"!!python/object/apply:os.system [id]",
        "text": b"hello",
    }.items():
        yield name, content


def _contents() -> Iterator[tuple[str, bytes]]:
    """Plain things that are no ten detectors."""
    ten = _small()
    values = {
        "None": None,
        "a number": 7,
        "a text": "x",
        "an empty list": [],
        "ten numbers": [*range(10)],
        "a table": {"detectors": ten},
        "a tuple": tuple(ten),
        "nine": ten[:9],
        "eleven": [*ten, ten[0]],
        "nine and one more": [*ten[:9], ten[0].sgd_],
        "one": ten[0],
        "in a list": [ten],
        "features": ten[0].features_,
        "ten lists": [[]] * 10,
        "ten of features": [ten[0].features_] * 10,
    }
    for name, value in values.items():
        yield name, pickle.dumps(value, 4)
    for name, changes in {
        "no features": {"features_": None},
        "features of text": {"features_": "x"},
        "no SGD": {"sgd_": None},
        "a list for SGD": {"sgd_": []},
        "its own SGD": {"sgd_": ten[0]},
    }.items():
        detectors = _small()
        vars(detectors[5]).update(changes)
        yield name, pickle.dumps(detectors, 4)
    yield "bare stand-ins", b"\x80\x02](" + (_DETECTOR + b")\x81") * 10 + b"e."
    yield "classes for detectors", b"\x80\x02](" + _DETECTOR * 10 + b"e."


# --- helpers -------------------------------------------------------------------------------


def _small() -> list[Any]:
    return copy.deepcopy(small_detectors())


def _change_branch(detectors: list[Any], **changes: Any) -> None:
    features = detectors[0].features_
    first, *others = features.branches_
    features.branches_ = (dataclasses.replace(first, **changes), *others)


def _change_layer(detectors: list[Any], depth: int, **changes: Any) -> None:
    layers = list(detectors[0].features_.branches_[0].layers)
    layers[depth] = dataclasses.replace(layers[depth], **changes)
    _change_branch(detectors, layers=tuple(layers))


_KINDS: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
    "calls": _calls,
    "names": _names,
    "names like known ones": _shadows,
    "calls in real files": _in_places,
    "opcodes": _opcodes,
    "states and arguments": _states,
    "memo and stack": _memos,
    "arrays": _arrays,
    "too much": _bombs,
    "provenance": _provenances,
    "no ten detectors": _contents,
    "damage": _damaged,
    "other files": _others,
}


def live_models() -> dict[str, bytes]:
    """Cases that create ``CANARY`` where plain pickle reads them."""
    return {
        f"{module}.{name}": b"\x80\x04" + _stack_global(module, name) + _value(arguments) + b"R."
        for module, name, arguments in _LIVE
    }


def hostile_models(without: Collection[str] = ()) -> dict[str, dict[str, bytes]]:
    """Cases by kind and name, no two of the same bytes.

    The live ones would create ``CANARY``, which is to be replaced by a path of
    the same length. Some kinds may be left out.
    """
    seen: dict[bytes, str] = {}
    cases: dict[str, dict[str, bytes]] = {}
    for kind, build in _KINDS.items():
        if kind in without:
            continue
        cases[kind] = {}
        for name, data in build():
            label = f"{kind}: {name}"
            if data in seen or name in cases[kind]:
                raise ValueError(f"{label} is {seen.get(data, 'there already')}")
            seen[data] = label
            cases[kind][name] = data
    return cases
