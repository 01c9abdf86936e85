"""Handwriting fonts, of which letters and symbols are learnt:
python -m ovr_digits.learn.fonts FOLDER fetches those that fonts.csv names.

Environment variable ``OVR_DIGITS_FONTS``: the folder that has them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import sys
import tarfile
from pathlib import Path

import click

from ovr_digits.data.download import at
from ovr_digits.errors import DigitsError
from ovr_digits.files import write_bytes

FONTS_VARIABLE = "OVR_DIGITS_FONTS"
#: Names, versions, files, digests, licences and copyrights. All are free to use.
_LIST = Path(__file__).with_name("fonts.csv")
#: Where their packages are: name/-/name-version.tgz.
_REGISTRY = "https://registry.npmjs.org/@fontsource/{}"


def handwritten_fonts() -> list[str]:
    """The files of the folder that ``FONTS_VARIABLE`` names; none where it is not set."""
    folder = os.environ.get(FONTS_VARIABLE)
    return sorted(str(path.resolve()) for path in Path(folder).iterdir()) if folder else []


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Fetch into FOLDER those of the fonts that are not there yet, and check them."""
    folder.mkdir(parents=True, exist_ok=True)
    _, fetch = at(_REGISTRY)
    with _LIST.open(newline="", encoding="utf-8") as lines:
        listed = list(csv.DictReader(lines))
    missing = [font for font in listed if not (folder / f"{font['font']}.woff").exists()]
    with click.progressbar(missing, label="fonts", file=sys.stderr) as fonts:
        for font in fonts:
            name, version = font["font"], font["version"]
            try:
                package = fetch(f"{name}/-/{name}-{version}.tgz")
            except DigitsError as error:
                raise click.ClickException(f"{name} {version}: {error}") from error
            with tarfile.open(fileobj=io.BytesIO(package)) as archive:
                member = archive.extractfile(f"package/files/{font['file']}")
                content = member.read() if member else b""
            if hashlib.sha256(content).hexdigest() != font["sha256"]:
                raise click.ClickException(f"{name} {version}: not the font that it was")
            write_bytes(folder / f"{name}.woff", content)


if __name__ == "__main__":
    main()
