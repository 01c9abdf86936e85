"""Tables in Markdown, and the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.store import Record, write_json, write_text
from ovr_digits.progress import percent

_PEER_COLUMNS = (
    "",
    "test accuracy",
    "training, s",
    "CPU, s",
    "peak memory, MB",
    "model, MB",
    "cold answer, s",
    "test images, s",
)
_PEER_NOTES = """\
Every contestant runs in processes of its own, on the same images and cores. *training* and
*CPU* are seconds of fitting; for ovr-digits they are the whole `ovr-digits train` command, which
also reads the images, checks itself on held-out ones and votes on the whole test set. *peak
memory* is the most that any one process held while training. *cold answer* is the time of a
fresh process that loads the model and answers one picture: the median of three, in a quick run
of one. *test images* is the time for predicting all test images in a process that has loaded
the model.
"""


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def conditions_text(about: Record) -> str:
    """What the figures were measured with, as a paragraph."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    text = (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']:g} GB of memory, "
        f"{about['system']}; {versions}; {about['date']}.\n"
    )
    if about["quick"]:
        text = f"**A quick run: few images, few epochs. Not the real figures.**\n\n{text}"
    return text


def write_results(stem: Path, title: str, about: Record, results: Record, *parts: str) -> None:
    """Write results and their conditions as JSON, and as a page of Markdown with these parts."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_json(stem.with_suffix(".json"), {"conditions": about, **results})
    page = [f"# {title}\n", conditions_text(about), *parts]
    write_text(stem.with_suffix(".md"), "\n".join(page))


def peers_table(content: Record) -> str:
    """The contestants beside one another, as a page of Markdown."""
    about, peers = content["conditions"], content["peers"]
    finished = [peer for peer in peers if "accuracy" in peer]
    rows = [
        [
            f"**{peer['name']}**: {peer['title']}",
            percent(peer["accuracy"]),
            _seconds(peer["train_wall_seconds"]),
            _seconds(peer["train_cpu_seconds"]),
            f"{peer['peak_bytes'] / 1e6:,.0f}",
            f"{peer['model_bytes'] / 1e6:,.2f}",
            f"{peer['cold_seconds']:.2f}",
            _seconds(peer["predict_seconds"]),
        ]
        for peer in finished
    ]
    title = (
        f"# {about['dataset']}: {about['train_samples']:,} training images, "
        f"{about['test_samples']:,} test images\n"
    )
    parts = [title, conditions_text(about), markdown_table(_PEER_COLUMNS, rows), _PEER_NOTES]
    left_out = [
        f"- **{peer['name']}** {kind}: {peer[kind]}\n"
        for peer in peers
        for kind in ("skipped", "failed")
        if kind in peer
    ]
    if left_out:
        parts.append("".join(left_out))
    return "\n".join(parts)


def summary(peer: Record) -> str:
    """One contestant in a few words."""
    for kind in ("skipped", "failed"):
        if kind in peer:
            return f"{kind}: {peer[kind]}"
    return f"{percent(peer['accuracy'])} after {_seconds(peer['train_wall_seconds'])} s"


def _seconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def save_picture(path: Path, peers: Sequence[Record], about: Record) -> None:
    """Draw test error against training time; below and left is better."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    from ovr_digits.report.plots.style import QUIET, WINNER, open_frame, save_figure

    finished = [peer for peer in peers if "accuracy" in peer]
    if not finished:
        return
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log")
    axes.grid(visible=True, which="major", color=QUIET, linewidth=0.5)
    axes.margins(0.12)
    points = []
    for peer in finished:
        ours = peer["name"].startswith("ours")
        # No error at all has no place on a logarithmic axis: half an error stands for it.
        error = 100 * max(peer["errors"], 0.5) / about["test_samples"]
        point = (peer["train_wall_seconds"], error)
        axes.plot(*point, "o" if ours else "s", color=WINNER if ours else "black", markersize=7)
        points.append((point, peer["name"], WINNER if ours else "black"))
    axes.set_xlabel(f"training, seconds on {about['cores']} cores")
    axes.set_ylabel("test error, %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    quick = ", a quick run: not the real figures" if about["quick"] else ""
    axes.set_title(f"{about['dataset']}, {about['train_samples']:,} training images{quick}")
    open_frame(axes)
    figure.draw_without_rendering()  # settles where everything lies
    _label(axes, points)
    save_figure(figure, path)


def _label(axes: Any, points: Sequence[tuple[tuple[float, float], str, str]]) -> None:
    """Write each name beside its point, where no other name or point is."""
    places = [(9, -4, "left"), (-9, -4, "right"), (0, 9, "center"), (0, -17, "center")]
    marks = [axes.transData.transform(point) for point, _, _ in points]
    taken: list[Any] = []
    for (point, name, colour), mark in zip(points, marks, strict=True):
        others = [other for other in marks if other is not mark]
        for dx, dy, align in places:
            note = axes.annotate(
                name, point, (dx, dy), textcoords="offset points", ha=align, color=colour
            )
            box = note.get_window_extent().padded(3)
            free = not any(box.overlaps(other) for other in taken)
            free = free and axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1)
            if free and not any(box.contains(*other) for other in others):
                break
            if (dx, dy, align) != places[-1]:
                note.remove()
        taken.append(box)
