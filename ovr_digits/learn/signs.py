"""Learns to tell signs and symbols from digits, for whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from ovr_digits.core.arrays import Array, Bools, Float32, Float64, Grey
from ovr_digits.learn.detectors import OneVsRestDigits
from ovr_digits.learn.features import PatchKernelFeatures
from ovr_digits.learn.fonts import handwritten_fonts
from ovr_digits.learn.forms import draw_forms
from ovr_digits.learn.negatives import LATIN_FONTS, WIDE_FONTS, draw_negatives, font_of
from ovr_digits.learn.rows import in_a_row
from ovr_digits.picture.mnist_form import IMAGE_SHAPE, with_pen
from ovr_digits.picture.regions import bounding_box
from ovr_digits.picture.signs import place_in_line
from ovr_digits.picture.strokes import smooth

Random = np.random.Generator

#: Pixels of what is drawn to the height of a digit, and about it.
HEIGHT, _MARGIN = 60, 90
#: Pens, from and to, as a share of that height.
_PEN = (0.035, 0.2)
#: How hands differ, standard deviations: how far points stray, in heights; how far rows move for
#: each row; how lines are turned; logarithms of size and stretch; how far from its line's middle
#: a mark stands, in heights.
_STRAY, _SLANT, _TURN, _SIZE, _STRETCH, _DRIFT = 0.03, 0.15, 0.05, 0.12, 0.15, 0.06
#: Share of hands that lean far, and how far at most.
_LEANING, _LEAN = 0.2, 0.5
#: By how many degrees digits of MNIST are turned, standard deviation.
_TURNED = 4.0
#: How many others join a digit, from and to (the last is one beyond).
_JOINED = (1, 4)
#: Share of what is not drawn stroke by stroke that keeps its own pen.
_OWN_PEN = 0.4
#: What is written beside amounts.
BESIDE_AMOUNTS = "$€£%+()="
_BILINEAR = Image.Resampling.BILINEAR

#: No font has a character for it: what it draws is what stands for those that it lacks.
_LACKING = "\uffff"

#: Strokes "x,y x,y" in hundredths of a digit's height, y down from its top; "!" is a corner.
SIGNS: dict[str, list[str]] = {
    ".": ["0,97", "0,96 3,99", "0,92", "0,100 5,98"],
    ",": [
        "7,88 0,112",
        "5,86 8,95 5,106 -3,118",
        "10,90 8,104 -4,122",
        "4,92 2,108",
        "12,84 0,108",
    ],
    "-": ["0,52 40,52", "0,55 26,53", "0,50 65,48", "0,62 40,58", "0,45 35,47", "0,56 18,56"],
    "/": [
        *("50,0 0,100", "60,-15 0,115", "38,-15 0,115", "75,-5 0,105", "45,-5 22,50 0,120"),
        *("40,-25 0,100", "70,0 40,45 0,100", "32,0 0,125"),
    ],
    ":": [
        "0,30, 0,62",
        "2,40, 0,72",
        "0,35 2,37, 0,80",
        "0,55, 0,95",
        "3,40, 0,92",
        "0,45 2,47, 0,92 1,95",
        "4,62, 0,98",
        "0,30, 0,85",
    ],
}
OTHERS: dict[str, list[str]] = {
    "$": [
        "55,18 30,8 8,22 25,45 50,62 48,85 22,95 3,82, 28,-10 28,110",
        "50,20 25,10 8,25 28,48 52,68 30,92 0,80, 22,-8 20,112, 34,-8 32,112",
        "60,12 20,5 10,35 50,55 50,90 0,88, 35,-15 25,115",
        "50,15 28,5 10,22 28,48 50,70 40,95 8,90, 30,0 30,100",
    ],
    "€": [
        "65,15 40,2 15,25 12,75 40,98 65,85, 0,40 50,40, 0,58 45,58",
        "55,5 30,5 12,35 15,80 38,100 58,92, -5,42 45,36, -3,62 40,57",
        "60,10 30,0 8,30 8,70 30,100 60,90, 0,42 35,42, 0,60 35,60",
        "62,20 40,5 18,30 15,70 40,98 62,80, 2,50 48,48",
    ],
    "£": [
        "55,15 40,0 22,15 24,60 5,100! 60,98, 5,55 45,55",
        "60,20 45,2 28,10 30,55 22,92 0,95 20,85 65,100, 8,50 50,50",
        "50,25 42,5 25,10 22,40 25,80 8,98! 60,95, 8,55 42,52",
    ],
    "%": [
        "60,0 5,100, 15,5 5,18 15,32 25,18 15,5, 52,68 42,82 52,96 62,82 52,68",
        "75,0 10,105, 15,0 0,20 15,40 30,20 15,0, 70,60 55,80 70,100 85,80 70,60",
        "62,0 2,100, 10,8 0,20 8,32 20,22 10,8, 50,70 40,84 50,98 62,85 50,70",
        "55,0 8,100, 55,0 18,0 2,12 8,30 25,25 28,10 18,0, 50,65 38,80 45,98 60,92 62,75 50,65",
        "70,-5 0,105, 20,5 8,10 8,25 22,28 28,14 20,5, 58,72 48,78 50,95 64,98 68,82 58,72",
        "55,0 0,100, 12,15 14,18, 46,85 48,88",
    ],
    "+": ["30,25 30,85, 0,55 60,55", "22,35 22,78, 0,57 44,55", "35,10 33,95, 0,52 70,50"],
    "=": ["0,42 50,42, 0,65 50,65", "0,48 35,46, 0,60 35,58"],
    "(": [
        *("25,-10 5,30 5,70 25,110", "35,0 8,35 8,70 30,105", "15,-5 3,50 15,105"),
        "30,-15 8,20 0,60 20,115",
    ],
    ")": [
        *("5,-10 25,30 25,70 5,110", "0,0 27,35 27,70 5,105", "3,-5 15,50 3,105"),
        "8,-15 26,20 22,65 -5,115",
    ],
    "?": ["5,20 25,0 48,18 35,45 25,70, 25,97", "0,15 30,0 45,25 22,55 22,75, 22,98"],
    "!": ["10,0 10,70, 10,97"],
    "#": ["20,0 12,100, 50,0 42,100, 0,35 65,32, 0,68 62,65"],
    "*": ["25,10 25,55, 5,20 45,48, 45,20 5,48"],
    "&": ["60,100 10,25 25,0 40,20 5,70 20,100 60,60"],
    "'": ["5,0 0,22", "3,-5 3,15", "0,5"],
    "A": [
        "0,100 35,0! 70,100, 15,65 58,65",
        "0,100 25,0! 50,100, 8,60 45,58",
        "0,100 10,30 35,0 60,30 65,100, 5,60 65,60",
    ],
    "C": ["60,15 35,0 5,30 5,70 35,100 62,85", "50,20 30,2 5,50 25,100 55,80"],
    "D": ["5,0 5,100, 5,0 50,15 60,50 45,90 5,100", "15,0 10,100, -5,5 45,5 70,45 50,92 0,100"],
    "E": ["55,0 5,0! 5,100! 58,100, 5,48 45,48", "50,10 20,0 10,25 35,45! 5,70 25,100 55,90"],
    "F": ["55,0 5,0! 5,100, 5,45 42,45", "0,2 65,0, 20,0 15,100, 18,48 50,46"],
    "G": [
        "60,15 35,0 3,40 10,85 40,100 62,80 62,55! 35,55",
        "55,12 25,0 3,50 25,100 55,85 58,55! 58,105, 38,58 68,56",
    ],
    "H": ["5,0 5,100, 60,0 60,100, 5,50 60,50", "8,0 0,100, 50,0 45,100, 4,52 50,46"],
    "J": ["50,0 50,75 30,100 5,85", "20,0 75,0, 50,0 48,80 25,100 2,82"],
    "K": ["5,0 5,100, 60,0 8,55! 62,100", "8,0 0,100, 50,5 5,50, 15,45 55,100"],
    "L": ["5,0 5,100! 55,100", "20,0 5,95! 55,95", "30,5 15,0 18,60 5,100 30,95 60,100"],
    "M": [
        "0,100 10,0! 40,70! 70,0! 80,100",
        "0,100 0,0! 35,50! 70,0! 70,100",
        "0,100 15,10 28,100! 45,10 60,100",
    ],
    "N": ["5,100 5,0! 60,100! 60,0", "0,100 10,0! 45,100! 60,0", "0,100 12,10 40,90 55,0"],
    "P": ["5,0 5,100, 5,0 45,5 50,30 35,50 5,52", "12,0 5,100, -5,8 45,0 58,25 40,48 8,50"],
    "Q": ["35,0 5,25 5,75 35,100 65,75 65,25 35,0, 45,70 75,105"],
    "R": [
        "5,0 5,100, 5,0 45,5 50,30 35,50 5,52! 55,100",
        "12,0 5,100, -3,8 45,0 55,22 38,45 8,48! 58,100",
    ],
    "T": ["0,0 65,0, 32,0 32,100", "-5,5 70,0, 35,3 28,100"],
    "U": ["5,0 5,70 30,100 58,70 60,0", "0,5 8,80 30,100 50,75 55,0! 58,100"],
    "V": ["0,0 30,100! 60,0", "0,5 20,90 28,100 40,60 55,0"],
    "W": ["0,0 20,100! 40,30! 60,100! 80,0", "0,0 10,90 25,100 40,40! 50,95 65,100 80,0"],
    "X": ["0,0 60,100, 60,0 0,100", "5,5 20,20 45,90 60,95, 60,0 0,100"],
    "Y": ["0,0 30,50, 60,0 30,50 30,100", "0,0 25,50, 60,0 10,100"],
    "a": [
        "45,45 20,40 3,65 15,98 40,85 47,45! 48,90 58,100",
        "40,50 15,42 2,75 20,100 42,70! 42,100",
    ],
    "c": ["45,48 20,40 5,70 22,100 48,90", "38,52 15,45 5,75 18,98 42,88"],
    "d": [
        "45,50 20,42 3,70 18,100 42,85 50,0! 50,100",
        "40,55 12,48 2,80 20,100 40,80 48,0! 45,85 60,100",
    ],
    "e": ["5,70 45,65 40,42 15,42 3,70 20,100 48,90", "0,85 35,60 30,45 10,50 5,80 22,100 50,85"],
    "f": ["45,5 28,0 22,25 20,100, 2,42 42,42", "0,70 30,30 28,0 18,10 18,120, 5,45 40,42"],
    "h": ["5,0 5,100, 5,60 25,42 45,55 46,100", "15,0 2,100, 5,65 30,42 40,60 36,95 50,100"],
    "i": ["20,45 20,100, 20,18", "0,60 12,45 8,95 22,95, 14,22"],
    "j": ["25,45 25,110 5,130, 25,18", "30,45 20,120 0,125 5,110, 32,20"],
    "k": ["5,0 5,100, 45,42 8,70! 48,100", "12,0 0,100, 35,45 5,72, 12,68 45,100"],
    "m": [
        "5,45 5,100, 5,55 22,42 35,55 35,100, 35,55 55,42 68,55 68,100",
        "0,50 5,100! 12,50 25,45 27,100! 38,48 50,50 50,90 62,100",
    ],
    "n": ["5,42 5,100, 5,58 25,42 45,55 46,100", "0,48 4,100! 18,45 35,50 34,90 48,98"],
    "p": ["5,42 5,135, 5,50 30,42 48,65 30,98 5,90", "12,40 0,140, 8,52 35,42 42,70 22,98 6,90"],
    "r": ["5,42 5,100, 5,60 20,42 38,45", "0,55 10,42 20,50! 35,50! 30,95 42,98"],
    "t": ["20,5 20,85 40,100, 2,38 42,38", "25,0 12,80 28,100, 0,40 45,32"],
    "u": ["5,42 5,85 22,100 42,85 45,42! 46,100", "0,45 0,85 15,98 35,80 38,42! 38,90 50,98"],
    "v": ["0,42 20,100! 42,42", "0,50 12,95 22,98 32,50 45,45"],
    "w": ["0,42 15,100! 30,55! 45,100! 60,42", "0,45 5,90 20,95 28,50! 35,95 52,95 58,42"],
    "x": ["0,42 42,100, 42,42 0,100", "0,45 12,48 30,95 42,98, 42,45 0,100"],
    "y": ["2,42 22,90, 45,42 22,90 5,135", "0,42 8,80 30,85 42,42! 35,120 10,135 5,120"],
}
#: Those of them that fonts for other people's writing hold too.
LETTERS = "".join(sign for sign in OTHERS if sign.isalpha() and sign.isascii())
#: Strokes that are no sign, where they stand: specks and lines.
_STRAY_MARKS = [
    "0,20",
    "0,-15",
    "0,65",
    "0,125",
    "0,-10 40,-12",
    "0,125 60,125",
    "0,5 25,5",
    "10,40 0,58",
]


def draw_marks(strokes: Sequence[str], rng: Random) -> tuple[Float32, float]:
    """One mark (h, w) in a hand of its own, and how far the line's middle lies below its top row.

    Both in pixels, of which a digit is ``HEIGHT`` high.
    """
    page = Image.new("L", (4 * HEIGHT, HEIGHT + 2 * _MARGIN))
    draw = ImageDraw.Draw(page)
    slant = rng.uniform(0, _LEAN) if rng.random() < _LEANING else rng.normal(0, _SLANT)
    turn, stretch, size = rng.normal(0, (_TURN, _STRETCH, _SIZE))
    linear = np.exp(size) * np.array([[np.exp(stretch), turn], [-slant, 1]])
    pen = rng.uniform(*_PEN)
    for stroke in strokes:
        curve = _curve(stroke, rng) - (0, 0.5)
        points = (curve @ linear + (0.8, 0.5)) * HEIGHT + (0, _MARGIN)
        swell = rng.uniform(0.8, 1.5) if len(points) == 1 else rng.uniform(0.9, 1.1)
        r = swell * pen * HEIGHT / 2
        for x, y in points.tolist():
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    ink = np.asarray(page, np.float32) / np.float32(255)
    rows, columns = bounding_box(ink)
    middle = _MARGIN + (0.5 + rng.normal(0, _DRIFT)) * HEIGHT
    return ink[rows, columns], middle - rows.start


def _curve(stroke: str, rng: Random) -> Float64:
    """Points (n, 2) of a stroke, close to one another, in heights."""
    texts = stroke.split()
    corners: Bools = np.array([text.endswith("!") for text in texts])
    points = np.array([text.rstrip("!").split(",") for text in texts], np.float64) / 100
    points += rng.normal(0, _STRAY, points.shape)
    if len(points) == 1:
        return points
    curve = smooth(np.repeat(points, 1 + corners, axis=0))
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    places = np.linspace(0, along[-1], 2 + int(along[-1] * HEIGHT / 2))
    return np.stack([np.interp(places, along, axis) for axis in curve.T], axis=1)


def draw_signs(n: int, forms: Sequence[str], seed: int) -> Grey:
    """Marks of some forms in turn, each as ``place_in_line`` gives it: (n, 784) uint8."""
    rng = np.random.default_rng(seed)
    drawn = []
    for k in range(n):
        ink, middle = draw_marks(forms[k % len(forms)].split(", "), rng)
        drawn.append(place_in_line(ink, middle, HEIGHT))
    return np.array(drawn, np.uint8).reshape(n, -1)


def draw_glyphs(n: int, characters: str, fonts: Sequence[str], seed: int) -> Grey:
    """Printed characters in turn, as ``draw_signs`` gives what is written."""
    rng = np.random.default_rng(seed)
    drawn = []
    for k in range(n):
        drawn.append(place_in_line(*draw_glyph(characters[k % len(characters)], fonts, rng)))
    return np.array(drawn, np.uint8).reshape(n, -1)


def draw_glyph(character: str, fonts: Sequence[str], rng: Random) -> tuple[Float32, float, float]:
    """A printed character (h, w), how far the line's middle lies below its top row, and how high
    digits of its font are, in pixels."""
    font = font_of(str(rng.choice([name for name in fonts if _has(name, character)])), HEIGHT)
    # In some fonts a 0 is lower than other digits.
    _, top, _, bottom = font.getbbox("8", anchor="ls")
    page = Image.new("L", (4 * HEIGHT, HEIGHT + 2 * _MARGIN))
    base = _MARGIN + HEIGHT
    draw = ImageDraw.Draw(page)
    draw.text((2 * HEIGHT, base), character, 255, font, "ms")
    stretch, size = np.exp(rng.normal(0, (_STRETCH, _SIZE)))
    slant = rng.normal(0, _SLANT)
    about = (size / stretch, slant, 2 * HEIGHT * (1 - size / stretch) - slant * base)
    page = page.transform(
        page.size, Image.Transform.AFFINE, (*about, 0, size, base * (1 - size)), _BILINEAR
    )
    ink = np.asarray(page, np.float32) / np.float32(255)
    rows, columns = bounding_box(ink)
    high = float(bottom - top)
    middle = base - (high / HEIGHT + rng.normal(0, _DRIFT)) / 2 * HEIGHT - rows.start
    return _with_another_pen(ink[rows, columns], rng), middle, high


@cache
def _has(name: str, character: str) -> bool:
    """Whether a font draws a character."""
    font = font_of(name, HEIGHT)
    drawn, lacking = (font.getmask(each) for each in (character, _LACKING))
    return drawn.getbbox() is not None and bytes(drawn) != bytes(lacking)


def place_digits(images: Array, seed: int, n_joined: int = 0) -> Grey:
    """Images (n, 784) in MNIST form where they would stand in a line, the first of them joined."""
    rng = np.random.default_rng(seed)
    images = images[images.any(axis=1)]
    placed = []
    for k, image in enumerate(images):
        ink = written(image, rng)
        if k < n_joined:
            others = images[rng.integers(len(images), size=rng.integers(*_JOINED))]
            ink, _ = in_a_row([ink, *(written(other, rng) for other in others)], 0, rng)
        middle = len(ink) / 2 + rng.normal(0, _DRIFT) * HEIGHT
        placed.append(place_in_line(ink, middle, HEIGHT))
    return np.array(placed, np.uint8).reshape(len(images), -1)


def written(image: Grey, rng: Random) -> Float32:
    """The ink of an image in MNIST form, larger, turned and with another pen."""
    cut = image.reshape(IMAGE_SHAPE)[bounding_box(image.reshape(IMAGE_SHAPE))]
    scale = HEIGHT * float(np.exp(rng.normal(0, _SIZE))) / max(cut.shape)
    h, w = (max(2, round(side * scale)) for side in cut.shape)
    large = Image.fromarray(np.pad(cut, 1)).resize((w, h), Image.Resampling.BICUBIC)
    large = large.rotate(rng.normal(0, _TURNED), _BILINEAR, expand=True)
    ink = np.asarray(large, np.float32) / np.float32(255)
    ink[ink < 0.2] = 0
    return _with_another_pen(ink[bounding_box(ink)], rng)


def _with_another_pen(ink: Float32, rng: Random) -> Float32:
    """Ink of the same size, of its own pen or another."""
    if rng.random() < _OWN_PEN:
        return ink
    pen = rng.uniform(*_PEN) * HEIGHT
    shape = ink.shape[1], len(ink)
    changed = Image.fromarray(with_pen(ink, pen)).resize(shape, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(changed), 0, 1)


def draw_samples(digits: Array, n: int, seed: int) -> tuple[Grey, Array]:
    """What the detectors of signs learn from: images, and their places in ``SIGN_CLASSES``.

    Parameters
    ----------
    digits : (n_digits, 784) uint8
        In MNIST form.
    n : int
        Of each sign; of digits, a fifth of which are of the world's forms, ten times as many; of
        handwriting fonts, where there are any, four times as many.
    seed : int
    """
    rng = np.random.default_rng((seed, 1))
    parts = [draw_signs(n, forms, seed * 100 + k) for k, forms in enumerate(SIGNS.values())]
    some = digits[rng.permutation(len(digits))[: 8 * n]]
    some = np.concatenate([some, draw_forms(2 * n, seed)])[rng.permutation(len(some) + 2 * n)]
    parts.append(place_digits(some, seed, len(some) // 3))
    forms = [form for forms in OTHERS.values() for form in forms]
    # What people write beside amounts is drawn as often as letters are.
    marks = [form for sign in BESIDE_AMOUNTS for form in OTHERS[sign]]
    parts.append(
        np.concatenate(
            [
                draw_signs(4 * n, forms, seed * 100 + 7),
                draw_signs(2 * n, marks, seed * 100 + 8),
                draw_signs(n // 2, _STRAY_MARKS, seed * 100 + 9),
                draw_glyphs(2 * n, LETTERS, LATIN_FONTS, seed * 100 + 10),
                draw_glyphs(n, BESIDE_AMOUNTS, WIDE_FONTS, seed * 100 + 11),
                place_digits(draw_negatives(n // 2, digits[:0], seed), seed + 1),
            ]
        )
    )
    if fonts := handwritten_fonts():
        written_too = draw_glyphs(4 * n, LETTERS + 2 * BESIDE_AMOUNTS, fonts, seed * 100 + 12)
        parts[-1] = np.concatenate([parts[-1], written_too])
    y = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate(parts), y


def fit_signs(digits: Array, n: int = 3000, seed: int = 0, n_jobs: int = -1) -> OneVsRestDigits:
    """Detectors of ``SIGN_CLASSES``, in that order."""
    return fit_marks(*draw_samples(digits, n, seed), seed, n_jobs)


def fit_marks(X: Grey, y: Array, seed: int, n_jobs: int) -> OneVsRestDigits:
    """Detectors small enough to serve beside the ten, of images (n, 784) with classes y (n,)."""
    order = np.random.default_rng(seed).permutation(len(X))
    features = PatchKernelFeatures(
        views=("raw", "even"),
        n_anchors=(16, 96),
        n_channels=6,
        random_state=seed,
        n_jobs=n_jobs,
    )
    model = OneVsRestDigits(
        features,
        epochs=8,
        validation_fraction=1 / 6,
        n_components=400,
        n_leading=64,
        random_state=seed,
        n_jobs=n_jobs,
    )
    return model.fit(X[order], y[order])
