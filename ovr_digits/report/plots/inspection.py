"""Pictures of what is inside a models.pkl: anchors, and what each detector looks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ovr_digits.core.arrays import Float32, Grey
from ovr_digits.report.plots.style import (
    QUIET,
    SPEAKS,
    WRONG,
    draw_digit,
    frame,
    in_own_style,
    new_figure,
)

if TYPE_CHECKING:
    from ovr_digits.report.inspection import DetectorPortrait, ViewAnchors

#: Pixels along the edges of an image in MNIST form that hold next to no ink.
_MARGIN = 3


@in_own_style
def plot_anchors(views: Sequence[ViewAnchors]) -> Figure:
    """Draw the anchors of every view, as patches of pixels."""
    n_columns = 1 if len(views) < 3 else 2
    n_rows = math.ceil(len(views) / n_columns)
    figure = new_figure(9 * n_columns, 3.6 * n_rows + 0.5)
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


def _mosaic(tiles: Float32, n_columns: int) -> Float32:
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


@in_own_style
def plot_detectors(
    portraits: Sequence[DetectorPortrait],
    images: Grey,
    labels: Grey,
    name: str,
) -> Figure:
    """Draw what each detector looks for, and the images that say most about it.

    ``images`` (n, h, w) and ``labels`` (n,), both uint8, are the set that the portraits are of,
    and ``name`` what it is called.
    """
    figure = new_figure(14, 1.1 * len(portraits) + 1.6, pad=0.04)
    missed = sum(portrait.missed for portrait in portraits)
    false_alarms = sum(portrait.false_alarms for portrait in portraits)
    figure.suptitle(
        f"Of {len(images):,} images of the {name}, {missed:,} are missed by their own detector; "
        f"false alarms: {false_alarms:,} (orange frames)",
        fontsize=13,
    )
    maps, *blocks = figure.subfigures(1, 4, width_ratios=[2, 3, 3, 3], squeeze=False)[0]
    maps.suptitle("blue: ink raises its score,\norange: lowers it; line: mean digit", fontsize=10)
    for axes, portrait in zip(maps.subplots(len(portraits), 1), portraits, strict=True):
        middle = portrait.effects[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        most = float(np.abs(middle).max())
        axes.imshow(portrait.effects, cmap=SPEAKS, vmin=-most, vmax=most)
        axes.contour(portrait.mean, [0.4 * portrait.mean.max()], colors="black", linewidths=0.8)
        h, w = portrait.mean.shape
        axes.set(xlim=(_MARGIN - 0.5, w - _MARGIN - 0.5), ylim=(h - _MARGIN - 0.5, _MARGIN - 0.5))
        frame(axes)
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
                draw_digit(axes, images[index], colour)
                axes.set_xlabel(f"{score:+.1f}".replace("-", "−"), fontsize=8, labelpad=2)
    return figure
