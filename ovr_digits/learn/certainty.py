"""Learns how likely numbers are read right, for picture/certainty.py.

python -m ovr_digits.learn.certainty draws numbers from digits of writers whom no detector has seen
and prints the weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

from ovr_digits.api import read
from ovr_digits.core.arrays import Array, Float32, Float64, Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.data.hands import ALL, load_hands
from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.learn.detectors import OneVsRestDigits
from ovr_digits.learn.signs import HEIGHT, OTHERS, SIGNS, draw_marks, written
from ovr_digits.models.modelfile import load_models, save_models

Random = np.random.Generator

#: Most digits of a number; share of numbers that have signs, and that have a letter beside.
_MOST, _WITH_SIGNS, _WITH_LETTER = 8, 0.35, 0.2
#: Heights of digits, in pixels, from and to; gaps between them, in heights: from and to on
#: average, how they differ, and where digits touch; share of gaps at most where they do.
_SIZE, _GAP, _GAPS, _TOUCH, _TOUCHING = (24, 80), (0.08, 0.35), 0.08, (-0.1, 0.03), 0.35
#: How far marks stand from their line's middle, in heights, standard deviation.
_DRIFT = 0.06
#: Ink and paper, from and to in 0..1, and noise on them at most.
_INK, _PAPER, _NOISE = (0.45, 1.0), (0.8, 1.0), 0.03


@dataclass(frozen=True, eq=False)
class Digits:
    """Digits that numbers are made of: X (n, 784) uint8 in MNIST form, labels y (n,)."""

    X: Grey
    y: Array


def draw_number(sets: Sequence[Digits], rng: Random) -> tuple[Image.Image, str]:
    """A number in the hands of one of some sets, with or without signs, and its text."""
    digits = sets[int(rng.integers(len(sets)))]
    text = "".join(str(digit) for digit in rng.integers(0, 10, rng.integers(1, _MOST + 1)))
    if len(text) > 2 and rng.random() < _WITH_SIGNS:
        sign = str(rng.choice(list(SIGNS)))
        for place in sorted(rng.choice(np.arange(1, len(text)), 2, replace=False), reverse=True):
            text = text[:place] + sign + text[place:]
    forms = list(text)
    if rng.random() < _WITH_LETTER:
        forms.insert(len(text) * int(rng.integers(2)), str(rng.choice(list(OTHERS))))
    gap, touching = rng.uniform(*_GAP), rng.uniform(0, _TOUCHING)
    page = np.zeros((4 * HEIGHT, 2 * HEIGHT * (len(forms) + 2)), np.float32)
    x = HEIGHT
    for k, form in enumerate(forms):
        ink, middle = _mark(form, digits, rng)
        touches = k and form.isdigit() and forms[k - 1].isdigit() and rng.random() < touching
        x += int(HEIGHT * (rng.uniform(*_TOUCH) if touches else gap + abs(rng.normal(0, _GAPS))))
        top = max(0, int(2 * HEIGHT - middle))
        part = page[top : top + len(ink), x : x + ink.shape[1]]
        np.maximum(part, ink[: len(part)], out=part)
        x += ink.shape[1]
    return _painted(page[:, : x + HEIGHT], rng), text


def _mark(form: str, digits: Digits, rng: Random) -> tuple[Float32, float]:
    """The ink of a character, and how far below its top row the middle of the line is."""
    if form.isdigit():
        own = np.flatnonzero(digits.y == int(form))
        ink = written(digits.X[rng.choice(own)], rng)
        return ink, len(ink) / 2 + float(rng.normal(0, _DRIFT)) * HEIGHT
    strokes = str(rng.choice((SIGNS | OTHERS)[form]))
    return draw_marks(strokes.split(", "), rng)


def _painted(ink: Float32, rng: Random) -> Image.Image:
    """Ink (h, w) on paper, as a camera sees it."""
    scale = rng.uniform(*_SIZE) / HEIGHT
    h, w = (round(side * scale) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((w, h), Image.Resampling.BOX))
    page = rng.uniform(*_PAPER) * (1 - rng.uniform(*_INK) * small)
    page += rng.normal(0, rng.uniform(0, _NOISE), page.shape)
    return Image.fromarray(np.rint(np.clip(page, 0, 1) * 255).astype(np.uint8))


def read_numbers(
    models: DetectorArrays, sets: Sequence[Digits], n: int, seed: int
) -> tuple[Float64, Array]:
    """Of drawn numbers that were read as one field: its features, and whether it is right."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        page, text = draw_number(sets, rng)
        try:
            fields = read(page, models=models).fields
        except DigitsError:
            continue
        # What a space parts wrongly is no fault of its digits.
        if len(fields) == 1:
            X.append(fields[0].features)
            y.append(fields[0].text == text)
    return np.array(X), np.array(y)


def fit_weights(X: Float64, y: Array) -> tuple[Float64, float]:
    """Weights (n_features,) and bias of a logistic regression, in ``certainty``'s terms."""
    model = LogisticRegression().fit(X, y)
    return model.coef_[0], float(model.intercept_[0])


def main() -> None:
    """Fit detectors on five sixths of all hands, and the weights on numbers of the rest."""
    seen, unseen = list[Digits](), list[Digits]()
    for name in ALL:
        hands = load_hands(name)
        writers = np.unique(hands.writers)
        is_last = np.isin(hands.writers, writers[-(len(writers) // 6) :])
        for part, rows in ((seen, ~is_last), (unseen, is_last)):
            part.append(Digits(hands.images(0, 0, np.flatnonzero(rows)), hands.y[rows]))
    split = load_split("mnist", "train")
    seen.append(Digits(split.X[:50_000], split.y[:50_000]))
    unseen.append(Digits(split.X[50_000:], split.y[50_000:]))
    model = OneVsRestDigits(validation_fraction=1 / 6, random_state=0, n_jobs=-1)
    X, y = np.concatenate([part.X for part in seen]), np.concatenate([part.y for part in seen])
    order = np.random.default_rng(0).permutation(len(X))
    with tempfile.TemporaryDirectory() as folder:
        save_models(model.fit(X[order], y[order]).detectors_, Path(folder) / "models.pkl")
        models = load_models(Path(folder) / "models.pkl")
    found, right = read_numbers(models, unseen, 2000, 0)
    weights, bias = fit_weights(found, right)
    click.echo(f"WEIGHTS = np.array({[round(float(w), 3) for w in weights]})\nBIAS = {bias:.3f}")


if __name__ == "__main__":
    main()
