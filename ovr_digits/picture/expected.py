"""What is known of the numbers of a page beforehand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ovr_digits.core.detectors import SIGN_CLASSES
from ovr_digits.errors import DigitsError

#: Most digits of a field that can be asked for.
MOST_LENGTH = 100
#: Stands for any digit in a pattern.
ANY_DIGIT = "d"

_SIGNS = SIGN_CLASSES[: SIGN_CLASSES.index("digit")]


@dataclass(frozen=True)
class Expected:
    """What each field, and the page, looks like.

    Parameters
    ----------
    length : str, optional
        How many digits, "4", or from how many to how many, "4-6". Signs do not count.
    pattern : str, optional
        Any digit is "d", signs stand for themselves: "dd/dd/dddd".
    lines : int, optional
        How many lines the page has.

    Raises
    ------
    DigitsError
        Where it cannot be meant so.

    Examples
    --------
    >>> Expected(pattern="dd/dd").accepts("31/12")
    True
    >>> Expected(length="4-6").accepts("12,3")
    False
    """

    length: str | None = None
    pattern: str | None = None
    lines: int | None = None

    def __post_init__(self) -> None:
        if self.length is not None and self.pattern is not None:
            raise DigitsError("length and pattern exclude each other: a pattern has its length")
        if self.length is not None:
            if not re.fullmatch(r"\d{1,3}(-\d{1,3})?", self.length, re.ASCII):
                raise DigitsError(
                    f'a length is a number, "6", or two, "4-6", and not {self.length!r}'
                )
            least, most = self.lengths
            if not 1 <= least <= most <= MOST_LENGTH:
                raise DigitsError(
                    f"a length is from 1 to {MOST_LENGTH}, the smaller number first, and not "
                    f"{self.length!r}"
                )
        if self.pattern is not None and (
            not 1 <= len(self.pattern) <= MOST_LENGTH
            or set(self.pattern) - {ANY_DIGIT, *_SIGNS}
            or ANY_DIGIT not in self.pattern
        ):
            signs = " ".join(_SIGNS)
            raise DigitsError(
                f'a pattern has a "d" for each digit and may have {signs} beside, '
                f'as "dd/dd/dddd"; {self.pattern!r} is none'
            )
        if self.lines is not None and self.lines < 1:
            raise DigitsError("a page has at least one line")

    @property
    def lengths(self) -> tuple[int, int]:
        """How many digits of a field, at least and at most."""
        if self.length is None:
            return 0, MOST_LENGTH
        least, _, most = self.length.partition("-")
        return int(least), int(most or least)

    def accepts(self, text: str) -> bool:
        """Whether a field may say this."""
        return self.is_end(self.after(0, text))

    def after(self, place: int, text: str) -> int:
        """Where in a field its next part begins after one that begins at a place; -1 if nowhere."""
        if place < 0:
            return -1
        if self.pattern is None:
            place += sum(c not in _SIGNS for c in text) if self.length is not None else 0
            return place if place <= self.lengths[1] else -1
        shape = "".join(c if c in _SIGNS else ANY_DIGIT for c in text)
        return place + len(shape) if self.pattern.startswith(shape, place) else -1

    def is_end(self, place: int) -> bool:
        """Whether a field may end there."""
        if self.pattern is not None:
            return place == len(self.pattern)
        return place >= (self.lengths[0] if self.length is not None else 0)
