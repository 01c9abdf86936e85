"""Where digits that touch may be parted: paths from top to bottom that cross little ink."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ovr_digits.core.arrays import Float32, Integers

#: How far a path may stray to either side of where it is looked for, in heights of a digit:
#: far enough to go round a long bar, or hardly, for a digit that leans on its neighbour.
_REACHES = (0.3, 0.12, 0.05)
#: From one place where a path is looked for to the next, in heights of a digit.
_STEP = 0.08
#: How different what two paths part must be, in squares of a digit's height.
_DIFFERENCE = 0.02
#: How far apart two paths may be on average that have one digit between them, in its heights.
_NEAREST, _FARTHEST = 0.02, 1.3
#: How much ink those two may cross together, in heights of a digit.
_MOST_CROSSED = 0.9
#: How many paths may lie between those two.
_MOST_BETWEEN = 12


def find_cuts(ink: Float32, height: float, most: int) -> tuple[Integers, Float32]:
    """Find ways to part ink in a left and a right side.

    Parameters
    ----------
    ink : (h, w) float32 in 0..1
    height : float
        Of a digit, in pixels.
    most : int
        How many ways to find at most: those that cross the least ink.

    Returns
    -------
    cuts : (n, h) int
        In each row, the first column on the right side; from left to right.
    crossed : (n,) float32
        The way of each through ink, in heights of a digit.
    """
    h, w = ink.shape
    middles = np.arange(0.12 * height, w - 0.12 * height, _STEP * height).astype(int)
    if not len(middles):
        return np.zeros((0, h), np.int64), np.zeros(0, np.float32)
    reaches = np.array([max(2, round(share * height)) for share in _REACHES])
    cuts, crossed = _paths(ink, np.tile(middles, len(reaches)), np.repeat(reaches, len(middles)))
    # Ink on the left of each, row by row: paths that part the same ink are one.
    before = np.pad(np.cumsum(ink, axis=1), ((0, 0), (1, 0)))
    left = before[np.arange(h), cuts]
    least = _DIFFERENCE * height**2
    on_left = left.sum(axis=1)
    parts_ink = np.minimum(on_left, before[:, -1].sum() - on_left) > least
    chosen: list[int] = []
    kept = np.empty((most, h), left.dtype)
    for k in np.argsort(crossed, kind="stable").tolist():
        if len(chosen) == most:
            break
        away = np.abs(kept[: len(chosen)] - left[k]).sum(axis=1)
        if parts_ink[k] and (away > least).all():
            kept[len(chosen)] = left[k]
            chosen.append(k)
    chosen.sort(key=lambda k: int(cuts[k].sum()))
    return cuts[chosen], (crossed[chosen] / height).astype(np.float32)


def pairs_of_cuts(edges: Integers, crossed: Float32, height: float) -> list[tuple[int, int]]:
    """Which two of a mark's edges may have one digit between them.

    Parameters
    ----------
    edges : (n, h) int
        The mark's left side, its cuts and its right side, from left to right.
    crossed : (n,) float32
        The way of each through ink, in heights of a digit.
    height : float
        Of a digit, in pixels.

    Returns
    -------
    list of (left, right)
        Numbers of edges; fewer than 14 to an edge, however many there are.
    """
    middles = edges.mean(axis=1) / height
    return [
        (i, j)
        for i in range(len(edges))
        for j in range(i + 1, min(i + 2 + _MOST_BETWEEN, len(edges)))
        if (i, j) != (0, len(edges) - 1)
        and _NEAREST < middles[j] - middles[i] < _FARTHEST
        and crossed[i] + crossed[j] < _MOST_CROSSED
    ]


def _paths(ink: Float32, middles: Integers, reaches: Integers) -> tuple[Integers, Float32]:
    """The path of least ink from each of n middles that strays at most so far from it.

    Returns cuts (n, h) and the ink that each crosses (n,).
    """
    h, w = ink.shape
    reach = int(reaches.max())
    # Beside the ink there is nothing to be parted, and no way.
    cost = np.pad(ink + np.float32(0.002), ((0, 0), (reach, reach)), constant_values=1e3)
    windows = sliding_window_view(cost, 2 * reach + 1, axis=1)[:, middles]  # h, n, width
    windows[:, np.abs(np.arange(-reach, reach + 1)) > reaches[:, None]] = np.inf
    n, width = windows.shape[1:]
    total = np.zeros((n, width + 2), np.float32)
    total[:, [0, -1]] = np.inf
    came = np.zeros((h, n, width), np.int8)
    aside = np.float32(1.41) * windows  # a step aside is longer, and through ink crosses more of it
    for y in range(h):
        left, right = total[:, :-2] + aside[y], total[:, 2:] + aside[y]
        ahead = total[:, 1:-1] + windows[y]
        came[y] -= left <= ahead
        best = np.minimum(left, ahead)
        came[y, right < best] = 1
        np.minimum(best, right, out=total[:, 1:-1])
    ends = total[:, 1:-1].argmin(axis=1)
    rows = np.arange(n)
    crossed = total[rows, ends + 1]
    cuts = np.empty((n, h), np.int64)
    at = ends
    for y in range(h - 1, -1, -1):
        cuts[:, y] = at
        at = at + came[y, rows, at]
    return np.clip(cuts + middles[:, None] - reach, 0, w), crossed
