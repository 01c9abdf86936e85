"""What all pictures share: colours, frames, titles, and how a figure is saved or shown."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ovr_digits.core.arrays import Grey
from ovr_digits.core.vote import SCORE_SPAN, Vote
from ovr_digits.errors import DigitsError
from ovr_digits.files import format_of, replacing
from ovr_digits.progress import percent

# Okabe and Ito's palette, which all kinds of colour vision can tell apart.
WINNER, FIRED, QUIET, WRONG, SIGN = "#0072B2", "#56B4E9", "#BBBBBB", "#D55E00", "#007A5A"

#: Draws as written here, and not as a matplotlibrc of the person's may have it. The font comes
#: with matplotlib, and all its figures are as wide.
in_own_style = style.context(["default", {"font.family": "DejaVu Sans"}])

_DPI = 200

#: Where the column of votes ends, in spans of the scores right of the threshold: "100.0 %" in bold
#: begins beyond the longest bar, however many pictures a grid has.
_VOTES = 1.9

#: Ink that speaks against the answer, that does not matter, and that speaks for it.
SPEAKS = LinearSegmentedColormap.from_list("speaks", [WRONG, QUIET, WINNER])


def new_figure(width: float, height: float, pad: float = 0.1) -> Figure:
    """A figure of so many inches, whose parts keep ``pad`` inches from one another."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=pad, h_pad=pad))


def draw_digit(axes: Any, image: Grey, colour: str = QUIET) -> None:
    """Draw a digit (28, 28) uint8, dark ink on white, in a frame of a colour."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    frame(axes, colour)


def frame(axes: Any, colour: str = QUIET) -> None:
    """Have a thin frame in place of ticks."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=0.8 if colour == QUIET else 2.5)


def open_frame(axes: Any) -> None:
    """Take away the frame's upper and right side."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def columns_of(count: int, wanted: float) -> int:
    """How many columns a grid of ``count`` panels has: near those wanted, and with few holes."""
    return min(
        range(1, count + 1),
        key=lambda columns: (-count % columns + abs(columns - wanted), -columns),
    )


def draw_scores(
    axes: Any,
    vote: Vote,
    colours: Sequence[str],
    size: float = 9,
    said: tuple[bool, bool] = (True,) * 2,
) -> None:
    """Draw the ten scores as bars from the threshold at 0, in colours, and the votes as numbers.

    The scale is the same for all pictures; a bar that goes on beyond it ends in an arrow. What
    is above and what is below the bars is ``said`` or not, as in the midst of a grid.
    """
    shown = np.clip(vote.scores, -SCORE_SPAN, SCORE_SPAN)
    axes.barh(range(10), shown, color=colours)
    axes.axvline(0, color="black", linewidth=0.8)
    ticks = (-SCORE_SPAN, 0, SCORE_SPAN)
    names = (f"−{SCORE_SPAN:.0f}", "0", f"+{SCORE_SPAN:.0f}")
    place = _VOTES * SCORE_SPAN
    axes.set(xlim=(-SCORE_SPAN, place), ylim=(9.6, -0.6), yticks=range(10))
    axes.spines["bottom"].set_bounds(-SCORE_SPAN, SCORE_SPAN)
    axes.set_xticks(ticks, names if said[1] else ("",) * 3)
    axes.set_xlabel(
        "score, log-odds; above 0 it fires" if said[1] else "", fontsize=size, x=1 / (1 + _VOTES)
    )
    axes.tick_params(labelsize=size, left=False)
    # What lies within the axes need not be laid out, which takes time.
    column = {"ha": "right", "fontsize": size, "in_layout": False}
    if said[0]:
        axes.text(place, -0.75, "vote", va="bottom", **column)
    for digit, score in enumerate(vote.scores):
        if abs(score) > SCORE_SPAN:
            arrow = ">" if score > 0 else "<"
            axes.plot(0.93 * shown[digit], digit, arrow, color="white", markersize=0.45 * size)
        share = percent(vote.votes[digit], 1)
        weight = "bold" if digit in vote.fired else "normal"
        axes.text(place, digit, share, va="center_baseline", weight=weight, **column)
    axes.spines[["left", "top", "right"]].set_visible(False)


def set_title(figure: Figure, title: str) -> None:
    """Write the title of a whole figure over its left edge."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, parse_math=False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, in the format of its name's ending; else DigitsError."""
    kind = format_of(path)
    try:
        with replacing(path) as temporary:
            _render(figure, temporary, kind)
    except OSError as error:
        raise DigitsError(f"{path}: cannot be written ({error.strerror or error})") from None


def png_bytes(figure: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    buffer = io.BytesIO()
    _render(figure, buffer, "png")
    return buffer.getvalue()


@in_own_style
def _render(figure: Figure, file: Path | io.BytesIO, kind: str) -> None:
    with warnings.catch_warnings():
        # A title may hold letters that the font lacks; boxes in their place will do.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # Agg draws no longer side than 65,535 pixels, and a WebP holds 16,383.
        most = 16_000 if kind == "webp" else 65_000
        dpi = min(_DPI, most / max(figure.get_size_inches()))
        figure.savefig(file, format=kind, dpi=dpi)


def show_figure(figure: Figure) -> bool:
    """Open a figure in a window and wait until it is closed; False where there is no screen."""
    import matplotlib.pyplot as plt

    # Asking for a window makes matplotlib fall back to a backend without any where it must.
    try:
        if backend := os.environ.get("MPLBACKEND"):
            plt.switch_backend(backend)
        window = plt.figure()
    except ImportError:  # it asks for one that is not there, or cannot run here
        return False
    if type(window.canvas).required_interactive_framework is None:
        plt.close(window)
        return False
    canvas = window.canvas
    canvas.figure = figure
    figure.set_canvas(canvas)
    plt.show()
    return True


def make_folder(path: Path) -> None:
    """Make a folder for pictures, where it is not there yet; DigitsError where that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DigitsError(f"{path}: cannot be made ({error.strerror or error})") from None
