"""What is said where the packages of an extra are missing: the command that installs them."""

from __future__ import annotations

import sys
from pathlib import Path

from ovr_digits.errors import DigitsError

#: Of a folder that these programs make for one application, a file in it, and their way to add.
_INSTALLERS = {
    "uv-receipt.toml": "uv tool install",
    "pipx_metadata.json": "pipx runpip ovr-digits install",
}


def missing(extra: str, what: str) -> DigitsError:
    """The error that says what needs an extra, and how to get it."""
    return DigitsError(f"{what} needs the extra {extra}: {install_command(extra)}")


def install_command(extra: str) -> str:
    """The command that adds an extra to the program as it is installed, in any shell."""
    found = (way for file, way in _INSTALLERS.items() if Path(sys.prefix, file).exists())
    return f'{next(found, "pip install")} "ovr-digits[{extra}]"'
