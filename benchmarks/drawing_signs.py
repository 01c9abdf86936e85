"""Draws dates, amounts and marks with their signs, and numbers with letters and symbols beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.drawing import (
    NUMBER_STYLES,
    STYLES,
    Float32,
    Random,
    Scene,
    _line,
    _painted,
    _stroke,
    _way_to_meet,
)
from benchmarks.drawing_other import _LETTERS
from ovr_digits.picture.strokes import smooth

#: Points (x, y) that strokes go through, y down from 0, the top of the digits, to 1.
_Strokes = Sequence[Sequence[tuple[float, float]]]
#: Left, top, width, height.
Box = tuple[int, int, int, int]
#: A digit's top in its line and its ink.
_Written = tuple[int, Float32]

#: Symbols as a pen writes them.
_SYMBOLS: Mapping[str, _Strokes] = {
    "$": [
        [(0.5, 0.2), (0.3, 0.1), (0.05, 0.2), (0.1, 0.42), (0.45, 0.55), (0.5, 0.8), (0.25, 0.92),
         (0, 0.8)],
        [(0.27, -0.05), (0.25, 1.08)],
    ],
    "€": [
        [(0.6, 0.12), (0.35, 0.02), (0.12, 0.3), (0.12, 0.7), (0.38, 1), (0.6, 0.88)],
        [(0, 0.42), (0.45, 0.4)], [(0, 0.6), (0.4, 0.58)],
    ],
    "£": [
        [(0.55, 0.2), (0.42, 0.03), (0.22, 0.12), (0.22, 0.5), (0.18, 0.85), (0, 1)],
        [(0, 1), (0.3, 0.93), (0.6, 1)], [(0.05, 0.52), (0.45, 0.52)],
    ],
    "%": [
        [(0.65, 0.02), (0.08, 1)],
        [(0.15, 0), (0.02, 0.15), (0.12, 0.32), (0.27, 0.17), (0.15, 0)],
        [(0.58, 0.66), (0.45, 0.82), (0.55, 1), (0.72, 0.84), (0.58, 0.66)],
    ],
    "+": [[(0, 0.55), (0.55, 0.53)], [(0.28, 0.26), (0.27, 0.82)]],
    "(": [[(0.25, -0.08), (0.05, 0.25), (0.03, 0.7), (0.22, 1.1)]],
    ")": [[(0.02, -0.08), (0.22, 0.25), (0.23, 0.7), (0.03, 1.1)]],
}  # fmt: skip
_TEXT_LETTERS = "ACEFHKMNPRTUVWXYadefhkmnprtuvwx"
#: Share of symbols and letters that are of a font.
_OF_FONT = 0.4


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture of a text: digits, signs, and what is neither.

    Attributes
    ----------
    content : bytes
    text : str
        With what is neither.
    boxes : list of (x, y, w, h)
        Of each character.
    """

    content: bytes
    text: str
    boxes: list[Box]


def random_text(rng: Random) -> str:
    """A date, a time, an amount or a mark."""
    kind = rng.integers(6)
    day, month, year = rng.integers(1, 32), rng.integers(1, 13), rng.integers(1950, 2040)
    if kind < 2:
        sign = "/" if kind == 0 else ".-/"[rng.integers(3)]
        form = "{:02}{s}{:02}{s}{}" if rng.random() < 0.6 else "{}{s}{}{s}{}"
        return form.format(day, month, year if rng.random() < 0.7 else year % 100, s=sign)
    if kind == 2:
        return f"{rng.integers(24):02}:{rng.integers(60):02}"
    if kind == 3:
        whole = f"{rng.integers(1, 10 ** rng.integers(1, 7)):,}"
        return whole if rng.random() < 0.3 else f"{whole}.{rng.integers(100):02}"
    if kind == 4:
        minus = "-" if rng.random() < 0.5 else ""
        return f"{minus}{rng.integers(1, 10 ** rng.integers(1, 4))},{rng.integers(10)}"
    half = ",5" if rng.random() < 0.3 else ""
    return f"{rng.integers(1, 21)}{half}/{(10, 20, 100)[rng.integers(3)]}"


def random_with_others(rng: Random) -> str:
    """A number with symbols or letters before or behind it."""
    digits = "".join(str(digit) for digit in rng.integers(0, 10, rng.integers(2, 6)))
    kind = rng.integers(4)
    if kind == 0:
        return f"({digits})"
    if kind == 1:
        return "$€£+"[rng.integers(4)] + digits
    if kind == 2:
        return digits + "%€$"[rng.integers(3)]
    letters = "".join(rng.choice(list(_TEXT_LETTERS), rng.integers(1, 3)))
    return letters + digits if rng.random() < 0.5 else digits + letters


def draw_text(text: str, X: NDArray[np.uint8], y: NDArray[np.uint8], rng: Random) -> Drawn:
    """A picture of a text, its digits being some of X (n, 784) with labels y (n,)."""
    scene = STYLES[NUMBER_STYLES[rng.integers(len(NUMBER_STYLES))]](rng)
    scene.digit = int(rng.integers(45, 110))
    scene.width = max(scene.width or float(rng.uniform(0.07, 0.14)), 2 / scene.digit)
    lean, slope = float(rng.normal(0, 0.1)), float(rng.uniform(-0.05, 0.05))
    written = []
    for k, character in enumerate(text):
        middle = scene.digit * (1.5 + slope * k)
        if character.isdigit():
            image = X[rng.choice(np.flatnonzero(y == int(character)))].reshape(28, 28)
            drift = scene.digit * float(rng.uniform(-0.06, 0.06))
            size, turn = int(scene.digit * rng.uniform(0.9, 1.1)), float(rng.uniform(-6, 6))
            ink = _stroke(image, replace(scene, digit=size, turn=turn))
            written.append((int(middle + drift - len(ink) / 2), ink))
        else:
            written.append(_sign(character, scene, (lean, middle), rng))
    gaps = [
        _gap(*pair, "/" in text[k : k + 2], scene, rng) for k, pair in enumerate(pairwise(written))
    ]
    block = _line(written, gaps)
    widths = [ink.shape[1] + gap for (_, ink), gap in zip(written, gaps, strict=False)]
    first = min(top for top, _ in written)
    places = [
        (x, top - first)
        for x, (top, _) in zip(np.cumsum([0, *widths]).tolist(), written, strict=True)
    ]
    margin = int(scene.digit * rng.uniform(0.6, 1.4))
    block = np.pad(block, margin)
    scene.size = (block.shape[0], block.shape[1])
    boxes = [
        (x + margin, top + margin, ink.shape[1], len(ink))
        for (x, top), (_, ink) in zip(places, written, strict=True)
    ]
    return Drawn(_painted(block, scene, rng), text, boxes)


def _gap(one: _Written, other: _Written, slash: bool, scene: Scene, rng: Random) -> int:
    """Between the boxes of neighbours: a slash leans over them, but no ink touches."""
    least = -_way_to_meet(one, other, scene.digit) + max(3, round(0.05 * scene.digit))
    wanted = rng.uniform(-0.15, 0.1) if slash else rng.uniform(0.04, 0.28)
    return max(least, int(scene.digit * wanted))


def _sign(
    character: str, scene: Scene, place: tuple[float, float], rng: Random
) -> tuple[int, Float32]:
    """A sign, a symbol or a letter, with its top in the line: ``place`` is its lean and middle."""
    lean, middle = place
    small = character in ".,-:/"
    # That font has neither € nor £.
    if not small and character not in "€£" and rng.random() < _OF_FONT:
        ink, top = _printed(character, scene.digit)
    else:
        strokes = _strokes_of_sign(character, lean, rng) if small else None
        if strokes is None:
            strokes = _SYMBOLS.get(character) or _LETTERS.get(character)
        if strokes is None:
            ink, top = _printed(character, scene.digit)
        else:
            assert scene.width is not None
            pen = scene.width * float(rng.uniform(0.85, 1.15)) * (1.4 if character in ".:" else 1)
            ink, top = _with_pen(strokes, scene.digit, pen, 0.0 if small else lean)
    drift = scene.digit * float(rng.uniform(-0.05, 0.05))
    return int(middle - scene.digit / 2 + top + drift), ink


def _strokes_of_sign(sign: str, lean: float, rng: Random) -> _Strokes:
    """A sign's strokes in digits' heights."""
    u = rng.uniform
    if sign == ".":
        y = u(0.88, 1.0)
        return [[(0, y), (u(0, 0.03), y + u(0, 0.03))]]
    if sign == ",":
        y = u(0.86, 0.95)
        return [[(0.06, y), (0.06, y + 0.08), (u(-0.06, 0.02), y + u(0.18, 0.3))]]
    if sign == ":":
        top = u(0.3, 0.55)
        low = top + u(0.28, 0.42)
        return [[(0, top), (0.02, top)], [(u(-0.04, 0.02), low), (0, low + 0.02)]]
    if sign == "-":
        y, tilt = u(0.42, 0.6), u(-0.05, 0.03)
        return [[(0, y), (u(0.22, 0.55), y + tilt)]]
    above, below, angle = u(0, 0.25), u(0, 0.25), np.tan(np.radians(u(12, 32))) + 0.5 * lean
    height = 1 + above + below
    return [[(height * angle, -above), (height * angle * u(0.45, 0.55), 0.5), (0, 1 + below)]]


def _printed(character: str, height: int) -> tuple[Float32, float]:
    """A character of Pillow's own font, and its top below that of digits."""
    font = ImageFont.load_default(round(height / 0.72))
    page = Image.new("L", (4 * height, 4 * height))
    ImageDraw.Draw(page).text((height, 2 * height), character, fill=255, font=font, anchor="ls")
    left, top, right, bottom = page.getbbox() or (0, 0, 1, 1)
    ink = np.asarray(page.crop((left, top, right, bottom)), np.float32) / 255
    return ink, top - height


def _with_pen(strokes: _Strokes, height: int, pen: float, lean: float) -> tuple[Float32, float]:
    """Strokes of a digit's height, their ink, and its top below that of digits."""
    finer = 3
    page = Image.new("L", (finer * 3 * height, finer * 3 * height))
    draw = ImageDraw.Draw(page)
    width = finer * max(pen * height, 2.0)
    for stroke in strokes:
        points = np.array(stroke) - np.array([0, 0.5])
        if len(points) > 2:
            points = smooth(points)
        x, y = points.T
        at = finer * height * np.stack([x - lean * y + 1, y + 1.5], axis=1)
        line = [(float(px), float(py)) for px, py in at]
        draw.line(line, fill=255, width=round(width), joint="curve")
        for px, py in line:
            draw.ellipse((px - width / 2, py - width / 2, px + width / 2, py + width / 2), fill=255)
    small = page.reduce(finer)
    left, top, right, bottom = small.getbbox() or (0, 0, 1, 1)
    ink = np.asarray(small.crop((left, top, right, bottom)), np.float32) / 255
    return ink, top - height
