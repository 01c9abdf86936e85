"""A fuzzer that follows coverage gets nothing through the readers of models.pkl and of pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hostile import LONG_SECONDS
from hostile.fuzzing import fuzz
from hostile.pickles import BOMBS, LIVE, hidden, small_models
from hostile.pictures import sound_files

pytest.importorskip("atheris", reason="needs atheris: pip install 'ovr-digits[fuzz]'")


def models() -> dict[str, bytes]:
    seeds = {f"protocol {protocol}": small_models(protocol) for protocol in (2, 3, 4, 5)}
    seeds |= {name: build(Path("ran")) for name, (build, _) in LIVE.items()}
    seeds |= dict(hidden(Path("ran")))
    return seeds | {name: build() for name, build in BOMBS.items() if "0 bytes" in name}


@pytest.mark.long
@pytest.mark.parametrize(("target", "seeds"), [("models", models), ("pictures", sound_files)])
def test_nothing_gets_through(target, seeds, tmp_path):
    done = fuzz(target, seeds(), LONG_SECONDS, tmp_path)
    sys.stdout.write(f"{target}: {done}\n")  # which pytest shows with -rP
    assert done["tried"] > LONG_SECONDS
    assert done["branches"] > 100
