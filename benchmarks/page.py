"""How soon the page answers in a real browser, by a service or alone: python -m benchmarks.page."""

from __future__ import annotations

import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import markdown_table, write_results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

    from tests.browser import Paper

_NOTES = """\
Digits are drawn with the mouse at the pace of a hand, 60 points a second, on the page of a service
and on the page in one file, which has no network. From the event *pointerup* of a digit's last
stroke, by the clock of the page, to the last change of the bars (*pen up to bars*), and to the end
of the frame that shows it (*pen up to screen*; a browser with no screen makes 60 frames a second).
*move to bars*: from a move of the pen while nothing else is asked; *throttled*: with the page's own
thread slowed four times by the browser, which cannot slow a worker, so that it holds its answers
back three times as long as it took for them. *opened to bars*: from the
opening of the file to the answer to a point that is set as soon as the page takes one. *heap*: of
page and worker together, arrays included, after all that. Browser, service and the program that
draws share the cores.
"""
_POINTS_A_SECOND = 60
#: Milliseconds without a change after which the answer is taken to be the last.
_REST = 400
#: How many times slower a throttled page is.
_THROTTLE = 4
#: How often the file is opened anew.
_OPENED = 7
#: Runs in the page: when the pen went up and moved, when bars changed, when that was on the screen.
_WATCH = """
    window.strokes = {up: 0, moved: 0, bars: 0, screen: 0, moves: []};
    addEventListener("pointerup", event => strokes.up = event.timeStamp, {capture: true});
    for (const kind of ["pointerrawupdate", "pointermove"])
        addEventListener(kind, event => strokes.moved = event.timeStamp, {capture: true});
    addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
        strokes.bars = performance.now();
        strokes.moves.push(strokes.bars - strokes.moved);
        requestAnimationFrame(() => {
            const {port1, port2} = new MessageChannel();
            port1.onmessage = () => strokes.screen = performance.now();
            port2.postMessage(null);
        });
    }).observe(document.body, {attributeFilter: ["data-answered"]}));
"""
#: Makes the page's worker as much slower: what it answers is held back there, by its own clock.
_SLOW_WORKER = f"""
    const held = `
        let asked = 0;
        addEventListener("message", () => asked = performance.now());
        const answer = postMessage;
        self.postMessage = message => setTimeout(
            () => answer(message), {_THROTTLE - 1} * (performance.now() - asked)
        );
    `;
    window.Blob = class extends Blob {{
        constructor(parts, options) {{
            super(options?.type === "text/javascript" ? [held, ...parts] : parts, options);
        }}
    }};
"""
_AT_REST = """rest => strokes.screen > strokes.bars && strokes.bars > strokes.up
    && performance.now() - strokes.bars > rest"""
#: Sets a point as soon as that can be done, and tells when there is an answer.
_AT_ONCE = """
    addEventListener("DOMContentLoaded", () => {
        new MutationObserver(() => window.answered ??= performance.now())
            .observe(document.body, {attributeFilter: ["data-answered"]});
        document.querySelector("#drawing").dispatchEvent(new KeyboardEvent("keydown", {key: " "}));
    });
"""


@dataclass(frozen=True)
class Drawn:
    """What became of one digit; times are milliseconds from the end of its last stroke."""

    digit: int
    answer: int
    bars: float
    screen: float


@dataclass(frozen=True)
class FileFigures:
    """What the page in one file takes: bytes on the disk and in memory, and milliseconds."""

    size: int
    heap: int
    opened: list[float]
    moves: list[float]
    throttled_moves: list[float]
    drawn: list[Drawn]


def _opened(browser: Browser, url: str, script: str = "") -> Paper:
    from tests.browser import Paper, Watch

    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, offline=url.startswith("file:")
    )
    context.add_init_script(_WATCH + script)
    paper = Paper(context.new_page(), Watch(context, url))
    paper.page.goto(url)
    return paper


def _clear(paper: Paper) -> None:
    paper.page.keyboard.press("Delete")
    paper.page.wait_for_function("() => !document.querySelector('#votes .winner')")


def _draw_digits(paper: Paper, count: int, seed: int) -> Iterator[Drawn]:
    from tests.strokes import N_HANDS, write

    rng = random.Random(seed)
    area = paper.area()
    short = min(area["width"], area["height"])
    for digit in itertools.islice(itertools.cycle(range(10)), count):
        height = rng.uniform(0.4, 0.8) * short
        x, y = (area[side] * rng.uniform(0.42, 0.58) for side in ("width", "height"))
        paper.draw(
            write(digit, x, y, height, rng.randrange(N_HANDS)),
            pause=lambda: time.sleep(1 / _POINTS_A_SECOND),
        )
        paper.page.wait_for_function(_AT_REST, arg=_REST)
        answer = int(paper.winner.get_attribute("data-digit") or -1)
        times = paper.page.evaluate("strokes")
        yield Drawn(digit, answer, *(times[end] - times["up"] for end in ("bars", "screen")))
        _clear(paper)


def draw_on_service(browser: Browser, count: int, seed: int, options: list[str]) -> list[Drawn]:
    """Draw digits on the page of a service that is started with some options."""
    from tests.browser import running_service

    with running_service(*options) as service:
        return list(_draw_digits(_opened(browser, service.url), count, seed))


def draw_on_file(browser: Browser, count: int, seed: int, models: str | None) -> FileFigures:
    """Draw digits on the page in one file, and measure what else there is of it."""
    from ovr_digits.models.modelfile import load_models
    from ovr_digits.web.page_file import page_bytes

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_bytes(page_bytes(load_models(models)))
        opened = [_time_to_answer(browser, path.as_uri()) for _ in range(_OPENED)]
        paper = _opened(browser, path.as_uri())
        drawn = list(_draw_digits(paper, count, seed))
        moves = _time_moves(paper)
        heap = _heap(paper.page.context)
        throttled = _time_moves(_throttled(browser, path.as_uri()))
        return FileFigures(path.stat().st_size, heap, opened, moves, throttled, drawn)


def _throttled(browser: Browser, url: str) -> Paper:
    paper = _opened(browser, url, _SLOW_WORKER)
    session = paper.page.context.new_cdp_session(paper.page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": _THROTTLE})
    return paper


def _time_to_answer(browser: Browser, url: str) -> float:
    with browser.new_context(offline=True) as context:
        context.add_init_script(_AT_ONCE)
        page = context.new_page()
        page.goto(url)
        page.wait_for_function("() => document.querySelector('#votes .winner')")
        return float(page.evaluate("answered"))


def _time_moves(paper: Paper) -> list[float]:
    """Move the pen along the digits, each time when the answer to the last move is there."""
    from tests.strokes import write

    area = paper.area()
    times: list[float] = []
    answered = 0

    def wait() -> None:
        nonlocal answered
        answered = paper.wait_for_answer(answered)

    for digit in range(10):
        answered = paper.answered()
        paper.page.evaluate("strokes.moves.length = 0")
        paper.draw(write(digit, area["width"] / 2, area["height"] / 2, area["height"] / 2), wait)
        # The first answer of a stroke is to the pen that comes down.
        times += paper.page.evaluate("strokes.moves")[1:]
        paper.page.wait_for_function(_AT_REST, arg=_REST)
        _clear(paper)
    return times


def _heap(context: BrowserContext) -> int:
    """Bytes of the page and its worker."""
    session = context.new_cdp_session(context.pages[0])
    found: list[dict[str, Any]] = [session.send("Runtime.getHeapUsage")]
    attached: list[str] = []

    def answered(event: dict[str, Any]) -> None:
        found.extend(filter(None, [json.loads(event["message"]).get("result")]))

    session.on("Target.attachedToTarget", lambda event: attached.append(event["sessionId"]))
    session.on("Target.receivedMessageFromTarget", answered)
    session.send(
        "Target.setAutoAttach",
        {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False},
    )
    question = json.dumps({"id": 1, "method": "Runtime.getHeapUsage"})
    session.send("Target.sendMessageToTarget", {"sessionId": attached[0], "message": question})
    while len(found) < 2:
        context.pages[0].wait_for_timeout(50)
    kinds = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")
    return int(sum(usage[kind] for usage in found for kind in kinds))


@click.command()
@click.option("--count", type=click.IntRange(min=2), default=50, help="Digits to draw.")
@click.option("--seed", type=int, default=0)
@click.option("--cores", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--models", type=click.Path(exists=True, dir_okay=False, resolve_path=True))
@click.option("--quick", is_flag=True, help="Few digits, to see that all works.")
@results_option
def main(count: int, seed: int, cores: int, models: str | None, quick: bool, output: Path) -> None:
    """Draw digits on the page, and measure how soon the bars move."""
    from tests.browser import find_chromium, open_browser

    try:
        machine.hold_to_cores(cores)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cores") from None
    chromium = find_chromium()
    if chromium is None:
        raise click.ClickException("needs Chromium: install it or set OVR_DIGITS_CHROMIUM")
    count = min(count, 3) if quick else count
    with open_browser(chromium) as browser:
        drawn = draw_on_service(browser, count, seed, ["--models", models] if models else [])
        alone = draw_on_file(browser, count, seed, models)
    rows = [*_rows("service", drawn), *_rows("one file", alone.drawn)]
    rows += [
        _row("one file: move to bars", alone.moves),
        _row(f"one file: move to bars, throttled {_THROTTLE} times", alone.throttled_moves),
        _row("one file: opened to bars", alone.opened),
    ]
    table = markdown_table(["", "median, ms", "p90, ms", "longest, ms"], rows)
    sizes = f"\nThe file: {alone.size / 1e6:.2f} MB; heap: {alone.heap / 1e6:.0f} MB.\n"
    right = sum(one.answer == one.digit for one in [*drawn, *alone.drawn])
    about = machine.conditions(("fastapi", "uvicorn", "playwright"))
    about |= {"seed": seed, "quick": quick}
    stem = output / f"page{'-quick' if quick else ''}"
    title = f"The page: {2 * count} digits drawn, {right} read right"
    results = {"drawn": [asdict(one) for one in drawn], "file": asdict(alone)}
    write_results(stem, title, about, results, _NOTES, table, sizes)
    click.echo(table + sizes, nl=False)


def _rows(page: str, drawn: Sequence[Drawn]) -> list[list[str]]:
    return [
        _row(f"{page}: pen up to {end}", [getattr(one, end) for one in drawn])
        for end in ("bars", "screen")
    ]


def _row(name: str, milliseconds: list[float]) -> list[str]:
    p90 = statistics.quantiles(milliseconds, n=10, method="inclusive")[-1]
    figures = (statistics.median(milliseconds), p90, max(milliseconds))
    return [name, *(f"{figure:.0f}" for figure in figures)]


if __name__ == "__main__":
    main()
