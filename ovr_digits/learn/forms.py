"""Draws digits in the forms of the world's hands, of which MNIST's writers show few."""

from __future__ import annotations

from functools import cache
from itertools import cycle, islice

import numpy as np

from ovr_digits.core.arrays import Bools, Float64, Grey
from ovr_digits.picture.mnist_form import IMAGE_SHAPE
from ovr_digits.picture.strokes import draw_digit, smooth

#: How far each point of a stroke strays, standard deviation as a share of the height.
_STRAY = 0.025
#: How far between its narrowest hand, 0, and its widest, 1, a stroke may lie.
_BETWEEN = (-0.1, 1.1)


def draw_forms(n: int, seed: int, copy: int = 0) -> Grey:
    """Draw digits, each of a form and in a hand of its own.

    Parameters
    ----------
    n : int
    seed : int
        The same seed gives the same pictures.
    copy : int
        Of each copy the digits are of the same forms, written anew.

    Returns
    -------
    (n, 784) uint8
        In MNIST form: ink is 255, paper is 0. Their digits are ``digits_of_forms(n)``.
    """
    rng = np.random.default_rng((seed, copy))
    X = np.zeros((n, IMAGE_SHAPE[0] * IMAGE_SHAPE[1]), np.uint8)
    for row, (_, form) in zip(X, cycle(_IN_TURN), strict=False):
        strokes = [_written(stroke, rng) for stroke in form.split(", ")]
        row[:] = draw_digit(strokes, rng).ravel()
    return X


def digits_of_forms(n: int) -> Grey:
    """The digits (n,) uint8 that ``draw_forms`` draws."""
    return np.array([digit for digit, _ in islice(cycle(_IN_TURN), n)], np.uint8)


def plain_forms(digit: int) -> list[list[Float64]]:
    """The forms of a digit, each written once, halfway between its two hands.

    Returns
    -------
    list of list of (n, 2) float64
        The strokes of each form, x to the right and y down; the height of the digit is 1.
    """
    return [[_written(stroke) for stroke in form.split(", ")] for form in _FORMS[digit]]


def _written(stroke: str, rng: np.random.Generator | None = None) -> Float64:
    """A smooth curve (n, 2): somewhere between the two hands of a stroke, its points strayed; or
    halfway.
    """
    (narrow, corners), (wide, _) = (_points(hand) for hand in _STROKES[stroke])
    if rng is None:
        points = (narrow + wide) / 2
    else:
        points = narrow + (wide - narrow) * rng.uniform(*_BETWEEN, 2)
        points += rng.normal(0, _STRAY, points.shape)
    # The spline breaks where a point stands twice in a row.
    return smooth(np.repeat(points, 1 + corners, axis=0))


@cache
def _points(hand: str) -> tuple[Float64, Bools]:
    """Points (n, 2), the height of the digit being 1, and which are corners (n,)."""
    numbers = [point.rstrip("!").split(",") for point in hand.split()]
    corners = np.array([point.endswith("!") for point in hand.split()])
    return np.array(numbers, np.float64) / 100, corners


# --- the forms -------------------------------------------------------------------------------

#: Each stroke as the points "x,y" of its narrowest and its widest hand, in hundredths of the height
#: of the digit, y down; "!" is a corner.
_STROKES: dict[str, tuple[str, str]] = {
    "stem": ("30,0 30,100", "40,0 25,100"),
    "upstroke": ("5,25 25,0! 25,100", "0,55 45,0! 40,100"),
    "curved upstroke": ("0,30 15,20 28,0! 27,50 26,100", "0,50 25,35 45,0! 40,50 35,100"),
    "looped upstroke": ("5,35 20,15 30,0 34,5 30,30 28,100", "0,60 25,30 42,2 47,3 45,25 35,100"),
    "long upstroke": ("0,75 14,55 30,0! 32,50 38,100", "-20,95 10,80 42,0! 44,50 50,100"),
    "cursive 1": (
        "0,85 20,60 38,0 42,3 36,60 42,95 55,92",
        "-15,95 15,75 45,0 52,5 46,60 50,98 65,90",
    ),
    "leaning upstroke": ("10,30 45,0! 20,100", "0,45 75,0! 10,100"),
    "flag": ("10,12 25,0! 25,100", "0,20 30,0! 30,100"),
    "base": ("10,100 45,100", "-5,100 75,97"),
    "top of 7": ("0,2 45,0! 20,100", "0,5 70,0! 15,100"),
    "bent 7": ("0,5 25,4 50,0! 35,35 27,65 25,100", "0,10 35,6 70,0! 45,35 30,65 20,100"),
    "hooked 7": ("2,18 0,0! 50,0! 25,100", "0,30 2,2! 70,0! 20,100"),
    "waved 7": ("0,18 8,2 25,6 50,0! 30,50 25,100", "0,25 10,0 40,10 70,0! 35,50 20,100"),
    "round 7": ("2,15 12,2 35,2 46,15 36,55 25,95 15,100", "0,15 20,0 50,2 62,18 45,60 30,95 2,92"),
    "curled 7": (
        "2,22 8,4 25,0 42,8 40,30 30,70 22,98 8,92",
        "0,25 12,2 35,0 62,10 58,32 40,75 28,100 0,90",
    ),
    "low bar of 7": ("15,58 60,52", "0,68 80,55"),
    "bar of 7": ("15,50 50,48", "2,55 65,48"),
    "open 4": ("10,0 2,55! 60,55", "25,0 0,65! 75,60"),
    "stem of 4": ("45,15 42,100", "60,30 45,100"),
    "tall stem of 4": ("45,0 45,100", "60,5 50,100"),
    "closed 4": ("40,0 0,60! 60,60", "55,0 0,70! 80,68"),
    "stem of closed 4": ("40,0 42,100", "55,0 52,100"),
    "short stem of 4": ("38,42 36,100", "50,30 45,100"),
    "round 4": ("5,0 3,30 10,50 30,50 45,40", "10,0 0,35 12,58 40,55 60,40"),
    "one stroke 4": ("35,100 42,0! 0,60! 60,62", "45,100 55,0! 0,68! 80,66"),
    "lightning 4": ("25,0 5,55! 22,52! 20,100", "60,0 0,60! 55,48! 42,100"),
    "short lightning 4": ("30,0 5,62! 35,52! 32,88", "50,5 0,65! 60,50! 52,95"),
    "g shaped 4": ("35,3 12,25 5,55 20,60 35,48! 34,100", "65,0 20,20 0,50 25,65 60,45! 58,100"),
    "looped 4": (
        "8,0 2,45 15,55 40,35 44,30 42,60 40,100",
        "15,0 0,55 20,62 50,35 56,28 52,60 48,100",
    ),
    "straight 9": (
        "48,10 25,0 3,20 15,45 40,40 50,12! 48,55 47,100",
        "62,12 35,0 0,25 20,52 50,45 65,10! 60,55 55,100",
    ),
    "slanted 9": (
        "48,10 25,0 3,20 15,45 40,40 50,12 46,35 36,70 25,100",
        "62,12 35,0 0,25 20,52 50,45 65,10 60,35 42,70 20,100",
    ),
    "hooked 9": (
        "48,10 25,0 3,20 15,45 40,40 50,12 50,45 45,80 30,97 10,90",
        "62,12 35,0 0,25 20,52 50,45 65,10 65,45 60,80 35,100 5,88",
    ),
    "g shaped 9": (
        "48,10 25,0 3,20 15,45 40,40 50,12! 50,60 42,92 22,100 5,92 2,80",
        "62,12 35,0 0,25 20,52 50,45 65,10! 65,65 50,95 25,100 0,85 5,70",
    ),
    "s shaped 9": (
        "42,10 25,0 10,12 20,30 36,25 42,10 42,45 48,75 30,97 5,95",
        "52,10 30,0 5,15 25,38 48,30 55,8 60,45 70,80 40,100 -10,92",
    ),
    "level 6": (
        "50,0 20,2! 3,50 5,85 25,100 45,85 42,62 22,55 5,70",
        "70,2 20,0! 0,50 3,85 30,100 60,82 52,55 25,50 3,70",
    ),
    "curved 6": (
        "42,2 20,12 4,45 5,85 22,100 42,85 40,60 20,52 4,70",
        "60,5 30,10 2,50 6,88 30,100 58,80 50,52 22,50 2,75",
    ),
    "straight 6": (
        "30,0 12,40 2,80 20,100 40,85 35,62 15,60 3,75",
        "55,0 22,40 0,75 20,100 50,85 45,55 20,55 0,75",
    ),
    "plain 2": ("2,20 20,0 45,20 25,60 0,100! 55,100", "0,25 30,0 60,22 35,60 0,98! 75,97"),
    "looped 2": (
        "2,20 20,0 42,20 28,65 10,98 2,90 12,82 35,95 55,100",
        "0,25 30,0 58,22 40,60 12,98 0,88 15,75 45,95 75,95",
    ),
    "z shaped 2": ("0,5 45,0! 0,100! 55,100", "0,10 60,2! 0,97! 75,95"),
    "ring": (
        "35,2 10,10 2,50 10,90 30,100 50,88 56,50 48,10 30,0",
        "40,0 12,15 0,55 15,92 40,100 65,85 75,45 60,8 35,3",
    ),
    "slash of 0": ("45,12 12,88", "75,-5 0,105"),
    "top loop 0": (
        "30,5 6,30 5,75 28,100 50,75 50,30 32,5 20,0 22,12 45,12",
        "40,5 8,30 2,75 35,100 68,75 65,30 40,5 25,2 30,18 65,10",
    ),
    "tailed 0": (
        "25,8 5,30 4,75 25,100 48,75 48,30 30,6 18,15",
        "40,12 6,35 2,75 35,100 66,75 64,30 40,5 15,0",
    ),
    "run in": ("0,6 8,12 14,15", "-50,10 -15,12 10,10"),
    "run out": ("40,4 48,8 55,8", "58,5 85,18 115,5"),
    "tight run out": ("32,0 20,4 26,18 42,16 52,12", "38,0 22,6 34,24 62,20 105,5"),
    "upper ring of 8": (
        "30,2 10,10 8,35 28,46 46,35 44,10 28,0",
        "32,0 5,12 5,38 30,50 55,38 55,10 30,2",
    ),
    "lower ring of 8": (
        "28,46 5,58 4,88 28,100 52,88 50,58 26,47",
        "30,50 0,62 0,90 30,100 62,88 60,60 30,49",
    ),
    "plain 8": (
        "45,10 22,0 6,20 25,45 48,75 28,100 5,80 22,50 44,25 42,8",
        "58,12 30,0 4,20 30,45 60,75 30,100 0,80 28,50 58,25 55,8",
    ),
    "open 8": (
        "40,5 15,2 8,22 28,48 48,78 26,100 5,80 24,50 50,15",
        "50,2 15,0 5,25 34,50 60,78 30,100 0,80 30,50 72,5",
    ),
    "angular 3": (
        "2,2 48,0! 20,40! 48,55 48,82 25,100 0,92",
        "0,5 65,0! 28,40! 62,55 62,85 30,100 0,88",
    ),
    "round 3": (
        "2,15 22,0 42,20 18,45! 46,72 24,100 0,85",
        "0,12 30,0 55,22 20,47! 62,75 30,100 0,85",
    ),
    "belly of 5": ("12,0 8,42! 30,38 48,65 28,98 0,90", "20,2 8,50! 38,40 62,70 30,100 0,88"),
    "top of 5": ("12,0 45,0", "18,3 75,-5"),
    "one stroke 5": (
        "48,0 12,2! 8,42! 30,38 48,65 28,98 0,90",
        "72,0 20,2! 5,48! 38,42 62,70 30,100 0,88",
    ),
    "s shaped 5": (
        "45,2 20,5 10,30 25,45 44,70 25,98 0,92",
        "65,0 25,5 8,32 32,45 58,72 30,100 0,90",
    ),
}

#: The forms of each digit by their strokes, and how often each stands beside the others.
_FORMS: dict[int, dict[str, int]] = {
    0: {
        "ring, slash of 0": 1,
        "top loop 0": 1,
        "tailed 0": 1,
        "run in, ring": 1,
        "ring, run out": 1,
        "ring, tight run out": 1,
        "run in, ring, run out": 1,
    },
    1: {
        "upstroke": 3,
        "upstroke, base": 2,
        "curved upstroke": 1,
        "looped upstroke": 1,
        "flag": 1,
        "flag, base": 2,
        "stem, base": 1,
        "curved upstroke, base": 1,
        "leaning upstroke": 4,
        "cursive 1": 2,
        "long upstroke": 2,
    },
    2: {
        "plain 2": 1,
        "looped 2": 1,
        "z shaped 2": 1,
    },
    3: {
        "angular 3": 2,
        "round 3": 1,
    },
    4: {
        "open 4, stem of 4": 1,
        "open 4, tall stem of 4": 1,
        "closed 4, stem of closed 4": 1,
        "closed 4, short stem of 4": 1,
        "round 4, tall stem of 4": 1,
        "one stroke 4": 1,
        "looped 4": 1,
        "lightning 4": 2,
        "short lightning 4": 1,
        "g shaped 4": 2,
    },
    5: {
        "belly of 5, top of 5": 1,
        "one stroke 5": 1,
        "s shaped 5": 1,
    },
    6: {
        "level 6": 2,
        "curved 6": 1,
        "straight 6": 1,
    },
    7: {
        "top of 7": 1,
        "top of 7, bar of 7": 2,
        "bent 7, bar of 7": 1,
        "hooked 7": 1,
        "hooked 7, bar of 7": 2,
        "waved 7": 1,
        "waved 7, bar of 7": 1,
        "round 7, bar of 7": 1,
        "round 7, low bar of 7": 2,
        "curled 7, low bar of 7": 2,
        "waved 7, low bar of 7": 1,
    },
    8: {
        "upper ring of 8, lower ring of 8": 1,
        "plain 8": 1,
        "open 8": 1,
    },
    9: {
        "straight 9": 1,
        "slanted 9": 1,
        "hooked 9": 2,
        "g shaped 9": 3,
        "s shaped 9": 3,
    },
}
#: The digit and the strokes of each form, as often as it stands beside the others.
_IN_TURN = [
    (digit, form)
    for digit, shares in _FORMS.items()
    for form, share in shares.items()
    for _ in range(share)
]
