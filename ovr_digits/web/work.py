"""What the worker processes do: pictures in, the JSON of the command line out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.occlusion import ink_contributions
from ovr_digits.errors import DigitsError
from ovr_digits.ink import Ground
from ovr_digits.modelfile import load_models
from ovr_digits.number import read_number
from ovr_digits.prediction import answer_pictures

_models: DetectorArrays | None = None


def start(path: Path | None) -> None:
    """Load the models, once for a process."""
    global _models
    _models = load_models(path)


def _loaded() -> DetectorArrays:
    assert _models is not None
    return _models


def predict(
    name: str,
    picture: bytes,
    ground: Ground,
    level: float | None,
    form: bool,
    contributions: bool,
) -> dict[str, Any]:
    """The answer to one picture.

    Raises
    ------
    DigitsError
        Where it cannot be read.
    """
    (answer,) = answer_pictures(_loaded(), [(name, picture)], ground, level)
    if answer.found is None or answer.vote is None:
        raise DigitsError(answer.error)
    result = answer.as_json()
    image = answer.found.image
    if form:
        result |= {
            "n_digits": answer.n_digits,
            "box": list(answer.found.box),
            "image": image.tolist(),
        }
    if contributions:
        shares = ink_contributions(_loaded(), image, answer.vote.digit)
        result["contributions"] = shares.round(4).tolist()
    return result


def read(name: str, picture: bytes, ground: Ground, level: float | None) -> dict[str, Any]:
    """The number on one picture.

    Raises
    ------
    DigitsError
        Where it cannot be read.
    """
    return {"path": name, **read_number(_loaded(), picture, ground, level).as_json()}
