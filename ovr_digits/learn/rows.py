"""Draws digits as they come out of a row: cut off from neighbours that touch them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Array, Float32, Grey
from ovr_digits.parallel import collect
from ovr_digits.picture.cuts import find_cuts
from ovr_digits.picture.mnist_form import IMAGE_SHAPE, usual_form
from ovr_digits.picture.regions import bounding_box, without_crumbs

Random = np.random.Generator

#: Pixels of a row to one of an image, on a side.
_ZOOM = 2
#: Pixels that digits stand higher or lower than others, at most.
_UNEVEN = 9
#: How many pixels of two digits lie over one another, from and to, how long the stroke is that
#: joins others, and how wide.
_OVERLAP, _JOIN, _PEN = (0, 5), (2, 18), (3, 7)
#: Share of neighbours that a stroke joins, and that are not there.
_JOINED, _ALONE = 0.4, 0.3
#: How many cuts are looked for.
_CUTS = 24
#: How much of a digit's ink the cuts may take away, or leave of others.
_MOST_AMISS = 0.2
#: Rows that are tried before a digit stays as it was.
_TRIES = 4


def draw_cut_digits(
    images: Array,
    others: Array,
    seed: int,
    n_jobs: int,
    advance: Callable[[int], None] = lambda amount: None,
) -> Grey:
    """Put digits between others, and cut them off again.

    Parameters
    ----------
    images : (n, 784) uint8
        In MNIST form.
    others : (n_others, 784) uint8
        Their neighbours are drawn from these.
    seed : int
        The same seed gives the same pictures.
    n_jobs : int
        Threads; -1 is one for each core.
    advance : callable
        Told of every batch of pictures.

    Returns
    -------
    (n, 784) uint8
        In MNIST form: without what the cuts took away, with what they left of others.
    """

    def work(rows: Array) -> Grey:
        return np.stack([_cut_digit(images[k], others, seed, int(k)) for k in rows])

    return collect(work, np.arange(len(images)), n_jobs, advance)


def _cut_digit(image: Grey, others: Array, seed: int, number: int) -> Grey:
    rng = np.random.default_rng((seed, number))
    for _ in range(_TRIES):
        left, right = (_stroke(others[k]) for k in rng.integers(len(others), size=2))
        alone = rng.random(2) < _ALONE
        before = [] if alone[0] else [left]
        strokes = [*before, _stroke(image), *([] if alone[1] else [right])]
        cut = _cut_out(*in_a_row(strokes, len(before), rng))
        if cut is not None:
            return usual_form(cut).ravel()
    return image


def _stroke(image: Grey) -> Float32:
    """The ink of an image, larger."""
    size = (_ZOOM * IMAGE_SHAPE[1], _ZOOM * IMAGE_SHAPE[0])
    large = Image.fromarray(image.reshape(IMAGE_SHAPE)).resize(size, Image.Resampling.BICUBIC)
    ink = np.asarray(large, np.float32) / np.float32(255)
    ink[ink < 0.1] = 0
    rows, columns = bounding_box(ink)
    return ink[rows, columns]


def in_a_row(strokes: Sequence[Float32], which: int, rng: Random) -> tuple[Float32, Float32]:
    """Strokes so that neighbours touch, and one of them alone: two of the same shape."""
    height = max(map(len, strokes)) + _UNEVEN
    page = np.zeros((height, sum(stroke.shape[1] + _JOIN[1] for stroke in strokes)), np.float32)
    own = np.zeros_like(page)
    columns = np.arange(page.shape[1])
    for k, stroke in enumerate(strokes):
        h, w = stroke.shape
        top = int(rng.integers(height - h + 1))
        x = 0
        if k:
            # In each row, how far right the ink of both would meet.
            last = np.where(page[top : top + h] > 0.5, columns, -height).max(axis=1)
            meet = last + 1 - np.where(stroke > 0.5, columns[:w], 2 * height).min(axis=1)
            row = int(meet.argmax())
            x = int(meet[row])
            if rng.random() < _JOINED:
                x += int(rng.integers(*_JOIN))
                pen = int(rng.integers(*_PEN))
                upper = max(top + row - pen // 2, 0)
                start, end = int(last[row]), x + int(last[row]) + 1 - int(meet[row])
                page[upper : upper + pen, start : end + 1] = 1
            else:
                x = max(x - int(rng.integers(*_OVERLAP)), 0)
        for sheet in (page, own) if k == which else (page,):
            part = sheet[top : top + h, x : x + w]
            np.maximum(part, stroke[:, : part.shape[1]], out=part)
    rows, sides = bounding_box(page)
    return page[rows, sides], own[rows, sides]


def _cut_out(page: Float32, own: Float32) -> Float32 | None:
    """What is between those two cuts of a row that part a digit best; None where none do."""
    h, w = page.shape
    rows, _ = bounding_box(own)
    cuts, _ = find_cuts(page, float(rows.stop - rows.start), _CUTS)
    edges = np.concatenate([np.zeros((1, h), np.int64), cuts, np.full((1, h), w)])
    # Ink of others on the right of an edge less the digit's own there, and the reverse.
    amiss = np.cumsum(np.pad(page - 2 * own, ((0, 0), (1, 0))), axis=1)[np.arange(h), edges]
    between = amiss.sum(axis=1)
    i, j = np.triu_indices(len(edges), 1)
    # Ink between two edges that is another's, and the digit's own that is outside.
    wrong = between[j] - between[i] + own.sum()
    best = int(wrong.argmin())
    if wrong[best] > _MOST_AMISS * own.sum():
        return None
    inside = (np.arange(w) >= edges[i[best]][:, None]) & (np.arange(w) < edges[j[best]][:, None])
    kept, _ = without_crumbs(np.where(inside, page, 0).astype(np.float32)[:, None])
    return kept[:, 0]
