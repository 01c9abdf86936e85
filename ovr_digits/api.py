"""The calls that Python users make: any picture in, or many, and answers out."""

from __future__ import annotations

import contextlib
import operator
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar, overload

from ovr_digits.core.detectors import DetectorArrays
from ovr_digits.errors import DigitsError
from ovr_digits.models.modelfile import load_models
from ovr_digits.models.place import find_models
from ovr_digits.picture.answers import (
    DigitAnswer,
    NumberAnswer,
    Unreadable,
    answer_picture,
    reduced,
)
from ovr_digits.picture.decoding import Content
from ovr_digits.picture.expected import NOTHING, Expected
from ovr_digits.picture.ink import Ground
from ovr_digits.picture.number import find_number
from ovr_digits.picture.pages import Source, content_of, page_of, which_page

#: Several pictures.
Sources = Sequence[Source] | Iterator[Source]
#: The name of a models.pkl, or what ``load_models`` made of one.
Models = str | os.PathLike[str] | DetectorArrays

A = TypeVar("A", DigitAnswer, NumberAnswer)


@overload
def predict(  # type: ignore[overload-overlap]  # text and open files are sequences
    source: Source,
    *,
    models: Models | None = None,
    page: int | None = None,
    ground: Ground = "auto",
    level: float | None = None,
) -> DigitAnswer: ...


@overload
def predict(
    source: Sources,
    *,
    models: Models | None = None,
    page: int | None = None,
    ground: Ground = "auto",
    level: float | None = None,
) -> list[DigitAnswer | Unreadable]: ...


def predict(
    source: Source | Sources,
    *,
    models: Models | None = None,
    page: int | None = None,
    ground: Ground = "auto",
    level: float | None = None,
) -> DigitAnswer | list[DigitAnswer | Unreadable]:
    """Tell which digit is on a picture.

    Parameters
    ----------
    source : path, bytes, file object, PIL image, array, or a list of these
        A picture file (PNG, JPEG, WebP, TIFF, GIF and others) or a PDF, its content, or the file
        opened in binary mode; a PIL image, which is not changed; a NumPy array (h, w), (h, w, 3) or
        (h, w, 4), red first, whose levels mean what their dtype says: integers are 0 to 255 or,
        where one is over 255, 0 to 65535; floating levels are 0 to 1 or, where one is over 1, as
        integers are; bool is black and white. Ink may be darker or lighter than paper.
        A list, tuple or iterator of these is answered one by one.
    models : path or DetectorArrays, optional
        A models.pkl, or what ``load_models`` gives. Default: models.pkl in the working folder, else
        the one that ships. A file is read once, and again only after it has changed.
    page : int, optional
        Of a file that has several, from 1, see ``count_pages``; pictures of an animation are pages.
        Without it the first is read, and a warning tells how many there are.
    ground : "auto", "dark ink" or "light ink"
        Whether the ink is darker or lighter than the paper.
    level : float in 0..1, optional
        Share of the ink's own strength from which a pixel counts as ink; 0.4 by default.

    Returns
    -------
    DigitAnswer
        Of a list, a list in its order; what cannot be read is an ``Unreadable`` in it, whose
        ``error`` tells why.

    Raises
    ------
    DigitsError
        Where the picture or the models cannot be read; the text tells why, in one line.
    TypeError, ValueError
        Where another argument cannot be meant.

    Examples
    --------
    >>> from PIL import Image, ImageDraw
    >>> paper = Image.new("L", (60, 60), "white")
    >>> ImageDraw.Draw(paper).line([(18, 12), (42, 12), (26, 48)], fill="black", width=5)
    >>> answer = predict(paper)  # or predict("photo.jpg")
    >>> answer.digit, answer.verdict, answer.fired
    (7, 'sure', (7,))
    >>> answer.confidence > 0.9, int(answer) + 1
    (True, 8)

    Many, of which one cannot be read:

    >>> for answer in predict([paper, "absent.png"]):
    ...     print(answer.digit, answer.error)
    7 None
    None no such file
    """
    detectors = loaded(models)

    def answer(picture: Content) -> DigitAnswer:
        return DigitAnswer.of(*answer_picture(detectors, picture, ground, level))

    return _answered(answer, source, page)


@overload
def read(  # type: ignore[overload-overlap]  # text and open files are sequences
    source: Source,
    *,
    models: Models | None = None,
    page: int | None = None,
    ground: Ground = "auto",
    level: float | None = None,
    expected: Expected = NOTHING,
) -> NumberAnswer: ...


@overload
def read(
    source: Sources,
    *,
    models: Models | None = None,
    page: int | None = None,
    ground: Ground = "auto",
    level: float | None = None,
    expected: Expected = NOTHING,
) -> list[NumberAnswer | Unreadable]: ...


def read(
    source: Source | Sources,
    *,
    models: Models | None = None,
    page: int | None = None,
    ground: Ground = "auto",
    level: float | None = None,
    expected: Expected = NOTHING,
) -> NumberAnswer | list[NumberAnswer | Unreadable]:
    """Read all digits on a picture: a number, or lines and columns of them.

    Parameters
    ----------
    source, models, page, ground, level :
        See ``predict``.
    expected : Expected, optional
        What is known beforehand: the best reading that fits it is given, with the verdict "none"
        where none is credible.

    Returns
    -------
    NumberAnswer
        Of a list, a list in its order; what cannot be read is an ``Unreadable`` in it, whose
        ``error`` tells why.

    Raises
    ------
    DigitsError
        Where the picture or the models cannot be read, or there is no digit on it.
    TypeError, ValueError
        Where another argument cannot be meant.

    Examples
    --------
    >>> from PIL import Image, ImageDraw
    >>> paper = Image.new("L", (110, 60), "white")
    >>> pen = ImageDraw.Draw(paper)
    >>> pen.line([(18, 12), (42, 12), (26, 48)], fill="black", width=5)
    >>> pen.line([(70, 12), (70, 48)], fill="black", width=5)
    >>> number = read(paper)  # or read("meter.jpg")
    >>> number.text, int(number)
    ('71', 71)
    >>> [field.text for field in number.fields], [found.digit for found in number.digits]
    (['71'], [7, 1])
    >>> read(paper, expected=Expected(length="2")).text
    '71'
    """
    if not isinstance(expected, Expected):
        raise TypeError(f'expected is an Expected, as Expected(length="4"), not {expected!r}')
    detectors = loaded(models)

    def answer(picture: Content) -> NumberAnswer:
        number = find_number(detectors, picture, ground, level, expected=expected)
        shown, scale = reduced(number.picture, number.scale)
        return replace(number, picture=shown, scale=scale)

    return _answered(answer, source, page)


def _answered(
    answer: Callable[[Content], A], source: Any, page: int | None
) -> A | list[A | Unreadable]:
    """The answer to a page of a source, or to that page of each of several."""
    try:
        number = 1 if page is None else operator.index(page)
    except TypeError:
        raise TypeError(f"page is a whole number from 1 on, not {page!r}") from None

    def answer_one(source: Source) -> A:
        content = content_of(source)
        found = answer(page_of(content, number))
        which = which_page(content, number)
        found = replace(
            found, path=_path_of(source), page=which.get("page"), pages=which.get("pages")
        )
        if page is None and which:
            name, count = found.path or "the file", found.pages or "several"
            message = f"{name} has {count} pages, of which only the first is read: give page=1"
            warnings.warn(f"{message}, 2 and so on", stacklevel=4)
        return found

    if not _are_several(source):
        try:
            return answer_one(source)
        except DigitsError as error:
            path = _path_of(source)
            raise type(error)(f"{path}: {error}" if path else str(error)) from None
    answers: list[A | Unreadable] = []
    for each in source:
        try:
            answers.append(answer_one(each))
        except DigitsError as error:
            answers.append(Unreadable(str(error), path=_path_of(each), page=page))
    return answers


def _are_several(source: Any) -> bool:
    """Whether these are pictures, and not one: text, bytes and open files are sequences, too."""
    is_one = isinstance(source, str | bytes | bytearray | memoryview) or hasattr(source, "read")
    return isinstance(source, Sequence | Iterator) and not is_one


def _path_of(source: Any) -> str | None:
    return os.fsdecode(source) if isinstance(source, str | os.PathLike) else None


def loaded(models: Models | None) -> DetectorArrays:
    """The detectors that are asked for; those of a file are kept."""
    if isinstance(models, DetectorArrays):
        return models
    if models is not None and not isinstance(models, str | os.PathLike):
        raise TypeError(
            "models is the path of a models.pkl or what load_models() gives, "
            f"not {type(models).__name__}"
        )
    path = find_models(models)
    stamp: tuple[int, ...] = ()
    with contextlib.suppress(OSError, ValueError):  # told where it is read
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        path = path.absolute()
    return _kept(path, stamp)


@lru_cache(maxsize=4)
def _kept(path: os.PathLike[str], stamp: tuple[int, ...]) -> DetectorArrays:
    """What a models.pkl was read as when it had this ``stamp``."""
    return load_models(path)
