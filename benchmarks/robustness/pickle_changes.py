"""Random changes to a pickle: of its bytes, and of the opcodes that they are."""

from __future__ import annotations

import pickletools
import random

from ovr_digits.models.modelfile import _STAND_INS

_CODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
_NAMES = [f"{module}\n{name}\n".encode() for module, name in _STAND_INS]
_TEXTS = [
    *(name.encode() for names in _STAND_INS for name in names),
    *b"state text code branches_ layers anchors whitener leading axes offset".split(),
    *b"features_ sgd_ coef_ intercept_ provenance_ image_shape_ view".split(),
    *b"patch_size stride alpha centred".split(),
    *b"__class__ __dict__ __setstate__ os posix system f2 f4 f8 O latin1 straight".split(),
]


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, replace, take out, double, move or cut off some bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        place = rng.randrange(len(changed) or 1)
        size = rng.choice([1, 2, 4, 8, 100, 1000])
        kind = rng.randrange(7)
        if kind == 0 and changed:
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == 1 and changed:
            changed[place] = rng.randrange(256)
        elif kind == 2:
            del changed[place : place + size]
        elif kind == 3:
            changed[place:place] = changed[place : place + size]
        elif kind == 4:
            changed[place:place] = rng.randbytes(min(size, 16))
        elif kind == 5:
            other = rng.randrange(len(changed) or 1)
            changed[place : place + size] = changed[other : other + size]
        elif rng.random() < 0.2:
            del changed[place:]
    return bytes(changed)


def change_opcodes(data: bytes, rng: random.Random) -> bytes:
    """Take out, double, swap or put in some opcodes."""
    parts = _cut_at_opcodes(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        place = rng.randrange(len(parts) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            del parts[place : place + rng.choice([1, 1, 2, 8])]
        elif kind == 1 and parts:
            start = rng.randrange(len(parts))
            parts[place:place] = parts[start : start + rng.choice([1, 2, 4, 16])]
        elif kind == 2 and len(parts) > 1:
            first, second = rng.sample(range(len(parts)), 2)
            parts[first], parts[second] = parts[second], parts[first]
        elif kind == 3:
            parts.insert(place, rng.choice(_CODES) + rng.randbytes(rng.choice([0, 1, 2, 4, 8])))
        elif kind == 4:
            text = rng.choice(_TEXTS)
            parts.insert(place, b"\x8c" + bytes([len(text)]) + text)
        else:
            parts.insert(place, b"c" + rng.choice(_NAMES) + rng.choice([b"", b")R", b")\x81"]))
    return b"".join(parts)


def _cut_at_opcodes(data: bytes) -> list[bytes]:
    """The opcodes with their arguments; from where the bytes are no pickle on, in one piece."""
    starts = []
    try:
        for _, _, position in pickletools.genops(data):
            starts.append(position)
    except Exception:  # damaged, as is wanted here
        starts = starts or [0]
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
