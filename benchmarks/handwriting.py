"""Draws digits stroke by stroke, as people write them who form some of them in their own way."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ovr_digits.picture.strokes import smooth

Random = np.random.Generator
#: Points (x, y) that the pen goes through in a smooth line; the digit is 1 high, y goes down.
Stroke = Sequence[tuple[float, float]]
Form = Sequence[Stroke]

#: Strokes are drawn this much larger, then reduced: that smooths their edges.
_FINER = 3

#: How most people form them: a form for each digit.
USUAL: Sequence[Form] = (
    [[(0.5, 0.02), (0.2, 0.18), (0.1, 0.5), (0.2, 0.85), (0.45, 0.98), (0.72, 0.85), (0.82, 0.5),
      (0.72, 0.15), (0.48, 0.02)]],
    [[(0.5, 0.0), (0.48, 0.5), (0.46, 1.0)]],
    [[(0.14, 0.24), (0.3, 0.06), (0.58, 0.03), (0.75, 0.21), (0.64, 0.5), (0.38, 0.76),
      (0.12, 0.95)], [(0.12, 0.95), (0.5, 0.94), (0.86, 0.93)]],
    [[(0.17, 0.13), (0.42, 0.02), (0.7, 0.1), (0.7, 0.31), (0.4, 0.46)],
     [(0.4, 0.46), (0.72, 0.54), (0.8, 0.76), (0.58, 0.96), (0.3, 0.97), (0.11, 0.84)]],
    [[(0.3, 0.04), (0.22, 0.3), (0.1, 0.57)], [(0.1, 0.57), (0.45, 0.58), (0.85, 0.55)],
     [(0.68, 0.08), (0.65, 0.5), (0.62, 1.0)]],
    [[(0.29, 0.05), (0.25, 0.24), (0.2, 0.44)],
     [(0.2, 0.44), (0.46, 0.38), (0.72, 0.5), (0.77, 0.74), (0.55, 0.95), (0.28, 0.97),
      (0.12, 0.87)], [(0.29, 0.05), (0.55, 0.05), (0.8, 0.03)]],
    [[(0.66, 0.02), (0.39, 0.25), (0.2, 0.6), (0.29, 0.91), (0.57, 0.97), (0.76, 0.77),
      (0.63, 0.58), (0.4, 0.61), (0.23, 0.78)]],
    [[(0.12, 0.08), (0.45, 0.07), (0.82, 0.04)], [(0.82, 0.04), (0.6, 0.42), (0.45, 1.0)]],
    [[(0.72, 0.13), (0.47, 0.02), (0.25, 0.19), (0.42, 0.43), (0.68, 0.62), (0.72, 0.85),
      (0.47, 0.98), (0.21, 0.84), (0.32, 0.6), (0.6, 0.4), (0.76, 0.2), (0.66, 0.07)]],
    [[(0.75, 0.18), (0.52, 0.03), (0.25, 0.14), (0.22, 0.38), (0.47, 0.48), (0.69, 0.32),
      (0.76, 0.12)], [(0.76, 0.12), (0.71, 0.52), (0.6, 1.0)]],
)  # fmt: skip

#: Odd forms that people have, by the digit and what is odd about it; "train" to develop on.
ODD: Mapping[str, Mapping[tuple[int, str], Form]] = {
    "test": {
        (0, "slashed"): [[(0.5, 0.02), (0.18, 0.18), (0.08, 0.5), (0.18, 0.85), (0.48, 0.98),
            (0.78, 0.85), (0.88, 0.5), (0.78, 0.15), (0.48, 0.02)], [(0.95, 0), (0.02, 1)]],
        (1, "flag"): [[(0.1, 0.35), (0.5, 0)], [(0.5, 0), (0.48, 1)]],
        (2, "ring for a head"): [[(0.6, 0.3), (0.35, 0.42), (0.15, 0.25), (0.35, 0.02), (0.68,
            0.1), (0.62, 0.4), (0.35, 0.75), (0.08, 0.96)], [(0.08, 0.96), (0.45, 0.9), (0.85,
            0.97)]],
        (3, "closed head"): [[(0.45, 0.4), (0.2, 0.3), (0.25, 0.05), (0.6, 0.02), (0.7, 0.25),
            (0.42, 0.45)], [(0.42, 0.45), (0.8, 0.55), (0.78, 0.9), (0.4, 1), (0.1, 0.85)]],
        (4, "closed head"): [[(0.6, 0.05), (0.3, 0.15), (0.12, 0.5)], [(0.12, 0.5), (0.75, 0.47)],
            [(0.6, 0.05), (0.6, 1)]],
        (5, "full belly"): [[(0.8, 0.02), (0.3, 0.05)], [(0.3, 0.05), (0.2, 0.45)], [(0.2, 0.45),
            (0.5, 0.35), (0.8, 0.6), (0.6, 0.95), (0.25, 0.9), (0.15, 0.65), (0.22, 0.42)]],
        (6, "nearly a 0"): [[(0.6, 0.02), (0.25, 0.15), (0.08, 0.5), (0.18, 0.85), (0.48, 0.98),
            (0.8, 0.82), (0.85, 0.45), (0.6, 0.2), (0.35, 0.3), (0.2, 0.5)]],
        (7, "serif, bar and foot"): [[(0.1, 0.25), (0.1, 0.04)], [(0.1, 0.04), (0.82, 0.04)],
            [(0.82, 0.04), (0.45, 0.98)], [(0.2, 0.5), (0.95, 0.46)], [(0.2, 0.98), (0.75,
            0.98)]],
        (8, "small head"): [[(0.52, 0.3), (0.4, 0.15), (0.5, 0), (0.62, 0.12), (0.52, 0.3), (0.2,
            0.5), (0.15, 0.8), (0.45, 1), (0.8, 0.85), (0.82, 0.5), (0.52, 0.3)]],
        (9, "loop for a tail"): [[(0.74, 0.1), (0.5, 0.01), (0.24, 0.1), (0.2, 0.32), (0.42,
            0.46), (0.66, 0.36), (0.75, 0.12)], [(0.75, 0.12), (0.78, 0.5), (0.7, 0.9), (0.4, 1),
            (0.15, 0.85), (0.3, 0.7), (0.75, 0.6)]],
    },
    "train": {
        (0, "barred"): [[(0.5, 0.02), (0.18, 0.18), (0.08, 0.5), (0.18, 0.85), (0.48, 0.98),
            (0.78, 0.85), (0.88, 0.5), (0.78, 0.15), (0.48, 0.02)], [(0, 0.55), (0.96, 0.45)]],
        (1, "hook"): [[(0.1, 0.3), (0.35, 0.2), (0.52, 0)], [(0.52, 0), (0.5, 1)]],
        (2, "curled in"): [[(0.42, 0.3), (0.3, 0.4), (0.15, 0.25), (0.3, 0.02), (0.65, 0.05),
            (0.72, 0.3), (0.4, 0.7), (0.1, 0.95)], [(0.1, 0.95), (0.5, 0.9), (0.85, 0.95)]],
        (3, "small head"): [[(0.3, 0.1), (0.45, 0), (0.55, 0.1), (0.4, 0.25)], [(0.4, 0.25),
            (0.75, 0.35), (0.85, 0.7), (0.55, 0.98), (0.2, 0.95), (0.05, 0.75)]],
        (4, "sail"): [[(0.62, 0), (0.02, 0.66)], [(0.02, 0.66), (0.95, 0.66)], [(0.62, 0), (0.62,
            1)]],
        (5, "lasso"): [[(0.9, 0.1), (0.6, 0), (0.3, 0.2), (0.5, 0.4), (0.75, 0.6), (0.6, 0.9),
            (0.25, 0.95), (0.15, 0.75), (0.4, 0.7), (0.6, 0.85)]],
        (6, "flat flag"): [[(0.95, 0.1), (0.5, 0.12), (0.15, 0.4), (0.15, 0.8), (0.45, 0.98),
            (0.75, 0.8), (0.75, 0.45), (0.5, 0.25), (0.2, 0.4)]],
        (7, "foot"): [[(0.1, 0.05), (0.85, 0.05)], [(0.85, 0.05), (0.4, 0.97)], [(0.1, 0.97),
            (0.75, 0.97)]],
        (8, "lying"): [[(0.5, 0.5), (0.2, 0.2), (0.02, 0.5), (0.2, 0.8), (0.5, 0.5), (0.85, 0.15),
            (1.1, 0.45), (0.85, 0.8), (0.5, 0.5)]],
        (9, "s for a tail"): [[(0.75, 0.1), (0.5, 0), (0.2, 0.12), (0.2, 0.38), (0.5, 0.45),
            (0.75, 0.25)], [(0.75, 0.1), (0.7, 0.55), (0.35, 0.75), (0.3, 0.9), (0.55, 1), (0.85,
            0.92)]],
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Writer:
    """One person's hand.

    Attributes
    ----------
    forms : ten forms
        How this person writes each digit.
    odd : mapping
        What is odd about the digits that are, by digit.
    slant, width, pen : float
        Columns for each row upwards, width to height, and the pen's width in heights.
    """

    forms: Sequence[Form]
    odd: Mapping[int, str]
    slant: float
    width: float
    pen: float


def make_writer(part: str, n_odd: int, rng: Random) -> Writer:
    """Somebody with odd forms for some digits, out of ``ODD[part]``."""
    choices = list(ODD[part])
    odd = dict(choices[k] for k in sorted(rng.permutation(len(choices))[:n_odd]))
    forms = [ODD[part][digit, odd[digit]] if digit in odd else USUAL[digit] for digit in range(10)]
    return Writer(
        forms=[_shaken(form, 0.025, rng) for form in forms],
        odd=odd,
        slant=float(rng.uniform(-0.1, 0.3)),
        width=float(rng.uniform(0.8, 1.15)),
        pen=float(rng.uniform(0.05, 0.11)),
    )


def write(writer: Writer, digit: int, rng: Random, side: int | None = None) -> bytes:
    """One digit as somebody draws it on the page: black on white, as PNG, never twice the same."""
    height, side = rng.uniform(130, 230), side or int(rng.integers(280, 401))
    slant = writer.slant + rng.normal(0, 0.04)
    width = writer.width * np.exp(rng.normal(0, 0.05))
    turn = np.deg2rad(rng.normal(0, 3))
    place = side / 2 + rng.uniform(-0.12, 0.12, 2) * (side - height)
    pen = max(3.0, height * writer.pen * np.exp(rng.normal(0, 0.1))) * _FINER
    picture = Image.new("L", (side * _FINER, side * _FINER), 255)
    pencil = ImageDraw.Draw(picture)
    for stroke in _shaken(writer.forms[digit], 0.018, rng):
        x, y = (np.asarray(stroke) - 0.5).T
        x = width * x - slant * y
        x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        line = smooth((np.stack([x, y], axis=1) * height + place) * _FINER)
        pencil.line([tuple(point) for point in line.tolist()], fill=0, width=round(pen))
        for px, py in line:
            pencil.ellipse((px - pen / 2, py - pen / 2, px + pen / 2, py + pen / 2), fill=0)
    content = io.BytesIO()
    picture.reduce(_FINER).save(content, "PNG")
    return content.getvalue()


def _shaken(form: Form, distance: float, rng: Random) -> list[list[tuple[float, float]]]:
    """A form whose points have moved; those where strokes meet move together."""
    moved: dict[tuple[float, float], tuple[float, float]] = {}
    for point in (point for stroke in form for point in stroke):
        if point not in moved:
            dx, dy = rng.normal(0, distance, 2)
            moved[point] = (point[0] + dx, point[1] + dy)
    return [[moved[point] for point in stroke] for stroke in form]
