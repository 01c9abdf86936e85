"""Changed files of models, and streams of opcodes that chance puts together."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import pickletools
import random
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from test_safe_pickle import TOWER, Asks, name, text


@functools.cache
def small_models() -> bytes:
    """A models.pkl of about 15 kB, learnt in a second from digits that scikit-learn brings."""
    from ovr_digits import OneVsRestDigits, PatchKernelFeatures
    from ovr_digits.data.splits import load_split

    split = load_split("digits", "train")
    features = PatchKernelFeatures(n_anchors=(2, 3), random_state=0)
    model = OneVsRestDigits(features, epochs=1, n_leading=2, random_state=0)
    return pickle.dumps(model.fit(split.X[:300], split.y[:300]).detectors_, 4)


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
    for place, hide in places.items():
        ten = pickle.loads(small_models())
        hide(ten, Asks(os.mkdir, str(marker)))
        yield f"in {place}", pickle.dumps(ten, 4)


class _Names(pickle.Unpickler):
    """Notes the names that a file asks for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(BytesIO(data))
        self.asked_for: dict[bytes, None] = {}

    def find_class(self, module: str, qualified: str) -> Any:
        self.asked_for[name(module, qualified)] = None
        return super().find_class(module, qualified)


@functools.cache
def fragments() -> list[bytes]:
    """Opcodes with their arguments, of which hostile streams are made."""
    reading = _Names(small_models())
    reading.load()
    names = list(reading.asked_for)
    made = [asked + end for asked in names for end in (b")R", b")\x81", b")\x81}b")]
    words = """state branches_ layers anchors view sgd_ coef_ provenance_ f4 O < x
        __class__ __dict__ __setstate__ __reduce__ __init__"""
    values = [b"N", b"K\x01", b"J\xff\xff\xff\xff", b"G?\xf0" + bytes(6), b"C\x04abcd", b"]", b"}"]
    values += [b")", b"\x88", b"\x89", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", TOWER]
    actions = [bytes([code]) for code in b"Rb\x81\x93sueat\x85\x86\x87(\x94"]
    actions += [b"h\x00", b"h\x01", b"h\x02", b"j\x03\0\0\0"]
    # What is refused at once is rare, or nothing would come after it.
    refused = [name("builtins", "eval"), b"0", b"q\x00", b"\x8f", b"cos\nsystem\n"]
    return [*names, *made, *map(text, words.split()), *values, *actions * 3, *refused]


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
