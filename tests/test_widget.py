"""The paper in a notebook: drawn on in a real Chromium, read by the widget in Python."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from browser import Paper, Watch
from strokes import write

import ovr_digits
from ovr_digits import DigitAnswer, DigitsError

pytest.importorskip("anywidget", reason='needs the extra notebook: pip install ".[notebook]"')
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = sync_api.expect
expect.set_options(timeout=15_000)  # a machine that is busy is slow, not wrong

pytestmark = pytest.mark.xdist_group("page")

#: Stands in for a notebook: loads the module of a widget as anywidget does, from a blob, and hands
#: messages to the kernel and back.
_NOTEBOOK = """async ([esm, css]) => {
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const source = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  const { default: { render } } = await import(source);
  const listeners = new Set();
  const model = {
    on: (event, listener) => listeners.add(listener),
    off: (event, listener) => listeners.delete(listener),
    async send(content, callbacks, buffers) {
      const sent = buffers.map((each) => btoa(String.fromCharCode(...new Uint8Array(each))));
      const told = await kernel(content, sent);
      for (const listener of listeners) listener(told);
    },
  };
  for (const el of document.querySelectorAll(".cell")) window.close = await render({ model, el });
  window.nListeners = () => listeners.size;
}"""


@pytest.fixture
def widget(shipped_models: Any) -> Any:
    return ovr_digits.widget(shipped_models)


@pytest.fixture
def cell(browser: Any, widget: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    """The widget in the first of two cells that show it."""
    replies: list[Any] = []
    monkeypatch.setattr(widget, "send", replies.append)

    def kernel(content: Any, sent: list[str]) -> Any:
        widget._handle_custom_msg(content, [memoryview(base64.b64decode(each)) for each in sent])
        return replies.pop()

    with browser.new_context(offline=True) as context:
        watch = Watch(context, "about:blank")
        page = context.new_page()
        page.expose_function("kernel", kernel)
        page.set_content('<div class="cell"></div><div class="cell"></div>')
        page.evaluate(_NOTEBOOK, [widget._esm, str(widget._css)])
        paper = Paper(page, watch)
        paper.canvas = page.locator("canvas").first
        yield paper
        assert watch.found() == []


def test_what_is_drawn_in_a_cell_is_the_widgets_answer(cell, widget):
    assert widget.answer is None
    heard = []
    widget.observe(lambda change: heard.append(change["new"]), "answer")
    shown = cell.page.locator(".answer")
    for digit in (4, 7):
        cell.draw(write(digit, 140, 140, 160, steps=2))
        expect(shown.first).to_contain_text(f"{digit}, sure")
        assert isinstance(widget.answer, DigitAnswer)
        assert (int(widget.answer), widget.answer.verdict) == (digit, "sure")
        cell.page.get_by_role("button", name="Clear").first.click()
        expect(shown.first).to_have_text("Draw a digit")
        assert widget.answer is None
    assert len(heard) > 4  # while the pen is down, too
    expect(shown.last).to_have_text("Draw a digit")  # nobody drew there


def test_an_answer_is_that_of_predict_to_the_same_picture(cell, widget):
    cell.draw(write(3, 140, 140, 160, steps=2))
    expect(cell.page.locator(".answer").first).to_contain_text("3, sure")
    same = ovr_digits.predict(widget.answer.picture, ground="dark ink")
    assert same.scores == widget.answer.scores
    assert same._repr_html_() == widget.answer._repr_html_()


def test_a_cell_that_is_closed_listens_no_more(cell):
    cell.page.evaluate("close()")
    assert cell.page.evaluate("nListeners()") == 1


def test_where_anywidget_is_missing_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "ovr_digits.web.cell", raising=False)
    with pytest.raises(DigitsError, match="needs the extra notebook: pip install"):
        ovr_digits.widget()


def test_models_that_cannot_be_read_are_told_at_once():
    with pytest.raises(DigitsError, match="no such file"):
        ovr_digits.widget("none.pkl")
