"""Draws pictures of digits as people make them: pens, papers, places, light and cameras."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32 = NDArray[np.float32]
Random = np.random.Generator

#: A colour of light, each of red, green, blue in 0..1.
Colour = tuple[float, float, float]


@dataclass
class Scene:
    """How one picture is made of one digit; a style sets what it is about.

    Attributes
    ----------
    size : (h, w) of the picture in pixels
    digit : height of the digit in pixels
    place : (y, x) of the digit's middle, in shares of the picture; None is the centre
    width : the pen's width in shares of the digit's height; None keeps MNIST's own
    turn : degrees
    ink, paper : Colour
    texture : standard deviation of the paper's own cloudiness
    light : how far the light falls off across the picture, in 0..1
    shadow : how dark a shadow with a soft edge is, in 0..1
    rules : "none", "lines" or "squares"
    dots : how many stray dots
    frame : whether a table's edge is seen about the paper
    blur : sigma in pixels
    noise : standard deviation of the sensor's noise
    alpha : whether the ground is transparent
    kind : file format
    options : of the file format
    """

    size: tuple[int, int] = (200, 200)
    digit: int = 120
    place: tuple[float, float] | None = None
    width: float | None = None
    turn: float = 0.0
    ink: Colour = (0.05, 0.05, 0.08)
    paper: Colour = (1.0, 1.0, 1.0)
    texture: float = 0.0
    light: float = 0.0
    shadow: float = 0.0
    rules: str = "none"
    dots: int = 0
    frame: bool = False
    blur: float = 0.0
    noise: float = 0.0
    alpha: bool = False
    kind: str = "PNG"
    options: dict[str, Any] = field(default_factory=dict)


def _uniform(rng: Random, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _grey(level: float) -> Colour:
    return (level, level, level)


def _plain(rng: Random) -> Scene:
    side = int(rng.integers(80, 400))
    return Scene((side, side), int(side * _uniform(rng, 0.5, 0.8)))


def _corner(rng: Random) -> Scene:
    h, w = int(rng.integers(400, 900)), int(rng.integers(400, 900))
    digit = int(rng.integers(40, 90))
    edge = [digit * 0.8 / side for side in (h, w)]
    place = [e if rng.random() < 0.5 else 1 - e for e in edge]
    return Scene((h, w), digit, (place[0], place[1]))


def _thin(rng: Random) -> Scene:
    return Scene((300, 300), int(rng.integers(120, 240)), width=_uniform(rng, 0.015, 0.04))


def _thick(rng: Random) -> Scene:
    return Scene((300, 300), int(rng.integers(150, 240)), width=_uniform(rng, 0.15, 0.2))


def _board(rng: Random) -> Scene:
    board = [(0.12, 0.22, 0.17), (0.1, 0.1, 0.1), (0.1, 0.13, 0.25)][rng.integers(3)]
    return Scene(
        (360, 480),
        int(rng.integers(120, 280)),
        (_uniform(rng, 0.4, 0.6), _uniform(rng, 0.35, 0.65)),
        _uniform(rng, 0.05, 0.11),
        ink=_grey(_uniform(rng, 0.75, 0.95)),
        paper=board,
        texture=0.04,
        light=0.3,
        noise=0.02,
        kind="JPEG",
        options={"quality": 80},
    )


def _colour(rng: Random) -> Scene:
    inks = [(0.8, 0.1, 0.1), (0.1, 0.2, 0.75), (0.05, 0.5, 0.15), (0.9, 0.5, 0.0), (0.5, 0.1, 0.6)]
    papers = [(1.0, 1.0, 1.0), (1.0, 0.97, 0.75), (0.8, 0.92, 1.0), (0.98, 0.82, 0.85)]
    ink, paper = inks[rng.integers(len(inks))], papers[rng.integers(len(papers))]
    return Scene((240, 240), int(rng.integers(90, 200)), ink=ink, paper=paper)


def _lamp(rng: Random) -> Scene:
    return Scene(
        (480, 640),
        int(rng.integers(130, 330)),
        (_uniform(rng, 0.38, 0.62), _uniform(rng, 0.35, 0.65)),
        _uniform(rng, 0.05, 0.13),
        _uniform(rng, -8, 8),
        ink=(0.12, 0.12, 0.25),
        paper=(0.93, 0.9, 0.82),
        texture=0.015,
        light=0.6,
        blur=1.0,
        noise=0.03,
        kind="JPEG",
        options={"quality": 70},
    )


def _shadow(rng: Random) -> Scene:
    scene = _lamp(rng)
    scene.shadow = _uniform(rng, 0.3, 0.55)
    scene.light = 0.3
    return scene


def _lined(rng: Random) -> Scene:
    scene = Scene(
        (400, 500),
        int(rng.integers(110, 220)),
        (_uniform(rng, 0.35, 0.65), _uniform(rng, 0.3, 0.7)),
        _uniform(rng, 0.05, 0.11),
        ink=(0.08, 0.1, 0.35),
        paper=(0.97, 0.97, 0.95),
        noise=0.01,
    )
    scene.rules = "lines"
    return scene


def _squared(rng: Random) -> Scene:
    scene = _lined(rng)
    scene.rules = "squares"
    return scene


def _tight(rng: Random) -> Scene:
    side = int(rng.integers(30, 160))
    return Scene((0, 0), side, width=_uniform(rng, 0.08, 0.18))


def _dots(rng: Random) -> Scene:
    scene = Scene((300, 300), int(rng.integers(110, 180)))
    scene.place = (_uniform(rng, 0.42, 0.58), _uniform(rng, 0.42, 0.58))
    scene.dots = int(rng.integers(1, 5))
    return scene


def _framed(rng: Random) -> Scene:
    scene = _lamp(rng)
    scene.light, scene.frame, scene.digit = 0.25, True, int(rng.integers(110, 200))
    return scene


def _tiny(rng: Random) -> Scene:
    side = int(rng.integers(12, 25))
    return Scene((side, side), round(side * 0.8))


def _faint(rng: Random) -> Scene:
    level = _uniform(rng, 0.6, 0.8)
    return Scene(
        (300, 300),
        int(rng.integers(110, 220)),
        width=_uniform(rng, 0.05, 0.12),
        ink=_grey(level - 0.22),
        paper=_grey(level),
        blur=1.5,
        noise=0.02,
        kind="JPEG",
        options={"quality": 75},
    )


def _turned(rng: Random) -> Scene:
    return Scene((260, 260), int(rng.integers(100, 180)), turn=_uniform(rng, -12, 12))


def _clear(rng: Random) -> Scene:
    scene = _colour(rng)
    if rng.random() < 0.5:
        scene.ink = _grey(1.0)
    scene.alpha = True
    return scene


STYLES: dict[str, Callable[[Random], Scene]] = {
    "plain": _plain,
    "in a corner": _corner,
    "thin pen": _thin,
    "thick marker": _thick,
    "chalk on a board": _board,
    "coloured": _colour,
    "under a lamp": _lamp,
    "half in shadow": _shadow,
    "lined paper": _lined,
    "squared paper": _squared,
    "cut tight": _tight,
    "stray dots": _dots,
    "on a table": _framed,
    "tiny": _tiny,
    "faint": _faint,
    "turned": _turned,
    "transparent": _clear,
}
#: Those of numbers too; the others are about the place or the size of one digit.
NUMBER_STYLES = [style for style in STYLES if style not in ("in a corner", "cut tight", "tiny")]


def draw(image: NDArray[np.uint8], style: str, rng: Random) -> bytes:
    """One MNIST digit (28, 28) as a picture file in a style, drawn at random within it."""
    scene = STYLES[style](rng)
    stroke = _stroke(image, scene)
    if scene.size == (0, 0):
        scene.size = (stroke.shape[0], stroke.shape[1])
    return _painted(_placed(stroke, scene), scene, rng)


def draw_ink(ink: Float32, style: str, rng: Random) -> bytes:
    """A picture file of any ink (h, w) in 0..1, as large as a digit would be in a style."""
    scene = STYLES[style](rng)
    scale = scene.digit / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    stroke = Image.fromarray(ink).resize((width, height), Image.Resampling.BOX)
    return _painted(_placed(np.asarray(stroke, np.float32), scene), scene, rng)


def draw_number(lines: Sequence[NDArray[np.uint8]], n_touching: int, rng: Random) -> bytes:
    """Lines of MNIST digits, each (n, 28, 28), as one picture file, written with one pen.

    Of the neighbours in a line ``n_touching`` pairs touch, but at most all that nearly do.
    """
    scene = STYLES[NUMBER_STYLES[rng.integers(len(NUMBER_STYLES))]](rng)
    if scene.width is None:
        scene.width = _uniform(rng, 0.07, 0.14)
    scene.digit = int(rng.integers(45, 110))
    scene.width = max(scene.width, 2 / scene.digit)  # a thinner pen is lost between pixels
    written = [_written(line, scene, rng) for line in lines]
    ways = {
        (row, k): _way_to_meet(*pair, scene.digit)
        for row, line in enumerate(written)
        for k, pair in enumerate(pairwise(line))
    }
    # Digits whose ink is further apart than that do not meet in handwriting either.
    near = [pair for pair in ways if ways[pair] <= 0.12 * scene.digit]
    near = near or [min(ways, key=lambda pair: ways[pair])]
    gaps = {pair: int(scene.digit * _uniform(rng, 0.1, 0.4)) for pair in ways}
    for i in rng.permutation(len(near))[:n_touching]:
        gaps[near[i]] = -ways[near[i]] - int(scene.digit * _uniform(rng, 0.0, 0.03))
    rows = [
        _line(line, [gaps[row, k] for k in range(len(line) - 1)])
        for row, line in enumerate(written)
    ]
    apart = int(scene.digit * _uniform(rng, 0.4, 0.9))
    width = max(row.shape[1] for row in rows)
    spread = [np.zeros((0, width), np.float32)]
    for row in rows:
        left = int(rng.integers(0, width - row.shape[1] + 1))
        spread.append(np.pad(row, ((apart, 0), (left, width - row.shape[1] - left))))
    block = np.concatenate(spread)[apart:]
    scene.size = tuple(side + int(scene.digit * _uniform(rng, 1.0, 2.4)) for side in block.shape)
    scene.place = (_uniform(rng, 0.47, 0.53), _uniform(rng, 0.47, 0.53))
    return _painted(_placed(block, scene), scene, rng)


def _written(images: NDArray[np.uint8], scene: Scene, rng: Random) -> list[tuple[int, Float32]]:
    """The strokes of digits in a line, each with its top: not quite even, perhaps uphill."""
    slope = _uniform(rng, -0.06, 0.06)
    written = []
    for k, image in enumerate(images):
        size, turn = int(scene.digit * _uniform(rng, 0.9, 1.1)), _uniform(rng, -6, 6)
        stroke = _stroke(image, replace(scene, digit=size, turn=turn))
        middle = scene.digit * (1.5 + slope * k + _uniform(rng, -0.08, 0.08))
        written.append((int(middle - len(stroke) / 2), stroke))
    return written


def _way_to_meet(one: tuple[int, Float32], other: tuple[int, Float32], far: int) -> int:
    """How far one stroke's box must go into that of the other for their ink to meet."""
    ways = np.full((2, 4 * far), far)  # from a box's side to its ink, row by row
    for way, (top, stroke), step in zip(ways, (one, other), (-1, 1), strict=True):
        ink = stroke[:, ::step] > 0.5
        way[top : top + len(ink)] = np.where(ink.any(axis=1), ink.argmax(axis=1), far)
    return int(ways.sum(axis=0).min()) + 1


def _line(written: Sequence[tuple[int, Float32]], gaps: Sequence[int]) -> Float32:
    """Strokes side by side with gaps between their boxes, cut to their ink."""
    lefts = np.cumsum([0, *(s.shape[1] + gap for (_, s), gap in zip(written, gaps, strict=False))])
    bottom = max(top + len(stroke) for top, stroke in written)
    right = max(x + s.shape[1] for x, (_, s) in zip(lefts, written, strict=True))
    page = np.zeros((bottom, right), np.float32)
    for x, (top, stroke) in zip(lefts, written, strict=True):
        part = page[top : top + len(stroke), x : x + stroke.shape[1]]
        np.maximum(part, stroke, out=part)
    return page[min(top for top, _ in written) :]


def _painted(ink: Float32, scene: Scene, rng: Random) -> bytes:
    """Ink on its paper as a picture file."""
    for _ in range(scene.dots):
        ink = np.maximum(ink, _dot(scene, rng))
    picture = _coloured(ink, scene, rng)
    if scene.alpha:
        alpha = np.rint(ink * 255).astype(np.uint8)
        flat = np.broadcast_to(np.float32(scene.ink), (*ink.shape, 3))
        colours = np.rint(flat * 255).astype(np.uint8)
        return _encoded(Image.fromarray(np.dstack([colours, alpha]), "RGBA"), scene)
    return _encoded(Image.fromarray(np.rint(picture * 255).astype(np.uint8)), scene)


def _encoded(picture: Image.Image, scene: Scene) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, scene.kind, **scene.options)
    return buffer.getvalue()


def _stroke(image: NDArray[np.uint8], scene: Scene) -> Float32:
    """The digit, large and with the pen's width: (h, w) in 0..1, cut to the ink."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter, rotate, zoom

    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255
    cut = np.pad(cut, 2)
    factor = max(scene.digit / (len(rows)), 0.1)
    detail = max(1, -(-120 // scene.digit))  # draw small digits large first
    big = np.clip(zoom(cut, factor * detail, order=3), 0, 1)
    big = gaussian_filter(big, 0.3 * factor * detail)
    inside = big > 0.38
    distance = distance_transform_edt(inside) - distance_transform_edt(~inside)
    if scene.width is not None:
        own = 4 * float(
            distance[inside].mean()
        )  # the distances in a stroke go from 0 to half of it
        wanted = scene.width * scene.digit * detail
        change = (wanted - own) / 2
        # A pen that is much thinner follows the middle of the stroke.
        distance = _thinned(distance, -change) if change < 0 else distance + change
        if change > 0:
            grown = int(change) + 2
            inside = np.pad(inside, grown)
            distance = distance_transform_edt(inside) - distance_transform_edt(~inside) + change
    if scene.turn:
        distance = rotate(distance, scene.turn, order=1, cval=-10.0)
    soft = np.clip(distance + 0.5, 0, 1).astype(np.float32)
    if detail > 1:
        h, w = (side // detail * detail for side in soft.shape)
        soft = soft[:h, :w].reshape(h // detail, detail, w // detail, detail).mean(axis=(1, 3))
    rows, columns = np.flatnonzero(soft.max(1) > 0.2), np.flatnonzero(soft.max(0) > 0.2)
    return soft[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _thinned(distance: Float32, amount: float) -> Float32:
    """Strokes less wide by twice the amount, but nowhere broken: they end in their middle line."""
    from scipy.ndimage import distance_transform_edt, maximum_filter

    ridge = (distance >= maximum_filter(distance, 3) - 0.25) & (distance > 0)
    off_ridge = distance_transform_edt(~ridge)
    half = max(2 * float(distance[distance > 0].mean()) - amount, 0.6)
    along: Float32 = (half - off_ridge).astype(np.float32)
    return np.maximum(distance - amount, along)


def _placed(stroke: Float32, scene: Scene) -> Float32:
    h, w = scene.size
    h, w = max(h, stroke.shape[0]), max(w, stroke.shape[1])
    scene.size = (h, w)
    y, x = scene.place or (0.5, 0.5)
    top = int(np.clip(y * h - stroke.shape[0] / 2, 0, h - stroke.shape[0]))
    left = int(np.clip(x * w - stroke.shape[1] / 2, 0, w - stroke.shape[1]))
    page = np.zeros((h, w), np.float32)
    page[top : top + stroke.shape[0], left : left + stroke.shape[1]] = stroke
    return page


def _dot(scene: Scene, rng: Random) -> Float32:
    h, w = scene.size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    radius = scene.digit * _uniform(rng, 0.015, 0.04)
    edge = _uniform(rng, 0.04, 0.14)
    cy, cx = _uniform(rng, 0.04, 0.96), edge if rng.random() < 0.5 else 1 - edge
    return np.clip(radius - np.hypot(y - cy * h, x - cx * w) + 0.5, 0, 1).astype(np.float32)


def _coloured(ink: Float32, scene: Scene, rng: Random) -> Float32:
    """Ink on paper (h, w, 3) in 0..1, in its light, as a camera takes it."""
    from scipy.ndimage import gaussian_filter

    h, w = ink.shape
    y, x = np.mgrid[:h, :w].astype(np.float32) / max(h, w)
    paper = np.broadcast_to(np.float32(scene.paper), (h, w, 3)).copy()
    if scene.texture:
        clouds = gaussian_filter(rng.standard_normal((h, w)), max(h, w) / 40)
        paper += (scene.texture * clouds / clouds.std()).astype(np.float32)[..., None]
    if scene.rules != "none":
        paper = _ruled(paper, scene, rng)
    picture = paper + ink[..., None] * (np.float32(scene.ink) - paper)
    if scene.frame:
        picture = _on_table(picture, rng)
    if scene.light:
        angle = _uniform(rng, 0, 2 * np.pi)
        along = np.cos(angle) * (x - x.mean()) + np.sin(angle) * (y - y.mean())
        picture = picture * (1 - scene.light * (0.5 + along))[..., None]
    if scene.shadow:
        angle, offset = _uniform(rng, 0, 2 * np.pi), _uniform(rng, -0.15, 0.15)
        along = np.cos(angle) * (x - x.mean()) + np.sin(angle) * (y - y.mean()) - offset
        dark = 1 / (1 + np.exp(-along * _uniform(rng, 20, 80)))
        picture = picture * (1 - scene.shadow * dark)[..., None]
    picture = picture.astype(np.float32)
    if scene.blur:
        picture = gaussian_filter(picture, (scene.blur, scene.blur, 0))
    if scene.noise:
        picture = picture + scene.noise * rng.standard_normal(picture.shape).astype(np.float32)
    clipped: Float32 = np.clip(picture, 0, 1).astype(np.float32)
    return clipped


def _ruled(paper: Float32, scene: Scene, rng: Random) -> Float32:
    """Paper with the lines of an exercise book, a little turned."""
    h, w = paper.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    tilt = np.radians(_uniform(rng, -2, 2))
    apart = scene.digit * (
        _uniform(rng, 0.7, 1.3) if scene.rules == "lines" else _uniform(rng, 0.22, 0.5)
    )
    colour = np.float32([(0.55, 0.7, 0.9), (0.7, 0.7, 0.7), (0.65, 0.8, 0.7)][rng.integers(3)])
    if rng.random() < 0.3:  # lines as dark as the ink
        colour = np.float32((0.25, 0.25, 0.3))
    thickness = _uniform(rng, 1.0, 2.2)
    lines = np.zeros((h, w), np.float32)
    across = y * np.cos(tilt) + x * np.sin(tilt)
    for along in (
        [across] if scene.rules == "lines" else [across, x * np.cos(tilt) - y * np.sin(tilt)]
    ):
        offset = _uniform(rng, 0, apart)
        away = np.abs((along + offset + apart / 2) % apart - apart / 2)
        lines = np.maximum(lines, np.clip(thickness / 2 - away + 0.5, 0, 1))
    ruled: Float32 = paper + lines[..., None] * (colour - paper)
    return ruled


def _on_table(picture: Float32, rng: Random) -> Float32:
    """The paper with the edges of the table it lies on, on one to four sides."""
    h, w = picture.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    table = np.float32([(0.35, 0.22, 0.12), (0.2, 0.2, 0.22), (0.5, 0.42, 0.3)][rng.integers(3)])
    tilt = np.radians(_uniform(rng, -3, 3))
    outside = np.zeros((h, w), bool)
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    for side in sides:
        margin = _uniform(rng, 0.03, 0.1) * min(h, w)
        distance = (
            [y + tilt * (x - w / 2), h - 1 - y + tilt * (x - w / 2)][side]
            if side < 2
            else ([x + tilt * (y - h / 2), w - 1 - x + tilt * (y - h / 2)][side - 2])
        )
        outside |= distance < margin
    grain = 1 + 0.08 * np.sin(x / 9 + 3 * np.sin(y / 60))
    return np.where(outside[..., None], table * grain[..., None], picture).astype(np.float32)
