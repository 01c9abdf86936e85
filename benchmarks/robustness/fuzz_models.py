"""Fuzzes the reader of models.pkl: ``python -m benchmarks.robustness.fuzz_models``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.robustness.fuzzing import fuzz, fuzzing_options, prepare, report
from benchmarks.robustness.model_cases import hostile_models
from benchmarks.robustness.small_models import small_models

_LONGEST_INPUT = 40_000
_OPTIONS = {"max_len": _LONGEST_INPUT, "rss_limit_mb": 1024, "timeout": 20}
_NOTES = """\
[Atheris](https://github.com/google/atheris) changes small real files and the hostile ones, byte by
byte and opcode by opcode, and keeps what reaches new branches of the reader and of Python's pickle
module. Nothing but ModelFileError with one short line may come out, or ten detectors of finite
numbers, and Python's audit may see nothing: no import, no file, no process, no socket, no code.
"""


@click.command()
@fuzzing_options
def main(seconds: int, seed: int, folder: Path | None, output: Path) -> None:
    """Fuzz the reader of models.pkl, guided by coverage."""
    folder = prepare(folder)
    seeds = {f"small-{protocol}.pkl": small_models(protocol) for protocol in (2, 3, 4, 5)}
    # Without those that are large: what this process holds would count as the fuzzer's.
    hostile = (data for of in hostile_models(("too much",)).values() for data in of.values())
    small = (data for data in hostile if len(data) <= _LONGEST_INPUT)
    seeds |= {f"hostile-{index}.pkl": data for index, data in enumerate(small)}
    target = "benchmarks.robustness.fuzz_models_target"
    result = fuzz(target, seeds, seconds, seed, folder, _OPTIONS)
    report("fuzz-models", "The reader of models.pkl, fuzzed", _NOTES, result, seed, output)


if __name__ == "__main__":
    main()
