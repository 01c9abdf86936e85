"""Learning curves: how good the detectors are after each epoch, and a log of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Bools, Float64
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable


@dataclass(frozen=True)
class Measures:
    """How good the detectors are on some images.

    Attributes
    ----------
    loss : float
        Mean of the detectors' losses.
    accuracy : float in 0..1
        Of the vote, on the images that are of a class; NaN where none is.
    detector_loss : tuple of float
        What each detector's SGD minimises, without its L2 penalty.
    detector_accuracy : tuple of float in 0..1
        How often each detector's yes or no was right, images of no class counted.
    """

    loss: float
    accuracy: float
    detector_loss: tuple[float, ...]
    detector_accuracy: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """The numbers to six places."""
        return {
            name: [round(v, 6) for v in value] if isinstance(value, tuple) else round(value, 6)
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class EpochResult:
    """What the detectors would be if an epoch were the last.

    Losses are those of SGD's own scores; accuracies are those of the votes
    that would be stored, calibrated on the held-out images.

    Attributes
    ----------
    epoch : int
        From 1 on, counted through all windows of copies.
    n_copies : int
        Distorted copies of each image that SGD has seen so far.
    train : Measures
        On a fixed sample of the images that SGD passes over, those of no class
        among them, undistorted.
    validation : Measures or None
        On the held-out images, by detectors that have not seen them; ``None``
        where none are held out.
    """

    epoch: int
    n_copies: int
    train: Measures
    validation: Measures | None

    def as_json(self) -> dict[str, Any]:
        """The keys of a line of the log."""
        return {
            "epoch": self.epoch,
            "copies": self.n_copies,
            "train": self.train.as_json(),
            "validation": self.validation and self.validation.as_json(),
        }


#: Told of every epoch as it ends.
OnEpoch = Callable[[EpochResult], None]


def measure(scores: Float64, log_odds: Float64, targets: Bools, loss: str) -> Measures:
    """Compare what detectors say with what they should.

    Parameters
    ----------
    scores : (n, n_targets) float
        As SGD makes them; these give the losses.
    log_odds : (n, n_targets) float
        The scores calibrated; these give the accuracies.
    targets : (n, n_targets) bool
        A row of nothing but False is an image of no class.
    loss : str
        One of ``presets.DETECTOR_LOSSES``.
    """
    losses = _losses(np.where(targets, scores, -scores), loss).mean(axis=0)
    of_a_class = targets.any(axis=1)
    right = targets[np.arange(len(targets)), log_odds.argmax(axis=1)][of_a_class]
    return Measures(
        loss=float(losses.mean()),
        accuracy=float(right.mean()) if len(right) else math.nan,
        detector_loss=tuple(losses.tolist()),
        detector_accuracy=tuple(((log_odds > 0) == targets).mean(axis=0).tolist()),
    )


def _losses(margins: Float64, loss: str) -> Float64:
    """The loss at each margin: the score, negated where the target is False."""
    short = np.maximum(0, 1 - margins)
    match loss:
        case "hinge":
            return short
        case "squared_hinge":
            return short**2
        case "modified_huber":
            return np.where(margins < -1, -4 * margins, short**2)
        case "log_loss":
            return np.logaddexp(0, -margins)
        case "squared_error":
            return (1 - margins) ** 2 / 2
    raise ValueError(f"no curve is known for the loss {loss!r}")


class EpochLog:
    """A file with a line of JSON for each epoch, whole and written out when the epoch ends.

    An older file is replaced when the first epoch ends.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DigitsError
        Where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_begun = False
        check_writable(path)
        if path.exists():
            self._write("", "a")

    def __call__(self, result: EpochResult) -> None:
        """Write the line of an epoch."""
        self._write(json.dumps(result.as_json()) + "\n", "a" if self._is_begun else "w")
        self._is_begun = True

    def _write(self, text: str, mode: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise DigitsError(f"{self._path}: cannot be written ({error.strerror})") from None
