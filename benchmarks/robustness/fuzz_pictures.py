"""Fuzzes the way of a picture: ``python -m benchmarks.robustness.fuzz_pictures``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.robustness.fuzzing import fuzz, fuzzing_options, prepare, report
from benchmarks.robustness.mutations import sound_files

#: A process holds what atheris keeps of its inputs beside the picture.
_OPTIONS = {"max_len": 20_000, "rss_limit_mb": 3000, "timeout": 20, "len_control": 0}
_NOTES = """\
[Atheris](https://github.com/google/atheris) changes small sound pictures of all formats that are
read, and keeps what reaches new branches of Pillow's Python code and of the way of a picture.
Nothing but a DigitsError of one printable line may come out, or a digit.
"""


@click.command()
@fuzzing_options
def main(seconds: int, seed: int, folder: Path | None, output: Path) -> None:
    """Fuzz the way from a picture file to a digit, guided by coverage."""
    folder = prepare(folder)
    seeds = {
        f"sound-{name.replace(' ', '-').replace(',', '')}": content
        for name, content in sound_files().items()
    }
    target = "benchmarks.robustness.fuzz_pictures_target"
    result = fuzz(target, seeds, seconds, seed, folder, _OPTIONS)
    report("fuzz-pictures", "The way of a picture, fuzzed", _NOTES, result, seed, output)


if __name__ == "__main__":
    main()
