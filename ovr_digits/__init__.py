"""Reads handwritten digits with ten one-vs-rest SGD classifiers on kernel patch features.

    import ovr_digits
    ovr_digits.predict("photo.png").digit  # the digit on a picture
    ovr_digits.read("meter.jpg").text      # a whole number, or a page of them

What is public:

Pictures
    predict : which digit is on a picture, or on each of a list
    read : all digits on a picture: a number, or lines and columns of them
    count_pages : how many pages a file has, to be read one by one
    widget : a paper to draw on, in a notebook
    Expected : what is known of the numbers beforehand
    DigitAnswer, NumberAnswer, Unreadable : what predict and read give
    DigitsError : what they raise, with a text of one line
Models
    load_models : read a models.pkl, without running anything in it
    save_models : write one
    find_form : the digit on a picture as 28×28 levels, for the models' decision_function
    count_votes, Vote : from ten scores to an answer
Training, with scikit-learn
    OneVsRestDigits : ten detectors as one classifier
    DigitDetector : the one for a single digit
    PatchKernelFeatures : what they look at
    Branch, KernelLayer, LeadingAxes : parts of these features, as models.pkl stores them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovr_digits.version import __version__ as __version__

# Imported when first asked for: `import ovr_digits` stays cheap, and what needs
# no scikit-learn never loads it.
_HOMES = {
    "predict": "ovr_digits.api",
    "read": "ovr_digits.api",
    "count_pages": "ovr_digits.picture.pages",
    "widget": "ovr_digits.web.notebook",
    "Expected": "ovr_digits.picture.expected",
    "DigitAnswer": "ovr_digits.picture.answers",
    "NumberAnswer": "ovr_digits.picture.answers",
    "Unreadable": "ovr_digits.picture.answers",
    "DigitsError": "ovr_digits.errors",
    "load_models": "ovr_digits.models.modelfile",
    "save_models": "ovr_digits.models.modelfile",
    "find_form": "ovr_digits.picture.digit",
    "count_votes": "ovr_digits.core.vote",
    "Vote": "ovr_digits.core.vote",
    "OneVsRestDigits": "ovr_digits.learn.detectors",
    "DigitDetector": "ovr_digits.learn.detectors",
    "PatchKernelFeatures": "ovr_digits.learn.features",
    "Branch": "ovr_digits.core.features",
    "KernelLayer": "ovr_digits.core.features",
    "LeadingAxes": "ovr_digits.core.features",
}

if TYPE_CHECKING:
    from ovr_digits.api import predict, read
    from ovr_digits.core.features import Branch, KernelLayer, LeadingAxes
    from ovr_digits.core.vote import Vote, count_votes
    from ovr_digits.errors import DigitsError
    from ovr_digits.learn.detectors import DigitDetector, OneVsRestDigits
    from ovr_digits.learn.features import PatchKernelFeatures
    from ovr_digits.models.modelfile import load_models, save_models
    from ovr_digits.picture.answers import DigitAnswer, NumberAnswer, Unreadable
    from ovr_digits.picture.digit import find_form
    from ovr_digits.picture.expected import Expected
    from ovr_digits.picture.pages import count_pages
    from ovr_digits.web.notebook import widget
else:  # hidden from type checkers, to which every name would be one of the package then

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            from importlib import import_module

            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# In the order in which they are told above.
__all__ = [  # noqa: RUF022
    "predict",
    "read",
    "count_pages",
    "widget",
    "Expected",
    "DigitAnswer",
    "NumberAnswer",
    "Unreadable",
    "DigitsError",
    "load_models",
    "save_models",
    "find_form",
    "count_votes",
    "Vote",
    "OneVsRestDigits",
    "DigitDetector",
    "PatchKernelFeatures",
    "Branch",
    "KernelLayer",
    "LeadingAxes",
]


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
