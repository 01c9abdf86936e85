"""Packages that read digits with models of their own, as they ship."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

#: Pixels of a side of the picture for RapidOCR; it takes it to its own 48 rows.
_SIDE = 112


def rapidocr_engine() -> Any:
    """RapidOCR with the models that it ships, quiet and in one thread."""
    from rapidocr import RapidOCR

    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    return RapidOCR(params={"Global.log_level": "error", **threads})


class RapidOCR:
    """Its recogniser alone: no search for text, no turning."""

    def __init__(self) -> None:
        self._engine = rapidocr_engine()

    def read(self, X: Any) -> tuple[Any, Any]:
        """The one digit in its text (n,), else -1, and its score (n,), for images (n, 784)."""
        answers = [self._read(255 - image.reshape(28, 28)) for image in X]
        digits, scores = zip(*answers, strict=True)
        return np.array(digits), np.array(scores)

    def _read(self, ink_on_paper: Any) -> tuple[int, float]:
        picture = Image.fromarray(ink_on_paper).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        found = self._engine(
            np.asarray(picture.convert("RGB")), use_det=False, use_cls=False, use_rec=True
        )
        text = "".join(found.txts or ())
        digits = [letter for letter in text if letter in "0123456789"]
        return (int(digits[0]), float(found.scores[0])) if len(digits) == 1 else (-1, 0.0)


class DigitRecognizer:
    """digit-recognizer-py, a small network in PyTorch; it is given what MNIST looks like."""

    def __init__(self) -> None:
        from digit_recognizer import DigitRecognizer

        self._recognizer = DigitRecognizer(device="cpu")

    def read(self, X: Any) -> tuple[Any, Any]:
        """The digit (n,) on images (n, 784), and its probability (n,)."""
        found = [self._recognizer.predict(image.reshape(28, 28), detailed=True) for image in X]
        return np.array([one.digit for one in found]), np.array([one.confidence for one in found])
