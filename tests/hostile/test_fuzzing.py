"""A fuzzer that follows coverage gets nothing through the readers of models.pkl and of pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from test_safe_pickle import BOMBS, LIVE

from hostile import LONG_SECONDS
from hostile.fuzzing import fuzz
from hostile.pickles import hidden, small_models
from hostile.pictures import sound_files

pytest.importorskip("atheris", reason="needs atheris: pip install 'ovr-digits[fuzz]'")

#: Bytes; libFuzzer cuts off what is longer than its ``max_len``.
MAX_SEED = 40_000


def models() -> dict[str, bytes]:
    seeds = {"sound": small_models(), **dict(hidden(Path("ran")))}
    seeds |= {name: build(Path("ran")) for name, (build, _) in LIVE.items()}
    return seeds | {name: data for name, data in BOMBS.items() if len(data) < MAX_SEED}


@pytest.mark.long
@pytest.mark.parametrize(("target", "seeds"), [("models", models), ("pictures", sound_files)])
def test_nothing_gets_through(target, seeds, tmp_path):
    done = fuzz(target, seeds(), LONG_SECONDS, tmp_path)
    sys.stdout.write(f"{target}: {done}\n")  # which pytest shows with -rP
    assert done["tried"] > LONG_SECONDS
    assert done["branches"] > 100
