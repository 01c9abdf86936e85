"""A page of HTML that needs nothing beside it: no script, no network, its pictures within it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

from PIL import Image

from ovr_digits.core.vote import SCORE_SPAN
from ovr_digits.markup import Html, as_png, image, tag
from ovr_digits.progress import percent
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
body { margin: 0; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
  display: grid; grid-template-columns: minmax(0, 1fr); column-gap: 2rem; align-items: start; }
body > * { grid-column: 1 / -1; }
@media screen and (min-width: 52rem) {
  body { grid-template-columns: repeat(2, minmax(0, 1fr)); padding: 1rem 2rem; }
  section.beside { grid-column: auto; }
}
@media screen and (min-width: 108rem) {
  body { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .beside table { font-size: 0.8rem; }
  .beside th, .beside td { padding: 0.2rem 0.25rem; }
}
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
figure img { display: block; width: 100%; max-width: 44rem; height: auto; }
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
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.gallery li { display: grid; grid-template-columns: 7.5rem 1fr; gap: 0 1rem; max-width: 24rem; }
.gallery p { grid-column: 1 / -1; }
.gallery img { display: block; width: 7rem; height: 7rem; image-rendering: pixelated;
  border: 1px solid #bbb; margin: 0.25rem 0; }
.gallery p { white-space: pre-line; margin: 0; font-size: 0.85rem; line-height: 1.35; }
.votes { font-size: 0.7rem; line-height: 1.15; font-variant-numeric: tabular-nums;
  padding-top: 0.25rem; }
.votes i { font-style: normal; display: grid; grid-template-columns: 1rem 1fr 3.6rem; }
.votes span { font-weight: normal; text-align: right; } .votes .yes span { font-weight: 700; }
.votes u { position: relative; background: linear-gradient(to right, transparent var(--from),
  var(--c) var(--from) var(--to), transparent var(--to)) no-repeat 0 50% / 100% 75%; }
.votes u::before { content: ""; position: absolute; left: 50%; top: 0; bottom: 0;
  border-left: 1px solid var(--ink); }
.votes .over u::after { content: "◂"; position: absolute; left: 1px; color: var(--paper);
  line-height: 1; }
.votes .over.yes u::after { content: "▸"; left: auto; right: 1px; }
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
    """Labelled samples, each with its ten scores and votes; item ``name-index`` is a sample's."""
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
    """The ten scores as bars from the threshold in the middle, and the votes as numbers."""
    rows, spoken = [], []
    vote = answer.vote
    for digit, (role, score) in enumerate(zip(answer.roles, vote.scores, strict=True)):
        place = 50 + 50 * min(max(score / SCORE_SPAN, -1), 1)
        ends = f"--from:{min(place, 50):.1f}%;--to:{max(place, 50):.1f}%"
        classes = (role, "yes" * (score > 0), "over" * (abs(score) > SCORE_SPAN))
        share = percent(vote.votes[digit], 1)
        parts = (tag("u", style=ends), tag("span", share))
        rows.append(tag("i", digit, *parts, class_=" ".join(filter(None, classes))))
        spoken.append(f"{digit}: {score:+.1f}, vote {share}")
    said = f"scores {'; '.join(spoken)}"
    return tag("div", *rows, class_="votes", role="img", aria_label=said)
