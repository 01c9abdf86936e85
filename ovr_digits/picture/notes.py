"""Notes on which a digit is written, and solid shapes: what is convex and unlike its paper."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ovr_digits.core.arrays import Bools, Float32
from ovr_digits.picture.regions import Regions, bounding_box, find_regions
from ovr_digits.picture.shapes import border, convexity, elongation, filled, grown

#: The shorter side in pixels from which a region may be a note, and how many of them may be.
_NOTE_SIDE, MOST_NOTES = 30, 8
#: How far, of 1, a note is from the paper about it, in one colour of light at least.
_NOTE_LEVELS = (0.12, 0.25)
#: What fills that share of its convex hull is convex: digits but for 0 and 1 fill less.
_CONVEX = 0.93
#: The hole of a nought fills that share of its hull, and the pen about it is as even as that, in
#: shares of its longer side; what is so many times longer for its width than the note is a 1.
_HOLE, _EVEN_PEN, _STROKE = 0.8, 0.15, 3.5
#: What is longer than that for its width is a stroke, a 1 perhaps, and no note.
_LONG = 2.4


def find_notes(planes: Float32, found: Regions) -> Iterator[tuple[tuple[slice, slice], Bools]]:
    """Places (rows, columns) with the outlines in them of what may be notes, or solid shapes."""
    h, w = found.mask.shape
    away = _away_from_paper(planes)
    done = np.zeros_like(found.mask)
    levels = [find_regions(away > level) for level in _NOTE_LEVELS]
    for regions in (*levels, found):
        sides = np.minimum(regions.heights, regions.widths)
        for k in np.argsort(-regions.areas)[:MOST_NOTES].tolist():
            top, left, bottom, right = regions.boxes[k].tolist()
            at_border = top == 0 or left == 0 or bottom == h or right == w
            if sides[k] < _NOTE_SIDE or (at_border and regions is not found):
                continue
            # With room about it for the paper that it lies on.
            room = 4 * (2 + round(0.03 * int(sides[k])))
            place = (
                slice(max(0, top - room), bottom + room),
                slice(max(0, left - room), right + room),
            )
            own = regions.labels[place] == k + 1
            outline = filled(own)
            if (
                not (done[place] & outline).any()
                and convexity(outline) > _CONVEX
                and elongation(outline) < _LONG
                and _is_unlike(planes[:, *place], outline, own)
            ):
                done[place] |= outline
                yield place, outline


def _away_from_paper(planes: Float32) -> Float32:
    """How far each pixel (h, w) is from the light and the colour that the border tells."""
    _, h, w = planes.shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    ways = np.stack([np.ones((h, w), np.float32), y / h, x / w])
    at_border = np.stack([border(way) for way in ways], axis=1)
    away = np.zeros((h, w), np.float32)
    for plane in planes:
        slopes, *_ = np.linalg.lstsq(at_border, border(plane), rcond=None)
        np.maximum(away, np.abs(plane - np.tensordot(slopes, ways, 1)), out=away)
    return away


def rim(outline: Bools) -> int:
    """How far in pixels the edge of a note reaches."""
    return 2 + round(0.03 * min(side.stop - side.start for side in bounding_box(outline)))


def painted(planes: Float32, where: Bools) -> Float32:
    """The picture with the usual colour of the rest instead of what is somewhere."""
    painted = planes.copy()
    painted[:, where] = np.median(planes[:, ~where], axis=1, keepdims=True)
    return painted


def _is_unlike(planes: Float32, outline: Bools, ink: Bools) -> bool:
    """Whether what is within an outline is as unlike the paper about it as the ink is."""
    reach = rim(outline)
    about = grown(outline, 2 * reach) & ~grown(outline, 2)
    inside = ~grown(~outline, reach)
    if not about.any() or not inside.any():
        return False
    paper, level, strokes = (np.median(planes[:, part], axis=1) for part in (about, inside, ink))
    return float(np.abs(level - paper).max()) > 0.5 * float(np.abs(strokes - paper).max())


def is_speck(inner: Bools, note: Bools) -> bool:
    """Whether what is on a note is too small for a digit on it: a light that it reflects."""
    return max(inner[bounding_box(inner)].shape) < 0.12 * max(note[bounding_box(note)].shape)


def is_hole(inner: Bools, note: Bools) -> bool:
    """Whether what seems to be on a note is the hole of a nought: as wide a pen all about it."""
    hole, nought = inner[bounding_box(inner)], note[bounding_box(note)]
    uneven = abs(np.subtract(*nought.shape) - np.subtract(*hole.shape))
    is_stroke = elongation(hole) > _STROKE * elongation(nought)
    return convexity(hole) > _HOLE and uneven < _EVEN_PEN * max(nought.shape) and not is_stroke
