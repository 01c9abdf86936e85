"""A fuzzer that follows coverage, on pictures: python -m benchmarks.robustness.fuzz_pictures.

It needs atheris (``pip install atheris``), which is in none of the extras.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import click

#: Largest file that it makes.
_MAX_LENGTH = 20_000


@click.command()
@click.option("--seconds", type=click.IntRange(min=1), default=3600)
@click.option("--seed", type=click.IntRange(min=1), default=1)
@click.option(
    "--corpus",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what it finds on its way, to go on from there.",
)
def main(seconds: int, seed: int, corpus: Path | None) -> None:
    """Look for a picture on which anything but a DigitsError comes out."""
    try:
        import atheris
    except ImportError:
        click.echo("skipped: atheris is not installed (pip install atheris)")
        return
    with atheris.instrument_imports(include=["PIL", "ovr_digits"]):
        from PIL import Image

        Image.init()
        from ovr_digits.errors import DigitsError
        from ovr_digits.image import find_digit
    from benchmarks.robustness.mutations import sound_files

    def attempt(data: bytes) -> None:
        try:
            find_digit(data)
        except DigitsError as error:
            if not str(error).isprintable():
                raise

    folder = corpus or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sound_files().items():
        (folder / f"sound-{name.replace(' ', '-').replace(',', '')}").write_bytes(content)
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={_MAX_LENGTH}"]
    # Of a picture seconds and megabytes; a file on which it ends is left in the folder above.
    options += ["-timeout=20", "-rss_limit_mb=2000", "-print_final_stats=1", "-len_control=0"]
    print(f"started {time.strftime('%H:%M:%S')}, {len(list(folder.iterdir()))} files", flush=True)
    atheris.Setup([sys.argv[0], str(folder), *options], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
