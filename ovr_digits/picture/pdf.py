"""Pages of PDF files as pictures, through PDFium, which only PDFs need."""

from __future__ import annotations

import ctypes
import itertools
import math
import time
from types import TracebackType
from typing import Any, Self

from PIL import Image

from ovr_digits.errors import DigitsError
from ovr_digits.extras import install_command
from ovr_digits.picture.decoding import MAX_BYTES

#: Pixels to an inch at which pages are drawn, and points to an inch, in which they are measured.
RESOLUTION, _POINTS = 300, 72
#: The most pixels of a page: larger ones are drawn more coarsely.
_MAX_DRAWN = 16_000_000
#: The most pixels of the pictures on a page, and the most things of any kind.
_MAX_STORED, _MAX_THINGS = 200_000_000, 100_000
#: The most seconds that it may take to draw a page.
_MAX_SECONDS = 20.0
#: How far into a file its first bytes may stand.
_HEAD = 1024


def is_pdf(data: bytes) -> bool:
    """Whether a file's content is a PDF."""
    return b"%PDF-" in data[:_HEAD]


class Document:
    """A PDF that is open.

    Raises
    ------
    DigitsError
        Where it is damaged or encrypted, or PDFium is not there.
    """

    def __init__(self, data: bytes) -> None:
        try:
            import pypdfium2
        except ImportError:
            command = install_command("pdf")
            raise DigitsError(
                f"PDF needs the extra pdf: {command}; or save the page as PNG"
            ) from None
        if len(data) > MAX_BYTES:
            raise DigitsError(f"the file is over {MAX_BYTES // 1_000_000} MB; split it")
        self._pdfium: Any = pypdfium2
        try:
            self._document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raw = pypdfium2.raw
            if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
                raise DigitsError("the PDF is encrypted; save it without a password") from None
            raise DigitsError("the PDF is damaged; save it again") from None
        if not len(self):
            self._document.close()
            raise DigitsError("the PDF is damaged (it has no pages); save it again")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._document.close()

    def __len__(self) -> int:
        return len(self._document)

    def page(self, number: int, max_pixels: int) -> Image.Image:
        """A page, from 1, as a picture (RGB) at 300 dpi, or as many as its pixels allow."""
        try:
            page = self._document[number - 1]
            try:
                self._check_pictures(page)
                return self._drawn(page, min(max_pixels, _MAX_DRAWN))
            finally:
                page.close()
        except self._pdfium.PdfiumError:
            raise DigitsError("the page is damaged; save the PDF again") from None

    def _check_pictures(self, page: Any) -> None:
        things = list(itertools.islice(page.get_objects(), _MAX_THINGS + 1))
        images = [thing for thing in things if isinstance(thing, self._pdfium.PdfImage)]
        pixels = sum(math.prod(image.get_px_size()) for image in images)
        if len(things) > _MAX_THINGS or pixels > _MAX_STORED:
            raise DigitsError("the page holds too much to be drawn; save it as PNG")

    def _drawn(self, page: Any, most: int) -> Image.Image:
        width, height = page.get_size()
        if not (width > 0 and height > 0):
            raise DigitsError("the page has no size; save the PDF again")
        scale = min(RESOLUTION / _POINTS, math.sqrt(most / (width * height)))
        sides = [max(1, math.floor(side * scale)) for side in (width, height)]
        raw = self._pdfium.raw
        bitmap = self._pdfium.PdfBitmap.new_native(*sides, raw.FPDFBitmap_BGR, True)
        bitmap.fill_rect((255, 255, 255, 255), 0, 0, *sides)
        # Drawn thing by thing, so that it can be ended.
        end = time.monotonic() + _MAX_SECONDS
        pause = raw.IFSDK_PAUSE(version=1)
        ask = type(pause.NeedToPauseNow)
        pause.NeedToPauseNow = ask(lambda _: time.monotonic() > end)
        flags = raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER
        start = raw.FPDF_RenderPageBitmap_Start
        state = start(bitmap, page, 0, 0, *sides, 0, flags, ctypes.pointer(pause))
        raw.FPDF_RenderPage_Close(page)
        if state == raw.FPDF_RENDER_TOBECONTINUED:
            raise DigitsError("the page takes too long to be drawn; save it as PNG")
        if state != raw.FPDF_RENDER_DONE:
            raise DigitsError("the page is damaged; save the PDF again")
        return bitmap.to_pil().copy()
