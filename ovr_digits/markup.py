"""Elements of HTML: text escaped, pictures within the page."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable

from PIL import Image


class Html(str):
    """Markup: text that is not escaped again."""

    __slots__ = ()


def tag(name: str, *content: object, **attributes: object) -> Html:
    """An element: its content is escaped where it is not ``Html``, its attributes always.

    A trailing underscore of an attribute's name is dropped and others become
    hyphens, so that ``class_`` and ``aria_label`` can be named.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name == "img":
        return Html(f"<img{said}>")
    return Html(f"<{name}{said}>{join(content)}</{name}>")


def join(content: Iterable[object]) -> Html:
    """Pieces one after the other, escaped where they are not ``Html``."""
    pieces = (part if isinstance(part, Html) else html.escape(str(part)) for part in content)
    return Html("".join(pieces))


def as_png(picture: Image.Image) -> bytes:
    """A picture's content as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def image(png: bytes, text: str, **attributes: object) -> Html:
    """A picture, and what it says for who cannot see it."""
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return tag(
        "img", **({"src": source, "alt": text, "width": width, "height": height} | attributes)
    )
