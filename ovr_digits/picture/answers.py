"""Answers to picture files: what the ten detectors say of each, or why they say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ovr_digits.core.arrays import Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Vote, count_votes
from ovr_digits.errors import DigitsError
from ovr_digits.picture.digit import DigitPicture, find_digit
from ovr_digits.picture.ink import Ground
from ovr_digits.picture.lines import count_digits


@dataclass(frozen=True, eq=False)
class PictureAnswer:
    """The answer to one picture file, or why there is none.

    Attributes
    ----------
    path : str
        As it was given; "-" is standard input.
    found : DigitPicture or None
        The picture, and the digit that was found on it.
    vote : Vote or None
    error : str or None
        One line, where the picture could not be read.
    """

    path: str
    found: DigitPicture | None = None
    vote: Vote | None = None
    error: str | None = None

    @property
    def image(self) -> Grey | None:
        """What the detectors saw, (28, 28): ink is 255, paper is 0."""
        return None if self.found is None else self.found.image

    @property
    def n_digits(self) -> int:
        """How many digits the picture seems to hold; 1 where it could not be read."""
        return 1 if self.found is None else count_digits(self.found.marks)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        if self.vote is None:
            return {"path": self.path, "error": self.error}
        return {"path": self.path, **self.vote.as_json()}


def answer_pictures(
    models: DetectorArrays,
    pictures: Iterable[tuple[str, str | bytes]],
    ground: Ground = "auto",
    level: float | None = None,
) -> Iterator[PictureAnswer]:
    """Answer pictures one after the other; one that can't be read does not stop the rest.

    Parameters
    ----------
    models : DetectorArrays
    pictures : iterable of (name, source)
        The source is a path, or the content of a file.
    ground, level :
        See ``ink.find_ink``.
    """
    for name, source in pictures:
        try:
            found = find_digit(source, ground, level)
        except DigitsError as error:
            yield PictureAnswer(name, error=str(error))
            continue
        vote = count_votes(models.decision_function(found.image.reshape(1, -1)))[0]
        yield PictureAnswer(name, found, vote)
