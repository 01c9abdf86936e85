"""What training lets people choose by name; imports nothing heavy, so that --help can list it."""

from __future__ import annotations

from dataclasses import dataclass

#: Losses of SGDClassifier that make sense for a detector; the first is the default.
DETECTOR_LOSSES = ("hinge", "log_loss", "squared_hinge", "modified_huber", "squared_error")


@dataclass(frozen=True)
class Preset:
    """A named balance of accuracy and cost.

    Attributes
    ----------
    views : tuple of str
        See ``features.PatchKernelFeatures``.
    epochs, distorted_passes : int
        See ``detectors.DigitDetector``.
    """

    views: tuple[str, ...]
    epochs: int = 15
    distorted_passes: int = 0


PRESETS = {
    "fast": Preset(("upright",)),
    "default": Preset(("upright", "narrow")),
    "best": Preset(("upright", "narrow", "raw"), distorted_passes=8),
}
