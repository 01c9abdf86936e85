"""What training lets people choose by name; imports nothing heavy, so that --help can list it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from ovr_digits.learn.options import LearningOptions

#: Losses of SGDClassifier that make sense for a detector; the first is the default.
DETECTOR_LOSSES = ("hinge", "log_loss", "squared_hinge", "modified_huber", "squared_error")

#: Pictures of no digit that are drawn for each training image, unless told otherwise.
NEGATIVES = 0.125

#: Sets of other people's digits that can be learnt from, see ``data.hands``.
HAND_SETS = ("pendigits", "optdigits", "semeion")
#: Digits of the world's forms that are drawn, unless told otherwise.
FORMS = 4_000

#: Passes of SGD over a window of copies that patience may wait for, unless told otherwise.
MAX_EPOCHS = 50
#: Share of the training images, the last ones, on which a training in memory is checked.
_VALIDATION_FRACTION = 1 / 6

#: Passes over a part of a stream, unless told otherwise.
STREAM_EPOCHS = 2
#: Parts of a stream that are learnt from side by side, unless told otherwise.
PARTS = 8


@dataclass(frozen=True)
class Preset:
    """A named balance of accuracy and cost.

    Attributes
    ----------
    name : str
    learning : LearningOptions
    views : tuple of str
    n_channels : int
        See ``features.PatchKernelFeatures``.
    """

    name: str
    learning: LearningOptions
    views: tuple[str, ...] = ("raw", "even")
    n_channels: int = 6

    def changed(self, **learning: Any) -> Self:
        """The same with some learning options, but for those that are None."""
        given = {name: value for name, value in learning.items() if value is not None}
        return replace(self, learning=replace(self.learning, **given))


PRESETS = {
    preset.name: preset.changed(validation_fraction=_VALIDATION_FRACTION)
    for preset in (
        Preset("fast", LearningOptions(epochs=7, n_components=700)),
        Preset("default", LearningOptions(n_copies=3, epochs=3, n_components=500, n_leading=64)),
        Preset(
            "best",
            LearningOptions(
                n_copies=6,
                epochs=2,
                n_components=800,
                n_leading=64,
                groups=(("raw", "even"), ("raw", "boxed"), ("even", "narrow")),
            ),
            views=("raw", "even", "boxed", "narrow"),
            n_channels=8,
        ),
    )
}
