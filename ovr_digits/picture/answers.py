"""Answers to pictures: what the detectors say of the digit or of the number on each, or why not."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from PIL import Image

from ovr_digits.core.arrays import Grey
from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.core.vote import Verdict, Vote, Voted, count_votes
from ovr_digits.errors import DigitsError
from ovr_digits.picture.decoding import Content
from ovr_digits.picture.digit import DigitPicture, find_digit
from ovr_digits.picture.fields import Field, FoundDigit, FoundSign, worst_verdict
from ovr_digits.picture.ink import Ground
from ovr_digits.picture.lines import count_digits
from ovr_digits.picture.pages import Source, each_page
from ovr_digits.progress import percent

Box = tuple[int, int, int, int]

#: The longest side of the picture that an answer keeps: enough to look at, and thousands of
#: answers fit in memory.
SHOWN_SIDE = 300


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """Where an answer comes from.

    Attributes
    ----------
    path : str or None
        The name of the file, as it was given; None where none was.
    page, pages : int or None
        Which page was read, from 1, and of how many, where the file has several.
    """

    path: str | None = None
    page: int | None = None
    pages: int | None = None

    @property
    def name(self) -> str:
        """Of the picture, for people: that of the file, and its page."""
        name = self.path or "picture"
        return name if self.page is None else f"{name} (page {self.page})"

    def place_as_json(self) -> dict[str, Any]:
        """The keys that tell which picture it is."""
        place = {"path": self.path, "page": self.page}
        return {key: value for key, value in place.items() if value is not None}

    def _named(self) -> list[str]:
        """Its name, where it has one."""
        return [] if self.path is None and self.page is None else [self.name]

    def _as_text(self, said: str) -> str:
        of = "" if self.pages is None else f" of {self.pages:,}"
        page = "" if self.page is None else f", page {self.page}{of}"
        path = "" if self.path is None else f" {reprlib.repr(self.path)}"
        return f"<{type(self).__name__}{path}{page}: {said}>"


@dataclass(frozen=True, eq=False)
class Unreadable(Answer):
    """A picture that cannot be read: an answer with an ``error``, and nothing in all else.

    Attributes
    ----------
    error : str
        One line: what is wrong, and what to do.

    Examples
    --------
    >>> predict([b"no picture"])[0].error
    'not a picture in a format that can be read; save it as PNG or JPEG'
    >>> print(predict([b"no picture"])[0].digit)
    None
    """

    error: str

    digit: ClassVar[None] = None
    text: ClassVar[None] = None
    image: ClassVar[None] = None
    box: ClassVar[None] = None
    confidence: ClassVar[float] = 0.0
    verdict: ClassVar[Literal["none"]] = "none"
    fired: ClassVar[tuple[int, ...]] = ()
    votes: ClassVar[tuple[float, ...]] = ()
    scores: ClassVar[tuple[float, ...]] = ()
    fields: ClassVar[tuple[Field, ...]] = ()
    digits: ClassVar[tuple[FoundDigit, ...]] = ()
    signs: ClassVar[tuple[FoundSign, ...]] = ()

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return self.place_as_json() | {"error": self.error}

    def __int__(self) -> int:
        raise ValueError(self.error)

    def __repr__(self) -> str:
        return self._as_text(self.error)

    def _repr_html_(self) -> str:
        from ovr_digits.picture import notebook

        return notebook.whole([self.name, self.error])


@dataclass(frozen=True, eq=False)
class DigitAnswer(Answer, Voted):
    """What ten detectors say of the digit on a picture.

    ``int`` of it is the digit; it raises ValueError where no detector recognised one. In Jupyter it
    shows itself.

    Attributes
    ----------
    vote : Vote
        What follows from it are also the answer's: ``digit``, ``confidence``, ``verdict``,
        ``fired``, ``votes`` and ``scores``.
    image : (28, 28) uint8
        What the detectors saw: ink is 255, paper is 0. All paper where the picture is blank.
    box : (x, y, w, h)
        About the ink, in pixels of the picture as it is stored, but turned upright.
    n_digits : int
        How many digits the picture seems to hold; ``read`` reads several.
    picture : (h, w, 3) uint8
        The picture, upright, and reduced where it is large.
    scale : float
        Its pixels to a pixel of the box.
    path, page, pages :
        The name of the file, and which page was read of how many; None where there is none.
    error : None
        See ``Unreadable``.

    Examples
    --------
    >>> from PIL import Image, ImageDraw
    >>> paper = Image.new("L", (60, 60), "white")
    >>> ImageDraw.Draw(paper).line([(18, 12), (42, 12), (26, 48)], fill="black", width=5)
    >>> answer = predict(paper)
    >>> isinstance(answer, DigitAnswer), int(answer), answer.verdict, answer.fired
    (True, 7, 'sure', (7,))
    >>> answer.image.shape, len(answer.votes)
    ((28, 28), 10)
    """

    vote: Vote
    image: Grey
    box: Box
    n_digits: int
    picture: Grey
    scale: float

    error: ClassVar[None] = None

    @classmethod
    def of(cls, found: DigitPicture, vote: Vote) -> Self:
        """The answer to a picture, of which the small things are kept."""
        shown = reduced(found.whole.levels, found.whole.scale)
        return cls(vote, found.image, found.box, count_digits(found.marks), *shown)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        return self.place_as_json() | self.vote.as_json()

    def __repr__(self) -> str:
        return self._as_text(f"{self.digit}, {self.verdict}, {percent(self.confidence)}")

    def _repr_html_(self) -> str:
        from ovr_digits.picture import notebook

        said = [str(self.digit), self.verdict]
        if self.verdict == "none":
            said = ["no digit", f"best guess {self.digit}"]
        said += [percent(self.confidence), *self._named()]
        several = f"the picture seems to hold {self.n_digits} digits, which read() reads"
        shown = notebook.picture(self.picture, self.scale, [self.box], "the picture")
        parts = [shown, notebook.form(self.image), notebook.scores(self.vote)]
        return notebook.whole(said, [several] * (self.n_digits > 1), parts)


@dataclass(frozen=True, eq=False)
class NumberAnswer(Answer):
    """The digits and signs of a picture.

    ``int`` of it is the number, where it is a single one without signs; it raises ValueError where
    the verdict is "none". In Jupyter it shows itself.

    Attributes
    ----------
    fields : sequence of Field
        What wide spaces part, in reading order; each has a ``text``, ``confidence``, ``verdict``,
        ``box``, ``line`` and ``column``, and ``digits`` and ``signs`` of its own.
    left_out : sequence of (box, reason)
        What might be taken for a digit and is not read, and why; boxes as those of digits.
    picture : (h, w, 3) uint8
        The picture, upright, and reduced where it is large.
    scale : float
        Its pixels to a pixel of the boxes.
    turn : int
        By how many degrees, counter-clockwise, it had to be turned for its digits to stand.
    missing_lines : int
        How many of the lines that it is known to have were not found.
    path, page, pages :
        The name of the file, and which page was read of how many; None where there is none.
    error : None
        See ``Unreadable``.

    Examples
    --------
    >>> from PIL import Image, ImageDraw
    >>> paper = Image.new("L", (110, 60), "white")
    >>> pen = ImageDraw.Draw(paper)
    >>> pen.line([(18, 12), (42, 12), (26, 48)], fill="black", width=5)
    >>> pen.line([(70, 12), (70, 48)], fill="black", width=5)
    >>> number = read(paper)
    >>> isinstance(number, NumberAnswer), number.text, int(number)
    (True, '71', 71)
    >>> [found.digit for found in number.digits], [field.text for field in number.fields]
    ([7, 1], ['71'])
    """

    fields: Sequence[Field]
    left_out: Sequence[tuple[Box, str]]
    picture: Grey
    scale: float
    turn: int = 0
    missing_lines: int = 0

    error: ClassVar[None] = None

    def without_signs(self) -> NumberAnswer:
        """The same with digits alone, in the same fields."""
        return replace(self, fields=[replace(f, items=f.digits) for f in self.fields])

    @property
    def lines(self) -> list[list[FoundDigit]]:
        """The digits line by line, each from left to right."""
        rows = groupby(self.fields, key=lambda field: field.line)
        return [[found for field in row for found in field.digits] for _, row in rows]

    @property
    def digits(self) -> list[FoundDigit]:
        """Of all lines, in reading order; each has what an answer to one digit has."""
        return [found for field in self.fields for found in field.digits]

    @property
    def signs(self) -> list[FoundSign]:
        """Of all lines, in reading order."""
        return [found for field in self.fields for found in field.signs]

    @property
    def confidence(self) -> float:
        """How likely all of it is right, 0..1; 0 where a line is missing."""
        return math.prod(field.confidence for field in self.fields) * (not self.missing_lines)

    @property
    def verdict(self) -> Verdict:
        """That of the worst field; "none" where a line is missing."""
        if self.missing_lines:
            return "none"
        return worst_verdict(field.verdict for field in self.fields)

    @property
    def text(self) -> str:
        """As a person would type it: a line for each, a space between fields."""
        rows = groupby(self.fields, key=lambda field: field.line)
        return "\n".join(" ".join(field.text for field in row) for _, row in rows)

    def as_json(self) -> dict[str, Any]:
        """The keys that the command line prints."""
        numbers = {id(found): number for number, found in enumerate(self.digits)}
        return self.place_as_json() | {
            "text": self.text,
            "lines": self.text.split("\n"),
            "confidence": round(self.confidence, 6),
            "verdict": self.verdict,
            "digits": [found.as_json() for found in self.digits],
            "fields": [
                field.as_json() | {"digits": [numbers[id(found)] for found in field.digits]}
                for field in self.fields
            ],
            "signs": [found.as_json() for found in self.signs],
            "left_out": [{"box": list(box), "reason": reason} for box, reason in self.left_out],
            **({"turn": self.turn} if self.turn else {}),
            **({"missing_lines": self.missing_lines} if self.missing_lines else {}),
        }

    def __int__(self) -> int:
        text = reprlib.repr(self.text)
        if self.verdict == "none":
            raise ValueError(
                f"nothing credible was recognised; the best guess, {text}, is in .text"
            )
        if not self.text.isdigit():
            raise ValueError(f"{text} is not one whole number; see .text and .fields")
        return int(self.text)

    def __repr__(self) -> str:
        said = f"{reprlib.repr(self.text)}, {self.verdict}, {percent(self.confidence)}"
        return self._as_text(said)

    def _repr_html_(self) -> str:
        from ovr_digits.picture import notebook

        said = [self.text, self.verdict, percent(self.confidence), *self._named()]
        counts = {
            "marks were left out, see .left_out": len(self.left_out),
            "of the lines expected were not found": self.missing_lines,
        }
        notes = [f"{count:,} {what}" for what, count in counts.items() if count]
        boxes = [item.box for field in self.fields for item in field.items]
        shown = notebook.picture(self.picture, self.scale, boxes, "the picture")
        rows = [
            (notebook.short(field.text), field.verdict, percent(field.confidence))
            for field in self.fields
        ]
        table = notebook.table(("field", "verdict", "confidence"), rows)
        return notebook.whole(said, notes, [shown, table])


A = TypeVar("A", DigitAnswer, NumberAnswer)


def answer_picture(
    models: DetectorArrays, source: Source, ground: Ground = "auto", level: float | None = None
) -> tuple[DigitPicture, Vote]:
    """The digit on a picture, or on the first page of a file, and the vote on it.

    Raises DigitsError where it cannot be read; see ``find_digit``.
    """
    found = find_digit(source, ground, level)
    return found, count_votes(models.decision_function(found.image.reshape(1, -1)))[0]


def answer_pages(
    answer: Callable[[Content], A], pictures: Iterable[tuple[str, Source]]
) -> Iterator[A | Unreadable]:
    """Answer all pages of files one after the other; what can't be read does not stop the rest.

    Parameters
    ----------
    answer : callable
        Gives the answer to a picture, or raises DigitsError.
    pictures : iterable of (path, source)
        See ``find_digit``.
    """
    for path, source in pictures:
        for page in each_page(source):
            try:
                yield replace(answer(page.picture()), path=path, page=page.number)
            except DigitsError as error:
                yield Unreadable(str(error), path=path, page=page.number)


def reduced(picture: Grey, scale: float) -> tuple[Grey, float]:
    """A picture (h, w, 3) of a scale, and the scale, such that it is at most ``SHOWN_SIDE``."""
    factor = SHOWN_SIDE / max(picture.shape)
    if factor >= 1:
        return picture, scale
    height, width = (max(1, round(factor * side)) for side in picture.shape[:2])
    small = Image.fromarray(picture).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small), factor * scale
