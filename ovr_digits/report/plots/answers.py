"""Pictures of answers: votes on digits, numbers that were read, and explanations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ovr_digits.core.arrays import Grey
from ovr_digits.core.vote import Vote
from ovr_digits.picture.answers import NumberAnswer
from ovr_digits.picture.explanation import Explanation
from ovr_digits.picture.fields import FoundSign
from ovr_digits.report.plots.style import (
    FIRED,
    QUIET,
    SIGN,
    SPEAKS,
    WINNER,
    WRONG,
    draw_digit,
    frame,
    in_own_style,
    new_figure,
    open_frame,
)

_OUTLINE = "#CC79A7"  # as no pen and no paper is likely to be
_TITLE_LENGTH = 48  # characters that fit over a digit and its bars


@in_own_style
def plot_votes(
    images: Sequence[Grey],
    votes: Sequence[Vote],
    titles: Sequence[str],
    labels: Sequence[int] | None = None,
    heading: str = "",
) -> Figure:
    """Draw digits (28, 28) uint8 under their titles, each with its ten votes as bars beside it.

    Where the true digits are given as ``labels``, a wrong answer gets another colour and a
    frame, and the bar that should have won is marked. The heading is one line over all.
    """
    n_columns = max(1, math.isqrt(len(images)))
    n_rows = math.ceil(len(images) / n_columns)
    # More of them are drawn smaller, to be seen at one look.
    width, height, size = (5.2, 2.9, 10) if n_columns < 4 else (3.9, 2.1, 9)
    figure = new_figure(width * n_columns, height * n_rows)
    if heading:
        figure.suptitle(heading, fontsize=size + 4, parse_math=False)
    axes = figure.subplots(n_rows, 2 * n_columns, squeeze=False, width_ratios=[1, 1.15] * n_columns)
    for cell in axes.flat[2 * len(images) :]:
        cell.set_axis_off()
    for i, (image, vote, title) in enumerate(zip(images, votes, titles, strict=True)):
        row, column = divmod(i, n_columns)
        picture, bars = axes[row, 2 * column], axes[row, 2 * column + 1]
        label = vote.digit if labels is None else labels[i]
        is_wrong = label != vote.digit
        draw_digit(picture, image, WRONG if is_wrong else QUIET)
        _draw_bars(bars, vote, WRONG if is_wrong else WINNER, size - 1)
        if is_wrong:
            bars.get_yticklabels()[label].set(weight="bold", color=WINNER)
            has_fired = label in vote.fired  # and so its bar has room
            bars.annotate(
                "the truth",
                (0 if has_fired else 100 * vote.votes[label], label),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=size - 2,
                color="white" if has_fired else WINNER,
            )
        if i + n_columns < len(images):  # said once, at the foot of each column
            bars.set_xlabel("")
        if len(title) > _TITLE_LENGTH:
            title = "…" + title[1 - _TITLE_LENGTH :]  # the answer is at its end
        picture.set_title(
            title,
            loc="left",
            fontsize=size,
            color=WRONG if is_wrong else "black",
            parse_math=False,  # a file name may hold dollars
        )
    return figure


def _draw_bars(axes: Any, vote: Vote, winner: str, size: int = 9) -> None:
    colours = [
        winner if digit == vote.digit else FIRED if digit in vote.fired else QUIET
        for digit in range(10)
    ]
    axes.barh(range(10), [100 * v for v in vote.votes], color=colours)
    axes.set(xlim=(0, 100), ylim=(9.6, -0.6), yticks=range(10), xticks=(0, 50, 100))
    axes.set_xlabel("vote, %; a detector fires above 50", fontsize=size)
    axes.tick_params(labelsize=size, left=False)
    axes.axvline(50, color="black", linewidth=0.7, linestyle=":")
    for digit in vote.fired:
        share = 100 * vote.votes[digit]
        axes.annotate(
            "fired",
            (share, digit),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=size - 1,
            color="white",
        )
    open_frame(axes)


@in_own_style
def plot_numbers(numbers: Sequence[NumberAnswer], titles: Sequence[str]) -> Figure:
    """Draw pictures under their titles, with a box and the answer at every digit and sign found."""
    width = 8.0
    shapes = [number.picture.shape for number in numbers]
    heights = [max(0.6, width * min(h / w, 1.2)) + 0.4 for h, w, _ in shapes]
    figure = new_figure(width, sum(heights))
    rows = figure.subplots(len(numbers), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, number, title in zip(rows, numbers, titles, strict=True):
        h, w = (side / number.scale for side in number.picture.shape[:2])
        axes.imshow(number.picture, extent=(0, w, h, 0))
        for found in (item for field in number.fields for item in field.items):
            x, y, box_w, box_h = found.box
            if isinstance(found, FoundSign):
                colour = SIGN
            else:
                colour = WINNER if found.vote.verdict == "sure" else WRONG
            axes.add_patch(Rectangle((x, y), box_w, box_h, fill=False, color=colour))
            axes.annotate(
                found.text,
                (x, y),
                xytext=(0, 2),
                textcoords="offset points",
                fontsize=12,
                color="white",
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.5},
            )
        axes.set_axis_off()
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
    return figure


@in_own_style
def plot_explanations(explanations: Sequence[Explanation], titles: Sequence[str]) -> Figure:
    """Draw the way from each picture to its answer, in a row of four steps under its title."""
    n_rows = len(explanations)
    figure = new_figure(12, 3.1 * n_rows)
    axes = figure.subplots(n_rows, 4, squeeze=False, width_ratios=[1, 1, 1.15, 1.25])
    for row, explanation, title in zip(axes, explanations, titles, strict=True):
        picture, image, bars, strokes = row
        _draw_outlined(picture, explanation)
        picture.set_title(title, loc="left", fontsize=12, parse_math=False)
        picture.set_xlabel("the ink that was found", fontsize=9)
        draw_digit(image, explanation.image)
        image.set_xlabel("what the detectors saw", fontsize=9)
        _draw_bars(bars, explanation.vote, WINNER)
        _draw_contributions(figure, strokes, explanation)
    return figure


def _draw_outlined(axes: Any, explanation: Explanation) -> None:
    axes.imshow(explanation.picture)
    # A margin closes the outline of ink that is cut off by the picture's edge.
    h, w = explanation.ink.shape
    ink = np.pad(explanation.ink, 1)
    if ink.any():
        outline = axes.contour(range(-1, w + 1), range(-1, h + 1), ink, [0.4], colors=_OUTLINE)
        outline.set(linewidth=1.2, path_effects=[withStroke(linewidth=2.4, foreground="white")])
    axes.set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5), anchor="N")
    frame(axes)


def _draw_contributions(figure: Figure, axes: Any, explanation: Explanation) -> None:
    digit, contributions = explanation.vote.digit, explanation.contributions
    most = max(float(np.abs(contributions).max()), 1e-6)
    strengths = explanation.image / 255
    shown = axes.imshow(contributions, cmap=SPEAKS, vmin=-most, vmax=most, alpha=strengths)
    frame(axes)
    axes.set_xlabel(f"blue ink speaks for {digit}, orange against", fontsize=9)
    scale = ScalarMappable(shown.norm, shown.cmap)  # without the ink's own strengths
    bar = figure.colorbar(scale, ax=axes, shrink=0.9)
    bar.set_label(f"what it adds to the score of {digit}, log-odds", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)
