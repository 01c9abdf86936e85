"""Parts of an answer as HTML, for a notebook: small whatever the size of the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from ovr_digits.core.arrays import Grey
from ovr_digits.core.vote import SCORE_SPAN, Vote
from ovr_digits.markup import Html, as_png, image, tag
from ovr_digits.progress import percent

#: Colours of the picture, which bound the bytes of a noisy one; one more is that of the boxes.
_COLOURS = 31
_BOX_COLOUR = (213, 94, 0)
#: Half of the width of the bars of scores, in pixels.
_HALF_BAR = 60
#: Side of the digit in MNIST form, in pixels of the page.
_FORM_SIDE = 112
#: The most rows of a table, and the most characters of a text.
_MOST_ROWS, _MOST_TEXT = 20, 300

_BESIDE = "display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start"
_NUMERIC = "text-align:right;font-variant-numeric:tabular-nums"


def whole(said: Sequence[str], notes: Iterable[str] = (), parts: Iterable[Html] = ()) -> Html:
    """What is said, the first in bold, over notes in a line each, over parts beside one another."""
    first, *others = map(short, said)
    lines = (tag("div", short(note)) for note in notes)
    head = tag("div", tag("b", first), *(f", {other}" for other in others))
    return tag("div", head, *lines, tag("div", *parts, style=_BESIDE))


def short(text: str) -> str:
    """A text, or its beginning."""
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def picture(
    levels: Grey, scale: float, boxes: Iterable[tuple[int, int, int, int]], text: str
) -> Html:
    """A picture (h, w, 3) with boxes (x, y, w, h), to a pixel of which it has ``scale``."""
    shown = Image.fromarray(levels).quantize(_COLOURS)
    palette = (shown.getpalette() or [])[: 3 * _COLOURS]
    shown.putpalette([*palette, *[0] * (3 * _COLOURS - len(palette)), *_BOX_COLOUR])
    pen = ImageDraw.Draw(shown)
    for box in boxes:
        x, y, w, h = np.array(box) * scale
        pen.rectangle((x - 1, y - 1, x + w, y + h), outline=_COLOURS)
    return image(as_png(shown), text)


def form(levels: Grey) -> Html:
    """A digit in MNIST form, dark on white."""
    return image(
        as_png(Image.fromarray(255 - levels)),
        "what the detectors saw",
        width=_FORM_SIDE,
        height=_FORM_SIDE,
        style="image-rendering:pixelated;border:1px solid #bbb",
    )


def scores(vote: Vote) -> Html:
    """Each detector's score as a bar to the left or the right of its threshold, and its vote."""
    middle = f"linear-gradient(#888,#888) {_HALF_BAR}px 0/1px 100% no-repeat"
    rows = []
    for digit, (score, share) in enumerate(zip(vote.scores, vote.votes, strict=True)):
        length = round(min(abs(score), SCORE_SPAN) / SCORE_SPAN * _HALF_BAR)
        left = _HALF_BAR - length if score < 0 else _HALF_BAR
        colour = "#0072b2" if digit == vote.digit else "#56b4e9" if score > 0 else "#bbb"
        size = f"width:{length}px;height:0.7em;margin-left:{left}px"
        bar = tag("div", style=f"{size};background:{colour}")
        bars = tag("div", bar, style=f"width:{2 * _HALF_BAR}px;background:{middle}")
        rows.append((digit, bars, f"{score:+.1f}", percent(share)))
    return table(("digit", "score, fires above 0", "", "vote"), rows)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    """A table, of whose rows the first are shown."""
    head = tag("tr", *(tag("th", text) for text in headings))
    body = [tag("tr", *(tag("td", x, style=_NUMERIC) for x in row)) for row in rows[:_MOST_ROWS]]
    if more := len(rows) - len(body):
        text = tag("td", f"and {more:,} more", colspan=len(headings), style=_NUMERIC)
        body.append(tag("tr", text))
    return tag("table", tag("thead", head), tag("tbody", *body))
