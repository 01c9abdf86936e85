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
from ovr_digits.picture.pages import Source, each_page


@dataclass(frozen=True, eq=False)
class PictureAnswer:
    """The answer to one picture, or why there is none.

    Attributes
    ----------
    path : str
        As it was given; "-" is standard input.
    found : DigitPicture or None
        The picture, and the digit that was found on it.
    vote : Vote or None
    error : str or None
        One line, where the picture could not be read.
    page : int or None
        From 1, where the file has several.
    """

    path: str
    found: DigitPicture | None = None
    vote: Vote | None = None
    error: str | None = None
    page: int | None = None

    @property
    def name(self) -> str:
        """Of the picture, for people: that of the file, and its page."""
        return name_of(self.path, self.page)

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
        said = {"error": self.error} if self.vote is None else self.vote.as_json()
        return place_as_json(self.path, self.page) | said


def place_as_json(path: str, page: int | None) -> dict[str, Any]:
    """The keys that tell which picture it is."""
    return {"path": path} | ({} if page is None else {"page": page})


def name_of(path: str, page: int | None) -> str:
    """What a picture is called where people read it."""
    return path if page is None else f"{path} (page {page})"


def answer_pictures(
    models: DetectorArrays,
    pictures: Iterable[tuple[str, Source]],
    ground: Ground = "auto",
    level: float | None = None,
) -> Iterator[PictureAnswer]:
    """Answer all pages of files one after the other; what can't be read does not stop the rest.

    Parameters
    ----------
    models : DetectorArrays
    pictures : iterable of (name, source)
        See ``find_digit``.
    ground, level :
        See ``ink.find_ink``.
    """
    for name, source in pictures:
        for page in each_page(source):
            try:
                answer = answer_picture(models, page.picture(), ground, level)
                yield PictureAnswer(name, *answer, page=page.number)
            except DigitsError as error:
                yield PictureAnswer(name, error=str(error), page=page.number)


def answer_picture(
    models: DetectorArrays, source: Source, ground: Ground = "auto", level: float | None = None
) -> tuple[DigitPicture, Vote]:
    """The digit on a picture, or on the first page of a file, and the vote on it.

    Raises DigitsError where it cannot be read; see ``find_digit``.
    """
    found = find_digit(source, ground, level)
    return found, count_votes(models.decision_function(found.image.reshape(1, -1)))[0]
