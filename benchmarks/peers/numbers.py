"""Readers of whole numbers, ours and others as they ship: picture files in, text out."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.peers.shipped import rapidocr_engine

if TYPE_CHECKING:
    from ovr_digits.core.detectors import DetectorArrays


class Ours:
    """``read``, which finds the digits too; what it reads on a picture that it refuses: "".

    Parameters
    ----------
    models : DetectorArrays
    """

    def __init__(self, models: DetectorArrays) -> None:
        self._models = models

    def read(self, contents: Sequence[bytes], letters: str) -> list[str]:
        """The text on each picture."""
        return [self._read(content) for content in contents]

    def _read(self, content: bytes) -> str:
        from ovr_digits import read
        from ovr_digits.errors import DigitsError

        try:
            return read(content, models=self._models).text
        except DigitsError:
            return ""


class RapidOCRWhole:
    """RapidOCR as people call it: it finds text, turns it, and reads it."""

    _steps = True

    def __init__(self) -> None:
        self._engine = rapidocr_engine()

    def read(self, contents: Sequence[bytes], letters: str) -> list[str]:
        """The text on each picture, what was found apart in lines of its own."""
        return [self._read(content) for content in contents]

    def _read(self, content: bytes) -> str:
        with Image.open(io.BytesIO(content)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        found = self._engine(pixels, use_det=self._steps, use_cls=self._steps, use_rec=True)
        return "\n".join(found.txts or ())


class RapidOCRLine(RapidOCRWhole):
    """Its recogniser alone: the whole picture is one line of text."""

    _steps = False


class Tesseract:
    """Its command, once for all pictures, each of them one line of the letters that count."""

    def read(self, contents: Sequence[bytes], letters: str) -> list[str]:
        """The text on each picture."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.png" for number in range(len(contents))]
            for path, content in zip(paths, contents, strict=True):
                path.write_bytes(content)  # it tells what a file is by its content
            (Path(folder) / "list.txt").write_text("".join(f"{path}\n" for path in paths))
            command = ["tesseract", f"{folder}/list.txt", "stdout", "--psm", "7"]
            command += ["-c", f"tessedit_char_whitelist={letters}"]
            environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
            done = subprocess.run(command, env=environment, capture_output=True, check=True)
        return done.stdout.decode().split("\f")[: len(contents)]
