"""Real models.pkl files that are small, as seeds and as something to damage."""

from __future__ import annotations

import functools
import pickle
from typing import Any


@functools.cache
def small_detectors() -> list[Any]:
    """Ten detectors, learnt in a second or two from digits that scikit-learn brings along."""
    from ovr_digits import OneVsRestDigits, PatchKernelFeatures
    from ovr_digits.data.splits import load_split

    split = load_split("digits", "train")
    features = PatchKernelFeatures(n_anchors=(2, 3), random_state=0)
    model = OneVsRestDigits(features, epochs=1, n_leading=2, random_state=0)
    return list(model.fit(split.X[:300], split.y[:300]).detectors_)


def small_models(protocol: int = 4) -> bytes:
    """A models.pkl of 13 to 19 kB."""
    return pickle.dumps(small_detectors(), protocol=protocol)
