"""Pictures of an evaluation, and of what two models.pkl do otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from scipy.stats import binomtest

from ovr_digits.core.arrays import Grey, Integers
from ovr_digits.core.evaluation import Comparison, DigitScores, PrecisionRecall, Reliability
from ovr_digits.core.vote import SCORE_SPAN
from ovr_digits.progress import percent
from ovr_digits.report.plots.style import (
    FIRED,
    QUIET,
    WINNER,
    WRONG,
    columns_of,
    draw_digit,
    in_own_style,
    new_figure,
    open_frame,
    set_title,
)
from ovr_digits.report.samples import SampleAnswer

_REPORT_WIDTH = 5.2  # inches, of which a telephone shows a text of 9 points legibly
_GRID = "#E6E6E6"
_ROLES = {"truth": WINNER, "wrong": WRONG, "fired": FIRED, "quiet": QUIET}
#: Images a row and rows that each side of a comparison has.
_PER_ROW, _MOST_ROWS = 9, 3


@in_own_style
def plot_reliability(reliability: Reliability, title: str) -> Figure:
    """Draw how often votes of each height were right, with how many there were of it."""
    figure = new_figure(_REPORT_WIDTH, 5.3)
    axes = figure.subplots()
    filled = reliability.counts > 0
    counts = reliability.counts[filled]
    votes, shares = (100 * v[filled] for v in (reliability.votes, reliability.shares))
    intervals = [
        binomtest(round(share / 100 * count), int(count)).proportion_ci(method="wilson")
        for share, count in zip(shares, counts, strict=True)
    ]
    low, high = 100 * np.transpose([(i.low, i.high) for i in intervals])
    axes.plot([0, 100], [0, 100], "k:", linewidth=0.7, label="as it should be")
    axes.vlines(votes, low, high, color=FIRED, linewidth=2, clip_on=False)
    label = "share that was right, with its\n95 % interval, below the number"
    axes.plot(votes, shares, "o", color=WINNER, markersize=5, clip_on=False, label=label)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.02), fontsize=8)
    for vote, count, top in zip(votes, counts, high, strict=True):
        axes.annotate(
            f"{count:,}",
            (vote, top),
            xytext=(-3, 3),
            textcoords="offset points",
            rotation=45,  # beside one another, however long they are
            rotation_mode="anchor",
            fontsize=7.5,
        )
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="vote, %")
    axes.set_ylabel("share of these votes that were right, %")
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    open_frame(axes)
    set_title(figure, title)
    return figure


@in_own_style
def plot_confusion(confusion: Integers, title: str) -> Figure:
    """Draw how often each digit (row) got each answer (column); mistakes are tinted by number."""
    figure = Figure(figsize=(_REPORT_WIDTH, 5.3), layout="constrained")
    axes = figure.subplots()
    right = np.eye(len(confusion), dtype=bool)
    mistakes = np.ma.masked_where(right | (confusion == 0), confusion)
    # Light enough for black numbers; and where the most are one or two, no alarm.
    darkest = 1.6 * max(3, int(np.where(right, 0, confusion).max()))
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=darkest)
    axes.imshow(np.ma.masked_where(~right, right), cmap="gray", vmin=-12, vmax=1.7)
    for (true, answer), count in np.ndenumerate(confusion):
        if count:
            axes.text(answer, true, f"{count:,}", ha="center", va="center", fontsize=9)
    edges = np.arange(len(confusion) + 1) - 0.5
    axes.hlines(edges, edges[0], edges[-1], colors=_GRID, linewidth=0.7)
    axes.vlines(edges, edges[0], edges[-1], colors=_GRID, linewidth=0.7)
    axes.set(xticks=range(10), yticks=range(10), xlabel="answer", ylabel="true digit")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    set_title(figure, title)
    return figure


@in_own_style
def plot_digit_scores(per_digit: Sequence[DigitScores], title: str) -> Figure:
    """Draw each digit's precision, recall and F1, with the numbers of images behind them."""
    figure = Figure(figsize=(_REPORT_WIDTH, 4.2))
    axes = figure.add_axes((0.1, 0.22, 0.49, 0.6))
    digits = [s.digit for s in per_digit]
    for name, marker, colour, size in (
        ("precision", ">", WRONG, 7),
        ("recall", "<", FIRED, 7),
        ("F1", "|", WINNER, 12),
    ):
        shares = [100 * getattr(s, name.lower()) for s in per_digit]
        axes.plot(shares, digits, marker, color=colour, markersize=size, label=name, mew=2)
    lowest = min(min(s.precision, s.recall) for s in per_digit)
    axes.set(ylim=(9.6, -0.6), yticks=digits, xlabel="share, %", ylabel="digit")
    axes.set_xlim(*_zoom(lowest))
    axes.grid(axis="x", color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    counts = (
        (1.23, "images", [s.true for s in per_digit]),
        (1.48, "missed", [s.true - s.right for s in per_digit]),
        (1.8, "mistaken\nfor it", [s.answered - s.right for s in per_digit]),
    )
    for x, heading, column in counts:
        cells = [(-0.75, "bottom", heading)]
        cells += [(digit, "center", f"{n:,}") for digit, n in zip(digits, column, strict=True)]
        for y, va, text in cells:
            place = axes.get_yaxis_transform()
            axes.text(x, y, text, transform=place, ha="right", va=va, fontsize=9)
    figure.legend(loc="lower left", ncols=3, frameon=False, fontsize=9)
    axes.tick_params(axis="y", length=0)
    open_frame(axes)
    set_title(figure, title)
    return figure


def _zoom(lowest: float) -> tuple[float, float]:
    """Limits in % that show shares from ``lowest`` to 1 closely, on round numbers."""
    spans = (0.5, 1, 2, 5, 10, 20, 50, 100)
    span = next((s for s in spans if s >= 110 * (1 - lowest)), 100)
    return 100 - span, 100 + 0.02 * span


@in_own_style
def plot_precision_recall(curves: Sequence[PrecisionRecall], title: str) -> Figure:
    """Draw each detector's precision over its recall, close to where its threshold lies."""
    n_rows = math.ceil(len(curves) / 2)
    figure = new_figure(_REPORT_WIDTH, 1.7 * n_rows + 0.8, pad=0.06)
    panels = figure.subplots(n_rows, 2, sharex=True, sharey=True, squeeze=False)
    lowest = min(min(c.chosen_precision, c.chosen_recall) for c in curves)
    limits = _zoom(1 - 2 * (1 - lowest))
    for axes, curve in zip(panels.flat, curves, strict=False):
        axes.plot(
            100 * curve.recall,
            100 * curve.precision,
            color=WINNER,
            drawstyle="steps-post",
            label="every threshold",
        )
        axes.plot(
            100 * curve.chosen_recall,
            100 * curve.chosen_precision,
            "o",
            color=WRONG,
            clip_on=False,
            label="the one it has: score 0, vote 50 %",
        )
        axes.set_title(
            f"detector of {curve.digit}: area {percent(curve.area, 3)}\n"
            f"dot: {percent(curve.chosen_precision)}"
            f" at recall {percent(curve.chosen_recall)}",
            loc="left",
            fontsize=8,
        )
        axes.set(xlim=limits, ylim=limits)
        axes.label_outer()
        axes.grid(color=_GRID, linewidth=0.7)
        open_frame(axes)
    figure.supxlabel("recall, %", fontsize=10)
    figure.supylabel("precision, %", fontsize=10)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower right",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    set_title(figure, title)
    return figure


@in_own_style
def plot_gallery(answers: Sequence[SampleAnswer], captions: Sequence[str], title: str) -> Figure:
    """Draw labelled samples, or none, each under at most three lines, with its scores and votes."""
    n_columns = max(3, columns_of(len(answers), math.sqrt(len(answers) / 2))) if answers else 3
    n_rows = math.ceil(len(answers) / n_columns)
    # In pixels of a digit, which are the axes' units; 28 to the inch.
    side, pitch, edge, top, text, step, half = 28, (82, 50), 4, 18, 13, 2.8, 13
    zero = side + 6 + half  # of the scores' scale, from the left edge of the digit
    width, height = pitch[0] * n_columns + edge, pitch[1] * n_rows + top
    figure = Figure(figsize=(width / 28, height / 28))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(edge, 0.28 * top, title, fontsize=11, va="center")
    key = (
        "scores from −20 to +20 about the threshold at 0, and votes: of the truth blue,\n"
        "of a wrong answer orange, of others that fired light blue; a bar with an arrow goes on"
    )
    axes.text(edge, 0.7 * top, key, fontsize=8, va="center")
    # All digits are one image and all bars one set of lines: three hundred take a second.
    canvas = np.zeros((height, width), np.uint8)
    frames: list[list[tuple[float, float]]] = []
    bars: list[list[tuple[float, float]]] = []
    colours, arrows = [], []
    for i, (answer, caption) in enumerate(zip(answers, captions, strict=True)):
        x, y = edge + pitch[0] * (i % n_columns), top + pitch[1] * (i // n_columns)
        axes.text(x, y, caption, fontsize=8, va="top", linespacing=1.2)
        y += text
        canvas[y : y + side, x : x + side] = answer.image
        frames.append([(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)])
        frames.append([(x + zero, y), (x + zero, y + side)])
        for digit, (score, role) in enumerate(zip(answer.vote.scores, answer.roles, strict=True)):
            middle = y + (digit + 0.5) * step
            end = x + zero + half * float(np.clip(score / SCORE_SPAN, -1, 1))
            bars.append([(x + zero, middle), (end, middle)])
            colours.append(_ROLES[role])
            if abs(score) > SCORE_SPAN:
                arrows.append((end - math.copysign(1.2, score), middle, score > 0))
        # In this font ten lines of this size are as high as the digit.
        column: dict[str, Any] = {
            "fontsize": step / 28 * 72 / 1.2,
            "linespacing": 1.2,
            "va": "center",
        }
        column["family"] = "DejaVu Sans Mono"
        middle = y + side / 2
        axes.text(x + side + 3, middle, "\n".join("0123456789"), **column)
        shares = "\n".join(percent(v, 1, 5) for v in answer.vote.votes)
        axes.text(x + zero + half + 1.5, middle, shares, **column)
    place = (0, width, height, 0)
    axes.imshow(canvas, "gray_r", vmin=0, vmax=255, extent=place, interpolation="nearest")
    axes.add_collection(LineCollection(bars, colors=colours, linewidths=5, capstyle="butt"))
    axes.add_collection(LineCollection(frames, colors=QUIET, linewidths=0.7))
    for marker, is_right in (("<", False), (">", True)):
        points = [(x, y) for x, y, is_beyond in arrows if is_beyond == is_right]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color="white", markersize=3)
    return figure


@in_own_style
def plot_differences(comparison: Comparison, images: Grey, name_a: str, name_b: str) -> Figure:
    """Draw those of the images (n, h, w) uint8 that only one of A and B gets right."""
    blocks = [("A", name_a, comparison.only_a), ("B", name_b, comparison.only_b)]
    blocks = [block for block in blocks if len(block[2])]
    n_rows = [min(math.ceil(len(indices) / _PER_ROW), _MOST_ROWS) for *_, indices in blocks]
    heights = [1.8 * n + 0.45 for n in n_rows]
    figure = new_figure(12, sum(heights) + 0.7, pad=0.05)
    first, second = comparison.conclusion.split(": ")
    figure.suptitle(f"{first}:\n{second}", fontsize=12)
    parts: Any = []
    if blocks:
        parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, n, (letter, name, indices) in zip(parts, n_rows, blocks, strict=True):
        drawn = indices[: n * _PER_ROW]
        left_out = len(indices) - len(drawn)
        more = f"; the first {len(drawn)} are drawn, {left_out:,} left out" if left_out else ""
        part.suptitle(
            f"only {letter} is right ({name}): {len(indices):,}{more}",
            x=0.01,
            ha="left",
            fontsize=11,
            parse_math=False,
        )
        cells = part.subplots(n, _PER_ROW, squeeze=False).flat
        for axes in cells:
            axes.set_axis_off()
        for axes, index in zip(part.axes, drawn, strict=False):
            axes.set_axis_on()
            draw_digit(axes, images[index])
            label = comparison.labels[index]
            axes.set_title(f"#{index} is {label}", fontsize=9, pad=3)
            votes = {"A": comparison.votes_a[index], "B": comparison.votes_b[index]}
            for (said, vote), place in zip(votes.items(), (0, 1), strict=True):
                right = vote.digit == label
                axes.text(
                    place,
                    -0.05,
                    f"{said}: {vote.digit}",
                    transform=axes.transAxes,
                    ha="right" if place else "left",
                    va="top",
                    fontsize=11,
                    color=WINNER if right else WRONG,
                    weight="bold" if right else "normal",
                )
    return figure
