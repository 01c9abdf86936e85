"""The page in a real browser: a service and a Chromium to run, a paper to draw on, a watch."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ADDRESS = re.compile(r"http://\S+")
#: Seconds within which a service stops when it is asked to.
_PATIENCE = 20
Strokes = Sequence[Sequence[tuple[float, float]]]


def find_chromium() -> str | None:
    """The path of an installed Chromium."""
    named = os.environ.get("OVR_DIGITS_CHROMIUM")
    return named or next(filter(None, map(shutil.which, _CHROMIUMS)), None)


@contextmanager
def open_browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium, which reaches this machine with no proxy."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            chromium_sandbox=os.geteuid() != 0,  # it refuses root
            args=["--no-proxy-server"],
        )
        try:
            yield browser
        finally:
            browser.close()


class Service:
    """``ovr-digits draw`` in a process of its own; ``url`` is where its page is."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "ovr_digits", "draw", "--no-browser", "--port", "0"]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        found = None
        for line in self._process.stdout:
            found = _ADDRESS.search(line)
            if found:
                break
        if found is None:
            self.stop()
            self._errors.seek(0)
            raise RuntimeError(f"the service has not started: {self._errors.read()}")
        self.url = found[0]

    def stop(self) -> None:
        """Stop it and its workers; once is enough."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def running_service(*options: str) -> Iterator[Service]:
    """A service that stops at the end."""
    service = Service(*options)
    try:
        yield service
    finally:
        service.stop()
        service._errors.close()


class Watch:
    """What must not happen on a page: errors, warnings, requests to others.

    Attributes
    ----------
    allowed : list of str
        Parts of messages that a test expects.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self._own = urlsplit(url).netloc
        self._seen: list[str] = []
        self.allowed: list[str] = []
        context.on("request", lambda request: self._request(request.url))
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("weberror", lambda error: self._seen.append(f"exception: {error.error}"))

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._own:
            self._seen.append(f"request to {url}")

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._seen.append(f"{kind}: {text}")

    def begin_anew(self) -> None:
        """Forget what was seen and allowed so far."""
        self._seen.clear()
        self.allowed.clear()

    def found(self) -> list[str]:
        """What happened and was not allowed."""
        return [what for what in self._seen if not any(part in what for part in self.allowed)]


class Paper:
    """A page that is open, and the hand that draws on it.

    Strokes are in pixels from the upper left corner of the drawing area.
    """

    def __init__(self, page: Page, watch: Watch) -> None:
        self.page = page
        self.watch = watch
        self.canvas = page.locator("#drawing")
        self.answer = page.locator("#answer")
        self.winner = page.locator("#votes .winner")
        self._touches: Any = None

    def button(self, name: str) -> Locator:
        """A button by its accessible name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def area(self) -> dict[str, float]:
        """Where the drawing area is in the window: x, y, width, height."""
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box is not None
        return dict(box)

    def _on_screen(self, strokes: Strokes) -> list[list[tuple[float, float]]]:
        area = self.area()
        return [[(area["x"] + x, area["y"] + y) for x, y in stroke] for stroke in strokes]

    def answered(self) -> int:
        """How many changes have been answered."""
        return int(self.page.evaluate("document.body.dataset.answered ?? 0"))

    def wait_for_answer(self, before: int) -> int:
        """Wait until more changes have been answered; how many now."""
        newer = "before => Number(document.body.dataset.answered) > before"
        self.page.wait_for_function(newer, arg=before)
        return self.answered()

    def draw(self, strokes: Strokes, pause: Callable[[], object] = lambda: None) -> None:
        """Draw with the mouse, with a pause before each point."""
        mouse = self.page.mouse
        for stroke in self._on_screen(strokes):
            mouse.move(*stroke[0])
            mouse.down()
            for point in stroke[1:]:
                pause()
                mouse.move(*point)
            mouse.up()

    def touch(self, strokes: Strokes) -> None:
        """Draw with a finger."""
        if self._touches is None:
            self._touches = self.page.context.new_cdp_session(self.page)

        def send(kind: str, *points: tuple[float, float]) -> None:
            touches = [{"x": x, "y": y} for x, y in points]
            self._touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

        for stroke in self._on_screen(strokes):
            send("touchStart", stroke[0])
            for point in stroke[1:]:
                send("touchMove", point)
            send("touchEnd")


_BROKEN_RULES = """async () => {
    const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
    const {violations} = await axe.run(document, {runOnly: rules});
    return violations.map(({id, nodes}) => [id, nodes.map(({html, any}) =>
        [html.slice(0, 120), any.map(({message}) => message)])]);
}"""


def broken_rules(page: Page) -> list[Any]:
    """The rules of WCAG 2.1 that a page breaks, and where; axe-core is loaded."""
    return list(page.evaluate(_BROKEN_RULES))
