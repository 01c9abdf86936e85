"""The picture formats that figures are saved in."""

from __future__ import annotations

from pathlib import Path

from ovr_digits.errors import DigitsError

#: By their names' endings; of what else matplotlib writes, some needs LaTeX.
FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "webp")


def format_of(path: Path) -> str:
    """The format that a name's ending says.

    Raises
    ------
    DigitsError
        Where it says none of ``FORMATS``.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise DigitsError(f"{path}: no picture format ends so; use .png, .svg or .pdf")
    return kind
