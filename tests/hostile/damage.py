"""What chance does to sound bytes, for hypothesis and for the fuzzers."""

from __future__ import annotations

import random
from collections.abc import Sequence

#: Numbers that programs forget: the ends of the ranges of whole numbers, and what lies about them.
_EDGES = [0, 1, 2, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000]
_EDGES += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]
#: Headers are short, and there is most to go wrong in them.
_HEAD = 160


def change_bytes(data: bytes, rng: random.Random, others: Sequence[bytes] = (b"",)) -> bytes:
    """Flip, replace, cut, double or take out some bytes, or put in some of other files."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        end = len(changed) if rng.random() < 0.5 else min(_HEAD, len(changed))
        place, size = rng.randrange(end + 1), rng.choice([1, 2, 4, 8, 64])
        way = rng.randrange(8)
        if way == 0 and place < len(changed):
            changed[place] ^= 1 << rng.randrange(8)
        elif way == 1:
            changed[place : place + 1] = bytes([rng.randrange(256)])
        elif way == 2:
            number = rng.choice(_EDGES) % (1 << 8 * min(size, 8))
            order = rng.choice(["big", "little"])
            changed[place : place + min(size, 8)] = number.to_bytes(min(size, 8), order)
        elif way == 3:
            order = rng.choice(["big", "little"])
            number = int.from_bytes(changed[place : place + 4], order)
            number = rng.choice([number - 1, number + 1, number * 2, number * 256])
            changed[place : place + 4] = (number % (1 << 32)).to_bytes(4, order)
        elif way == 4:
            del changed[place : place + size]
        elif way == 5:
            changed[place:place] = changed[place : place + size] * rng.choice([1, 1, 20])
        elif way == 6:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            changed[place : place + size] = other[start : start + size]
        elif rng.random() < 0.3:
            del changed[place:]
    return bytes(changed)
