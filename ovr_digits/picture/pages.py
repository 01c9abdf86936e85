"""The pages of a file: of a TIFF or a PDF, and the pictures of an animation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from ovr_digits.core.arrays import Array
from ovr_digits.errors import DigitsError, NoPageError
from ovr_digits.files import read_bytes, read_stream
from ovr_digits.picture.decoding import (
    MAX_BYTES,
    MAX_PIXELS,
    Content,
    Parts,
    check_size,
    damage_told,
    opened,
)
from ovr_digits.picture.decoding import endings as picture_endings
from ovr_digits.picture.levels import from_array
from ovr_digits.picture.pdf import Document, is_pdf

#: Whatever a picture may be given as: the name of its file, the file's content, the file open for
#: reading bytes, a picture of Pillow's, or an array of levels (see ``levels.from_array``).
Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | Array

#: Formats whose pictures are pages; in others they are one picture in several sizes, or views.
_OF_PAGES = frozenset({"TIFF", "GIF", "PNG", "WEBP", "AVIF"})
#: The most pages of a file that are read, and the most pixels of all of them.
MAX_PAGES = 1000
MAX_ALL_PIXELS = 10_000_000_000


@dataclass(frozen=True, eq=False)
class Page:
    """One page of a file, or why it cannot be read.

    Attributes
    ----------
    number : int or None
        From 1; None where the file has no other.
    content : bytes or PIL.Image.Image or DigitsError
    """

    number: int | None
    content: Content | DigitsError

    def picture(self) -> Content:
        """The page, for whatever reads pictures; raises DigitsError where it cannot be read."""
        if isinstance(self.content, DigitsError):
            raise self.content
        return self.content


def each_page(source: Source, max_pixels: int = MAX_PIXELS) -> Iterator[Page]:
    """The pages of a file, one after the other; one that is damaged does not stop the rest.

    Where nothing of the file can be read that is its only page.

    Parameters
    ----------
    source : Source
    max_pixels : int
        Of each page.
    """
    pixels = 0
    try:
        for page in _pages(content_of(source), max_pixels):
            if isinstance(page.content, Image.Image):
                pixels += page.content.width * page.content.height
            if (page.number or 0) > MAX_PAGES or pixels > MAX_ALL_PIXELS:
                yield Page(page.number, _too_many())
                return
            yield page
    except DigitsError as error:
        yield Page(None, error)


def page_of(source: Source, number: int, max_pixels: int = MAX_PIXELS) -> Content:
    """One page of a file, from 1.

    Raises
    ------
    DigitsError
        Where there is none of that number, or it cannot be read.
    """
    content = content_of(source)
    if isinstance(content, bytes) and is_pdf(content):
        with Document(content) as document:
            if not 1 <= number <= len(document):
                raise _no_page(number)
            return document.page(number, max_pixels)
    if number == 1:
        return content
    if not isinstance(content, bytes) or not 1 <= number <= MAX_PAGES:
        raise _no_page(number)
    with opened(content, max_pixels) as picture:
        several = _has_several(picture)
        page = _frame(picture, number, content, max_pixels) if several else None
    if page is None:
        raise _no_page(number)
    return page


def count_pages(source: Source) -> int:
    """How many pages a file has; pictures of an animation are pages.

    Parameters
    ----------
    source : path, bytes, file object, PIL image or array
        As ``predict`` takes it. A file that is open is read to its end.

    Returns
    -------
    int
        From 1 to 1,000; 1 of a PIL image, which is one page of its file, and of an array.

    Raises
    ------
    DigitsError
        Where it cannot be read, or has more pages.

    Examples
    --------
    >>> import io
    >>> from PIL import Image, ImageDraw
    >>> from ovr_digits import count_pages, read
    >>> pages = [Image.new("L", (60, 60), "white") for _ in range(2)]
    >>> ImageDraw.Draw(pages[0]).line([(18, 12), (42, 12), (26, 48)], fill="black", width=5)
    >>> ImageDraw.Draw(pages[1]).line([(30, 10), (30, 50)], fill="black", width=5)
    >>> file = io.BytesIO()
    >>> pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    >>> scan = file.getvalue()  # or the name of a file
    >>> [read(scan, page=page).text for page in range(1, count_pages(scan) + 1)]
    ['7', '1']
    """
    content = content_of(source)
    if isinstance(content, Image.Image):
        return 1
    if is_pdf(content):
        with Document(content) as document:
            n_pages = len(document)
    else:
        with opened(content, MAX_PIXELS) as picture:
            n_pages = getattr(picture, "n_frames", 1) if _has_several(picture) else 1
    if n_pages > MAX_PAGES:
        raise _too_many()
    return n_pages


def endings() -> frozenset[str]:
    """How the names of files with pages end, in lower case, in the formats that are read."""
    return picture_endings() | {".pdf"}


def which_page(content: Content, number: int) -> dict[str, int]:
    """The keys that tell which page of a file was read, and of how many; none of a single one."""
    try:
        n_pages = count_pages(content)
    except DigitsError:  # there are more, and they are damaged or too many
        return {"page": number}
    return {"page": number, "pages": n_pages} if n_pages > 1 else {}


def content_of(source: Source) -> Content:
    """What is in a file, or the picture that an array is.

    Raises
    ------
    DigitsError
        Where it cannot be read, or is no source of a picture.
    """
    if isinstance(source, bytes | Image.Image):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return read_bytes(source, MAX_BYTES)
    if isinstance(source, np.ndarray):
        return from_array(source)
    if hasattr(source, "read"):
        return _read(source)
    raise DigitsError(
        f"{type(source).__name__} is no picture: give a path, bytes, a file opened in binary mode, "
        "a PIL image or a NumPy array"
    )


def _read(file: Any) -> bytes:
    """All that is left to read of an open file."""
    try:
        return read_stream(file, MAX_BYTES)
    except (OSError, ValueError) as error:  # among them of a file that is closed
        raise DigitsError(f"the open file cannot be read ({error})") from None
    except TypeError:  # it gave something else than bytes
        raise DigitsError('the open file gives no bytes; open it in binary mode, "rb"') from None


def _pages(content: Content, max_pixels: int) -> Iterator[Page]:
    if not isinstance(content, bytes):
        return iter([Page(None, content)])
    return (_of_pdf if is_pdf(content) else _of_pictures)(content, max_pixels)


def _of_pictures(data: bytes, max_pixels: int) -> Iterator[Page]:
    with opened(data, max_pixels) as picture:
        several = _has_several(picture)
    if not several:
        yield Page(None, data)
        return
    # The first as bytes: some formats are decoded at a reduced scale.
    yield Page(1, data)
    with opened(data, max_pixels) as picture:
        parts = cast(Parts, cast(ImageFile, picture).fp)
        for number in count(2):
            parts.begin_page()
            try:
                page = _frame(picture, number, data, max_pixels)
            except DigitsError as error:
                yield Page(number, error)
                if picture.tell() != number - 1:  # the way to the next leads over this one
                    return
                continue
            if page is None:
                return
            yield Page(number, page)


def _of_pdf(data: bytes, max_pixels: int) -> Iterator[Page]:
    with Document(data) as document:
        for number in range(1, len(document) + 1):
            try:
                content: Content | DigitsError = document.page(number, max_pixels)
            except DigitsError as error:
                content = error
            yield Page(number if len(document) > 1 else None, content)


def _frame(picture: Image.Image, number: int, data: bytes, max_pixels: int) -> Image.Image | None:
    """A page of an open picture; None where there is none of that number."""
    with damage_told(max_pixels):
        try:
            picture.seek(number - 1)
        except EOFError:
            return None
        check_size(picture, data, max_pixels)
        return picture.copy()


def _has_several(picture: Image.Image) -> bool:
    if picture.format not in _OF_PAGES:
        return False
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # damaged behind the first: told where the second is looked for
        return True


def _no_page(number: int) -> NoPageError:
    return NoPageError(f"the file has no page {number}; pages count from 1")


def _too_many() -> DigitsError:
    return DigitsError(
        f"the file has more than {MAX_PAGES:,} pages, or more than "
        f"{MAX_ALL_PIXELS // 10**9} billion pixels; the rest is not read: split it"
    )
