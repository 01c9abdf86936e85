"""Tables in Markdown, and the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS
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
    """Draw test error against processor time for training; below and left is better.

    Times differ from machine to machine. A contestant that was measured elsewhere, beside one of
    these, has the time of that one here, multiplied by how much longer it took there.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    from ovr_digits.report.plots.style import QUIET, WINNER, new_figure, open_frame, save_figure

    finished = [peer for peer in peers if "accuracy" in peer]
    if not finished:
        return
    others = (
        []
        if about["quick"]
        else _elsewhere(path.with_name(f"{path.stem}-elsewhere.json"), finished)
    )
    figure = new_figure(9.5, 6)
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log")
    axes.grid(visible=True, which="major", color=QUIET, linewidth=0.5)
    axes.margins(0.25, 0.12)
    points = []
    for peer in (*finished, *others):
        ours = peer["name"].startswith("ours")
        # No error at all has no place on a logarithmic axis: half an error stands for it.
        error = 100 * max(peer["errors"], 0.5) / about["test_samples"]
        point = (peer["train_cpu_seconds"], error)
        colour = WINNER if ours else "black"
        fill = "white" if peer in others else colour
        axes.plot(*point, "o" if ours else "s", color=colour, markerfacecolor=fill, markersize=7)
        words = PEERS[peer["name"]].short + ("*" if peer in others else "")
        points.append((point, words, colour))
    axes.set_xlabel("training, seconds of processor time")
    axes.set_ylabel("test error, %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    sides: dict[bool, Record] = {}
    for peer in sorted((*finished, *others), key=lambda peer: peer["errors"]):
        sides.setdefault(peer["name"].startswith("ours"), peer)
    best = [f"{PEERS[peer['name']].short} {peer['errors']}" for peer in sides.values()]
    finding = f"Fewest errors: {', '.join(best)} of {about['test_samples']:,} test images"
    if about["quick"]:
        finding += " (a quick run: not the real figures)"
    axes.set_title(
        f"{finding}\n{about['dataset'].upper()}, {about['train_samples']:,} training images, "
        "one training of each; below and left is better",
        loc="left",
        fontsize=11,
    )
    if others:
        beside = PEERS[others[0]["beside"]].short
        note = (
            f"* Trained on another machine, and so was the {beside}: "
            "the time is that one's here, times the ratio of the two there."
        )
        figure.supxlabel(note, fontsize=8, x=0.01, ha="left")
    open_frame(axes)
    figure.draw_without_rendering()  # settles where everything lies
    _label(axes, points)
    save_figure(figure, path)


def _elsewhere(path: Path, finished: Sequence[Record]) -> list[Record]:
    """Contestants measured on another machine, with the times that they would have had here."""
    if not path.exists():
        return []
    told = json.loads(path.read_text(encoding="utf-8"))
    here = {peer["name"]: peer["train_cpu_seconds"] for peer in finished}
    there = {peer["name"]: peer["train_cpu_seconds"] for peer in told["peers"]}
    beside = told["beside"]
    if beside not in here:
        return []
    ratio = here[beside] / there[beside]
    return [
        peer | {"train_cpu_seconds": ratio * peer["train_cpu_seconds"], "beside": beside}
        for peer in told["peers"]
        if peer["name"] not in here
    ]


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
