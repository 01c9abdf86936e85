"""What the fuzzer runs, in a process of its own: the reader of models.pkl, watched."""

from __future__ import annotations

import random
import sys

import atheris

# Also those that are there already, so that the fuzzer sees their branches, too.
for _name in ("pickle", "pickletools"):
    sys.modules.pop(_name, None)
with atheris.instrument_imports(include=["pickle", "pickletools", "ovr_digits.models.modelfile"]):
    from benchmarks.robustness.model_check import check_reading
    from benchmarks.robustness.pickle_changes import change_opcodes


def _run(data: bytes) -> None:
    check_reading(data)


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    rng = random.Random(seed)
    if rng.random() < 0.4:
        changed: bytes = atheris.Mutate(data, max_size)
        return changed
    return change_opcodes(data, rng)[:max_size]


def main() -> None:
    """Fuzz, with the options of libFuzzer."""
    atheris.Setup(sys.argv, _run, custom_mutator=_mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
