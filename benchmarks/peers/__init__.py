"""The contestants, and packages that only read: a name, what it is, and where its code lies."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.peers.base import Peer


@dataclass(frozen=True)
class Entry:
    """One contestant.

    Attributes
    ----------
    title : str
        What it is, in a few words.
    home : str
        Module and class below ``benchmarks.peers``.
    needs : str, optional
        The module that must be importable, where it is no dependency of ours.
    packages : tuple of str
        Distributions beyond the common ones whose versions matter.
    wanted : str
        What pip installs where that module is missing.
    command : str, optional
        A program that must be installed.
    label : str, optional
        What it is called in a picture, where the title is too long.
    """

    title: str
    home: str
    needs: str | None = None
    packages: tuple[str, ...] = ()
    wanted: str = "'.[bench]'"
    command: str | None = None
    label: str | None = None

    @property
    def short(self) -> str:
        """What it is called in a picture."""
        return self.label or self.title

    def missing(self) -> str | None:
        """Why it cannot run here; None where it can."""
        if self.command is not None and shutil.which(self.command) is None:
            return f"there is no command {self.command} here"
        if self.needs is None:
            return None
        try:
            import_module(self.needs)
        except Exception as error:  # a broken installation can raise anything
            return f"{self.needs} cannot be imported ({error}); pip install {self.wanted}"
        return None

    def load(self) -> type[Peer]:
        """Import the class."""
        module, _, name = self.home.partition(":")
        return getattr(import_module(f"benchmarks.peers.{module}"), name)

    def source(self) -> Path:
        """The file that holds the class."""
        return Path(__file__).with_name(self.home.partition(":")[0] + ".py")

    @property
    def ours(self) -> bool:
        """Whether it is ovr-digits."""
        return self.home.startswith("ours:")


_KERAS = ("tensorflow", "tensorflow-cpu", "keras")

PEERS = {
    "ours-fast": Entry("ovr-digits, preset fast", "ours:OursFast"),
    "ours-default": Entry("ovr-digits, preset default", "ours:OursDefault"),
    "ours-best": Entry("ovr-digits, preset best", "ours:OursBest"),
    "logistic": Entry(
        "ten logistic regressions on pixels, first True wins",
        "simple:Logistic",
        label="ten logistic regressions",
    ),
    "sgd": Entry(
        "ten SGD classifiers on pixels, highest score wins",
        "simple:SGD",
        label="ten SGD classifiers on pixels",
    ),
    "knn": Entry(
        "6 nearest neighbours on standardised pixels",
        "simple:Neighbours",
        label="nearest neighbours",
    ),
    "mlp": Entry("784-32-32-10 ReLU network", "simple:MLP", label="small dense network"),
    "cnn": Entry(
        "the Keras network of the usual apps",
        "cnn:CNN",
        "tensorflow",
        _KERAS,
        label="convolutional network of the usual apps",
    ),
    "modern": Entry(
        "a convolutional network of today, in Keras",
        "cnn:Modern",
        "tensorflow",
        _KERAS,
        label="convolutional network of today",
    ),
    "svc": Entry(
        "support vector machine, RBF kernel", "simple:SVM", label="support vector machine"
    ),
    "vw": Entry(
        "Vowpal Wabbit, one against all on pixels",
        "vowpal:VowpalWabbit",
        "vowpalwabbit",
        ("vowpalwabbit",),
        label="Vowpal Wabbit",
    ),
    "hgb": Entry("histogram gradient boosting", "simple:Boosting", label="gradient-boosted trees"),
}

#: Asked for people's own digits: their networks have learnt from MNIST, the packages as they will.
READERS = {
    "cnn": PEERS["cnn"],
    "modern": PEERS["modern"],
    "rapidocr": Entry(
        "the recogniser of RapidOCR",
        "shipped:RapidOCR",
        "rapidocr",
        ("rapidocr", "onnxruntime"),
    ),
    "digit-recognizer-py": Entry(
        "the network in digit-recognizer-py",
        "shipped:DigitRecognizer",
        "digit_recognizer",
        ("digit-recognizer-py", "torch"),
        "digit-recognizer-py",
    ),
}

_RAPIDOCR = ("rapidocr", ("rapidocr", "onnxruntime"))

#: Asked for whole numbers.
NUMBER_READERS = {
    "ours": Entry("ovr-digits", "numbers:Ours"),
    "rapidocr-line": Entry("RapidOCR's recogniser", "numbers:RapidOCRLine", *_RAPIDOCR),
    "rapidocr": Entry("RapidOCR, all of it", "numbers:RapidOCRWhole", *_RAPIDOCR),
    "tesseract": Entry("Tesseract", "numbers:Tesseract", command="tesseract"),
}
