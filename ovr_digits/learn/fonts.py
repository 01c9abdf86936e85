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


def main() -> None:
    """Fetch the fonts that are not in the folder yet, and check them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    _, fetch = at(_REGISTRY)
    with _LIST.open(newline="", encoding="utf-8") as lines:
        for font in csv.DictReader(lines):
            name, version = font["font"], font["version"]
            path = folder / f"{name}.woff"
            if path.exists():
                continue
            package = fetch(f"{name}/-/{name}-{version}.tgz")
            with tarfile.open(fileobj=io.BytesIO(package)) as archive:
                member = archive.extractfile(f"package/files/{font['file']}")
                content = member.read() if member else b""
            if hashlib.sha256(content).hexdigest() != font["sha256"]:
                raise DigitsError(f"{name} {version}: not the font that it was")
            write_bytes(path, content)


if __name__ == "__main__":
    main()
