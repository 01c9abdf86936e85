"""Progress of long work in named stages, on stderr or not; shares, times and counts in words."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Task, TaskID

#: Seconds below which a tenth is told, and from which on minutes are.
_EXACT_SECONDS, _MINUTES_FROM = 9.95, 600


def percent(share: float, places: int = 2, width: int = 0) -> str:
    """A share in per cent, as it is written everywhere: with a space, as 99.65 %."""
    return f"{100 * share:{width}.{places}f} %"


def duration(seconds: float) -> str:
    """A time as it is written everywhere: 2.5 s, 178 s, 12 min 5 s, 3 h 20 min."""
    if seconds < _EXACT_SECONDS:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTES_FROM:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(n: int, noun: str) -> str:
    """How many of something: 1 digit, 2,000 digits."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


class Progress:
    """Told what long work is doing; this one keeps silent.

    Library functions take one and call ``stage`` and ``advance``; the caller
    decides whether and how it is shown.
    """

    def stage(self, name: str, total: float) -> None:
        """Begin the next stage: ``total`` units of work lie ahead."""

    def advance(self, amount: float = 1) -> None:
        """``amount`` units of the present stage are done."""

    def note(self, text: str) -> None:
        """Say something once, in a line of its own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal tidy."""


class TerminalProgress(Progress):
    """Bars with time taken and time left on a terminal; elsewhere one line per finished stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, ProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Times(ProgressColumn):
            """How long it has taken, and how long it will where that is known."""

            def render(self, task: Task) -> Text:
                if task.finished:
                    return Text(duration(task.finished_time or 0))
                left = task.time_remaining
                taken = duration(task.elapsed or 0)
                return Text(taken if left is None else f"{taken}, {duration(left)} left")

        self._console = Console(stderr=True, highlight=False)
        self._bars: RichProgress | None = None
        if self._console.is_terminal:
            self._bars = RichProgress(
                TextColumn("{task.description:<36}"),
                BarColumn(bar_width=20),
                TextColumn("{task.percentage:>3.0f} %"),
                Times(),
                console=self._console,
                # Else what is printed into a file would land on the terminal.
                redirect_stdout=sys.stdout.isatty(),
            )
        self._task: TaskID | None = None
        self._name = ""
        self._total = self._started = 0.0

    def stage(self, name: str, total: float) -> None:
        """Close the stage before and begin this one."""
        self._finish_stage()
        self._name, self._total, self._started = name, total, time.monotonic()
        if self._bars is not None:
            self._task = self._bars.add_task(name, total=total)

    def advance(self, amount: float = 1) -> None:
        """Move the bar on."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _finish_stage(self) -> None:
        if not self._name:
            return
        if self._bars is None:
            took = duration(time.monotonic() - self._started)
            print(f"{self._name:<36} {took:>9}", file=sys.stderr, flush=True)  # noqa: T201
        elif self._task is not None:
            self._bars.update(self._task, completed=self._total)
        self._name = ""

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Finish the last stage where all went well, and give the terminal back."""
        if error[0] is None:
            self._finish_stage()
        if self._bars is not None:
            self._bars.stop()
