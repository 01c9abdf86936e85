"""Draws negatives for all ten detectors: pictures in MNIST form that are no digit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ovr_digits.core.arrays import Array, Float64, Grey
from ovr_digits.matplot import import_matplotlib
from ovr_digits.picture.mnist_form import IMAGE_SHAPE, to_mnist_form
from ovr_digits.picture.strokes import smooth

Random = np.random.Generator

#: Times that one is drawn, where it leaves no ink, before a scribble takes its place.
_TRIES = 50

# How they look. What these numbers move is measured by ``benchmarks.rejection``: how often ten
# detectors say no to letters and shapes, and how seldom to digits.

#: One negative in so many is a blank picture.
_BLANK_EVERY = 200
#: Grey level from which a pixel has ink, and how many of these a negative has at least.
_INK_LEVEL, _MIN_INK = 60, 20
#: In pixels: the side of the square that most is drawn on, and its margins; the size of letters,
#: and the margin that they are bent in.
_SIDE, _MARGIN = 72, 10
_FONT_SIZE, _FONT_MARGIN = 48, 14
#: How far what is drawn is turned, in radians, slanted, as a share, and stretched, as a logarithm.
_TURN, _STRETCH = 0.25, 0.25
#: How far the tiles' corners are moved (standard deviation), as a share of the longer side.
_BEND = 0.03
#: Widths of pens in pixels, from and to: of most lines, of shapes, of what has long lines, of
#: what is full of lines, of a dash.
_PEN, _SHAPE_PEN, _WAVE_PEN, _FINE_PEN, _DASH_PEN = (3, 8), (4, 9), (3, 7), (3, 6), (3, 12)
#: Tilt of a dash or of parallel lines, up and down from the middle, as a share of the square.
_TILT = 0.2
#: Of a heart, as shares of its height and width: how deep its dip is, from and to; where its lobes
#: are highest, from the left; and how wide it is where it narrows.
_DIP, _LOBE, _BELLY = (0.12, 0.3), (0.2, 0.32), (0.45, 0.85)
#: Smoothness of a noise in pixels, as logarithms: of what is all over, and of flakes.
_NOISE, _FLAKES = (-0.5, 2.2), (0, 1)
#: Waves of stripes and dots across the square.
_WAVES = (2, 8)
#: Half-axes of a speck in pixels, and how many there are (the last is one beyond).
_SPECK, _SPECKS = (1.5, 4.5), (1, 12)
#: Grey level that counts as ink of a digit that is cut, and the share of the ink that is left.
_CUT_LEVEL, _CUT_SHARE = 100, (0.3, 0.6)
#: Height to width from which what is left of a digit may be a 1.
_TALL = 2
#: Ink of two digits, one over the other, to that of the one with more: below, it hides the other.
_MIN_OVERLAID = 1.4
#: Pixels that a digit is moved by at most over another one, and up or down beside it; and how far
#: from the one before it begins, from and to (the last is one beyond).
_SHIFT, _STEP, _GAP = 5, 2, (-5, 5)

#: Letters and signs that nobody takes for a digit. Those left out (l, O, S, Z, B, g and the
#: like) are a matter of the reader's mind.
_ALPHABETS = (
    "AEFHKLMNPQRTUVWX",
    "adefhkmnprtuvwx",
    "ΓΔΛΞΠΣΨΩαηκλμνπψωχ",
    "ДЖИКЛМНПРТФХЦШЩЫЮЯждилмнптфхцшщыюя",
    "#&%@?!+=*<{}[$€£¥¶±×÷≠≈≤≥√∑∏∇∈∩∪⊂",
    "→←↑↓↔⇒★☆♠♣♥♦♪♫✓✗✚✂☎☺☹☀☁☂⌂⌘■□▲△▼▽◆◇",
)
#: Digits of other scripts (Arabic, Lao) that look like none of ours.
_FOREIGN_DIGITS = "٢٣٤٧໒໓໔໗໘"
#: Fonts that come with matplotlib: those that have these digits, those that have all of the
#: alphabets above, and others for Latin letters.
_FOREIGN_FONTS = ("DejaVuSans", "DejaVuSans-Bold")
WIDE_FONTS = (*_FOREIGN_FONTS, "DejaVuSans-Oblique")
LATIN_FONTS = (
    *WIDE_FONTS,
    *("DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSerif-Bold"),
    *("STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol"),
    *("cmr10", "cmss10", "cmtt10", "cmti10", "cmb10"),
)


def draw_negatives(
    n: int,
    digits: Array,
    seed: int,
    advance: Callable[[int], None] = lambda amount: None,
) -> Grey:
    """Draw pictures that every detector should say no to.

    Letters of many fonts, signs, digits of other scripts, shapes, scribbles,
    textures, specks, pieces of digits, digits one over the other and side by
    side, and blank pictures.

    Parameters
    ----------
    n : int
    digits : (n_digits, 784) uint8
        Digits in MNIST form, to make the last kinds of; blank ones are passed over.
    seed : int
        The same seed gives the same pictures.
    advance : callable
        Told of every hundred pictures.

    Returns
    -------
    (n, 784) uint8
        In MNIST form: ink is 255, paper is 0.
    """
    inked = digits.any(axis=1)
    images = (digits if inked.all() else digits[inked]).reshape(-1, *IMAGE_SHAPE)
    kinds = (*_KINDS, *_KINDS_OF_DIGITS) if len(images) else _KINDS
    draws = [draw for draw, share in kinds for _ in range(share)]
    rng = np.random.default_rng(seed)
    negatives = np.zeros((n, *IMAGE_SHAPE), np.uint8)
    for number, negative in enumerate(negatives):
        if number % _BLANK_EVERY:
            negative[:] = _drawn(draws[number % len(draws)], rng, images)
        if number % 100 == 99:
            advance(100)
    return negatives.reshape(n, IMAGE_SHAPE[0] * IMAGE_SHAPE[1])


def _drawn(draw: _Draw, rng: Random, digits: Grey) -> Grey:
    """The form of the first try that leaves ink; blank where not even a scribble does."""
    for attempt in (*[draw] * _TRIES, _scribble):
        grey = attempt(rng, digits)
        if np.count_nonzero(grey > _INK_LEVEL) > _MIN_INK:
            return to_mnist_form(grey.astype(np.float32) / np.float32(255))
    return np.zeros(IMAGE_SHAPE, np.uint8)


@lru_cache(maxsize=512)
def font_of(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of matplotlib's fonts by its name, or any by the path of its file."""
    file = name if Path(name).suffix else f"{name}.ttf"
    return ImageFont.truetype(Path(import_matplotlib().get_data_path(), "fonts", "ttf", file), size)


def _letter(rng: Random, digits: Grey) -> Grey:
    return _glyph(rng, _ALPHABETS[:2], LATIN_FONTS)


def _sign(rng: Random, digits: Grey) -> Grey:
    return _glyph(rng, _ALPHABETS[2:], WIDE_FONTS)


def _foreign_digit(rng: Random, digits: Grey) -> Grey:
    return _glyph(rng, [_FOREIGN_DIGITS], _FOREIGN_FONTS)


def _glyph(rng: Random, alphabets: Sequence[str], fonts: Sequence[str]) -> Grey:
    character = _choice(rng, _choice(rng, alphabets))
    page = Image.new("L", (2 * _SIDE, 2 * _SIDE))
    font = font_of(_choice(rng, fonts), _FONT_SIZE)
    ImageDraw.Draw(page).text((_SIDE, _SIDE), character, fill=255, font=font, anchor="mm")
    box = page.getbbox() or (0, 0, _SIDE, _SIDE)
    return _warped(np.pad(np.asarray(page.crop(box)), _FONT_MARGIN), rng)


def _choice(rng: Random, of: Sequence[str]) -> str:
    return of[int(rng.integers(len(of)))]


def _warped(grey: Grey, rng: Random) -> Grey:
    """Turned, stretched, slanted and bent, as a hand would draw it."""
    h, w = grey.shape
    turn, slant = rng.uniform(-_TURN, _TURN, 2)
    stretch = np.exp(rng.uniform(-_STRETCH, _STRETCH, 2))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = rotation @ np.array([[stretch[0], slant], [0, stretch[1]]])
    # Corners of a 3 × 3 grid of tiles: where each is, and from where it is taken.
    rows, columns = np.meshgrid(np.linspace(0, h, 4), np.linspace(0, w, 4), indexing="ij")
    corners = np.stack([columns, rows], axis=2)
    taken = (corners - (w / 2, h / 2)) @ linear.T + (w / 2, h / 2)
    taken += rng.normal(0, _BEND * max(h, w), taken.shape)
    tiles = []
    for i, j in np.ndindex(3, 3):
        target = (*corners[i, j].astype(int).tolist(), *corners[i + 1, j + 1].astype(int).tolist())
        source = [taken[i, j], taken[i + 1, j], taken[i + 1, j + 1], taken[i, j + 1]]
        tiles.append((target, tuple(np.concatenate(source).tolist())))
    picture = Image.fromarray(grey)
    return np.asarray(
        picture.transform((w, h), Image.Transform.MESH, tiles, Image.Resampling.BILINEAR)
    )


def _on_page(points: Float64) -> list[tuple[float, float]]:
    """Points (n, 2) in 0..1 as Pillow takes them, inside the margins."""
    return [(float(x), float(y)) for x, y in _MARGIN + points * (_SIDE - 2 * _MARGIN)]


def _lines(lines: Sequence[Float64], width: float) -> Grey:
    """Lines through points (n, 2) in 0..1, with round ends."""
    page = Image.new("L", (_SIDE, _SIDE))
    draw = ImageDraw.Draw(page)
    width = round(width)
    for line in lines:
        points = _on_page(line)
        draw.line(points, fill=255, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(page)


def _filled(points: Float64) -> Grey:
    page = Image.new("L", (_SIDE, _SIDE))
    ImageDraw.Draw(page).polygon(_on_page(points), fill=255)
    return np.asarray(page)


def _circle(radii: Float64, turn: float, squeeze: float = 1.0) -> Float64:
    """Points (n, 2) about the middle of 0..1, at even angles."""
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii) + turn
    x, y = radii * np.cos(angles), squeeze * radii * np.sin(angles)
    return 0.5 + 0.5 * np.stack([x, y], axis=1)


def _scribble(rng: Random, digits: Grey) -> Grey:
    if rng.random() < 0.5:
        points = rng.uniform(0, 1, (rng.integers(7, 20), 2))
    else:  # to and fro
        n = int(rng.integers(4, 12))
        along, across = np.linspace(0, 1, 2 * n), np.tile([0.0, 1.0], n)
        points = np.stack([along, across], axis=1) + rng.normal(0, 0.08, (2 * n, 2))
        points = points[:, :: rng.choice([-1, 1])]
    return _lines([smooth(points) if rng.random() < 0.7 else points], rng.uniform(*_PEN))


def _scribbles(rng: Random, digits: Grey) -> Grey:
    count = rng.integers(3, 8)
    lines = [smooth(rng.uniform(0, 1, (rng.integers(2, 5), 2))) for _ in range(count)]
    return _lines(lines, rng.uniform(*_PEN))


def _polygon(rng: Random, digits: Grey) -> Grey:
    n = int(rng.integers(3, 8))
    radii = rng.uniform(0.6, 1.0, n)
    if rng.random() < 0.4:  # a star
        radii = np.tile([1.0, rng.uniform(0.35, 0.6)], max(n, 4))
    elif rng.random() < 0.5:
        radii = np.ones(n)
    points = _circle(radii, rng.uniform(0, 7), rng.uniform(0.6, 1))
    if rng.random() < 0.5:
        return _warped(_filled(points), rng)
    return _warped(_lines([np.concatenate([points, points[:2]])], rng.uniform(*_SHAPE_PEN)), rng)


def _heart(rng: Random, digits: Grey) -> Grey:
    """Its outline in one line: a loop as of a 0, but for the dip and the tip."""
    dip, lobe, belly = (rng.uniform(*span) for span in (_DIP, _LOBE, _BELLY))
    half = [(0.5, dip), (lobe, 0), (0.05, 0.12), (0, 0.3), ((1 - belly) / 2, 0.62), (0.5, 1)]
    left = smooth(np.array(half))
    outline = np.concatenate([left, (left * (-1, 1) + (1, 0))[::-1]])
    return _warped(_lines([outline], rng.uniform(*_PEN)), rng)


def _dash(rng: Random, digits: Grey) -> Grey:
    tilt = rng.uniform(-_TILT, _TILT)
    return _lines([np.array([[0, 0.5 - tilt], [1, 0.5 + tilt]])], rng.uniform(*_DASH_PEN))


def _crossed(rng: Random, digits: Grey) -> Grey:
    """Lines through one point."""
    n = int(rng.integers(2, 5))
    ends = _circle(rng.uniform(0.7, 1, 2 * n), rng.uniform(0, 7))
    return _lines([ends[[k, k + n]] for k in range(n)], rng.uniform(*_SHAPE_PEN))


def _grid(rng: Random, digits: Grey) -> Grey:
    """Lines beside one another, perhaps with others across."""
    tilt = rng.uniform(-_TILT, _TILT)
    n = int(rng.integers(2, 5))
    lines = [np.array([[0, y - tilt], [1, y + tilt]]) for y in (np.arange(n) + 0.5) / n]
    if rng.random() < 0.6:
        places = rng.uniform(0.1, 0.9, rng.integers(1, 4))
        lines += [np.array([[x + tilt, 0], [x - tilt, 1]]) for x in places]
    elif rng.random() < 0.5:
        lines = [line[:, ::-1] for line in lines]
    return _lines(lines, rng.uniform(*_WAVE_PEN))


def _sticks(rng: Random, digits: Grey) -> Grey:
    lines = [rng.uniform(0, 1, (2, 2)) for _ in range(rng.integers(3, 7))]
    return _lines(lines, rng.uniform(*_PEN))


def _wave(rng: Random, digits: Grey) -> Grey:
    t = np.linspace(0, 1, 80)
    height = rng.uniform(0.1, 0.4) * np.sin(2 * np.pi * rng.uniform(1.5, 4) * t + rng.uniform(0, 7))
    return _lines([np.stack([t, 0.5 + height], axis=1)], rng.uniform(*_WAVE_PEN))


def _spiral(rng: Random, digits: Grey) -> Grey:
    t = np.linspace(0, 1, 120)
    angle = 2 * np.pi * rng.uniform(2, 4) * t + rng.uniform(0, 7)
    points = 0.5 + 0.5 * t * np.stack([np.cos(angle), np.sin(angle)])
    return _lines([points.T], rng.uniform(*_FINE_PEN))


def _loops(rng: Random, digits: Grey) -> Grey:
    t = np.linspace(0, 1, 120)
    angle = 2 * np.pi * rng.uniform(2, 5) * t
    points = np.stack([t + 0.15 * np.cos(angle), 0.5 + 0.25 * np.sin(angle)], axis=1)
    return _lines([points], rng.uniform(*_FINE_PEN))


def _blob(rng: Random, digits: Grey) -> Grey:
    radii = rng.uniform(0.4, 1, rng.integers(5, 10))
    return _filled(smooth(_circle(radii, rng.uniform(0, 7), rng.uniform(0.4, 1)), closed=True))


def _disc(rng: Random, digits: Grey) -> Grey:
    return _filled(_circle(np.ones(40), 0, rng.uniform(0.6, 1)))


def _cloud(rng: Random, sigma: float) -> Float64:
    """Noise (side, side) of unit variance, smooth over sigma pixels."""
    frequency = np.fft.fftfreq(_SIDE)
    kept = np.exp(-2 * (np.pi * sigma) ** 2 * (frequency[:, None] ** 2 + frequency**2))
    noise: Float64 = np.fft.ifft2(np.fft.fft2(rng.standard_normal((_SIDE, _SIDE))) * kept).real
    return noise / noise.std()


def _texture(rng: Random, digits: Grey) -> Grey:
    """Noise, stripes, dots or flakes, all over or in a part."""
    y, x = np.mgrid[:_SIDE, :_SIDE] / _SIDE
    waves = 2 * np.pi * rng.uniform(*_WAVES)
    angle = rng.uniform(0, np.pi)
    kind = rng.integers(4)
    if kind == 0:
        values = _cloud(rng, np.exp(rng.uniform(*_NOISE)))
    elif kind == 1:
        values = np.sin(waves * (x * np.cos(angle) + y * np.sin(angle))) + 0.5 * _cloud(rng, 4)
    elif kind == 2:
        values = np.sin(waves * x + angle) * np.sin(waves * y + angle)
    else:
        values = _cloud(rng, np.exp(rng.uniform(*_FLAKES))) * _cloud(rng, 5)
    ink = np.clip((values - rng.uniform(-0.6, 1.2)) * 4, 0, 1)
    if rng.random() < 0.5:
        ink *= np.clip((_cloud(rng, 10) - rng.uniform(-0.5, 0.5)) * 3, 0, 1)
    return np.rint(ink * 255).astype(np.uint8)


def _specks(rng: Random, digits: Grey) -> Grey:
    page = Image.new("L", (_SIDE, _SIDE))
    draw = ImageDraw.Draw(page)
    for x, y in rng.uniform(_MARGIN, _SIDE - _MARGIN, (rng.integers(*_SPECKS), 2)):
        rx, ry = rng.uniform(*_SPECK, 2)
        draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=255)
    return np.asarray(page)


def _piece(rng: Random, digits: Grey) -> Grey:
    """What a cut across a digit leaves of it, about half; nothing where that may be a 1."""
    digit = digits[rng.integers(len(digits))]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.indices(digit.shape)
    along = x * np.cos(angle) + y * np.sin(angle)
    ink = digit > _CUT_LEVEL
    left = ink & (along < np.quantile(along[ink], rng.uniform(*_CUT_SHARE))) if ink.any() else ink
    is_tall = np.ptp(y[left]) > _TALL * np.ptp(x[left]) if left.any() else True
    return np.where(left & (not is_tall), digit, 0).astype(np.uint8)


def _overlaid(rng: Random, digits: Grey) -> Grey:
    """Two digits, one over the other; nothing where one hides the other."""
    lower, upper = digits[rng.integers(len(digits), size=2)]
    both = np.maximum(lower, np.roll(upper, rng.integers(-_SHIFT, _SHIFT + 1, 2), (0, 1)))
    is_plain = both.sum() < _MIN_OVERLAID * max(lower.sum(), upper.sum())
    return np.zeros_like(both) if is_plain else both


def _side_by_side(rng: Random, digits: Grey) -> Grey:
    """Two or three digits, which may touch."""
    page = np.zeros((IMAGE_SHAPE[0], 0), np.uint8)
    for digit in digits[rng.integers(len(digits), size=rng.choice([2, 2, 3]))]:
        columns = np.flatnonzero(digit.any(axis=0))
        digit = np.roll(
            digit[:, columns[0] : columns[-1] + 1], rng.integers(-_STEP, _STEP + 1), axis=0
        )
        start = max(0, page.shape[1] + int(rng.integers(*_GAP)))
        wider = np.zeros((len(page), max(page.shape[1], start + digit.shape[1])), np.uint8)
        wider[:, : page.shape[1]] = page
        place = wider[:, start : start + digit.shape[1]]
        np.maximum(place, digit, out=place)
        page = wider
    return page


_Draw = Callable[[Random, Grey], Grey]
#: What is drawn, and how often beside the others.
_KINDS: tuple[tuple[_Draw, int], ...] = (
    *((_letter, 3), (_sign, 9), (_foreign_digit, 2)),
    *((_scribble, 3), (_scribbles, 3), (_polygon, 4), (_blob, 3), (_disc, 1)),
    *((_heart, 1), (_dash, 1), (_crossed, 1), (_grid, 1), (_sticks, 1)),
    *((_wave, 1), (_spiral, 1), (_loops, 1)),
    *((_texture, 3), (_specks, 2)),
)
_KINDS_OF_DIGITS: tuple[tuple[_Draw, int], ...] = (
    *((_piece, 3), (_overlaid, 3), (_side_by_side, 3)),
)
