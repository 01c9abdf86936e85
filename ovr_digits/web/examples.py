"""What the page shows by itself: forms to trace, real digits, what each detector looks for.

``python -m ovr_digits.web.examples`` writes the forms and the digits anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Float32, Float64
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.occlusion import ink_effects

#: What ``make_examples`` has made.
EXAMPLES = Path(__file__).with_name("static") / "examples.json"
#: Forms of each digit to trace, and real ones to guess: so many that none soon comes again.
_FORMS, _REAL = 3, 10
#: The levels 0 to 16 of a pixel as letters from this one on.
_LEVEL_0 = ord("a")
#: The most grey of the digits inside scikit-learn.
_DARKEST = 16
#: Pixels along the edges of an image in MNIST form that hold no ink, or next to none.
_MARGIN = 4
#: Places in a stroke of a form, of those in a height of it: fewer make corners.
_PER_HEIGHT = 40


def make_examples() -> dict[str, Any]:
    """Take forms from ``learn.forms`` and digits from scikit-learn, as JSON that the page reads.

    Returns
    -------
    dict
        ``forms`` (each its digit, and strokes as x and y in turn, in hundredths of its height, y
        down), ``digits`` (each its label, and 64 letters for 8×8 levels), and their ``source``.
    """
    from sklearn.datasets import load_digits

    from ovr_digits.data.hands import LICENCE, SETS
    from ovr_digits.learn.forms import plain_forms

    forms = [
        [digit, [_thinned(stroke) for stroke in strokes]]
        for digit in range(10)
        for strokes in plain_forms(digit)[:_FORMS]
    ]
    bundled = load_digits()
    last = range(len(bundled.target) - 1, -1, -1)  # the first are what detectors may have learnt
    chosen = [[k for k in last if bundled.target[k] == digit][:_REAL] for digit in range(10)]
    digits = [
        [digit, "".join(chr(_LEVEL_0 + int(level)) for level in bundled.data[k])]
        for digit, own in enumerate(chosen)
        for k in own
    ]
    held = SETS["optdigits"]
    source = f"{held.title}, by {held.authors}, doi {held.doi}, {LICENCE}"
    return {"forms": forms, "digits": digits, "source": source}


def _thinned(stroke: Float64) -> list[int]:
    length = float(np.hypot(*np.diff(stroke, axis=0).T).sum())
    n = min(len(stroke), max(2, round(length * _PER_HEIGHT)))
    places = np.linspace(0, len(stroke) - 1, n).round().astype(int)
    return [int(value) for value in (100 * stroke[places]).round().ravel()]


def _real_digit(digit: int) -> Float32:
    """The ink (8, 8) in 0..1 of a real digit that is held for the page."""
    held = json.loads(EXAMPLES.read_text(encoding="utf-8"))["digits"]
    text = next(text for label, text in held if label == digit)
    levels = np.frombuffer(text.encode(), np.uint8).reshape(8, 8) - _LEVEL_0
    return levels.astype(np.float32) / np.float32(_DARKEST)


def portrait(models: DetectorArrays, digit: int) -> Float64:
    """What ink at each place does to the score of a digit's detector, on a real one of it.

    Returns
    -------
    (28, 28) float64
        Log-odds; see ``core.occlusion.ink_effects``.
    """
    from ovr_digits.data.splits import enlarge
    from ovr_digits.picture.mnist_form import to_mnist_form

    image = to_mnist_form(enlarge(_real_digit(digit)))
    effects: Float64 = ink_effects(models, image, _MARGIN)[digit]
    return effects


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(make_examples(), separators=(",", ":")) + "\n", encoding="utf-8")
