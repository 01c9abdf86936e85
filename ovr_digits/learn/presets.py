"""What training lets people choose by name; imports nothing heavy, so that --help can list it."""

from __future__ import annotations

from dataclasses import dataclass

#: Losses of SGDClassifier that make sense for a detector; the first is the default.
DETECTOR_LOSSES = ("hinge", "log_loss", "squared_hinge", "modified_huber", "squared_error")

#: Pictures of no digit that are drawn for each training image, unless told otherwise.
NEGATIVES = 0.125

#: Parts of a stream that are learnt from side by side, unless told otherwise.
PARTS = 8


@dataclass(frozen=True)
class Preset:
    """A named balance of accuracy and cost.

    Attributes
    ----------
    views : tuple of str
    n_channels : int
        See ``features.PatchKernelFeatures``.
    epochs, n_copies, n_components, n_leading, groups :
        See ``detectors.DigitDetector``.
    """

    views: tuple[str, ...] = ("raw", "even")
    n_channels: int = 6
    epochs: int = 10
    n_copies: int = 0
    n_components: int = 1000
    n_leading: int = 0
    groups: tuple[tuple[str, ...], ...] | None = None


PRESETS = {
    "fast": Preset(epochs=7, n_components=700),
    "default": Preset(n_copies=3, epochs=3, n_components=500, n_leading=64),
    "best": Preset(
        views=("raw", "even", "boxed", "narrow"),
        n_channels=8,
        n_copies=6,
        epochs=2,
        n_components=800,
        n_leading=64,
        groups=(("raw", "even"), ("raw", "boxed"), ("even", "narrow")),
    ),
}
