"""How people write the ten digits: the way of the pen, stroke by stroke."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
Stroke = list[Point]

#: Where the pen comes by, x and y downwards, a digit 83 or so high; ``;`` lifts the pen and ``/``
#: turns it sharply. Each digit as several people write it.
_HANDS = {
    0: [
        "40,10 20,22 10,50 16,80 36,92 58,76 64,46 56,20 38,10",
        "56,20 40,12 18,26 10,56 20,86 44,89 64,66 66,36 52,16 44,15",
    ],
    1: [
        "41,9 39,35 36,62 34,91",
        "26,31 34,21 42,9 / 41,50 40,92",
    ],
    2: [
        "13,30 20,14 39,9 55,21 52,42 36,64 12,90 / 36,88 64,90",
        "10,24 26,10 48,13 54,32 42,56 23,76 13,85 17,75 29,77 44,87 63,84",
    ],
    3: [
        "13,19 30,9 50,14 53,30 42,43 28,47 / 47,51 58,67 49,85 28,91 10,82",
        "12,12 34,11 54,12 / 42,28 30,42 / 48,48 56,66 46,86 27,91 10,83",
    ],
    4: [
        "32,10 22,36 10,60 / 36,60 66,58; 51,26 49,56 47,92",
        "16,12 13,32 14,48 28,54 53,50; 55,10 53,50 52,92",
    ],
    5: [
        "20,11 18,28 16,46 / 34,39 54,49 57,70 44,88 24,91 9,83; 20,11 40,11 60,9",
        "58,10 40,11 22,12 / 19,28 15,44 / 35,40 52,51 54,70 40,88 22,91 9,84",
    ],
    6: [
        "49,9 31,24 17,48 12,72 21,89 40,92 55,80 52,62 37,55 21,63 14,76",
        "38,9 23,30 14,58 16,80 32,92 50,86 56,69 46,56 29,58 18,72",
    ],
    7: [
        "10,14 34,13 60,12 / 47,40 36,66 28,92",
        "10,15 34,12 59,13 / 49,40 39,64 33,91; 26,52 42,51 59,48",
    ],
    8: [
        "53,22 40,10 22,14 18,30 32,44 50,58 56,76 42,91 22,89 14,73 26,56 43,42 54,27 50,16",
        "36,10 20,18 22,36 36,46 52,60 54,79 39,92 20,86 17,68 30,52 46,39 53,22 42,10 34,10",
    ],
    9: [
        "53,26 41,11 22,14 12,32 20,48 38,48 51,32 53,22 52,44 50,68 48,92",
        "52,18 36,10 18,20 13,38 26,49 44,40 52,20 / 50,50 42,76 28,91",
    ],
}
N_HANDS = min(len(hands) for hands in _HANDS.values())


def write(
    digit: int, x: float, y: float, height: float, hand: int = 0, steps: int = 4
) -> list[Stroke]:
    """The strokes of a digit, rounded as a hand rounds them.

    Parameters
    ----------
    digit : int in 0..9
    x, y : float
        Middle of its ink.
    height : float
        Of its ink, from the highest point to the lowest.
    hand : int in 0..N_HANDS-1
        Whose.
    steps : int
        Points from one place where the pen comes by to the next.
    """
    strokes = [_rounded(text, steps) for text in _HANDS[digit][hand].split(";")]
    left, top, right, bottom = bounds(strokes)
    scale = height / (bottom - top)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    return [
        [(x + scale * (px - middle_x), y + scale * (py - middle_y)) for px, py in stroke]
        for stroke in strokes
    ]


def barred_zero(rng: np.random.Generator) -> list[Stroke]:
    """A zero with a bar across it, as some write it, about the middle of a square of 1 by 1.

    No detector of the models that ship recognises it.
    """
    angles = np.linspace(-1.5, 4.85, 14) + rng.normal(0, 0.04)
    width, height = rng.uniform(0.14, 0.17), rng.uniform(0.26, 0.3)
    y = height * np.sin(angles)
    x = width * np.cos(angles) - rng.uniform(-0.02, 0.12) * y
    ends, tilt = width + 0.06, rng.uniform(-0.01, 0.05)
    bar = [(0.5 - ends, 0.5 + tilt), (0.5 + ends, 0.5 - tilt)]
    return [list(zip((0.5 + x).tolist(), (0.5 + y).tolist(), strict=True)), bar]


def bounds(strokes: list[Stroke]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what the pen passes."""
    xs, ys = zip(*(point for stroke in strokes for point in stroke), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def face(x: float, y: float, radius: float) -> list[Stroke]:
    """A ring as hands draw one, two round eyes and a mouth, which are no digit."""
    eyes = [
        write_arc(x + side * radius, y - 0.28 * radius, 0.08 * radius) for side in (-0.34, 0.34)
    ]
    mouth = write_arc(x, y + 0.06 * radius, 0.5 * radius, (0.05, 0.45))
    return [write_arc(x, y, radius, uneven=0.04), *eyes, mouth]


def write_arc(
    x: float, y: float, radius: float, turns: tuple[float, float] = (0, 1), uneven: float = 0
) -> Stroke:
    """A part of a circle, which may stray from it by a share of its radius."""
    angles = (2 * np.pi * np.linspace(*turns, 25)).tolist()
    radii = [radius * (1 + uneven * math.sin(3 * angle)) for angle in angles]
    return [
        (x + r * math.cos(angle), y + r * math.sin(angle))
        for r, angle in zip(radii, angles, strict=True)
    ]


def picture_of(strokes: list[Stroke], width: int = 280, height: int = 280, pen: int = 20) -> bytes:
    """A PNG of strokes in black on white, drawn with a round pen."""
    fine = 4  # pixels to a pixel, for smooth edges
    picture = Image.new("L", (fine * width, fine * height), 255)
    draw = ImageDraw.Draw(picture)
    radius = fine * pen / 2
    for stroke in strokes:
        places = [(fine * x, fine * y) for x, y in stroke]
        draw.line(places, fill=0, width=fine * pen)
        for x, y in places:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    file = io.BytesIO()
    picture.reduce(fine).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _rounded(text: str, steps: int) -> Stroke:
    """The curves through the places in a text (Catmull-Rom), one up to each sharp turn."""
    line: Stroke = []
    for part in text.split("/"):
        places = [place.split(",") for place in part.split()]
        through = line[-1:] + [(float(x), float(y)) for x, y in places]
        line = line or through[:1]
        ends = [through[0], *through, through[-1]]
        for around in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
            line += [_between(*around, step / steps) for step in range(1, steps + 1)]
    return line


def _between(before: Point, first: Point, second: Point, after: Point, t: float) -> Point:
    def along(a: float, b: float, c: float, d: float) -> float:
        bend = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
        return b + ((c - a) * t + bend) / 2

    x, y = (along(*values) for values in zip(before, first, second, after, strict=True))
    return x, y
