"""Draws the ten example pictures, each written and photographed otherwise, and numbers.

    python examples/make_examples.py [FOLDER]

The same pictures come out every time.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

Point = tuple[float, float]

FINER = 4  # strokes are drawn this much larger, then reduced: that smooths their edges

# Strokes of the pen, a list of points each, in a box of height 1 with y pointing down.
STROKES: dict[str, list[list[Point]]] = {
    "zero": [
        [
            (0.52, 0.02), (0.26, 0.12), (0.11, 0.44), (0.18, 0.82), (0.45, 0.98),
            (0.72, 0.86), (0.85, 0.50), (0.76, 0.16), (0.54, 0.03), (0.40, 0.07),
        ]
    ],
    "one": [[(0.41, 0.14), (0.48, 0.08), (0.56, 0.01)], [(0.56, 0.01), (0.51, 0.48), (0.45, 1.0)]],
    "two": [
        [
            (0.14, 0.24), (0.30, 0.06), (0.58, 0.03), (0.75, 0.21), (0.64, 0.50), (0.38, 0.76),
            (0.12, 0.95),
        ],
        [(0.12, 0.95), (0.38, 0.90), (0.64, 0.95), (0.88, 0.90)],
    ],
    "three": [
        [(0.17, 0.13), (0.42, 0.02), (0.70, 0.10), (0.70, 0.31), (0.40, 0.46)],
        [(0.40, 0.46), (0.72, 0.54), (0.80, 0.76), (0.58, 0.96), (0.30, 0.97), (0.11, 0.84)],
    ],
    "four": [
        [(0.33, 0.04), (0.23, 0.30), (0.12, 0.57)],
        [(0.12, 0.57), (0.45, 0.59), (0.90, 0.53)],
        [(0.71, 0.10), (0.66, 0.50), (0.59, 1.0)],
    ],
    "five": [
        [(0.29, 0.06), (0.25, 0.24), (0.20, 0.44)],
        [
            (0.20, 0.44), (0.46, 0.38), (0.72, 0.50), (0.77, 0.74), (0.55, 0.95), (0.28, 0.97),
            (0.12, 0.87),
        ],
        [(0.29, 0.07), (0.55, 0.07), (0.84, 0.02)],
    ],
    "six": [
        [
            (0.66, 0.02), (0.39, 0.25), (0.20, 0.60), (0.29, 0.91), (0.57, 0.97), (0.76, 0.77),
            (0.63, 0.58), (0.40, 0.61), (0.23, 0.78),
        ]
    ],
    "seven": [
        [(0.12, 0.11), (0.45, 0.09), (0.84, 0.04)],
        [(0.84, 0.04), (0.60, 0.42), (0.45, 1.0)],
    ],
    "eight": [
        [
            (0.72, 0.13), (0.47, 0.02), (0.25, 0.19), (0.42, 0.43), (0.68, 0.62), (0.72, 0.85),
            (0.47, 0.98), (0.21, 0.84), (0.32, 0.60), (0.60, 0.40), (0.76, 0.20), (0.66, 0.07),
        ]
    ],
    "nine": [
        [
            (0.75, 0.18), (0.52, 0.03), (0.25, 0.14), (0.22, 0.38), (0.47, 0.48), (0.69, 0.32),
            (0.76, 0.12),
        ],
        [(0.76, 0.12), (0.71, 0.52), (0.60, 1.0)],
    ],
    "slash": [[(0.80, -0.05), (0.52, 0.50), (0.25, 1.05)]],
}  # fmt: skip


def curve(points: list[Point], steps: int = 40) -> list[Point]:
    """A smooth line through the points (Catmull and Rom's spline)."""
    padded = [points[0], *points, points[-1]]
    line = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            x, y = (
                b[i]
                + 0.5 * t * (c[i] - a[i])
                + t * t * (a[i] - 2.5 * b[i] + 2 * c[i] - 0.5 * d[i])
                + t**3 * (1.5 * (b[i] - c[i]) + 0.5 * (d[i] - a[i]))
                for i in range(2)
            )
            line.append((x, y))
    return [*line, points[-1]]


@dataclass(frozen=True)
class Hand:
    """How somebody writes.

    ``unsteady`` is how far the hand strays, in digit heights; ``ragged`` how much of the
    line the pen leaves out, as chalk does.
    """

    pressure: float = 0.15
    unsteady: float = 0.012
    slant: float = 0.0
    ragged: float = 0.0


def handwriting(
    digit: str,
    size: tuple[int, int],
    corner: Point,
    height: float,
    pen: float,
    hand: Hand = Hand(),
) -> Image.Image:
    """Where the pen has been: a grey picture, 255 where the ink is full.

    ``corner`` is the top left of the digit and ``pen`` the width of the line, in pixels.
    """
    chance = random.Random(digit)
    picture = Image.new("L", (size[0] * FINER, size[1] * FINER), 0)
    draw = ImageDraw.Draw(picture)
    for stroke in STROKES[digit]:
        # The ends stay: strokes meet there.
        inner = [
            (chance.gauss(x, hand.unsteady), chance.gauss(y, hand.unsteady))
            for x, y in stroke[1:-1]
        ]
        line = curve([stroke[0], *inner, stroke[-1]])
        weight = 1.0
        for x, y in line:
            weight += 0.1 * (chance.gauss(1.0, hand.pressure) - weight)
            reach = FINER * pen * weight / 2
            across = FINER * (corner[0] + height * (x + hand.slant * (0.5 - y)))
            down = FINER * (corner[1] + height * y)
            draw.ellipse((across - reach, down - reach, across + reach, down + reach), fill=255)
    if hand.ragged:
        # Grain of two pixels: where the board is low the chalk leaves nothing.
        grain = grains(chance, (size[0] // 2, size[1] // 2), 255, 255 * hand.ragged)
        picture = ImageChops.multiply(picture, grain.resize(picture.size))
    return picture.reduce(FINER)


def grains(hand: random.Random, size: tuple[int, int], level: float, spread: float) -> Image.Image:
    """Grey noise around a level."""
    count = size[0] * size[1]
    values = (round(min(max(hand.gauss(level, spread), 0), 255)) for _ in range(count))
    return Image.frombytes("L", size, bytes(values))


def black_pen(digit: str) -> Image.Image:
    """A felt-tip pen on white paper."""
    ink = handwriting(digit, (200, 200), (52, 38), 124, 9)
    return ImageChops.invert(ink)


def ballpoint_in_a_corner(digit: str) -> Image.Image:
    """A large sheet with a small blue digit at the bottom right."""
    size = (420, 560)
    ink = handwriting(digit, size, (330, 450), 72, 4.5, Hand(pressure=0.3))
    return Image.composite(Image.new("RGB", size, (32, 52, 148)), paper(size, "#fbfaf4"), ink)


def chalk(digit: str) -> Image.Image:
    """White chalk on a dark green board."""
    size = (150, 150)
    ink = handwriting(digit, size, (36, 28), 94, 10, Hand(pressure=0.3, ragged=0.35))
    board = grains(random.Random("board"), (30, 30), 128, 60).resize(size, Image.Resampling.BICUBIC)
    ground = Image.merge(
        "RGB", [board.point(lambda g, top=top: top + g // 16) for top in (24, 56, 44)]
    )
    return as_palette(Image.composite(Image.new("RGB", size, (236, 236, 226)), ground, ink))


def thick_marker(digit: str) -> Image.Image:
    """A broad red marker."""
    size = (180, 200)
    ink = handwriting(digit, size, (42, 38), 120, 21, Hand(pressure=0.08))
    return Image.composite(Image.new("RGB", size, (196, 24, 32)), paper(size, "white"), ink)


def thin_pencil(digit: str) -> Image.Image:
    """A small, thin, grey digit on greyish paper."""
    ink = handwriting(digit, (240, 180), (96, 72), 40, 1.7, Hand(pressure=0.35, unsteady=0.02))
    return ink.point(lambda level: 238 - level * 150 // 255)


def no_ground(digit: str) -> Image.Image:
    """Black ink on nothing, as a drawing program saves it."""
    ink = handwriting(digit, (160, 160), (36, 26), 108, 8)
    picture = Image.new("RGBA", ink.size, (0, 0, 0, 0))
    picture.putalpha(ink)
    return picture


def tiny_light_on_dark(digit: str) -> Image.Image:
    """White on black and only 32 pixels wide."""
    return handwriting(digit, (32, 36), (7, 6), 24, 3, Hand(slant=0.1))


def yellow_note(digit: str) -> Image.Image:
    """A fountain pen on a yellow note; the light comes from the right."""
    size = (170, 170)
    ink = handwriting(digit, size, (42, 30), 108, 8, Hand(pressure=0.3, slant=0.06))
    sheet = Image.composite(Image.new("RGB", size, (30, 34, 60)), paper(size, "#ffe97a"), ink)
    shade = Image.linear_gradient("L").rotate(-90).resize(size).point(lambda g: 255 - g // 5)
    return as_palette(ImageChops.multiply(sheet, Image.merge("RGB", [shade] * 3)))


def squared_paper(digit: str) -> Image.Image:
    """A ballpoint on pale squares."""
    size = (200, 220)
    sheet = paper(size, "white")
    draw = ImageDraw.Draw(sheet)
    for place in range(11, max(size), 22):
        draw.line((place, 0, place, size[1]), fill=(222, 234, 244))
        draw.line((0, place, size[0], place), fill=(222, 234, 244))
    ink = handwriting(digit, size, (50, 46), 120, 6, Hand(pressure=0.25, slant=0.12))
    return Image.composite(Image.new("RGB", size, (22, 40, 120)), sheet, ink)


def black_and_white_scan(digit: str) -> Image.Image:
    """Scanned without greys: every pixel is black or white."""
    ink = handwriting(digit, (140, 150), (36, 26), 96, 8, Hand(pressure=0.2))
    return ink.point(lambda level: 0 if level > 127 else 255).convert("1")


def pencilled(lines: list[str], size: tuple[int, int], height: int, step: float) -> Image.Image:
    """Lines of digits and slashes on white paper; a space parts fields.

    ``step`` is from one to the next, in digit heights.
    """
    names = dict(zip("0123456789/", [*LOOKS, "slash"], strict=True))
    ink = Image.new("L", size, 0)
    for row, line in enumerate(lines):
        for place, character in enumerate(line):
            if character != " ":
                corner = (height * (0.4 + step * place), height * (0.5 + 1.8 * row))
                drawn = handwriting(names[character], size, corner, height, height / 13)
                ink = ImageChops.lighter(ink, drawn)
    return ImageChops.invert(ink).quantize(16, dither=Image.Dither.NONE)


def paper(size: tuple[int, int], colour: str) -> Image.Image:
    """A clean sheet."""
    return Image.new("RGB", size, colour)


def as_palette(picture: Image.Image) -> Image.Image:
    """Few colours, a smaller file."""
    return picture.quantize(64, dither=Image.Dither.NONE)


LOOKS: dict[str, Callable[[str], Image.Image]] = {
    "zero": black_pen,
    "one": ballpoint_in_a_corner,
    "two": chalk,
    "three": thick_marker,
    "four": thin_pencil,
    "five": no_ground,
    "six": tiny_light_on_dark,
    "seven": yellow_note,
    "eight": squared_paper,
    "nine": black_and_white_scan,
}


NUMBERS = {
    "meter": (["31057"], (340, 124), 64, 0.95),
    "date": (["24/12/2025"], (540, 104), 52, 0.95),
    "page": (["1250  37  804", "  96 415  770", " 308  52 1906"], (590, 250), 44, 0.95),
}


def make_examples(folder: Path) -> None:
    """Write the ten pictures into a folder, and the numbers into one below it."""
    for digit, look in LOOKS.items():
        look(digit).save(folder / f"{digit}.png", optimize=True)
    (folder / "gallery").mkdir(exist_ok=True)
    for name, written in NUMBERS.items():
        pencilled(*written).save(folder / "gallery" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    make_examples(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
