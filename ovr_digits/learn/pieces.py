"""Learns to tell whole digits and symbols from pieces that were cut wrongly: rows that are joined,
cut up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed
from PIL import Image

from ovr_digits.core.arrays import Array, Float32, Grey
from ovr_digits.core.detectors import PIECE_CLASSES
from ovr_digits.learn.detectors import OneVsRestDigits
from ovr_digits.learn.negatives import LATIN_FONTS, WIDE_FONTS
from ovr_digits.learn.signs import (
    BESIDE_AMOUNTS,
    HEIGHT,
    LETTERS,
    OTHERS,
    draw_glyph,
    draw_marks,
    fit_marks,
    written,
)
from ovr_digits.parallel import resolve_jobs
from ovr_digits.picture.pieces import Mark, Piece, parted_marks, piece_of
from ovr_digits.picture.regions import bounding_box, find_regions

Random = np.random.Generator

#: How many digits a row has, and how often.
_DIGITS, _HOW_OFTEN = [1, 2, 3, 4, 5], [0.12, 0.4, 0.26, 0.13, 0.09]
#: Share of rows that are mostly zeros, and of digits in them that are; share of these that are
#: small, and how small.
_ZEROS, _ARE_ZEROS, _SMALL, _SMALLER = 0.3, 0.7, 0.5, (0.5, 0.9)
#: To each row of digits alone so many with a symbol; share of symbols that are printed; which there
#: are, as often: none that is a digit where its size is not told.
_WITH_SYMBOL, _PRINTED = 0.4, 0.35
_SYMBOLS = [*3 * BESIDE_AMOUNTS, *(other for other in OTHERS if other not in "DQ!'")]
#: Share of neighbours that a ligature joins, and of zeros, for those who join them; of ligatures
#: that start at the top; their width, length (between zeros, others) and bow, in pixels.
_JOINED, _JOINED_ZEROS, _AT_TOP = 0.25, 0.6, 0.3
_PEN, _LENGTH, _LENGTH_OTHERS, _BOW = (2, 9), (2, 22), (2, 16), 4.0
#: How many pixels neighbours overlap at most, and the share that overlap further.
_OVERLAP, _OVERLAP_MORE, _MORE = 9, 18, 0.3
#: How far digits stand higher or lower than others, standard deviation, in pixels.
_DRIFT = 3.0
#: Heights of digits, in heights of those that are drawn, from and to; how wrong the height that is
#: usual is taken to be, logarithm.
_SIZE, _WRONG = (0.4, 1.0), 0.08
#: Share of rows with what is left of a ruled line, and with a ragged edge.
_RULED, _RAGGED = 0.15, 0.25
#: A mark is one region, but for that share of its ink.
_CRUMBS = 0.03
#: Up to how much of a digit's ink may be missing, or another's, for a piece to be that digit; from
#: how much on it is none.
_IS_DIGIT, _IS_NONE = 0.18, 0.38
#: Of a row with n digits, n and so many pieces that are digits, and n times so many that are none.
_MORE_DIGITS, _NONES = 1, 2

_OTHER, _NONE = PIECE_CLASSES.index("other"), PIECE_CLASSES.index("none")


def draw_pieces(X: Grey, y: Array, n_rows: int, seed: int, n_jobs: int = -1) -> tuple[Grey, Array]:
    """Join digits to rows, also with a symbol, and cut them up.

    Parameters
    ----------
    X : (n, 784) uint8
        Digits in MNIST form.
    y : (n,) int
        Their labels.
    n_rows : int
        Of digits alone.
    seed : int
        The same seed gives the same pieces.
    n_jobs : int
        Processes; -1 is one for each core.

    Returns
    -------
    images : (n_pieces, 784) uint8
    classes : (n_pieces,) int
        Their places in ``PIECE_CLASSES``.
    """
    zeros = np.flatnonzero(y == 0)

    rows = Parallel(n_jobs=resolve_jobs(n_jobs), batch_size=32)(
        delayed(_pieces_of_row)(X, y, zeros, (seed, k), k >= n_rows)
        for k in range(round((1 + _WITH_SYMBOL) * n_rows))
    )
    drawn = np.concatenate(rows)
    return drawn[:, :-1], drawn[:, -1].astype(np.int64)


def _pieces_of_row(
    X: Grey, y: Array, zeros: Array, seed: tuple[int, int], with_symbol: bool
) -> Array:
    """Images of pieces with their classes behind them: (n_pieces, 785) uint8."""
    rng = np.random.default_rng(seed)
    n_digits = int(rng.choice(_DIGITS, p=_HOW_OFTEN))
    many_zeros = rng.random() < _ZEROS
    joins_zeros = rng.random() < 0.5
    chosen = rng.integers(len(X), size=n_digits)
    if many_zeros:
        chosen = np.where(rng.random(n_digits) < _ARE_ZEROS, rng.choice(zeros, n_digits), chosen)
    digits = y[chosen].tolist()
    strokes = [written(X[k], rng) for k in chosen]
    for k, digit in enumerate(digits):
        if many_zeros and digit == 0 and rng.random() < _SMALL:
            strokes[k] = _resized(strokes[k], rng.uniform(*_SMALLER))
    usual = float(np.median([len(stroke) for stroke in strokes]))
    middles = [len(stroke) / 2 for stroke in strokes]
    if with_symbol:
        stroke, middle = _symbol(rng)
        # Most stand before or behind.
        place = int(rng.choice([0, n_digits, int(rng.integers(n_digits + 1))]))
        digits.insert(place, _OTHER)
        strokes.insert(place, stroke)
        middles.insert(place, middle)
    page, own = _row(strokes, middles, digits, joins_zeros, rng)
    size = float(np.exp(rng.uniform(*np.log(_SIZE))))
    page, own = _worn(_resized(page, size), rng), [_resized(ink, size) for ink in own]
    regions = find_regions(page > 0.4)
    none = np.zeros((0, X.shape[1] + 1), np.uint8)
    if not regions.count or regions.areas.max() < (1 - _CRUMBS) * regions.areas.sum():
        return none
    usual = min(usual * size * float(np.exp(rng.normal(0, _WRONG))), len(page))
    mark = Mark(page, (0, 0), usual)
    pieces = [piece_of(mark, page, bounding_box(page)), *parted_marks([mark], [True])[0]]
    classes = np.array([_class_of(piece, own, digits) for piece in pieces])
    order = rng.permutation(len(pieces))
    are_digits = order[(classes[order] >= 0) & (classes[order] < _NONE)][
        : len(digits) + _MORE_DIGITS
    ]
    nones = order[classes[order] == _NONE][: _NONES * len(digits)]
    rows = [
        np.append(pieces[k].image.ravel(), np.uint8(classes[k]))
        for k in (*are_digits.tolist(), *nones.tolist())
    ]
    return np.stack(rows) if rows else none


def _resized(ink: Float32, scale: float) -> Float32:
    h, w = (max(4, round(side * scale)) for side in ink.shape)
    return np.asarray(Image.fromarray(ink).resize((w, h), Image.Resampling.BOX))


def _symbol(rng: Random) -> tuple[Float32, float]:
    """What is no digit (h, w), and how far the line's middle lies below its top row."""
    symbol = str(rng.choice(_SYMBOLS))
    if rng.random() > _PRINTED or symbol not in BESIDE_AMOUNTS + LETTERS:
        return draw_marks(str(rng.choice(OTHERS[symbol])).split(", "), rng)
    ink, middle, height = draw_glyph(symbol, LATIN_FONTS if symbol in LETTERS else WIDE_FONTS, rng)
    return _resized(ink, HEIGHT / height), middle * HEIGHT / height


def _row(
    strokes: Sequence[Float32],
    middles: Sequence[float],
    digits: Sequence[int],
    joins_zeros: bool,
    rng: Random,
) -> tuple[Float32, list[Float32]]:
    """Strokes (h, w) so that neighbours touch, and each of them alone where it stands.

    ``middles`` tell how far below its top row each has the middle of the line.
    """
    height = int(1.25 * max(map(len, strokes)))
    shape = height, sum(stroke.shape[1] + _LENGTH[1] for stroke in strokes)
    page, own = np.zeros(shape, np.float32), []
    columns = np.arange(shape[1])
    for k, stroke in enumerate(strokes):
        h, w = stroke.shape
        room = height - h
        top, x = round(min(max(rng.normal(height / 2 - middles[k], _DRIFT), 0), room)), 0
        if k:
            # In each row, how far right the ink of both would meet.
            last = np.where(page[top : top + h] > 0.5, columns, -3 * height).max(axis=1)
            first = np.where(stroke > 0.5, columns[:w], 3 * height).min(axis=1)
            row = int((last + 1 - first).argmax())
            x = int(last[row] + 1 - first[row])
            zeros = digits[k] == digits[k - 1] == 0
            if rng.random() < (_JOINED_ZEROS if zeros and joins_zeros else _JOINED):
                x += int(rng.integers(*(_LENGTH if zeros else _LENGTH_OTHERS)))
                upper = int(rng.integers(max(1, round(_AT_TOP * h))))
                at_top = (zeros or rng.random() < _AT_TOP) and last[upper] > 0 and first[upper] < w
                row = upper if at_top else row
                _join(page, (top + row, int(last[row])), x + int(first[row]), rng)
            else:
                more = rng.random() < _MORE
                x = max(x - int(rng.integers(_OVERLAP_MORE if more else _OVERLAP)), 0)
        alone = np.zeros_like(page)
        part = alone[top : top + h, x : x + w]
        part[:] = stroke[:, : part.shape[1]]
        np.maximum(page, alone, out=page)
        own.append(alone)
    place = bounding_box(page)
    return page[place], [alone[place] for alone in own]


def _join(page: Float32, start: tuple[int, int], end: int, rng: Random) -> None:
    """Draw a ligature from a point (row, column) to a column."""
    row, column = start
    pen, bow = int(rng.integers(*_PEN)), rng.normal(0, _BOW)
    for x in range(max(column - 1, 0), min(end + 2, page.shape[1])):
        along = (x - column) / max(end - column, 1)
        upper = max(0, round(row + 4 * bow * along * (1 - along) - pen / 2))
        page[upper : upper + pen, x] = 1


def _worn(page: Float32, rng: Random) -> Float32:
    """Ink (h, w) with what is left of a ruled line, or ragged, as bad paper makes it."""
    h, w = page.shape
    if rng.random() < _RULED:
        page = page.copy()
        row, thickness = int(rng.uniform(0.8, 1) * h), int(rng.integers(1, 3))
        left = np.repeat(rng.random(w // 6 + 1) < rng.choice([0.6, 1.0]), 6)[:w]
        line = page[row : row + thickness]
        np.maximum(line, np.where(left, np.float32(0.9), 0), out=line)
    if rng.random() < _RAGGED:
        grain = rng.normal(0, 0.25, (max(2, h // 3), max(2, w // 3))).astype(np.float32)
        rough = np.asarray(Image.fromarray(grain).resize((w, h), Image.Resampling.BICUBIC))
        edge = (page > 0.1) & (page < 0.9)
        page = np.clip(1.6 * page - 0.3 + rough * edge, 0, 1)
        page[page < 0.2] = 0
    return page


def _class_of(piece: Piece, own: Sequence[Float32], digits: Sequence[int]) -> int:
    """Which digit or symbol a piece is, ``_NONE``, or -1 where it is in between."""
    top, left, bottom, right = piece.box
    inside = [ink[top:bottom, left:right] for ink in own]
    wrong = [
        float(np.abs(piece.ink - part).sum() + ink.sum() - part.sum()) / max(float(ink.sum()), 1)
        for part, ink in zip(inside, own, strict=True)
    ]
    best = int(np.argmin(wrong))
    if wrong[best] < _IS_DIGIT:
        return digits[best]
    return _NONE if wrong[best] > _IS_NONE else -1


def fit_pieces(
    X: Grey, y: Array, n_rows: int = 7000, seed: int = 0, n_jobs: int = -1
) -> OneVsRestDigits:
    """Detectors of ``PIECE_CLASSES``, in that order, from digits in MNIST form; see
    ``draw_pieces``.
    """
    return fit_marks(*draw_pieces(X, y, n_rows, seed, n_jobs), seed, n_jobs)
