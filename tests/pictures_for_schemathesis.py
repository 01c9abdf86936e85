"""What schemathesis sends where the API's description says that a picture is to come."""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies as st
from PIL import Image, ImageDraw

_POINTS = st.lists(st.tuples(st.integers(4, 59), st.integers(4, 59)), max_size=6)


@st.composite
def _pictures(draw: st.DrawFn, kind: str) -> bytes:
    """Grey paper with a dark stroke and a light one: ink, whichever is asked for."""
    picture = Image.new("L", (128, 64), draw(st.integers(110, 145)))
    pen = ImageDraw.Draw(picture)
    for x, ink in ((0, draw(st.integers(0, 20))), (64, draw(st.integers(235, 255)))):
        points = [(30, 8), *draw(_POINTS), (34, 56)]
        pen.line([(x + dx, y) for dx, y in points], ink, draw(st.integers(3, 9)))
    content = io.BytesIO()
    picture.save(content, kind)
    return content.getvalue()


for _kind in ("PNG", "JPEG"):
    schemathesis.openapi.media_type(f"image/{_kind.lower()}", _pictures(_kind))
schemathesis.openapi.media_type("application/octet-stream", _pictures("PNG"))
schemathesis.openapi.format("binary", _pictures("PNG"))
