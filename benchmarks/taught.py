"""What a page learns from one drawing and from five: python -m benchmarks.taught."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.handwriting import ODD, USUAL, Writer, make_writer, write
from benchmarks.report import markdown_table
from benchmarks.setting import Setting, common_options
from ovr_digits.progress import percent

if TYPE_CHECKING:
    from playwright.sync_api import Page

_COLUMNS = ["odd form", "hands", "right", "taught 1", "taught 5", "sure", "taught 1", "taught 5"]
_COLUMNS += ["other, taught 1", "taught 5"]
_NOTE = """\
Somebody draws {n_drawn} digits in an odd form, and teaches the page the first one or five that are
not surely and rightly answered; *hands*, of {n_writers} for each form, had five such. All are means
over these hands. *right* is the share of the other drawings whose digit wins, *sure* that for which
its detector alone fires; *other* is how many of {n_mnist:,} images of the data set get another
digit than before. Taught by the page's own `teaching.js`, in Chromium.
"""
_TAUGHT = (1, 5)
#: Drawings in a form, and images of the data set that are looked at.
_N_DRAWN, _N_OTHERS = 25, 2000
_REMEMBER = "others => { window.others = others; }"
_TEACH = """([lessons, drawn]) => {
  const teaching = new Teaching(lessons);
  return [drawn, others].map((some) => some.map(([i, s]) => teaching.corrected(i, s)));
}"""

Images = NDArray[np.uint8]
Scores = NDArray[np.float64]


def _pairs(X: Images, scores: Scores) -> list[Any]:
    """Images and their scores, for the page."""
    return list(zip(X.reshape(-1, 28, 28).tolist(), scores.tolist(), strict=True))


def _surely(scores: Scores, digit: int) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = ((scores > 0) == (np.arange(10) == digit)).all(axis=1)
    return right


def _follow(setting: Setting, page: Page, others: Scores, writer: Writer, rng: Any) -> list[float]:
    """The figures of a row; none where the form is read well enough."""
    from ovr_digits.picture.digit import find_form

    (digit,) = writer.odd
    X = np.stack([find_form(write(writer, digit, rng)).ravel() for _ in range(_N_DRAWN)])
    before = setting.models.decision_function(X)
    missed = np.flatnonzero(~_surely(before, digit))
    if len(missed) < max(_TAUGHT):
        return []
    right, sure, changed = [], [], []
    for n in _TAUGHT:
        rest = np.setdiff1d(np.arange(_N_DRAWN), missed[:n])
        lessons = [
            {"label": digit, "image": image, "scores": scores}
            for image, scores in _pairs(X[missed[:n]], before[missed[:n]])
        ]
        asked = [lessons, _pairs(X[rest], before[rest])]
        after, of_others = (np.array(scores) for scores in page.evaluate(_TEACH, asked))
        for scores in (before[rest], after)[n > _TAUGHT[0] :]:  # before is told once
            right.append(float((scores.argmax(axis=1) == digit).mean()))
            sure.append(float(_surely(scores, digit).mean()))
        changed.append(float((of_others.argmax(axis=1) != others.argmax(axis=1)).sum()))
    return [*right, *sure, *changed]


def _writers(part: str, count: int, seed: int) -> Any:
    """Writers with one odd form each, ``count`` for each form, and a source of numbers for each."""
    from dataclasses import replace

    for digit, name in ODD[part]:
        for number in range(count):
            rng = np.random.default_rng([seed, digit, number])
            # Of writers with all forms odd, so that this one is in their hand.
            writer = make_writer(part, len(ODD[part]), rng)
            forms = [writer.forms[d] if d == digit else USUAL[d] for d in range(10)]
            yield replace(writer, forms=forms, odd={digit: name}), rng


def _cells(name: str, rows: list[list[float]]) -> list[str]:
    mean = np.mean(rows, axis=0)
    shares, counts = (percent(share, 1) for share in mean[:6]), (f"{n:.1f}" for n in mean[6:])
    return [name, f"{len(rows)}", *shares, *counts]


@click.command()
@common_options(5, "Writers for each odd form.")
def main(setting: Setting, count: int) -> None:
    """Teach a page odd forms, and see how later drawings and other digits fare."""
    from ovr_digits.web.page_file import bundled
    from tests.browser import find_chromium, open_browser

    chromium = find_chromium()
    if chromium is None:
        raise click.ClickException("needs Chromium: install it or set OVR_DIGITS_CHROMIUM")
    X = setting.X[:_N_OTHERS]
    others = setting.models.decision_function(X)
    found: dict[str, list[list[float]]] = {}
    with open_browser(chromium) as browser:
        page = browser.new_page()
        page.add_script_tag(content=bundled("teaching.js"))
        page.evaluate(_REMEMBER, _pairs(X, others))
        for writer, rng in _writers(setting.split, count, setting.seed):
            row = _follow(setting, page, others, writer, rng)
            if row:
                (digit,) = writer.odd
                found.setdefault(f"{digit} {writer.odd[digit]}", []).append(row)
                click.echo(json.dumps(row), err=True)
    hands = [row for rows in found.values() for row in rows]
    table = markdown_table(
        _COLUMNS, [_cells(*item) for item in [*found.items(), ("**mean**", hands)]]
    )
    note = _NOTE.format(n_drawn=_N_DRAWN, n_writers=count, n_mnist=len(X))
    setting.store("taught", {"writers": found}, table, [note])
    click.echo(table, nl=False)


if __name__ == "__main__":
    main()
