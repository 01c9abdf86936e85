"""Fuzzes the readers of models.pkl and of pictures, guided by coverage."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hostile.damage import change_bytes

#: Of libFuzzer. atheris keeps something of each input: a process makes place for another.
_OPTIONS = ["-max_len=40000", "-rss_limit_mb=3000", "-timeout=60", "-len_control=0"]
_OPTIONS += ["-runs=20000", "-print_final_stats=1"]
#: Whose branches are followed.
_FOLLOWED = {
    "models": ["ovr_digits.models.safe_pickle", "ovr_digits.models.modelfile"],
    "pictures": ["PIL", "ovr_digits"],
}


def fuzz(target: str, seeds: Mapping[str, bytes], seconds: float, folder: Path) -> dict[str, int]:
    """Fuzz for some seconds: how many inputs were tried, and how many branches reached.

    Raises
    ------
    AssertionError
        Where an input was too much for the target; it stays in the folder.
    """
    for name in ("corpus", "seeds", "found"):
        (folder / name).mkdir()
    for index, content in enumerate(seeds.values()):
        (folder / "seeds" / str(index)).write_bytes(content)
    command = [sys.executable, "-m", "hostile.fuzzing", target, *_OPTIONS]
    places = [f"-artifact_prefix={folder}/found/", f"{folder}/corpus", f"{folder}/seeds"]
    end, tried, branches, number = time.monotonic() + seconds, 0, 0, 0
    while (left := round(end - time.monotonic())) > 0:
        number += 1
        run = subprocess.run(
            [*command, f"-max_total_time={left}", f"-seed={number}", *places],
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = run.stdout.decode(errors="replace")
        assert run.returncode == 0, said[-5000:]
        assert list((folder / "found").iterdir()) == []
        tried += sum(map(int, re.findall(r"number_of_executed_units:\s+(\d+)", said)))
        branches = max(branches, *map(int, re.findall(r"cov: (\d+)", said)))
    return {"tried": tried, "branches": branches}


def _models() -> tuple[Callable[[bytes], object], Callable[[bytes, random.Random], bytes]]:
    from hostile.pickles import change_opcodes
    from hostile.reading import check_reading

    return check_reading, change_opcodes


def _pictures() -> tuple[Callable[[bytes], object], Callable[[bytes, random.Random], bytes]]:
    from PIL import Image

    from ovr_digits.errors import DigitsError
    from ovr_digits.picture.digit import find_digit

    Image.init()

    def read(content: bytes) -> None:
        try:
            find_digit(content)
        except DigitsError as error:
            if not str(error).isprintable():
                raise

    return read, change_bytes


def main(arguments: list[str]) -> None:
    """Fuzz, with the options of libFuzzer."""
    import atheris

    with atheris.instrument_imports(include=_FOLLOWED[arguments[1]]):
        read, change = {"models": _models, "pictures": _pictures}[arguments[1]]()

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.4:
            changed: bytes = atheris.Mutate(data, max_size)
            return changed
        return change(data, rng)[:max_size]

    atheris.Setup([arguments[0], *arguments[2:]], lambda data: read(data), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
