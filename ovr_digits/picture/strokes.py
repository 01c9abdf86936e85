"""Draws pen strokes as a digit in MNIST form, each time with another pen, slant and speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ovr_digits.core.arrays import Float64, Floats, Grey
from ovr_digits.picture.mnist_form import to_mnist_form

#: The longer side of the strokes that are drawn, and the margin about them, in pixels.
_LENGTH, _MARGIN = 80, 12
#: Pixels between the stamps of the pen that make a stroke.
_STEP = 3.0

# How hands differ. What these numbers move is measured by ``benchmarks.hands``.

#: Widths of pens, from and to, as a share of the digit's longer side: MNIST's, a little more.
_PEN = (0.09, 0.25)
#: How much wider and thinner one stroke gets, as a share.
_PRESSURE = 0.15
#: Columns that a row moves for each row, standard deviation; radians; logarithm of the stretch.
_SLANT, _TURN, _STRETCH = 0.12, 0.06, 0.10
#: Share of hands that write wide, and how much wider at most.
_WIDE, _WIDEST = 0.3, 2.0
#: How far a fast hand rounds off, from and to, as a share of the longer side.
_ROUNDING = (0.0, 0.05)


def draw_digit(strokes: Sequence[Floats], rng: np.random.Generator) -> Grey:
    """Draw strokes as a hand of its own would write them.

    Parameters
    ----------
    strokes : sequence of (n_points, 2) float
        x to the right and y down, in any unit; a stroke of one point is a dot.
    rng : Generator
        Draws the width of the pen, its pressure, the slant, the turn, the stretch and the speed.

    Returns
    -------
    (28, 28) uint8
        In MNIST form: ink is 255, paper is 0.

    Raises
    ------
    ValueError
        Where there is no stroke.

    Examples
    --------
    >>> seven = [np.array([[0, 0], [6, 0], [2, 9]]), np.array([[2, 4], [5, 4]])]
    >>> draw_digit(seven, np.random.default_rng(0)).shape
    (28, 28)
    """
    placed = _placed([_rewritten(stroke, rng) for stroke in _placed(strokes)], _hand(rng))
    pen = _LENGTH * rng.uniform(*_PEN)
    size = np.max([stroke.max(axis=0) for stroke in placed], axis=0) + pen + 2 * _MARGIN
    page = Image.new("L", (int(size[0]) + 1, int(size[1]) + 1))
    draw = ImageDraw.Draw(page)
    for stroke in placed:
        first, last = rng.uniform(0, 7, 2)
        swell = _PRESSURE * np.sin(np.linspace(first, last, len(stroke)))
        centres = stroke + _MARGIN + pen / 2
        radii = pen / 2 * (1 + swell)
        for (x, y), r in zip(centres.tolist(), radii.tolist(), strict=True):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return to_mnist_form(np.asarray(page, np.float32) / np.float32(255))


def _hand(rng: np.random.Generator) -> Floats:
    """A linear map (2, 2) that turns, slants and stretches points (n, 2)."""
    turn, slant = rng.normal(0, _TURN), rng.normal(0, _SLANT)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    stretch = np.exp(rng.normal(0, _STRETCH))
    if rng.random() < _WIDE:
        stretch *= rng.uniform(1, _WIDEST)
    return np.array([[stretch, 0], [-slant, 1]]) @ rotation


def _placed(strokes: Sequence[Floats], linear: Floats | None = None) -> list[Floats]:
    """Strokes in pixels from the upper left corner of all of them."""
    if linear is not None:
        strokes = [stroke @ linear for stroke in strokes]
    points = np.concatenate([np.asarray(stroke, np.float64) for stroke in strokes])
    corner = points.min(axis=0)
    scale = _LENGTH / max(float((points.max(axis=0) - corner).max()), 1e-9)
    return [(stroke - corner) * scale for stroke in strokes]


def _rewritten(stroke: Floats, rng: np.random.Generator) -> Floats:
    """A stroke in even steps, its bends rounded off by the speed of the hand."""
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    along = np.concatenate([[0], np.cumsum(lengths)])
    places = np.linspace(0, along[-1], 2 + int(along[-1] / _STEP))
    even = np.stack([np.interp(places, along, axis) for axis in stroke.T], axis=1)
    sigma = _LENGTH * rng.uniform(*_ROUNDING) / _STEP
    reach = min(int(2.5 * sigma), len(even) - 1)
    if reach < 1:
        return even
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    # Mirrored through its ends, so that these stay where they are.
    padded = np.pad(even, ((reach, reach), (0, 0)), "reflect", reflect_type="odd")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return windows @ (weights / weights.sum())


def smooth(points: Float64, closed: bool = False) -> Float64:
    """The Catmull-Rom spline through points (n, 2)."""
    around = (points[-1:], points, points[:2]) if closed else (points[:1], points, points[-1:])
    p = np.concatenate(around)
    a, b, c, d = (p[k : len(p) - 3 + k, None] for k in range(4))
    t = np.linspace(0, 1, 12)[:, None]
    curve = 2 * b + t * ((c - a) + t * ((2 * a - 5 * b + 4 * c - d) + t * (3 * b - a - 3 * c + d)))
    halved: Float64 = curve.reshape(-1, 2) / 2
    return halved
