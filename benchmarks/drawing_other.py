"""Draws pictures that hold no digit, of kinds that no detector is taught to turn down."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.drawing import draw_ink

Float32 = NDArray[np.float32]
Random = np.random.Generator
#: Points (x, y) in 0..1 that a stroke goes through, y downwards.
Line = Sequence[tuple[float, float]]

#: Longer side of what is drawn, in pixels.
_SIDE = 150
#: How the drawn kinds are put on paper, of ``drawing.STYLES``.
_STYLES = ("plain", "coloured", "under a lamp")

_ROUND = ((0.5, 0), (0.75, 0.12), (0.75, 0.38), (0.5, 0.5))
#: Letters as a pen writes them; none that looks like a digit.
_LETTERS: dict[str, list[Line]] = {
    "A": [((0, 1), (0.5, 0), (1, 1)), ((0.2, 0.62), (0.8, 0.62))],
    "E": [((0.9, 0), (0, 0), (0, 1), (0.9, 1)), ((0, 0.5), (0.7, 0.5))],
    "F": [((0.9, 0), (0, 0), (0, 1)), ((0, 0.48), (0.7, 0.48))],
    "H": [((0, 0), (0, 1)), ((0.9, 0), (0.9, 1)), ((0, 0.5), (0.9, 0.5))],
    "K": [((0, 0), (0, 1)), ((0.85, 0), (0.02, 0.55), (0.9, 1))],
    "M": [((0, 1), (0.1, 0), (0.5, 0.7), (0.9, 0), (1, 1))],
    "N": [((0, 1), (0, 0), (0.8, 1), (0.8, 0))],
    "P": [((0, 1), (0, 0), *_ROUND, (0, 0.5))],
    "R": [((0, 1), (0, 0), *_ROUND, (0, 0.5)), ((0.35, 0.5), (0.8, 1))],
    "T": [((0, 0), (1, 0)), ((0.5, 0), (0.5, 1))],
    "U": [((0, 0), (0, 0.7), (0.15, 0.95), (0.45, 1), (0.75, 0.95), (0.9, 0.7), (0.9, 0))],
    "V": [((0, 0), (0.45, 1), (0.9, 0))],
    "W": [((0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0))],
    "X": [((0, 0), (0.9, 1)), ((0.9, 0), (0, 1))],
    "k": [((0, 0), (0, 1)), ((0.6, 0.35), (0.02, 0.7), (0.65, 1))],
    "m": [
        ((0, 1), (0, 0.3)),
        ((0, 0.5), (0.2, 0.3), (0.45, 0.4), (0.5, 1)),
        ((0.5, 0.5), (0.7, 0.3), (0.95, 0.4), (1, 1)),
    ],
}
_HEAD = ((0.5, 0.02), (0.38, 0.08), (0.38, 0.22), (0.5, 0.29), (0.62, 0.22), (0.62, 0.08))
_EYES = ((0.4, 0.5), (0.3, 0.35), (0.1, 0.35), (0, 0.5), (0.1, 0.65), (0.3, 0.65), (0.4, 0.5))
_PETALS = ((0.5, 0.5), (0.3, 0.35), (0.35, 0.15), (0.5, 0.3), (0.65, 0.15), (0.7, 0.35), (0.5, 0.5))
#: Things as people draw them.
_THINGS: dict[str, list[Line]] = {
    "house": [
        ((0, 0.45), (0.5, 0), (1, 0.45)),
        ((0.12, 0.4), (0.12, 1), (0.88, 1), (0.88, 0.4)),
        ((0.4, 1), (0.4, 0.65), (0.6, 0.65), (0.6, 1)),
    ],
    "person": [
        ((0.5, 0.3), (0.5, 0.65), (0.2, 1)),
        ((0.5, 0.65), (0.8, 1)),
        ((0.15, 0.45), (0.85, 0.45)),
        (*_HEAD, _HEAD[0]),
    ],
    "tree": [((0.5, 1), (0.5, 0.7)), ((0.1, 0.7), (0.9, 0.7), (0.5, 0), (0.1, 0.7))],
    "fish": [
        ((1, 0.2), (0.75, 0.5), (0.4, 0.75), (0.1, 0.62), (0, 0.5)),
        ((0, 0.5), (0.1, 0.38), (0.4, 0.25), (0.75, 0.5), (1, 0.8), (1, 0.2)),
    ],
    "car": [
        ((0, 0.7), (0, 0.45), (0.25, 0.42), (0.4, 0.2), (0.75, 0.2), (0.85, 0.45), (1, 0.5)),
        ((1, 0.5), (1, 0.7), (0, 0.7)),
        ((0.15, 0.7), (0.2, 0.85), (0.3, 0.7)),
        ((0.7, 0.7), (0.77, 0.85), (0.85, 0.7)),
    ],
    "cup": [
        ((0, 0.1), (0.1, 1), (0.65, 1), (0.75, 0.1), (0, 0.1)),
        ((0.72, 0.3), (1, 0.35), (0.95, 0.65), (0.68, 0.7)),
    ],
    "envelope": [
        ((0, 0.15), (1, 0.15), (1, 0.85), (0, 0.85), (0, 0.15)),
        ((0, 0.15), (0.5, 0.55), (1, 0.15)),
    ],
    "flower": [((0.5, 1), (0.5, 0.5)), _PETALS, ((0.5, 0.8), (0.75, 0.65))],
    "boat": [
        ((0, 0.7), (0.2, 1), (0.8, 1), (1, 0.7), (0, 0.7)),
        ((0.5, 0.7), (0.5, 0), (0.9, 0.6), (0.5, 0.6)),
    ],
    "glasses": [_EYES, ((0.4, 0.5), (0.5, 0.42), (0.6, 0.5)), [(1 - x, y) for x, y in _EYES]],
    "ladder": [
        *(((0.2, 0), (0.1, 1)), ((0.7, 0), (0.8, 1))),
        *(((0.18, 0.2), (0.72, 0.2)), ((0.16, 0.45), (0.75, 0.45)), ((0.13, 0.7), (0.78, 0.7))),
    ],
    "arrow": [((0, 0.9), (0.95, 0.1)), ((0.55, 0.08), (0.95, 0.1), (0.9, 0.5))],
    "tick": [((0, 0.6), (0.3, 1), (1, 0))],
    "lightning": [
        ((0.7, 0), (0.2, 0.55), (0.6, 0.5), (0.3, 1), (0.9, 0.38), (0.5, 0.42), (0.7, 0))
    ],
}
_WORDS = ["the", "and", "you", "hello", "cat", "name", "Tuesday", "max", "yes", "ham", "Peter"]


def _pen(rng: Random, lines: Sequence[Line]) -> Float32:
    """Strokes of an unsteady hand: (h, w) in 0..1."""
    turn, slant = rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.25)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    width = int(rng.integers(10, 36))
    narrow = rng.uniform(0.7, 1.0)
    page = Image.new("L", (3 * _SIDE, 3 * _SIDE))
    draw = ImageDraw.Draw(page)
    for line in lines:
        points = np.array(line) + rng.normal(0, 0.025, (len(line), 2)) + rng.normal(0, 0.015, 2)
        path = np.concatenate([np.linspace(a, b, 12) for a, b in pairwise(points)]) - 0.5
        if len(line) > 2:  # corners are rounded
            padded = np.pad(path, ((2, 2), (0, 0)), mode="edge")
            path = np.mean([padded[k : len(padded) - 4 + k] for k in range(5)], axis=0)
        path[:, 0] = narrow * path[:, 0] - slant * path[:, 1]
        at = [(float(x), float(y)) for x, y in 2 * _SIDE * (path @ rotation.T) + 1.5 * _SIDE]
        draw.line(at, fill=255, width=width, joint="curve")
        for x, y in (at[0], at[-1]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(page.crop(page.getbbox()).reduce(2), np.float32) / 255


def _letter(rng: Random) -> Float32:
    return _pen(rng, _LETTERS[_choice(rng, list(_LETTERS))])


def _thing(rng: Random) -> Float32:
    return _pen(rng, _THINGS[_choice(rng, list(_THINGS))])


def _character(rng: Random) -> Float32:
    """Straight strokes like those of a Chinese character."""
    lines: list[Line] = [
        ((rng.uniform(0, 0.3), y), (rng.uniform(0.7, 1), y))
        for y in rng.uniform(0, 1, rng.integers(2, 5))
    ]
    for x in rng.uniform(0.2, 0.8, rng.integers(1, 3)):
        lines.append(((x, rng.uniform(0, 0.3)), (x, rng.uniform(0.7, 1))))
    for x, aside in zip(rng.uniform(0.3, 0.7, 2), (-0.3, 0.3), strict=True):
        lines.append(((x, 0.4), (x + aside, 1)))
    return _pen(rng, lines)


def _knot(rng: Random) -> Float32:
    t = np.linspace(0, 2 * np.pi, 60)
    a, b = [(3, 2), (3, 4), (5, 4), (2, 5), (5, 3)][rng.integers(5)]
    points = 0.5 + 0.5 * np.stack([np.sin(a * t + 1), np.sin(b * t)], axis=1)
    return _pen(rng, [list(map(tuple, points))])


def _cursive(rng: Random) -> Float32:
    """Loops as of joined-up writing."""
    t = np.linspace(0, rng.integers(3, 7) * 2 * np.pi, 90)
    height = 0.12 + 0.2 * rng.random(9).repeat(10)
    points = np.stack([t / t[-1] + 0.06 * np.cos(t), 0.5 + height * np.sin(t)], axis=1)
    return _pen(rng, [list(map(tuple, points))])


def _choice(rng: Random, of: Sequence[str]) -> str:
    return of[int(rng.integers(len(of)))]


@lru_cache
def _font(name: str | None) -> ImageFont.FreeTypeFont:
    """A font of matplotlib's, or Pillow's own."""
    if name is None:
        return ImageFont.load_default(160)  # type: ignore[return-value]
    import matplotlib

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")
    return ImageFont.truetype(path, 160)


def _printed(rng: Random, texts: Sequence[str], *fonts: str | None) -> Float32:
    page = Image.new("L", (1400, 500))
    font = _font(fonts[rng.integers(len(fonts))])
    ImageDraw.Draw(page).text((700, 250), _choice(rng, texts), fill=255, font=font, anchor="mm")
    page = page.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR)
    return np.asarray(page.crop(page.getbbox()), np.float32) / 255


def _barcode(rng: Random) -> Float32:
    bars = (rng.random((1, rng.integers(15, 30))) < 0.5).astype(np.float32)
    return np.kron(bars, np.ones((100, 6), np.float32))


def _blocks(rng: Random) -> Float32:
    n = int(rng.integers(8, 16))
    return np.kron((rng.random((n, n)) < 0.5).astype(np.float32), np.ones((10, 10), np.float32))


def _splash(rng: Random) -> Float32:
    y, x = np.mgrid[:_SIDE, :_SIDE] / _SIDE
    ink = np.zeros((_SIDE, _SIDE), bool)
    for _ in range(rng.integers(4, 14)):
        cy, cx = rng.normal(0.5, 0.17, 2)
        ink |= np.hypot(y - cy, x - cx) < rng.uniform(0.02, 0.14)
    return ink.astype(np.float32)


def _empty_form(rng: Random) -> Float32:
    """A row of boxes with nothing in them."""
    n, side = int(rng.integers(2, 6)), int(rng.integers(30, 60))
    page = np.zeros((side + 3, n * side + 3), np.float32)
    page[:3] = page[-3:] = 1
    for k in range(n + 1):
        page[:, k * side : k * side + 3] = 1
    return page


def _noise(rng: Random) -> Any:
    h, w = rng.integers(60, 400, 2)
    return rng.uniform(0.3, 0.7) + rng.uniform(0.05, 0.3) * rng.standard_normal((h, w, 3))


def _clouds(rng: Random) -> Any:
    from scipy.ndimage import gaussian_filter

    clouds = gaussian_filter(rng.standard_normal((240, 320)), rng.uniform(5, 40))
    return rng.uniform(0.4, 0.7) + 0.15 * clouds / clouds.std()


def _bricks(rng: Random) -> Any:
    y, x = np.mgrid[:240, :320]
    high, wide = rng.integers(15, 50), rng.integers(40, 100)
    mortar = (y % high < 3) | ((x + (y // high % 2) * (wide // 2)) % wide < 3)
    grey = np.where(mortar, 0.8, rng.uniform(0.35, 0.6))
    return (grey + 0.05 * rng.standard_normal(grey.shape))[..., None] * [1, 0.8, 0.7]


def _weave(rng: Random) -> Any:
    y, x = np.mgrid[:240, :240] * rng.uniform(0.1, 0.8)
    return 0.6 + 0.12 * np.sin(x) * np.sign(np.sin(y)) + 0.05 * rng.standard_normal(x.shape)


def _wood(rng: Random) -> Any:
    y, x = np.mgrid[:260, :340]
    grain = np.sin(y / rng.uniform(2, 9) + 4 * np.sin(x / rng.uniform(60, 200)))
    return (0.5 + 0.1 * grain + 0.03 * rng.standard_normal(x.shape))[..., None] * [1, 0.75, 0.5]


def _gradient(rng: Random) -> Any:
    y, x = np.mgrid[:200, :300] / 300
    angle = rng.uniform(0, 2 * np.pi)
    light = 0.5 + 0.4 * (np.cos(angle) * x + np.sin(angle) * y)
    return light + 0.01 * rng.standard_normal(x.shape)


def _blank(rng: Random) -> Any:
    h, w = rng.integers(40, 500, 2)
    return rng.uniform(0.5, 1) + rng.choice([0, 0.01]) * rng.standard_normal((h, w, 3))


def _speck(rng: Random) -> Any:
    page = np.ones((300, 300))
    y, x = rng.integers(20, 280, 2)
    size = rng.integers(1, 4)
    page[y : y + size, x : x + size] = rng.uniform(0, 0.6)
    return page


def _print(rng: Random) -> Any:
    page = Image.new("L", (500, 420), 255)
    draw, font = ImageDraw.Draw(page), _font("DejaVuSerif").font_variant(size=16)
    for y in range(20, 400, 23):
        draw.text((20, y), " ".join(_choice(rng, _WORDS) for _ in range(8)), fill=20, font=font)
    return np.asarray(page) / 255


#: Ink alone (h, w) in 0..1, which is then put on paper.
_INKS: dict[str, Callable[[Random], Float32]] = {
    "letters with a pen": _letter,
    "things": _thing,
    "calligraphy": lambda rng: _printed(rng, "AEFHKMNPRTUVWX", "cmsy10"),
    "other fonts": lambda rng: _printed(
        rng, "AEFHKMNPRTUVWXadefhkmnprtuvwx", None, "DejaVuSerif-BoldItalic", "STIXGeneralBolIta"
    ),
    "other scripts": lambda rng: _printed(rng, "אמשקسشضظغئٹڤڪ", "DejaVuSans"),
    "pictograms": lambda rng: _printed(
        rng, "♔♕♖♗♘♙♛♜♝♞♟♈♉♋♌♍♎♐♒♓⚀⚁⚂⚃⚄⚅☢☣☯⚓⚔⚖⚙", "DejaVuSans"
    ),
    "words": lambda rng: _printed(
        rng, _WORDS, "DejaVuSerif-Italic", "STIXGeneralItalic", "DejaVuSans"
    ),
    "characters": _character,
    "knots": _knot,
    "cursive": _cursive,
    "barcodes": _barcode,
    "blocks": _blocks,
    "splashes": _splash,
    "empty forms": _empty_form,
}
#: Whole pictures, (h, w) or (h, w, 3), about 0..1.
_PICTURES: dict[str, Callable[[Random], Any]] = {
    "noise": _noise,
    "clouds": _clouds,
    "bricks": _bricks,
    "weave": _weave,
    "wood": _wood,
    "gradient": _gradient,
    "blank": _blank,
    "a speck": _speck,
    "a printed page": _print,
}
KINDS = (*_INKS, *_PICTURES)


def draw_other(kind: str, rng: Random) -> bytes:
    """A picture file of one of the ``KINDS``."""
    if kind in _INKS:
        return draw_ink(_INKS[kind](rng), _choice(rng, _STYLES), rng)
    picture = np.clip(_PICTURES[kind](rng), 0, 1)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
