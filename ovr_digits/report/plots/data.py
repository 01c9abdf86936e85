"""Pictures of a data set: contact sheets, the pixels of a digit, counts and means."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ovr_digits.core.arrays import Grey
from ovr_digits.data.summary import Summary
from ovr_digits.report.plots.style import (
    QUIET,
    WINNER,
    draw_digit,
    in_own_style,
    new_figure,
    set_title,
)


@in_own_style
def plot_sheet(
    images: Sequence[Grey],
    labels: Sequence[int],
    indices: Sequence[int],
    title: str,
) -> Figure:
    """Draw a contact sheet of digits (28, 28) uint8, each under its label and its index."""
    n_columns = 5 if len(images) <= 25 else 10
    n_rows = math.ceil(len(images) / n_columns)
    figure = new_figure(1.3 * n_columns, 1.45 * n_rows + 0.4, pad=0.05)
    set_title(figure, title)
    cells = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in cells[len(images) :]:
        axes.set_axis_off()
    for axes, image, label, index in zip(cells, images, labels, indices, strict=False):
        draw_digit(axes, image)
        axes.set_title(str(label), loc="left", fontsize=12, fontweight="bold", pad=3)
        axes.set_title(f"#{index}", loc="right", fontsize=9, pad=3)
    return figure


@in_own_style
def plot_pixels(image: Grey, title: str) -> Figure:
    """Draw a digit (28, 28) uint8 large, with the grey level of every pixel written in it."""
    figure = new_figure(9, 9.3)
    set_title(figure, title)
    axes = figure.subplots()
    draw_digit(axes, image)
    for (row, column), grey in np.ndenumerate(image):
        colour = QUIET if grey == 0 else "black" if grey < 128 else "white"
        axes.text(column, row, str(grey), ha="center", va="center", fontsize=7.5, color=colour)
    ticks = range(0, 28, 4)
    axes.set(xticks=ticks, yticks=ticks, ylabel="row")
    axes.set_xlabel("column; in each pixel its grey level: 0 is paper, 255 is full ink")
    return figure


@in_own_style
def plot_summary(summary: Summary, title: str) -> Figure:
    """Draw how many there are of each digit as bars, and under each the digit's mean image."""
    figure = new_figure(10, 4.4, pad=0.05)
    set_title(figure, title)
    grid = figure.add_gridspec(2, 10, height_ratios=[2.4, 1])
    bars = figure.add_subplot(grid[0, :])
    extremes = (summary.counts.min(), summary.counts.max())
    colours = [WINNER if count in extremes else QUIET for count in summary.counts]
    drawn = bars.bar(range(10), summary.counts, color=colours)
    bars.bar_label(drawn, fmt="{:,.0f}", fontsize=10)
    bars.set(xlim=(-0.5, 9.5), xticks=[], ylabel="samples")
    bars.yaxis.set_major_formatter("{x:,.0f}")
    bars.margins(y=0.1)
    for side in ("top", "right", "bottom"):
        bars.spines[side].set_visible(False)
    for digit, mean in enumerate(summary.means):
        axes = figure.add_subplot(grid[1, digit])
        draw_digit(axes, mean)
        axes.set_xlabel(f"mean {digit}", fontsize=10)
    return figure
