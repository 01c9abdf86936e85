"""Reads the fields of a line anew where they do not fit what is known of them beforehand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ovr_digits.core.arrays import Float64
from ovr_digits.core.detectors import SIGN_CLASSES
from ovr_digits.core.vote import probabilities
from ovr_digits.picture.expected import ANY_DIGIT, NOTHING, Expected
from ovr_digits.picture.fields import FoundDigit, FoundSign, Placed
from ovr_digits.picture.regions import Box

#: How much likelier a mark has to be a letter than a digit, or a sign where no pattern asks for it,
#: as a log-likelihood; and how much that changes with each log-odd of the detectors of signs.
_RARE, _SCALE = 1.8, 0.35
#: How much less likely the best reading that fits may be than the best of all to be credible; of
#: numbers that were read with one digit too few or too many, three of five lost more.
_CREDIBLE = 3.0

_DIGIT, _OTHER = SIGN_CLASSES.index("digit"), SIGN_CLASSES.index("other")
_SIGNS = SIGN_CLASSES[:_DIGIT]


@dataclass(frozen=True, eq=False)
class Candidate:
    """Marks of a line, one after the other, and what they may be together.

    Attributes
    ----------
    start, end : int
        The first of the marks, and the first behind them.
    box : (top, left, bottom, right)
        On the page.
    place : (x, y, w, h)
        In pixels of the picture as it is stored, see ``FoundDigit``.
    ways : mapping of int to (float, digits)
        By the number of digits: how likely these are, as a log-likelihood, and the likeliest.
    scores : (n_classes,) float
        What the detectors of ``SIGN_CLASSES`` say, in log-odds.
    """

    start: int
    end: int
    box: Box
    place: tuple[int, int, int, int]
    ways: Mapping[int, tuple[float, Placed]]
    scores: Float64

    def options(self, expected: Expected) -> list[_Option]:
        """What it may be, and how likely; signs that a pattern asks for are as likely as digits."""
        options = [
            _Option(self.start, self.end, ANY_DIGIT * n, worth, digits)
            for n, (worth, digits) in self.ways.items()
        ]
        best = max((option.worth for option in options), default=0.0)
        margins = (_SCALE * (self.scores - self.scores[_DIGIT]) + best).tolist()
        rare = _RARE if expected.pattern is None else 0.0
        for sign, margin, chance in zip(_SIGNS, margins, probabilities(self.scores), strict=False):
            # A colon is two marks, and no other sign is.
            if (sign == ":") == (self.end - self.start == 2):
                found = FoundSign(self.place, sign, float(chance))
                options.append(
                    _Option(self.start, self.end, sign, margin - rare, [(self.box, found)])
                )
        if self.end - self.start == 1:
            # Small marks are no digits.
            worth = margins[_OTHER] - _RARE if self.ways else max(margins[_OTHER], 0.0)
            options.append(_Option(self.start, self.end, "", worth, []))
        return options


@dataclass(frozen=True, eq=False)
class _Option:
    start: int
    end: int
    text: str  # a "d" for each digit; a sign; or nothing
    worth: float
    items: Placed


def fit_line(
    fields: Sequence[Placed], candidates: Sequence[Candidate], expected: Expected
) -> list[tuple[Placed, bool]]:
    """The fields of a line, read anew where they do not fit, and whether each is credible.

    Parameters
    ----------
    fields : sequence of placed items
        From left to right, as they are read without knowing anything.
    candidates : sequence of Candidate
        Of the line's marks; their numbers rise from left to right.
    expected : Expected
    """
    fitting = [expected.accepts(_text(field)) for field in fields]
    if all(fitting):
        return [(field, True) for field in fields]
    whole = [item for field in fields for item in field]
    if expected.accepts(_text(whole)):
        return [(whole, True)]
    # What stands beside a field and was left out may be part of it.
    middles = [(left[-1][0][3] + right[0][0][1]) / 2 for left, right in pairwise(fields)]
    spans = list(pairwise([float("-inf"), *middles, float("inf")]))
    found = [_best_fit(_within(candidates, *span), expected) for span in spans]
    fit = _best_fit(candidates, expected) if len(fields) > 1 else None
    if fit and (None in found or fit[0] < sum(loss for loss, _ in filter(None, found))):
        return [(fit[1], fit[0] <= _CREDIBLE)]
    read = []
    for field, fits, better in zip(fields, fitting, found, strict=True):
        if fits or better is None:
            read.append((field, fits))
        else:
            read.append((better[1], better[0] <= _CREDIBLE))
    return read


def _text(field: Placed) -> str:
    return "".join(item.text for _, item in field)


def _within(candidates: Sequence[Candidate], left: float, right: float) -> list[Candidate]:
    """Those of marks whose middles lie between two columns; these are numbered from 0."""
    inside = [
        c.start
        for c in candidates
        if c.end - c.start == 1 and left < (c.box[1] + c.box[3]) / 2 <= right
    ]
    first, last = min(inside, default=0), max(inside, default=-1)
    return [
        replace(c, start=c.start - first, end=c.end - first)
        for c in candidates
        if first <= c.start and c.end <= last + 1
    ]


def _best_fit(candidates: Sequence[Candidate], expected: Expected) -> tuple[float, Placed] | None:
    """The likeliest reading that fits, and how much likelier the best of all is; None if none."""
    options = defaultdict(list)
    for candidate in candidates:
        for option in candidate.options(expected):
            options[option.start].append(option)
    n_marks = max((candidate.end for candidate in candidates), default=0)
    fit = _likeliest(options, n_marks, expected)
    best = _likeliest(options, n_marks, NOTHING)
    if fit is None or best is None or not any(isinstance(i, FoundDigit) for _, i in fit[1]):
        return None
    return best[0] - fit[0], fit[1]


def _likeliest(
    options: Mapping[int, Sequence[_Option]], n_marks: int, expected: Expected
) -> tuple[float, Placed] | None:
    """The most worth that marks in a row can have, and what they are then."""
    ways: list[dict[int, tuple[float, Placed]]] = [{} for _ in range(n_marks + 1)]
    ways[0][0] = 0.0, []
    for mark in range(n_marks):
        for place, (worth, items) in ways[mark].items():
            for option in options.get(mark, ()):
                after = expected.after(place, option.text)
                more = worth + option.worth
                if after >= 0:
                    known = ways[option.end].get(after)
                    if known is None or more > known[0]:
                        ways[option.end][after] = more, [*items, *option.items]
    ends = [way for place, way in ways[-1].items() if expected.is_end(place)]
    return max(ends, key=lambda way: way[0], default=None)
