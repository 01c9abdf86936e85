"""Finds the ink of digits on a picture: any pen, any paper, in uneven light."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, get_args

import numpy as np

from ovr_digits.core.arrays import Bools, Float32, Integers
from ovr_digits.errors import BlankPictureError
from ovr_digits.picture.choice import digit_among, marks_among
from ovr_digits.picture.guides import (
    find_badges,
    find_boxes,
    find_frame,
    find_rings,
    find_ruled_lines,
)
from ovr_digits.picture.notes import MOST_NOTES, find_notes, is_hole, is_speck, painted, rim
from ovr_digits.picture.paper import (
    SMOOTH,
    even_paper,
    is_even,
    left_beside,
    local_paper,
    noise_of,
    smoothed,
    strength_of,
)
from ovr_digits.picture.regions import LeftOut, Regions, as_box, bounding_box, find_regions
from ovr_digits.picture.shapes import border, grown
from ovr_digits.picture.sides import find_sides

#: Whether the ink is darker or lighter than the paper.
Ground = Literal["auto", "dark ink", "light ink"]
#: Tells which of the regions are wanted: (count,) bool.
_Chooser = Callable[[Regions], Bools]

# What is ink by its strength; moved by the styles "faint", "half in shadow" and "squared paper" of
# python -m benchmarks.pictures, and by the lines of cells.
#: The least difference between ink and paper, of 1, for the picture not to be blank.
MIN_CONTRAST = 0.04
#: Share of the ink's own strength from which a pixel counts as ink.
_LEVEL = 0.4
#: Ink that is not so many times as strong as the noise is told on a smoother picture.
_NOISY = 5.0
#: What has that share of the strength from which ink is seen left beside it fades as light does;
#: moved by the kind "gradient" of python -m benchmarks.rejection.
_FADES = 0.25
#: Ruled lines are far paler than the ink where they have less than that share of its strength.
_PALE_LINES = 0.7
#: How far about a pixel its paper is looked for, in shares of the picture's longer side: far
#: enough for the widest strokes, or, where shadows end sharply, less far.
_REACHES = (0.28, 0.12)
#: The most kinds of lines and boxes that are taken away one after the other.
_LOOKS = 8

# Digits of a number beside one another; moved by python -m benchmarks.numbers.
#: Share of the ink's strength from which a pixel counts as ink for digits that are paler than those
#: beside them; how far they are apart at most, in heights, and how many there are beyond as many
#: as the others: more are a texture.
_PALEST, _APART, _FEW = 0.15, 3.0, 5
#: What is thinner than this, in heights, is no stroke of a digit.
_HAIR = 0.04
#: Marks are digits of one row where the lower has at least that share of the other's height.
_AS_HIGH = 0.6

# Merits, at most 1; moved by the styles "cut tight", "thick marker" and "on a table".
#: From here on there is no need to look at the picture in another way; on even paper, from there.
_CLEAR_MERIT, _EVEN_MERIT = 0.75, 0.5
#: From here on what lies on a note is taken for the digit, rather than the note.
_FAIR_MERIT = 0.3
#: Share of the picture from which ink is crowded, and what each share beyond costs.
_CROWDED, _CROWDED_COSTS = 0.5, 1.5
#: The pen in shares of the digit's longer side from which it is solid, and what more costs.
_SOLID, _SOLID_COSTS = 0.24, 5.0
#: The strength, of 1, below which ink is faint.
_FAINT = 0.3

_FRAME, _SIDE = "along the side of the picture", "a line along the side of the picture"
_BOX, _LINE = "a box or a ring", "a ruled line"
_GROUNDS: dict[bool, Ground] = {True: "dark ink", False: "light ink"}


def find_ink(picture: Float32, ground: Ground = "auto", level: float | None = None) -> Float32:
    """Tell the ink of the digit from the paper and from everything else on it.

    The paper's brightness is followed across the picture, so that shadows are
    not ink; edges of the paper, lines of an exercise book, specks and smudges
    beside the digit are left out.

    Parameters
    ----------
    picture : (h, w, 3) float32 in 0..1
    ground : "auto", "dark ink" or "light ink"
    level : float in 0..1, optional
        Share of the ink's own strength from which a pixel counts as ink.

    Returns
    -------
    (h, w) float32 in 0..1, paper 0.

    Raises
    ------
    BlankPictureError
        Where there is no ink, or solid shapes alone.
    ValueError
        For a ground or a level that is none.
    """
    return _find(picture, ground, level, digit_among).ink


def find_ink_and_marks(
    picture: Float32, ground: Ground = "auto", level: float | None = None
) -> tuple[Float32, Regions]:
    """The ink of ``find_ink``, and all marks that may be digits, among which it was chosen."""
    guess = _find(picture, ground, level, digit_among)
    return guess.ink, guess.regions.only(marks_among(guess.regions))


def find_marks(
    picture: Float32, ground: Ground = "auto", level: float | None = None
) -> tuple[Float32, Regions, list[LeftOut]]:
    """Tell the ink of everything that may be a digit from the rest of the picture.

    Parameters
    ----------
    picture, ground, level :
        See ``find_ink``.

    Returns
    -------
    ink : (h, w) float32 in 0..1, paper 0.
    regions : Regions
        The marks that were found, (h, w) too.
    left_out : list of LeftOut
        What else there is, of any size.

    Raises
    ------
    BlankPictureError
        Where there is no ink.
    """
    guess = _find(picture, ground, level, marks_among)
    return guess.ink, find_regions(guess.chosen), guess.left_out


def _find(picture: Float32, ground: Ground, level: float | None, choose: _Chooser) -> _Guess:
    """The likeliest guess: of what is written on notes, and without solid shapes."""
    is_level = level is None or (isinstance(level, Real) and 0 < level < 1)
    if ground not in get_args(Ground) or not is_level:
        raise ValueError(
            f"ground is one of {', '.join(get_args(Ground))}, and level between 0 and 1 or None; "
            f"not {ground!r} and {level!r}"
        )
    kinds = [is_dark for is_dark in (True, False) if ground in ("auto", _GROUNDS[is_dark])]
    planes = _planes(picture)
    allowed = np.ones(planes.shape[1:], bool)
    left_out: list[LeftOut] = []

    def look(planes: Float32, allowed: Bools) -> _Guess | None:
        return _best_guess(planes, allowed, kinds, level or _LEVEL, choose)

    for _ in range(MOST_NOTES):
        best = look(planes, allowed)
        if best is None:
            break
        best, solid = _with_notes_read(planes, best, look)
        if not solid.any():
            return replace(best, left_out=[*left_out, *best.left_out])
        left_out += _left_out(find_regions(solid), None, "a solid shape")
        planes, allowed = painted(planes, solid), allowed & ~grown(solid, rim(solid))
    raise BlankPictureError(
        "the picture is blank: no ink on it; write the digit darker or larger"
        if allowed.all()
        else "there is no digit on the picture, only solid shapes; write one with a pen"
    )


def _with_notes_read(
    planes: Float32, guess: _Guess, look: Callable[[Float32, Bools], _Guess | None]
) -> tuple[_Guess, Bools]:
    """The guess with what is written on its notes in their place, and which of them are empty."""
    ink, chosen = guess.ink.copy(), guess.chosen.copy()
    left_out = list(guess.left_out)
    solid = np.zeros_like(chosen)
    notes = list(find_notes(planes, guess.regions))
    beside = guess.chosen.copy()
    for place, outline in notes:
        beside[place] &= ~outline
    heights = find_regions(beside).heights
    for place, outline in notes:
        about = grown(outline, rim(outline))
        if not (chosen[place] & outline).any():
            continue
        inside = ~grown(~outline, rim(outline))
        inner = None
        with contextlib.suppress(BlankPictureError):  # only boxes on it
            inner = look(painted(planes[:, *place], ~inside), inside)
        if inner is None or inner.merit < _FAIR_MERIT or is_speck(inner.chosen, outline):
            solid[place] |= outline
        elif not is_hole(inner.chosen, outline) and not _is_among(outline, heights):
            guess = replace(guess, merit=inner.merit)
            ink[place] = np.where(about, inner.ink, ink[place])
            chosen[place] = np.where(about, inner.chosen, chosen[place])
            left_out += [left.moved(place[0].start, place[1].start) for left in inner.left_out]
    if not solid.any() and not (chosen == guess.chosen).all():
        regions = find_regions(chosen)
        guess = replace(guess, ink=ink, chosen=chosen, regions=regions, left_out=left_out)
    return guess, solid


def _is_among(outline: Bools, heights: Integers) -> bool:
    """Whether what may be a note is as high as marks beside it: the holes of a digit are in it."""
    rows, _ = bounding_box(outline)
    shares = heights / (rows.stop - rows.start)
    return bool(((shares > _AS_HIGH) & (shares < 1 / _AS_HIGH)).any())


def _planes(picture: Float32) -> Float32:
    """The picture's channels (c, h, w): a single one where that is broadcast."""
    planes = np.moveaxis(picture, 2, 0)
    return planes[:1] if planes.strides[0] == 0 else planes


def _best_guess(
    planes: Float32, allowed: Bools, kinds: Sequence[bool], level: float, choose: _Chooser
) -> _Guess | None:
    """The likeliest way to tell ink from paper: dark or light, on paper that changes or not."""
    best: _Guess | None = None
    ways: list[tuple[float, bool] | None] = [*((reach, False) for reach in _REACHES), None]
    ways += [(_REACHES[0], True)]
    even = is_even(planes)
    if even:
        ways.sort(key=lambda way: way is not None)
    for way in ways:
        local = None if way is None else local_paper(planes, *way)
        for is_dark in kinds:
            paper = even_paper(planes, is_dark) if local is None else local
            strength = np.where(allowed, strength_of(planes, paper, is_dark), 0)
            guess = _guess(strength, allowed, level, choose)
            if guess is not None and local is None:
                # A table about the paper would not be even with it: what seems to frame the
                # digit here is more likely the paper, and the digit what its strokes enclose.
                guess = replace(guess, merit=guess.merit - 0.5 * guess.framed)
            if guess is not None and (best is None or guess.merit > best.merit):
                best = guess
        if best is not None and best.merit > (_EVEN_MERIT if even else _CLEAR_MERIT):
            break
    return _with_paler(best) if best is not None and choose is marks_among else best


@dataclass(frozen=True, eq=False)
class _Guess:
    ink: Float32
    chosen: Bools
    regions: Regions  # among which they were chosen
    framed: float  # share of the picture's border that was left out as a frame
    merit: float
    left_out: list[LeftOut]
    strength: Float32
    allowed: Bools  # where there is no frame
    levels: tuple[float, float]  # from where on ink was seen, and the least beyond noise


def _guess(strength: Float32, within: Bools, level: float, choose: _Chooser) -> _Guess | None:
    """The ink, if it is what stands out by its strength (h, w)."""
    if strength.max() < MIN_CONTRAST:
        return None
    noise = noise_of(strength, within)
    allowed = within
    top = _ink_strength(strength, allowed, noise)
    if top < _NOISY * noise:
        strength = smoothed(strength)
        # The darkest of the noise was taken for paper, or the lightest.
        strength -= np.median(strength[::2, ::2])
        noise = noise_of(strength, within, SMOOTH)
        top = _ink_strength(strength, allowed, noise)
    framed = np.zeros_like(within)
    left_out: list[LeftOut] = []
    kinds: set[str] = set()
    of_lines = 0.0
    for _ in range(_LOOKS):
        least = max(MIN_CONTRAST, 3 * noise)
        if top < least:
            # Else the paper in them might be taken for ink.
            if choose is marks_among and _BOX in kinds:
                raise BlankPictureError("no digit on the picture, only boxes or rings to write in")
            return None
        # What is no stronger than lines are that are far paler than the ink is more of them.
        seen_from = max(level * top, of_lines if of_lines < _PALE_LINES * top else 0)
        mask = (strength > seen_from) & allowed
        regions = find_regions(mask)
        seen = (strength > max(_PALEST * top, least)) & allowed
        guides, reason = _find_guides(regions, seen, kinds)
        if not guides.any():
            break
        kinds.add(reason)
        left_out += _left_out(find_regions(guides), None, reason)
        if reason == _FRAME:
            framed |= guides
        elif reason == _LINE:
            of_lines = max(of_lines, float(np.quantile(strength[guides], 0.9)))
        # About them only what was ink beside them is: they fade into the paper.
        about = grown(guides, 2 + max(strength.shape) // 150)
        allowed = allowed & ~guides & (mask | ~about)
        top = _ink_strength(strength, allowed, noise)
    wanted = choose(regions)
    small = np.flatnonzero(~wanted)[:, None] + 1 if choose is marks_among else ()  # maybe signs
    left_out += [
        LeftOut(box, "far smaller than the largest mark", mask)
        for box, mask in map(regions.mask_of, small)
    ]
    chosen = regions.only(wanted).mask
    if not chosen.any():
        return None
    if left_beside(chosen, strength, within) > _FADES * seen_from:
        return None
    near = grown(chosen, 2)
    box = bounding_box(near)
    ink = np.zeros_like(strength)
    ink[box] = np.where(near[box], np.clip(strength[box] / top, 0.0, 1.0), 0.0)
    ink[ink < 0.5 * level] = 0.0
    beside = np.abs(strength[allowed & ~chosen])
    merit = _merit(chosen, regions.mask, beside, top)
    levels = (seen_from, max(_PALEST * top, MIN_CONTRAST, 3 * noise))
    return _Guess(
        ink,
        chosen,
        regions,
        float(border(framed).mean()),
        merit,
        left_out,
        strength,
        allowed,
        levels,
    )


def _find_guides(regions: Regions, seen: Bools, before: set[str]) -> tuple[Bools, str]:
    """What is drawn for digits to be written in, of one kind, and which."""
    if (frame := find_frame(regions)).any():
        return regions.only(frame).mask, _FRAME
    if _BOX not in before:
        boxes, content = find_boxes(regions)
        boxes |= find_badges(regions)
        if boxes.any():
            return regions.only(boxes).mask & ~content, _BOX
    if (lines := find_ruled_lines(regions.mask)).any():
        return lines, _LINE
    # Digits that stand on a ruled line are a ring about others, until it is gone.
    if _BOX not in before and (rings := find_rings(regions)).any():
        return regions.only(rings).mask, _BOX
    return find_sides(seen, regions.mask), _SIDE


def _with_paler(guess: _Guess) -> _Guess:
    """Look a second time, for digits written more palely beside those that were found."""
    seen, least = guess.levels
    if least >= seen:
        return guess
    regions = find_regions((guess.strength > least) & guess.allowed)
    is_new = np.ones(regions.count + 1, bool)
    is_new[regions.labels[guess.strength > seen]] = False
    mask = regions.only(is_new[1:]).mask
    regions = find_regions(mask & ~find_ruled_lines(mask))
    marks = find_regions(guess.chosen)
    near = _neighbours(regions, marks)
    if not near.any() or np.count_nonzero(near) > marks.count + _FEW:
        return guess
    ink, chosen = guess.ink.copy(), guess.chosen.copy()
    left_out = list(guess.left_out)
    for k in np.flatnonzero(near).tolist():
        top, left, bottom, right = regions.boxes[k].tolist()
        place = (slice(max(0, top - 2), bottom + 2), slice(max(0, left - 2), right + 2))
        own = regions.labels[place] == k + 1
        strength = guess.strength[place]
        usual = float(np.median(strength[own]))
        # A shadow, or a smudge, fades away; what a pen wrote ends.
        if usual < 1.25 * least:
            left_out += [LeftOut((top, left, bottom, right), "too faint")]
            continue
        stroke = np.where(grown(own, 2), np.clip(strength / usual, 0, 1), 0)
        ink[place] = np.maximum(ink[place], np.where(stroke < 0.5 * _LEVEL, 0, stroke))
        chosen[place] |= own
    return replace(guess, ink=ink, chosen=chosen, left_out=left_out)


def _neighbours(regions: Regions, marks: Regions) -> Bools:
    """Which regions are as high as marks are, and lie in a line with one: (count,) bool."""
    heights = marks.heights
    usual = float(np.median(heights[heights >= 0.5 * heights.max()]))
    fit = (regions.heights >= 0.6 * usual) & (regions.heights <= 1.6 * usual)
    fit &= (regions.widths <= 1.6 * usual) & (2 * regions.areas >= _HAIR * usual * regions.edges)
    middles = (marks.boxes[:, 0] + marks.boxes[:, 2]) / 2
    for k in np.flatnonzero(fit).tolist():
        top, left, bottom, right = regions.boxes[k]
        in_line = np.abs(middles - (top + bottom) / 2) < 0.6 * usual
        apart = np.maximum(marks.boxes[:, 1] - right, left - marks.boxes[:, 3])
        fit[k] = (in_line & (apart < _APART * usual)).any()
    return fit


def _left_out(regions: Regions, which: Bools | None, reason: str) -> list[LeftOut]:
    boxes = regions.boxes if which is None else regions.boxes[which]
    return [LeftOut(as_box(box), reason) for box in boxes]


def _ink_strength(strength: Float32, allowed: Bools, noise: float) -> float:
    """What full ink has: the middle of the pixels that stand out."""
    values = strength[allowed]
    if not len(values):
        return 0.0
    most = float(np.quantile(values, 1 - min(0.01, 12 / len(values)), overwrite_input=True))
    out = values[values > max(0.5 * most, 2 * noise)]
    return float(np.median(out)) if len(out) else 0.0


def _merit(chosen: Bools, mask: Bools, beside: Float32, top: float) -> float:
    """How much this looks like ink on paper, not like paper between ink: at most 1.

    How much stands out beside what was chosen, and is not left out as a frame, is (n,).
    """
    left_out = 1 - float(chosen.sum()) / max(int(mask.sum()), 1)
    rest = float(beside.sum()) / top / (~chosen).sum() if not chosen.all() else 1.0
    crowded = max(0.0, float(chosen.mean()) - _CROWDED)
    solid = max(0.0, _pen_share(chosen) - _SOLID)
    return (
        1
        - float(border(chosen).mean())
        - left_out
        - rest
        - _CROWDED_COSTS * crowded
        - _SOLID_COSTS * solid
        - max(0.0, _FAINT - top)
    )


def _pen_share(chosen: Bools) -> float:
    """The pen's width in shares of the digit's longer side: a stroke's area by half its edge."""
    cut = chosen[bounding_box(chosen)]
    padded = np.pad(cut, 1)
    steps = sum(int(np.count_nonzero(np.diff(padded, axis=axis))) for axis in (0, 1))
    # An edge counted in steps is a quarter longer, on average over its directions.
    return float(2 * cut.sum() / (0.8 * steps) / max(cut.shape))
