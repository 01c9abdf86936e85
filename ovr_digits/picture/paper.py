"""The paper of a picture, as if no ink were on it, and how far each pixel is from it."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from ovr_digits.core.arrays import Bools, Float32
from ovr_digits.picture.regions import bounding_box
from ovr_digits.picture.shapes import grown

#: Longest side of the small picture on which the paper's own brightness is told.
_PAPER_SIDE = 48
#: Paper is even where that share of a picture, and that of a third at each corner, has one level,
#: to within that much, of 1; moved by the style "cut tight" of python -m benchmarks.pictures.
_PAPER, _CORNER, _EVEN = 0.3, 0.05, 0.012
#: Over so many pixels of the small picture the usual slope of its light is told.
_SLOPE_OVER = 4
#: So many pixels beside ink it is looked what is left, where the ink is no larger than that.
_BESIDE, _SIDE = 6, 100
#: Pixels that a smoother picture mixes are nearer to one another than this.
SMOOTH = 6


def even_paper(planes: Float32, is_dark: bool) -> Float32:
    """Paper that is the same everywhere (c, 1, 1), for a digit that fills the picture."""
    share = 0.9 if is_dark else 0.1
    levels = np.quantile(planes[:, ::2, ::2], share, axis=(1, 2), keepdims=True)
    return levels.astype(np.float32)


def is_even(planes: Float32) -> bool:
    """Whether the paper is the same everywhere, beyond doubt, as no light makes it."""
    small = planes[:, ::2, ::2]
    for is_dark in (True, False):
        is_paper = (np.abs(small - even_paper(planes, is_dark)) < _EVEN).all(axis=0)
        # A shadow may be as even as paper; it leaves no light in its own corner.
        corners = [np.rot90(is_paper, turn) for turn in range(4)]
        shares = [
            turned[: -(-len(turned) // 3), : -(-len(turned[0]) // 3)].mean() for turned in corners
        ]
        if is_paper.mean() > _PAPER and min(shares) > _CORNER:
            return True
    return False


def local_paper(planes: Float32, share: float, in_falling_light: bool = False) -> Float32:
    """What the picture would be with no ink on it: a median over a wide neighbourhood.

    Along the sides that is off by as much as the light changes within its reach; light that falls
    off evenly may be taken away first, so that it does not hide the palest ink.
    """
    c, h, w = planes.shape
    factor = max(1, -(-max(h, w) // _PAPER_SIDE))
    small_h, small_w = max(1, h // factor), max(1, w // factor)
    small = _resized(planes, (small_w, small_h), Image.Resampling.BOX)
    light = _falling_light(small) if in_falling_light else np.zeros_like(small)
    small -= light
    reach = max(2, round(share * max(small_h, small_w)))
    reach_y, reach_x = min(reach, small_h - 1), min(reach, small_w - 1)
    padded = np.pad(small, ((0, 0), (reach_y, reach_y), (reach_x, reach_x)), mode="reflect")
    windows = sliding_window_view(padded, (2 * reach_y + 1, 2 * reach_x + 1), axis=(1, 2))
    # Every other pixel of a window tells its median well enough.
    # Sorted, as NumPy is far slower at picking the middle of so many short rows.
    ranked = np.sort(windows[..., ::2, ::2].reshape(c, small_h, small_w, -1))
    n = ranked.shape[-1]
    smooth = ranked[..., (n - 1) // 2 : n // 2 + 1].mean(axis=-1) + light
    return _resized(smooth, (w, h), Image.Resampling.BICUBIC)


def _falling_light(small: Float32) -> Float32:
    """Planes (c, h, w) that rise as the light does everywhere: no edge or ink moves them."""
    light = np.zeros_like(small)
    for axis in (1, 2):
        along = np.moveaxis(small, axis, 1)
        n = along.shape[1]
        if n < 3 * _SLOPE_OVER:
            continue
        rises = along[:, _SLOPE_OVER:] - along[:, :-_SLOPE_OVER]
        thirds = [np.median(third, axis=(1, 2)) for third in np.array_split(rises, 3, axis=1)]
        slope = np.maximum(np.min(thirds, axis=0), 0) + np.minimum(np.max(thirds, axis=0), 0)
        places = (np.arange(n, dtype=np.float32) - (n - 1) / 2) / _SLOPE_OVER
        np.moveaxis(light, axis, 1)[:] += (slope[:, None] * places)[..., None]
    return light


def _resized(planes: Float32, size: tuple[int, int], how: Image.Resampling) -> Float32:
    return np.stack([np.asarray(Image.fromarray(plane).resize(size, how)) for plane in planes])


def strength_of(planes: Float32, paper: Float32, is_dark: bool) -> Float32:
    """How far each pixel is from the paper towards the ink: (h, w), about 0 on paper.

    Ink takes away a share of the light that the paper gives back, so that in a
    shadow it counts as much as in the light; chalk gives back a share of what
    the board swallows.
    """
    away = paper - planes if is_dark else planes - paper
    away /= np.maximum(paper if is_dark else 1 - paper, 0.1)
    if len(away) == 1:
        return away[0]
    most: Float32 = away.max(axis=0)
    # The colour of the strongest tells in which direction ink differs: other colours, and
    # noise, count for less.
    strong = most >= 0.7 * float(np.quantile(most[::2, ::2], 0.995))
    direction = np.maximum(away[:, strong].mean(axis=1), 0.0) if strong.any() else np.ones(3)
    length = float(direction @ direction)
    if length < 1e-9:
        return most
    strength: Float32 = np.tensordot(direction / np.sqrt(3 * length), away, 1).astype(np.float32)
    return strength


def left_beside(ink: Bools, strength: Float32, within: Bools) -> float:
    """The usual strength (h, w) some way off ink: that of a stroke ends, that of light fades."""
    rows, columns = bounding_box(ink)
    step = max(1, max(rows.stop - rows.start, columns.stop - columns.start) // _SIDE)
    some = np.s_[::step, ::step]
    near = grown(ink[some], _BESIDE - 1)
    ring = grown(near, 1) & ~near & within[some]
    return float(np.median(strength[some][ring])) if ring.any() else 0.0


def noise_of(strength: Float32, within: Bools, apart: int = 1) -> float:
    """How much the strength (h, w) of pixels so far apart differs, where nothing is written."""
    steps = (strength[::2, apart:] - strength[::2, :-apart])[within[::2, apart:]]
    if not steps.size:
        return 0.0  # which so few columns cannot tell
    return 1.5 * float(np.median(np.abs(steps, out=steps), overwrite_input=True))


def smoothed(strength: Float32) -> Float32:
    """The strength (h, w) with each pixel the mean of those about it, a sixth as noisy."""
    for _ in range(SMOOTH // 2 + 1):
        for axis in (0, 1):
            pad = np.pad(strength, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], "edge")
            one = np.moveaxis(pad, axis, 0)
            mixed = (one[:-2] + 2 * one[1:-1] + one[2:]) / np.float32(4)
            strength = np.moveaxis(mixed, 0, axis)
    return np.ascontiguousarray(strength)
