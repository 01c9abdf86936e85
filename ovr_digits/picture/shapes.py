"""Shapes in a mask: grown and filled, how convex, how long for their width."""

from __future__ import annotations

import numpy as np

from ovr_digits.core.arrays import Array, Bools, Integers
from ovr_digits.picture.regions import find_regions


def filled(mask: Bools) -> Bools:
    """A mask (h, w) and the holes in it."""
    beyond = find_regions(~np.pad(mask, 1)).labels
    inside: Bools = (beyond != beyond[0, 0])[1:-1, 1:-1]
    return inside


def convexity(mask: Bools) -> float:
    """The area of a region (h, w) in shares of its convex hull's: 1 for what is convex."""
    rows = np.flatnonzero(mask.any(axis=1))
    lefts = mask[rows].argmax(axis=1)
    rights = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    return float(mask.sum()) / (_area_below(rights) + _area_below(-lefts))


def _area_below(sides: Integers) -> float:
    """The area below the convex hull of a side, told row by row (h,)."""
    corners = np.maximum(np.append(sides, sides[-1]), np.append(sides[0], sides))
    hull: list[tuple[int, int]] = []
    for y, x in enumerate(corners.tolist()):
        while len(hull) > 1:
            (above, before), (last, there) = hull[-2:]
            if (there - before) * (y - above) > (x - before) * (last - above):
                break
            hull.pop()
        hull.append((y, x))
    ys, xs = np.array(hull).T
    return float(np.sum(np.diff(ys) * (xs[1:] + xs[:-1]) / 2))


def elongation(mask: Bools) -> float:
    """How much longer than wide a mask (h, w) is, in whatever direction; at least 1."""
    places = np.argwhere(mask)
    if len(places) < 3:
        return 1.0
    short, long = np.linalg.eigvalsh(np.cov(places.T) + np.eye(2) / 12)
    return float(np.sqrt(long / short))


def grown(mask: Bools, by: int) -> Bools:
    """The mask and what is within some pixels of it, along rows and columns."""
    for turned in (False, True):
        grown = mask.copy()
        near, own = (grown.T, mask.T) if turned else (grown, mask)
        for step in range(1, by + 1):
            near[step:] |= own[:-step]
            near[:-step] |= own[step:]
        mask = grown
    return mask


def outermost(mask: Bools) -> Bools:
    """Pixels of a mask (h, w) beside one that is not of it."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: Bools = mask & ~inside
    return edge


def border(mask: Array) -> Array:
    """What lies along the sides of a picture (h, w)."""
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
