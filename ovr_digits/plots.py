"""Pictures made with matplotlib, in one style: legible, labelled, safe for the colour-blind."""

from __future__ import annotations

import functools
import io
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ovr_digits import atomic
from ovr_digits.core.arrays import Float32
from ovr_digits.core.vote import Vote
from ovr_digits.curves import EpochResult, Measures
from ovr_digits.errors import DigitsError
from ovr_digits.evaluation import Comparison, DigitScores, PrecisionRecall, Reliability
from ovr_digits.explanation import Explanation
from ovr_digits.formats import format_of
from ovr_digits.number import NumberAnswer
from ovr_digits.prediction import SampleAnswer
from ovr_digits.summary import Summary

if TYPE_CHECKING:
    from ovr_digits.inspection import DetectorPortrait, ViewAnchors

# Okabe and Ito's palette, which all kinds of colour vision can tell apart.
WINNER, FIRED, QUIET, WRONG = "#0072B2", "#56B4E9", "#BBBBBB", "#D55E00"
_OUTLINE = "#CC79A7"  # as no pen and no paper is likely to be

#: Ink that speaks against the answer, that does not matter, and that speaks for it.
_SPEAKS = LinearSegmentedColormap.from_list("speaks", [WRONG, QUIET, WINNER])

#: Pixels along the edges of an image in MNIST form that hold next to no ink.
_MARGIN = 3
#: Images a row and rows that each side of a comparison has.
_PER_ROW, _MOST_ROWS = 9, 3
_TITLE_LENGTH = 48  # characters that fit over a digit and its bars


def plot_votes(
    images: Sequence[NDArray[np.uint8]],
    votes: Sequence[Vote],
    titles: Sequence[str],
    labels: Sequence[int] | None = None,
    heading: str = "",
) -> Figure:
    """Draw digits, each with its ten votes as bars beside it.

    Parameters
    ----------
    images : sequence of (28, 28) uint8
        Ink is 255.
    votes : sequence of Vote
    titles : sequence of str
        One line over each digit.
    labels : sequence of int, optional
        The true digits: a wrong answer gets another colour and a frame, and
        the bar that should have won is marked.
    heading : str
        One line over all.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_columns = max(1, math.isqrt(len(images)))
    n_rows = math.ceil(len(images) / n_columns)
    # More of them are drawn smaller, to be seen at one look.
    width, height, size = (5.2, 2.9, 10) if n_columns < 4 else (3.9, 2.1, 9)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(width * n_columns, height * n_rows), layout=layout)
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
        _draw_digit(picture, image, WRONG if is_wrong else QUIET)
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


def _draw_digit(axes: Any, image: NDArray[np.uint8], frame: str = QUIET) -> None:
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    _frame(axes, frame)


def _frame(axes: Any, colour: str = QUIET) -> None:
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=0.8 if colour == QUIET else 2.5)


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
    _open_frame(axes)


def plot_numbers(numbers: Sequence[NumberAnswer], titles: Sequence[str]) -> Figure:
    """Draw pictures with a box and the answer at every digit that was found.

    Parameters
    ----------
    numbers : sequence of NumberAnswer
    titles : sequence of str
        One line over each picture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    width = 8.0
    shapes = [number.picture.shape for number in numbers]
    heights = [max(0.6, width * min(h / w, 1.2)) + 0.4 for h, w, _ in shapes]
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(width, sum(heights)), layout=layout)
    rows = figure.subplots(len(numbers), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, number, title in zip(rows, numbers, titles, strict=True):
        h, w = (side / number.scale for side in number.picture.shape[:2])
        axes.imshow(number.picture, extent=(0, w, h, 0))
        for found in (found for line in number.lines for found in line):
            x, y, box_w, box_h = found.box
            colour = WINNER if found.vote.verdict == "sure" else WRONG
            axes.add_patch(Rectangle((x, y), box_w, box_h, fill=False, color=colour))
            axes.annotate(
                str(found.vote.digit),
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


def plot_explanations(explanations: Sequence[Explanation], titles: Sequence[str]) -> Figure:
    """Draw the way from each picture to its answer, in a row of four steps.

    Parameters
    ----------
    explanations : sequence of Explanation
    titles : sequence of str
        One line over each row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_rows = len(explanations)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(12, 3.1 * n_rows), layout=layout)
    axes = figure.subplots(n_rows, 4, squeeze=False, width_ratios=[1, 1, 1.15, 1.25])
    for row, explanation, title in zip(axes, explanations, titles, strict=True):
        picture, image, bars, strokes = row
        _draw_outlined(picture, explanation)
        picture.set_title(title, loc="left", fontsize=12, parse_math=False)
        picture.set_xlabel("the ink that was found", fontsize=9)
        _draw_digit(image, explanation.image)
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
    _frame(axes)


def _draw_contributions(figure: Figure, axes: Any, explanation: Explanation) -> None:
    digit, contributions = explanation.vote.digit, explanation.contributions
    most = max(float(np.abs(contributions).max()), 1e-6)
    strengths = explanation.image / 255
    shown = axes.imshow(contributions, cmap=_SPEAKS, vmin=-most, vmax=most, alpha=strengths)
    _frame(axes)
    axes.set_xlabel(f"blue ink speaks for {digit}, orange against", fontsize=9)
    scale = ScalarMappable(shown.norm, shown.cmap)  # without the ink's own strengths
    bar = figure.colorbar(scale, ax=axes, shrink=0.9)
    bar.set_label(f"what it adds to the score of {digit}, log-odds", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)


def plot_reliability(reliability: Reliability, title: str) -> Figure:
    """Draw how often votes of each height were right, and below it how many there were.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(5.2, 5.6), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    n_bins = len(reliability.counts)
    middles = (np.arange(n_bins) + 0.5) / n_bins * 100
    upper.plot([0, 100], [0, 100], color="black", linewidth=0.7, linestyle=":", label="perfect")
    upper.plot(
        100 * reliability.votes, 100 * reliability.shares, "o-", color=WINNER, label="the votes"
    )
    upper.set(xlim=(0, 100), ylim=(0, 100), ylabel="of these were the digit, %")
    upper.legend(frameon=False, loc="upper left")
    upper.set_title(title, loc="left", fontsize=10)
    lower.bar(middles, reliability.counts, width=0.9 * 100 / n_bins, color=FIRED)
    lower.set_yscale("log")
    lower.set(xlabel="vote, %", ylabel="votes")
    for axes in (upper, lower):
        _open_frame(axes)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, in the format that the name's ending says.

    Raises
    ------
    DigitsError
        Where the ending is unknown or the place cannot be written.
    """
    kind = format_of(path)
    try:
        with atomic.replacing(path) as temporary:
            _render(figure, temporary, kind)
    except OSError as error:
        raise DigitsError(f"{path}: cannot be written ({error.strerror or error})") from None


def png_bytes(figure: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    buffer = io.BytesIO()
    _render(figure, buffer, "png")
    return buffer.getvalue()


def _render(figure: Figure, file: Path | io.BytesIO, kind: str) -> None:
    with warnings.catch_warnings():
        # A title may hold letters that the font lacks; boxes in their place will do.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # Agg draws no longer side than 65,535 pixels, and a WebP holds 16,383.
        most = 16_000 if kind == "webp" else 65_000
        dpi = min(120, most / max(figure.get_size_inches()))
        figure.savefig(file, format=kind, dpi=dpi)


def show_figure(figure: Figure) -> bool:
    """Open a figure in a window and wait until it is closed; False where there is no screen."""
    import matplotlib.pyplot as plt

    # Asking for a window makes matplotlib fall back to a backend without any where it must.
    try:
        window = plt.figure()
    except ImportError:  # MPLBACKEND asks for one that cannot run here
        return False
    if type(window.canvas).required_interactive_framework is None:
        plt.close(window)
        return False
    canvas = window.canvas
    canvas.figure = figure
    figure.set_canvas(canvas)
    plt.show()
    return True


def plot_curves(results: Sequence[EpochResult], kept_epoch: int) -> Figure:
    """Draw loss and errors over the epochs of training, of the vote and of each detector.

    Parameters
    ----------
    results : sequence of EpochResult
        At least one.
    kept_epoch : int
        The epoch whose weights were kept; it is marked.

    Returns
    -------
    matplotlib.figure.Figure
    """
    kept = results[kept_epoch - 1]
    final = kept.validation or kept.train
    n_detectors = len(final.detector_loss)
    worst = int(np.argmax(final.detector_loss))
    n_rows = math.ceil(n_detectors / 5)
    heights = [3.6, 2.1 * n_rows]
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(10, sum(heights)), layout=layout)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]

    vote, loss = upper.subplots(1, 2)
    _draw_curves(vote, results, kept_epoch, lambda measures: 100 * (1 - measures.accuracy))
    images = "images learnt from" if kept.validation is None else "images held out"
    wrong = f"{100 * (1 - final.accuracy):.2f} % wrong votes on {images}"
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
    _open_frame(axes)


def plot_sheet(
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[int],
    indices: Sequence[int],
    title: str,
) -> Figure:
    """Draw a contact sheet of digits, each under its label and its place in the data set.

    Parameters
    ----------
    images : sequence of (28, 28) uint8
        Ink is 255.
    labels, indices : sequence of int
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_columns = 5 if len(images) <= 25 else 10
    n_rows = math.ceil(len(images) / n_columns)
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = Figure(figsize=(1.3 * n_columns, 1.45 * n_rows + 0.4), layout=layout)
    _set_title(figure, title)
    cells = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in cells[len(images) :]:
        axes.set_axis_off()
    for axes, image, label, index in zip(cells, images, labels, indices, strict=False):
        _draw_digit(axes, image)
        axes.set_title(str(label), loc="left", fontsize=12, fontweight="bold", pad=3)
        axes.set_title(f"#{index}", loc="right", fontsize=9, pad=3)
    return figure


def plot_pixels(image: NDArray[np.uint8], title: str) -> Figure:
    """Draw a digit (28, 28) uint8 large, with the grey level of every pixel written in it."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(9, 9.3), layout=layout)
    _set_title(figure, title)
    axes = figure.subplots()
    _draw_digit(axes, image)
    for (row, column), grey in np.ndenumerate(image):
        colour = QUIET if grey == 0 else "black" if grey < 128 else "white"
        axes.text(column, row, str(grey), ha="center", va="center", fontsize=7.5, color=colour)
    ticks = range(0, 28, 4)
    axes.set(xticks=ticks, yticks=ticks, ylabel="row")
    axes.set_xlabel("column; in each pixel its grey level: 0 is paper, 255 is full ink")
    return figure


def plot_summary(summary: Summary, title: str) -> Figure:
    """Draw how many there are of each digit as bars, and under each the digit's mean image."""
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = Figure(figsize=(10, 4.4), layout=layout)
    _set_title(figure, title)
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
        _draw_digit(axes, mean)
        axes.set_xlabel(f"mean {digit}", fontsize=10)
    return figure


def _set_title(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, parse_math=False)


# --- pictures of an evaluation -----------------------------------------------------------------

_REPORT_WIDTH = 5.2  # inches, of which a telephone shows a text of 9 points legibly
_GRID = "#E6E6E6"
_ROLES = {"truth": WINNER, "wrong": WRONG, "fired": FIRED, "quiet": QUIET}


def _open_frame(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plot_confusion(confusion: NDArray[np.int64], title: str) -> Figure:
    """Draw how often each digit (row) got each answer (column); mistakes are tinted by number.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(_REPORT_WIDTH, 5.3), layout=ConstrainedLayoutEngine())
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
    _set_title(figure, title)
    return figure


def plot_digit_scores(per_digit: Sequence[DigitScores], title: str) -> Figure:
    """Draw each digit's precision, recall and F1, with the numbers of images behind them.

    Returns
    -------
    matplotlib.figure.Figure
    """
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
        (1.8, "wrongly\ntaken for it", [s.answered - s.right for s in per_digit]),
    )
    for x, heading, column in counts:
        cells = [(-0.75, "bottom", heading)]
        cells += [(digit, "center", f"{n:,}") for digit, n in zip(digits, column, strict=True)]
        for y, va, text in cells:
            place = axes.get_yaxis_transform()
            axes.text(x, y, text, transform=place, ha="right", va=va, fontsize=9)
    figure.legend(loc="lower left", ncols=3, frameon=False, fontsize=9)
    axes.tick_params(axis="y", length=0)
    _open_frame(axes)
    _set_title(figure, title)
    return figure


def _zoom(lowest: float) -> tuple[float, float]:
    """Limits in % that show shares from ``lowest`` to 1 closely, on round numbers."""
    spans = (0.5, 1, 2, 5, 10, 20, 50, 100)
    span = next((s for s in spans if s >= 110 * (1 - lowest)), 100)
    return 100 - span, 100 + 0.02 * span


def plot_precision_recall(curves: Sequence[PrecisionRecall], title: str) -> Figure:
    """Draw each detector's precision over its recall, close to where its threshold lies.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_rows = math.ceil(len(curves) / 2)
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
    figure = Figure(figsize=(_REPORT_WIDTH, 1.7 * n_rows + 0.8), layout=layout)
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
            f"detector of {curve.digit}: area {100 * curve.area:.3f} %\n"
            f"dot: {100 * curve.chosen_precision:.2f} %"
            f" at recall {100 * curve.chosen_recall:.2f} %",
            loc="left",
            fontsize=8,
        )
        axes.set(xlim=limits, ylim=limits, xlabel="recall, %", ylabel="precision, %")
        axes.label_outer()
        axes.grid(color=_GRID, linewidth=0.7)
        _open_frame(axes)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower right",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    _set_title(figure, title)
    return figure


def plot_gallery(answers: Sequence[SampleAnswer], captions: Sequence[str], title: str) -> Figure:
    """Draw labelled samples in rows, each with its ten votes as columns below it.

    Parameters
    ----------
    answers : sequence of SampleAnswer
        There may be none.
    captions : sequence of str
        At most three lines over each.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_columns = 4 if len(answers) <= 32 else 8
    n_rows = math.ceil(len(answers) / n_columns)
    # In pixels of a digit, which are the axes' units; 28 to the inch.
    side, pitch, edge, top, text, bars, step = 28, (45, 62), 4, 17, 13, 11, 3.6
    width, height = pitch[0] * n_columns, pitch[1] * n_rows + top
    figure = Figure(figsize=(width / 28, height / 28))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(edge, 0.3 * top, title, fontsize=11, va="center")
    key = "votes: of the truth blue, of a wrong answer orange, of others that fired light blue"
    axes.text(edge, 0.7 * top, f"{key}; the line is at 50 %", fontsize=8, va="center")
    places = [
        (edge + pitch[0] * (i % n_columns), top + pitch[1] * (i // n_columns))
        for i in range(len(answers))
    ]
    # All digits are one image and all columns one set of lines: three hundred take a second.
    canvas = np.zeros((height, width), np.uint8)
    frames: list[list[tuple[float, float]]] = []
    columns: list[list[tuple[float, float]]] = []
    colours = []
    for (x, y), answer, caption in zip(places, answers, captions, strict=True):
        axes.text(x, y, caption, fontsize=8, va="top", linespacing=1.2)
        y += text
        canvas[y : y + side, x : x + side] = answer.image
        frames.append([(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)])
        floor = y + side + bars + 3
        for level in (floor - bars / 2, floor):
            frames.append([(x, level), (x + 10 * step, level)])
        for digit, (vote, role) in enumerate(zip(answer.vote.votes, answer.roles, strict=True)):
            middle = x + (digit + 0.5) * step
            columns.append([(middle, floor), (middle, floor - bars * vote)])
            colours.append(_ROLES[role])
        # In this font and size a digit and a space are as wide as a column.
        axes.text(
            x + 0.25 * step,
            floor + 1,
            "0 1 2 3 4 5 6 7 8 9",
            family="DejaVu Sans Mono",
            fontsize=step / 28 * 72 / 1.204,
            va="top",
        )
    place = (0, width, height, 0)
    axes.imshow(canvas, "gray_r", vmin=0, vmax=255, extent=place, interpolation="nearest")
    axes.add_collection(LineCollection(columns, colors=colours, linewidths=7))
    axes.add_collection(LineCollection(frames, colors=QUIET, linewidths=0.7))
    return figure


def plot_differences(
    comparison: Comparison, images: NDArray[np.uint8], name_a: str, name_b: str
) -> Figure:
    """Draw images that only one of two sets of detectors gets right, with both answers.

    Parameters
    ----------
    comparison : Comparison
    images : (n, h, w) uint8
        Those that were voted on.
    name_a, name_b : str
        What A and B are.

    Returns
    -------
    matplotlib.figure.Figure
    """
    blocks = [("A", name_a, comparison.only_a), ("B", name_b, comparison.only_b)]
    blocks = [block for block in blocks if len(block[2])]
    n_rows = [min(math.ceil(len(indices) / _PER_ROW), _MOST_ROWS) for *_, indices in blocks]
    heights = [1.8 * n + 0.45 for n in n_rows]
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = Figure(figsize=(12, sum(heights) + 0.7), layout=layout)
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
            _draw_digit(axes, images[index])
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


def plot_anchors(views: Sequence[ViewAnchors]) -> Figure:
    """Draw the anchors of every view, as patches of pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n_columns = 1 if len(views) < 3 else 2
    n_rows = math.ceil(len(views) / n_columns)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(9 * n_columns, 3.6 * n_rows + 0.5), layout=layout)
    n_first = sum(len(view.first) for view in views)
    n_last = sum(len(view.last) for view in views if view.last is not None)
    more = f" and {n_last} larger pieces of strokes" if n_last else ""
    figure.suptitle(f"Learnt without labels: {n_first} small patches{more}", fontsize=13)
    parts = figure.subfigures(n_rows, n_columns, squeeze=False)
    for part, view in zip(parts.flat, views, strict=False):
        part.suptitle(f"{view.view}: {view.meaning}", fontsize=12)
        first, last = part.subplots(1, 2, width_ratios=[1, 2])
        most = float(np.abs(view.first).max())
        _draw_mosaic(first, view.first, 4, (-most, most), "white")
        side = view.first.shape[1]
        first.set_title(f"first layer: {len(view.first)} anchors, {side}×{side} pixels", fontsize=9)
        last.set_axis_off()
        if view.last is not None:
            _draw_mosaic(last, view.last, 16, (0, 1), QUIET)
            side = view.last.shape[1]
            last.set_title(
                f"last layer: {len(view.last)} anchors, each by the piece of an image "
                f"(about {side}×{side} pixels) that fits it best",
                fontsize=9,
            )
    return figure


def _draw_mosaic(
    axes: Any, tiles: Float32, n_columns: int, span: tuple[float, float], gap: str
) -> None:
    shades = colormaps["gray_r"].with_extremes(bad=gap)
    axes.imshow(_mosaic(tiles, n_columns), cmap=shades, vmin=span[0], vmax=span[1])
    axes.set_axis_off()


def _mosaic(tiles: Float32, n_columns: int) -> NDArray[np.float32]:
    """Tiles (n, h, w) side by side in rows, with NaN about them."""
    n, h, w = tiles.shape
    n_rows = math.ceil(n / n_columns)
    gap = 1
    mosaic = np.full((n_rows * (h + gap) + gap, n_columns * (w + gap) + gap), np.nan, np.float32)
    for i, tile in enumerate(tiles):
        top, left = (
            gap + k * (side + gap) for k, side in zip(divmod(i, n_columns), (h, w), strict=True)
        )
        mosaic[top : top + h, left : left + w] = tile
    return mosaic


def plot_detectors(
    portraits: Sequence[DetectorPortrait],
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    name: str,
) -> Figure:
    """Draw what each detector looks for, and the images that say most about it.

    Parameters
    ----------
    portraits : sequence of DetectorPortrait
    images : (n, h, w) uint8
        Those that the portraits' indices refer to.
    labels : (n,) uint8
    name : str
        What set of images that is.

    Returns
    -------
    matplotlib.figure.Figure
    """
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.04)
    figure = Figure(figsize=(14, 1.1 * len(portraits) + 1.6), layout=layout)
    missed = sum(portrait.missed for portrait in portraits)
    false_alarms = sum(portrait.false_alarms for portrait in portraits)
    figure.suptitle(
        f"Of {len(images):,} images of the {name}, {missed:,} are missed by their own detector; "
        f"others fire {false_alarms:,} times (orange frames)",
        fontsize=13,
    )
    maps, *blocks = figure.subfigures(1, 4, width_ratios=[2, 3, 3, 3], squeeze=False)[0]
    maps.suptitle("blue: ink raises its score,\norange: lowers it; line: mean digit", fontsize=10)
    for axes, portrait in zip(maps.subplots(len(portraits), 1), portraits, strict=True):
        middle = portrait.effects[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        most = float(np.abs(middle).max())
        axes.imshow(portrait.effects, cmap=_SPEAKS, vmin=-most, vmax=most)
        axes.contour(portrait.mean, [0.4 * portrait.mean.max()], colors="black", linewidths=0.8)
        h, w = portrait.mean.shape
        axes.set(xlim=(_MARGIN - 0.5, w - _MARGIN - 0.5), ylim=(h - _MARGIN - 0.5, _MARGIN - 0.5))
        _frame(axes)
        axes.set_ylabel(str(portrait.digit), rotation=0, fontsize=14, ha="right", va="center")
        axes.set_xlabel(
            f"{portrait.missed} missed, {portrait.false_alarms} false", fontsize=8, labelpad=2
        )
    for block, heading, picks in zip(
        blocks,
        ("highest scores of all", "lowest scores of its own digit", "highest scores of others"),
        zip(*((p.highest, p.lowest_own, p.highest_other) for p in portraits), strict=True),
        strict=True,
    ):
        block.suptitle(f"{heading}\n(log-odds; it fires above 0)", fontsize=10)
        cells = block.subplots(len(portraits), max(map(len, picks)), squeeze=False)
        for axes in cells.flat:
            axes.set_axis_off()
        for row, portrait, picked in zip(cells, portraits, picks, strict=True):
            for axes, index in zip(row, picked, strict=False):
                score, is_own = portrait.scores[index], portrait.digit == labels[index]
                axes.set_axis_on()
                colour = WRONG if (score > 0) != is_own else QUIET
                _draw_digit(axes, images[index], colour)
                axes.set_xlabel(f"{score:+.1f}".replace("-", "−"), fontsize=8, labelpad=2)
    return figure


def make_folder(path: Path) -> None:
    """Make a folder for pictures, where it is not there yet.

    Raises
    ------
    DigitsError
        Where that cannot be done.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DigitsError(f"{path}: cannot be made ({error.strerror or error})") from None
