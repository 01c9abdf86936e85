"""What is known of the numbers of a page beforehand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ovr_digits.errors import DigitsError

#: Stands for any digit in a pattern; what may stand beside.
ANY_DIGIT, SIGNS = "d", ".,-/:"
#: Most characters of a pattern, and most digits of a field that can be asked for.
MOST_LENGTH = 100
#: What a length and a pattern look like.
LENGTH = "^(100|[1-9][0-9]?)(-(100|[1-9][0-9]?))?$"
PATTERN = "^[.,/:-]*d[.,/:d-]*$"


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
        if self.length is not None and not re.fullmatch(LENGTH, self.length):
            raise DigitsError(
                f'a length is a number from 1 to 100, "6", or two, "4-6", and not {self.length!r}'
            )
        if self.pattern is not None and not (
            len(self.pattern) <= MOST_LENGTH and re.fullmatch(PATTERN, self.pattern)
        ):
            raise DigitsError(
                f'a pattern has a "d" for each digit and may have {" ".join(SIGNS)} beside, '
                f'as "dd/dd/dddd"; {self.pattern!r} is none'
            )
        if self.lines is not None and self.lines < 1:
            raise DigitsError("a page has at least one line")

    @property
    def is_known(self) -> bool:
        """Whether anything is."""
        return self != NOTHING

    @property
    def lengths(self) -> tuple[int, int]:
        """How many digits of a field, at least and at most."""
        if self.length is None:
            return 0, MOST_LENGTH
        counts = sorted(map(int, self.length.split("-")))
        return counts[0], counts[-1]

    def accepts(self, text: str) -> bool:
        """Whether a field may say this."""
        return self.is_end(self.after(0, text))

    def after(self, place: int, text: str) -> int:
        """Where in a field its next part begins after one that begins at a place; -1 if nowhere."""
        if place < 0:
            return -1
        if self.pattern is None:
            place += sum(c not in SIGNS for c in text) if self.length is not None else 0
            return place if place <= self.lengths[1] else -1
        shape = "".join(c if c in SIGNS else ANY_DIGIT for c in text)
        return place + len(shape) if self.pattern.startswith(shape, place) else -1

    def is_end(self, place: int) -> bool:
        """Whether a field may end there."""
        least, most = self.lengths
        if self.pattern is not None:
            return place == len(self.pattern) and least <= self.pattern.count(ANY_DIGIT) <= most
        return place >= least


#: Where nothing is known.
NOTHING = Expected()
