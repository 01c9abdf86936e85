"""Progress of long work, named stages with an estimate, on stderr or not; shares in per cent."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import TaskID


def percent(share: float, places: int = 2, width: int = 0) -> str:
    """A share in per cent, as it is written everywhere: with a space, as 99.65 %."""
    return f"{100 * share:{width}.{places}f} %"


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
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True, highlight=False)
        self._bars: RichProgress | None = None
        if self._console.is_terminal:
            self._bars = RichProgress(
                TextColumn("{task.description:<36}"),
                BarColumn(bar_width=20),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
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
            seconds = time.monotonic() - self._started
            print(f"{self._name:<36} {seconds:7.1f} s", file=sys.stderr, flush=True)  # noqa: T201
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
