"""Pictures of training: learning curves."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ovr_digits.learn.curves import EpochResult, Measures
from ovr_digits.progress import percent
from ovr_digits.report.plots.style import (
    FIRED,
    WINNER,
    WRONG,
    in_own_style,
    new_figure,
    open_frame,
)


@in_own_style
def plot_curves(results: Sequence[EpochResult], kept_epoch: int) -> Figure:
    """Draw loss and errors over the epochs of training, of the vote and of each detector."""
    kept = results[kept_epoch - 1]
    final = kept.validation or kept.train
    n_detectors = len(final.detector_loss)
    worst = int(np.argmax(final.detector_loss))
    n_rows = math.ceil(n_detectors / 5)
    heights = [3.6, 2.1 * n_rows]
    figure = new_figure(10, sum(heights), pad=0.08)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]

    vote, loss = upper.subplots(1, 2)
    _draw_curves(vote, results, kept_epoch, lambda measures: 100 * (1 - measures.accuracy))
    images = "images learnt from" if kept.validation is None else "images held out"
    wrong = f"{percent(1 - final.accuracy)} wrong votes on {images}"
    vote.set_title(f"Epoch {kept_epoch} is kept: {wrong}", loc="left", fontsize=10)
    vote.set(xlabel="epoch", ylabel="wrong votes, %")
    _draw_curves(loss, results, kept_epoch, lambda measures: measures.loss)
    loss.set_title(f"Its loss on {images} is {final.loss:.4f}", loc="left", fontsize=10)
    loss.set(xlabel="epoch", ylabel="mean loss of the detectors")
    loss.legend(frameon=False, fontsize=9)

    panels = lower.subplots(n_rows, 5, sharex=True, sharey=True, squeeze=False)
    for detector, axes in enumerate(panels.flat):
        if detector >= n_detectors:
            axes.set_axis_off()
            continue
        _draw_curves(axes, results, kept_epoch, functools.partial(_loss_of, detector))
        title, colour = f"detector {detector}", "black"
        if detector == worst:
            title, colour = f"{title}, the worst", WRONG
        axes.set_title(title, loc="left", fontsize=10, color=colour)
    for axes in panels[:, 0]:
        axes.set_ylabel("loss")
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    for axes in (vote, loss, panels[0, 0]):
        axes.set_ylim(bottom=0)  # only now: it also settles the top, which the panels share
    return figure


def _loss_of(detector: int, measures: Measures) -> float:
    return measures.detector_loss[detector]


def _draw_curves(
    axes: Any,
    results: Sequence[EpochResult],
    kept_epoch: int,
    value: Callable[[Measures], float],
) -> None:
    """One number of training and validation over the epochs, with a line at the epoch kept."""
    axes.axvline(kept_epoch, color="black", linewidth=0.7, linestyle=":", label="epoch kept")
    for part, style, colour, label in (
        ("train", ".--", FIRED, "images learnt from"),
        ("validation", ".-", WINNER, "images held out"),
    ):
        measured = [(r.epoch, getattr(r, part)) for r in results]
        points = [(epoch, value(measures)) for epoch, measures in measured if measures is not None]
        if points:
            axes.plot(*zip(*points, strict=True), style, color=colour, label=label, clip_on=False)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=9)
    open_frame(axes)
