"""Pictures made with matplotlib, in one style: legible, labelled, safe for the colour-blind."""

# ruff: noqa: E402
from ovr_digits.matplot import import_matplotlib

import_matplotlib()  # before the modules below ask for parts of it

from ovr_digits.report.plots.answers import plot_explanations, plot_numbers, plot_votes
from ovr_digits.report.plots.data import plot_pixels, plot_sheet, plot_summary
from ovr_digits.report.plots.evaluation import (
    plot_confusion,
    plot_differences,
    plot_digit_scores,
    plot_gallery,
    plot_precision_recall,
    plot_reliability,
)
from ovr_digits.report.plots.inspection import plot_anchors, plot_detectors
from ovr_digits.report.plots.style import (
    FIRED,
    QUIET,
    WINNER,
    WRONG,
    make_folder,
    png_bytes,
    save_figure,
    show_figure,
)
from ovr_digits.report.plots.training import plot_curves

__all__ = [
    "FIRED",
    "QUIET",
    "WINNER",
    "WRONG",
    "make_folder",
    "plot_anchors",
    "plot_confusion",
    "plot_curves",
    "plot_detectors",
    "plot_differences",
    "plot_digit_scores",
    "plot_explanations",
    "plot_gallery",
    "plot_numbers",
    "plot_pixels",
    "plot_precision_recall",
    "plot_reliability",
    "plot_sheet",
    "plot_summary",
    "plot_votes",
    "png_bytes",
    "save_figure",
    "show_figure",
]
