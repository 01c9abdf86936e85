"""A page of HTML that needs nothing beside it: no script, no network, its pictures within it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

from PIL import Image

from ovr_digits.markup import Html, as_png, image, tag
from ovr_digits.report.samples import SampleAnswer

# The policy makes sure of it: whatever might get into the page, nothing is loaded or run.
_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
$style</style>
</head>
<body>
$body
</body>
</html>
""")

# The colours are those of the plots; the dark ones have the same contrast.
_STYLE = """\
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1b1b; --soft: #5c5c5c; --line: #d8d8d8;
  --truth: #0072b2; --wrong: #d55e00; --fired: #56b4e9; --quiet: #bbb; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #121212; --ink: #e6e6e6; --soft: #a6a6a6; --line: #3a3a3a;
    --truth: #3d9fdb; --wrong: #f07d28; --fired: #8fd0f5; --quiet: #666; }
  img { filter: invert(0.93) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.5rem; padding-top: 0.75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 0.25rem; }
p { margin: 0.5rem 0; max-width: 42rem; }
a { color: var(--truth); }
nav a { margin-right: 1rem; display: inline-block; padding: 0.25rem 0; }
.soft { color: var(--soft); }
.key { font-weight: 600; padding-left: 0.9em; background:
  linear-gradient(var(--c), var(--c)) no-repeat 0 55% / 0.65em 0.65em; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0.75rem;
  margin: 1rem 0; }
.tiles div { border: 1px solid var(--line); border-radius: 0.4rem; padding: 0.5rem 0.75rem; }
.tiles dt, .facts dt { color: var(--soft); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.facts div { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0.2rem 0; }
.facts dt { flex: 0 0 12rem; }
.facts dd { flex: 1 1 15rem; margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; white-space: nowrap; overflow-wrap: normal;
  font-variant-numeric: tabular-nums; font-size: min(0.9rem, 3.1vw); }
th, td { text-align: right; padding: 0.2rem min(0.6rem, 0.7vw);
  border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: 0.25rem 0; }
.gallery { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: 1.25rem 1rem;
  grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
.gallery img { display: block; width: 7rem; height: 7rem; image-rendering: pixelated;
  border: 1px solid #bbb; margin: 0.25rem 0; }
.gallery p { white-space: pre-line; margin: 0; font-size: 0.85rem; line-height: 1.35; }
.votes { display: grid; grid-template-columns: repeat(10, 1fr); position: relative; width: 8.4rem;
  font-size: 0.7rem; line-height: 1.2; text-align: center; }
.votes i { font-style: normal; }
.votes i::before { content: ""; display: block; height: 2.6rem; margin: 0 1px;
  background: linear-gradient(var(--c), var(--c)) no-repeat bottom / 100% var(--v); }
.votes::before, .votes::after { content: ""; position: absolute; left: 0; right: 0; top: 1.3rem;
  border-top: 1px dotted var(--soft); }
.votes::after { top: 2.6rem; border-top: 1px solid var(--quiet); }
.truth { --c: var(--truth); } .wrong { --c: var(--wrong); }
.fired { --c: var(--fired); } .quiet { --c: var(--quiet); }
@page { margin: 15mm; }
@media print {
  :root { font-size: 12px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { padding: 0; max-width: none; }
  nav, details { display: none; }
  h2, h3, section > p { break-after: avoid; }
  figure, p, tr, dl div, .tiles, .gallery li { break-inside: avoid; }
  figure img { max-width: 13cm; max-height: 19cm; }
}
"""


def page(title: str, *body: Html) -> str:
    """The whole page."""
    return _PAGE.substitute(title=html.escape(title), style=_STYLE, body="\n".join(body))


def contents(headings: Mapping[str, str]) -> Html:
    """Links to sections, by their names."""
    return tag("nav", *(tag("a", text, href=f"#{name}") for name, text in headings.items()))


def figure(png: bytes, text: str) -> Html:
    """A picture, and what it says for who cannot see it."""
    return tag("figure", image(png, text))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table of numbers, whose rows begin with their names."""
    head = tag("tr", *(tag("th", text, scope="col") for text in headings))
    body = (
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    )
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="wide")


def facts(values: Mapping[str, Any], class_: str = "facts") -> Html:
    """Names and what they have."""
    pairs = (
        tag("div", tag("dt", name.replace("_", " ")), tag("dd", _plain(value)))
        for name, value in values.items()
    )
    return tag("dl", *pairs, class_=class_)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(v)}" for name, v in value.items())
    return "none" if value is None else str(value)


def gallery(name: str, answers: Sequence[SampleAnswer], captions: Sequence[str]) -> Html:
    """Labelled samples, each with its ten votes as columns; item ``name-index`` is a sample's."""
    items = (
        tag(
            "li",
            tag("p", caption),
            image(as_png(Image.fromarray(255 - answer.image)), f"sample {answer.index}"),
            _votes(answer),
            id=f"{name}-{answer.index}",
        )
        for answer, caption in zip(answers, captions, strict=True)
    )
    return tag("ol", *items, class_="gallery")


def _votes(answer: SampleAnswer) -> Html:
    shares = [f"{100 * vote:.1f}%" for vote in answer.vote.votes]
    columns = (
        tag("i", digit, class_=role, style=f"--v:{share}")
        for digit, (role, share) in enumerate(zip(answer.roles, shares, strict=True))
    )
    spoken = ", ".join(f"{digit}: {share}" for digit, share in enumerate(shares))
    return tag("div", *columns, class_="votes", role="img", aria_label=f"votes {spoken}")
