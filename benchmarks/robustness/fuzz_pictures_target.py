"""What the fuzzer runs, in a process of its own: a picture file on its way to a digit."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["PIL", "ovr_digits"]):
    from PIL import Image

    Image.init()
    from ovr_digits.errors import DigitsError
    from ovr_digits.picture.digit import find_digit


def _run(data: bytes) -> None:
    try:
        find_digit(data)
    except DigitsError as error:
        if not str(error).isprintable():
            raise


def main() -> None:
    """Fuzz, with the options of libFuzzer."""
    atheris.Setup(sys.argv, _run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
