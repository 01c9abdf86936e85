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
    columns_of,
    draw_digit,
    draw_scores,
    frame,
    in_own_style,
    new_figure,
)

_OUTLINE = "#CC79A7"  # as no pen and no paper is likely to be
_TITLE_LENGTH = 48  # characters that fit over a digit and its bars
_GRID_WIDTH = 14.0  # inches of a grid of pictures of numbers
_LETTERS_PER_INCH = 11  # of a title


@in_own_style
def plot_votes(
    images: Sequence[Grey],
    votes: Sequence[Vote],
    titles: Sequence[str],
    labels: Sequence[int] | None = None,
    heading: str = "",
) -> Figure:
    """Draw digits (28, 28) uint8 under their titles, each with its scores and votes beside it.

    Where the true digits are given as ``labels``, a wrong answer gets another colour and a
    frame, and the bar that should have won is marked. The heading is one line over all.
    """
    n_columns = columns_of(len(images), math.sqrt(len(images)))
    n_rows = math.ceil(len(images) / n_columns)
    # More of them are drawn smaller, to be seen at one look.
    width, height, size = (5.4, 2.7, 10) if n_columns < 4 else (4.1, 2.1, 9)
    figure = new_figure(width * n_columns, height * n_rows)
    if heading:
        figure.suptitle(heading, fontsize=size + 4, parse_math=False)
    axes = figure.subplots(n_rows, 2 * n_columns, squeeze=False, width_ratios=[1, 1] * n_columns)
    for cell in axes.flat[2 * len(images) :]:
        cell.set_axis_off()
    for i, (image, vote, title) in enumerate(zip(images, votes, titles, strict=True)):
        row, column = divmod(i, n_columns)
        picture, bars = axes[row, 2 * column], axes[row, 2 * column + 1]
        label = vote.digit if labels is None else labels[i]
        is_wrong = label != vote.digit
        draw_digit(picture, image, WRONG if is_wrong else QUIET)
        # Said once, over and under each column.
        said = (row == 0, i + n_columns >= len(images))
        draw_scores(bars, vote, _colours(vote, WRONG if is_wrong else WINNER), size - 1, said)
        if is_wrong:
            bars.get_yticklabels()[label].set(weight="bold", color=WINNER)
            side = -1 if vote.scores[label] > 0 else 1  # where its bar is not
            bars.annotate(
                "the truth",
                (0, label),
                xytext=(4 * side, 0),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="center_baseline",
                fontsize=size - 1,
                color=WINNER,
                in_layout=False,
            )
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


def _colours(vote: Vote, winner: str) -> list[str]:
    return [
        winner if digit == vote.digit else FIRED if digit in vote.fired else QUIET
        for digit in range(10)
    ]


@in_own_style
def plot_numbers(numbers: Sequence[NumberAnswer], titles: Sequence[str]) -> Figure:
    """Draw pictures in a grid, with a box and the answer at every digit and sign found."""
    shapes = [number.picture.shape[:2] for number in numbers]
    # About as many columns as make the whole a square.
    aspect = np.median([w / h for h, w in shapes])
    n_columns = columns_of(len(numbers), max(1.0, math.sqrt(len(numbers) / aspect)))
    n_rows = math.ceil(len(numbers) / n_columns)
    width = 8.0 if n_columns == 1 else _GRID_WIDTH / n_columns
    rows = [shapes[start : start + n_columns] for start in range(0, len(shapes), n_columns)]
    tallest = [max(h / w for h, w in row) for row in rows]
    heights = [max(0.6, width * min(ratio, 1.3)) + 0.4 for ratio in tallest]
    figure = new_figure(width * n_columns, sum(heights))
    cells = figure.subplots(n_rows, n_columns, squeeze=False, height_ratios=heights).ravel()
    for axes in cells[len(numbers) :]:
        axes.set_axis_off()
    for axes, number, title in zip(cells, numbers, titles, strict=False):
        _draw_number(axes, number)
        longest = round(_LETTERS_PER_INCH * width)
        shown = title if len(title) <= longest else "…" + title[1 - longest :]
        axes.set_title(shown, loc="left", fontsize=10, parse_math=False)
    return figure


def _draw_number(axes: Any, number: NumberAnswer) -> None:
    h, w = (side / number.scale for side in number.picture.shape[:2])
    axes.imshow(number.picture, extent=(0, w, h, 0))
    axes.set_anchor("NW")
    frame(axes)
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


@in_own_style
def plot_explanations(explanations: Sequence[Explanation], titles: Sequence[str]) -> Figure:
    """Draw the way from each picture to its answer, in a row of four steps under its title."""
    n_rows = len(explanations)
    figure = new_figure(12, 3.1 * n_rows)
    axes = figure.subplots(n_rows, 4, squeeze=False, width_ratios=[1, 1, 1.15, 1.25])
    for i, (explanation, title) in enumerate(zip(explanations, titles, strict=True)):
        picture, image, bars, strokes = axes[i]
        _draw_outlined(picture, explanation)
        picture.set_title(title, loc="left", fontsize=12, parse_math=False)
        draw_digit(image, explanation.image)
        image.set_anchor("N")
        said = (i == 0, i == n_rows - 1)
        draw_scores(bars, explanation.vote, _colours(explanation.vote, WINNER), said=said)
        _draw_contributions(figure, strokes, explanation)
    picture, image, _, strokes = axes[-1]
    picture.set_xlabel("the ink that was found", fontsize=9)
    image.set_xlabel("what the detectors saw", fontsize=9)
    strokes.set_xlabel("blue ink speaks for the answer, orange against", fontsize=9)
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
    axes.set_anchor("N")
    frame(axes)
    scale = ScalarMappable(shown.norm, shown.cmap)  # without the ink's own strengths
    bar = figure.colorbar(scale, ax=axes, shrink=0.9)
    bar.set_label(f"adds to the score of {digit}", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)
