"""Reads handwritten digits with ten one-vs-rest SGD classifiers on kernel patch features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovr_digits.version import __version__ as __version__

# Imported when first asked for: `import ovr_digits` stays cheap, and what needs
# no scikit-learn never loads it.
_HOMES = {
    "Branch": "ovr_digits.core.features",
    "DigitDetector": "ovr_digits.learn.detectors",
    "DigitsError": "ovr_digits.errors",
    "Expected": "ovr_digits.picture.expected",
    "KernelLayer": "ovr_digits.core.features",
    "LeadingAxes": "ovr_digits.core.features",
    "OneVsRestDigits": "ovr_digits.learn.detectors",
    "PatchKernelFeatures": "ovr_digits.learn.features",
    "Vote": "ovr_digits.core.vote",
    "count_pages": "ovr_digits.picture.pages",
    "count_votes": "ovr_digits.core.vote",
    "load_models": "ovr_digits.models.modelfile",
    "read_digit": "ovr_digits.picture.digit",
    "read_number": "ovr_digits.picture.number",
    "save_models": "ovr_digits.models.modelfile",
}

if TYPE_CHECKING:
    from typing import Any

    from ovr_digits.core.features import Branch, KernelLayer, LeadingAxes
    from ovr_digits.core.vote import Vote, count_votes
    from ovr_digits.errors import DigitsError
    from ovr_digits.learn.detectors import DigitDetector, OneVsRestDigits
    from ovr_digits.learn.features import PatchKernelFeatures
    from ovr_digits.models.modelfile import load_models, save_models
    from ovr_digits.picture.digit import read_digit
    from ovr_digits.picture.expected import Expected
    from ovr_digits.picture.number import read_number
    from ovr_digits.picture.pages import count_pages

__all__ = [
    "Branch",
    "DigitDetector",
    "DigitsError",
    "Expected",
    "KernelLayer",
    "LeadingAxes",
    "OneVsRestDigits",
    "PatchKernelFeatures",
    "Vote",
    "count_pages",
    "count_votes",
    "load_models",
    "read_digit",
    "read_number",
    "save_models",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
