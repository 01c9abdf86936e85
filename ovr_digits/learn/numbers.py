"""Learns what whole numbers need beside ten detectors, for numbers.pkl:
python -m ovr_digits.learn.numbers.
"""

from __future__ import annotations

import sys

import click
import numpy as np

from ovr_digits.data.hands import SETS, load_hands
from ovr_digits.data.splits import load_split
from ovr_digits.learn.fonts import FONTS_VARIABLE, handwritten_fonts
from ovr_digits.learn.pieces import fit_pieces
from ovr_digits.learn.signs import fit_signs
from ovr_digits.models.modelfile import NUMBERS_PATH, save_numbers
from ovr_digits.progress import percent

#: How many digits of MNIST are learnt from, about as many as of other hands: what is measured on
#: is drawn from its last.
_MNIST = 20_000


def main() -> None:
    """Learn from digits of all hands, drawn strokes and fonts, and write it to a file."""
    mnist = load_split("mnist", "train")
    hands = [load_hands(name) for name in SETS]
    X = np.concatenate([mnist.X[:_MNIST], *(each.images(copy=0, seed=0) for each in hands)])
    y = np.concatenate([mnist.y[:_MNIST], *(each.y for each in hands)]).astype(np.int64)
    if not handwritten_fonts():
        click.echo(f"{FONTS_VARIABLE} names no folder of handwriting fonts: learnt without them")
    signs = fit_signs(X)
    seen = X.any(axis=1)
    pieces = fit_pieces(X[seen], y[seen])
    for what, model in (("signs", signs), ("pieces", pieces)):
        assert model.validation_score_ is not None
        click.echo(f"{percent(model.validation_score_)} of the {what} held out are told apart")
    save_numbers(signs.detectors_, pieces.detectors_, sys.argv[1] if sys.argv[1:] else NUMBERS_PATH)


if __name__ == "__main__":
    main()
