"""How soon the bars move after a stroke, in a real browser: python -m benchmarks.page."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.options import results_option
from benchmarks.report import markdown_table, write_results

_NOTES = """\
Digits are drawn with the mouse at the pace of a hand, 60 points a second. From the event
*pointerup* of a digit's last stroke, by the clock of the page, to the last change of the bars
(*bars*), and to the end of the frame that shows it (*screen*; a browser with no screen makes 60
frames a second). Service, browser and the program that draws share the cores.
"""
_POINTS_A_SECOND = 60
#: Milliseconds without a change after which the answer is taken to be the last.
_REST = 400
#: Runs in the page: when the pen went up, when bars changed, when that was on the screen.
_WATCH = """
    window.strokes = {up: 0, bars: 0, screen: 0};
    addEventListener("pointerup", event => strokes.up = event.timeStamp, {capture: true});
    addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
        strokes.bars = performance.now();
        requestAnimationFrame(() => {
            const {port1, port2} = new MessageChannel();
            port1.onmessage = () => strokes.screen = performance.now();
            port2.postMessage(null);
        });
    }).observe(document.body, {attributeFilter: ["data-answered"]}));
"""
_AT_REST = """rest => strokes.screen > strokes.bars && strokes.bars > strokes.up
    && performance.now() - strokes.bars > rest"""


@dataclass(frozen=True)
class Drawn:
    """What became of one digit; times are milliseconds from the end of its last stroke."""

    digit: int
    answer: int
    bars: float
    screen: float


def draw_digits(count: int, seed: int, options: list[str]) -> Iterator[Drawn]:
    """Draw digits on the page of a service that is started with some options.

    Raises
    ------
    click.ClickException
        Where there is no Chromium.
    """
    from tests.browser import Paper, Watch, find_chromium, open_browser, running_service
    from tests.strokes import N_HANDS, write

    chromium = find_chromium()
    if chromium is None:
        raise click.ClickException("needs Chromium: install it or set OVR_DIGITS_CHROMIUM")
    rng = random.Random(seed)
    with running_service(*options) as service, open_browser(chromium) as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(_WATCH)
        paper = Paper(context.new_page(), Watch(context, service.url))
        paper.page.goto(service.url)
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
            paper.page.keyboard.press("Delete")
            paper.page.wait_for_function("() => !document.querySelector('#votes .winner')")


@click.command()
@click.option("--count", type=click.IntRange(min=2), default=50, help="Digits to draw.")
@click.option("--seed", type=int, default=0)
@click.option("--cores", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--models", type=click.Path(exists=True, dir_okay=False, resolve_path=True))
@click.option("--quick", is_flag=True, help="Few digits, to see that all works.")
@results_option
def main(count: int, seed: int, cores: int, models: str | None, quick: bool, output: Path) -> None:
    """Draw digits on the page, and measure how soon the bars move after the last stroke."""
    try:
        machine.hold_to_cores(cores)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cores") from None
    options = ["--models", models] if models else []
    drawn = list(draw_digits(min(count, 3) if quick else count, seed, options))
    rows = [_row(end, [getattr(one, end) for one in drawn]) for end in ("bars", "screen")]
    table = markdown_table(["from pointerup to", "median, ms", "p90, ms", "longest, ms"], rows)
    right = sum(one.answer == one.digit for one in drawn)
    about = machine.conditions(("fastapi", "uvicorn", "playwright"))
    about |= {"seed": seed, "quick": quick}
    stem = output / f"page{'-quick' if quick else ''}"
    title = f"The page: {len(drawn)} digits drawn, {right} read right"
    write_results(stem, title, about, {"drawn": [vars(one) for one in drawn]}, _NOTES, table)
    click.echo(table, nl=False)


def _row(name: str, milliseconds: list[float]) -> list[str]:
    p90 = statistics.quantiles(milliseconds, n=10, method="inclusive")[-1]
    figures = (statistics.median(milliseconds), p90, max(milliseconds))
    return [name, *(f"{figure:.0f}" for figure in figures)]


if __name__ == "__main__":
    main()
