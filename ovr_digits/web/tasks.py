"""What the worker processes do: pictures in, the JSON of the command line out, or DigitsError.

Nothing here loads NumPy before ``start`` has said how many threads it may have,
so the process that only hands out work does not load it at all.
"""

from __future__ import annotations

import io
import json
import logging
import multiprocessing
import os
import signal
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ovr_digits.errors import DigitsError
from ovr_digits.web.http import limits
from ovr_digits.web.http.multipart import picture_in

if TYPE_CHECKING:
    from ovr_digits.core.detectors import DetectorArrays
    from ovr_digits.picture.decoding import Content
    from ovr_digits.picture.ink import Ground

_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

#: More bytes than the arrays of a drawing have; from 32 MB on it would have no effect.
_LARGE = 30_000_000
#: A level of zlib: the next take several times as long, for files that are hardly smaller.
_QUICKLY = 1

_models: DetectorArrays | None = None
_unusable = DigitsError("no models were loaded")


def start(content: Any) -> None:
    """Make this process a worker, with one thread of BLAS, and a models file that is shared."""
    global _models, _unusable
    # A service that is stopped tells its workers itself, once they have finished.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.disable()
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    from ovr_digits.models.modelfile import parse_models, with_numbers

    # The C library gives back large pieces of memory, and gets them anew for each picture, until
    # it has seen a larger one.
    bytearray(_LARGE)
    try:
        _models = with_numbers(parse_models(bytes(content)))
    except DigitsError as error:  # told by ``provenance``
        _unusable = error
        return
    import ovr_digits.picture.answers  # noqa: F401


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def provenance() -> dict[str, Any]:
    """What the models file tells of itself, if it is usable, and its digest."""
    models = _loaded()
    return {**models.provenance, "digest": models.digest}


def _loaded() -> DetectorArrays:
    if _models is None:
        raise _unusable
    return _models


def _sent(content_type: str, body: bytes, number: int) -> tuple[dict[str, Any], Content]:
    """One page of what was sent, with the keys that tell which it is."""
    from ovr_digits.picture.decoding import check_pixels
    from ovr_digits.picture.pages import page_of, which_page

    name, picture = picture_in(content_type, body)
    page = page_of(picture, number, limits.PIXELS)
    check_pixels(page, limits.PIXELS)
    return {"path": name} | which_page(picture, number), page


class More(NamedTuple):
    """What is told besides the answer: the form, and what spoke for a digit, by default its own."""

    form: bool = False
    contributions: bool = False
    about: int | None = None


def predict(
    content_type: str,
    body: bytes,
    ground: Ground,
    level: float | None,
    page: int,
    more: More,
) -> bytes:
    """The answer to one picture, as JSON."""
    from ovr_digits.picture.answers import answer_picture
    from ovr_digits.picture.lines import count_digits

    keys, picture = _sent(content_type, body, page)
    found, vote = answer_picture(_loaded(), picture, ground, level)
    result = keys | vote.as_json()
    if more.form:
        result |= {
            "n_digits": count_digits(found.marks),
            "box": list(found.box),
            "image": found.image.tolist(),
        }
    if more.contributions:
        from ovr_digits.core.occlusion import ink_contributions

        about = vote.digit if more.about is None else more.about
        shares = ink_contributions(_loaded(), found.image, about)
        result["contributions"] = shares.round(4).tolist()
    return json.dumps(result).encode()


def read(
    content_type: str,
    body: bytes,
    ground: Ground,
    level: float | None,
    page: int,
    asked: tuple[str | None, str | None, int | None, bool],
) -> bytes:
    """The number on one picture, as JSON.

    ``asked`` is the length, pattern and lines expected, and whether to tell the digits' forms.
    """
    from ovr_digits.picture.expected import Expected
    from ovr_digits.picture.number import find_number

    length, pattern, lines, form = asked
    expected = Expected(length, pattern, lines)
    keys, picture = _sent(content_type, body, page)
    number = find_number(_loaded(), picture, ground, level, expected=expected)
    result = keys | number.as_json()
    if form:
        for found, shown in zip(number.digits, result["digits"], strict=True):
            scores = found.vote.as_json()["scores"]
            shown |= {"scores": scores, "image": found.image.tolist()}
    return json.dumps(result).encode()


def show(content_type: str, body: bytes, page: int) -> tuple[bytes, int | None]:
    """A picture as PNG, and how many pages its file has, where they can be counted."""
    from ovr_digits.picture.photo import as_seen

    keys, picture = _sent(content_type, body, page)
    content = io.BytesIO()
    as_seen(picture).save(content, "PNG", compress_level=_QUICKLY)
    return content.getvalue(), keys.get("pages", None if "page" in keys else 1)


@cache
def portrait(digit: int) -> bytes:
    """What a digit's detector looks for, as JSON."""
    from ovr_digits.web.examples import portrait

    effects = portrait(_loaded(), digit)
    return json.dumps({"digit": digit, "effects": effects.round(3).tolist()}).encode()


def keep(content_type: str, body: bytes, label: int | None, folder: Path, max_kept: int) -> bytes:
    """Keep a picture with its digit, and tell the name of its file as JSON."""
    from ovr_digits.data.corrections import keep_correction
    from ovr_digits.picture.answers import answer_picture
    from ovr_digits.picture.decoding import check_pixels

    _, picture = picture_in(content_type, body)
    check_pixels(picture, limits.PIXELS)
    _, vote = answer_picture(_loaded(), picture)
    try:
        name = keep_correction(folder, picture, label, vote, max_kept)
    except DigitsError as error:
        # Where the folder lies is none of the client's business.
        raise DigitsError(str(error).replace(str(folder), "the folder of kept pictures")) from None
    return json.dumps({"file": name}).encode()
