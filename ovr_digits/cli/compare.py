"""``ovr-digits compare``."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command, printable
from ovr_digits.progress import percent

#: Indices of images that are printed; --json gives all.
_LISTED = 20


@command
@click.argument("a", metavar="A", type=click.Path(path_type=Path))
@click.argument("b", metavar="B", type=click.Path(path_type=Path))
@options.figure("--save", "Draw the images that only one of the two gets right")
@options.data
@options.jobs
@options.as_json
def compare(  # noqa: PLR0913
    a: Path,
    b: Path,
    save: Path | None,
    dataset: str,
    data_dir: Path | None,
    jobs: int,
    as_json: bool,
) -> None:
    """Tell whether one models.pkl is better than another.

    Both vote on the same test images; McNemar's exact test tells how likely
    so large a difference is by chance. Which images only one of them gets
    right is listed.

    \b
    Examples:
      ovr-digits compare old.pkl new.pkl
      ovr-digits compare old.pkl new.pkl --save differences.png
      ovr-digits compare old.pkl new.pkl --dataset digits --json
    """
    from ovr_digits.core.evaluation import compare_scores
    from ovr_digits.data.splits import load_split
    from ovr_digits.models.modelfile import load_models
    from ovr_digits.parallel import collect
    from ovr_digits.progress import TerminalProgress

    models_a, models_b = load_models(a), load_models(b)
    with TerminalProgress() as progress:
        split = load_split(dataset, "test", data_dir, progress)  # type: ignore[arg-type]
        progress.stage("A votes on the test set", len(split))
        scores_a = collect(models_a.decision_function, split.X, jobs, progress.advance)
        progress.stage("B votes on the test set", len(split))
        scores_b = collect(models_b.decision_function, split.X, jobs, progress.advance)
        found = compare_scores(scores_a, scores_b, split.y)
        if save is not None:
            from ovr_digits.report.plots.evaluation import plot_differences

            progress.stage("drawing", 1)
            images = split.X.reshape(-1, 28, 28)
            options.put_out(plot_differences(found, images, a.name, b.name), save)
    said = found.as_json()
    for name, path in (("a", a), ("b", b)):
        said[name] = {"models": str(path), **said[name]}
    if as_json:
        options.print_json({"dataset": split.dataset, "split": split.part, **said})
        return
    summaries = [said["a"], said["b"]]
    n = len(split)
    rows = [
        ["right", *(f"{s['right']:,}" for s in summaries)],
        ["accuracy", *(percent(s["accuracy"]) for s in summaries)],
        *(
            [f"verdict {v}", *(f"{s['verdicts'][v]:,}" for s in summaries)]
            for v in summaries[0]["verdicts"]
        ),
    ]
    lines = [
        f"{terminal.DATASET_NAMES[split.dataset]} test set: {n:,} images from {split.source}",
        f"A is {printable(str(a))}",
        f"B is {printable(str(b))}",
        "",
        terminal.table_text(["", "A", "B"], rows),
        "",
        terminal.table_text(
            ["", "B right", "B wrong"],
            [
                ["A right", f"{found.both:,}", f"{len(found.only_a):,}"],
                ["A wrong", f"{len(found.only_b):,}", f"{found.neither:,}"],
            ],
        ),
        "",
        f"both give the same digit on {found.same_answer:,} images, the same verdict on "
        f"{found.same_verdict:,}",
        *(
            textwrap.fill(f"only {name} is right on {_listed(indices)}", 80)
            for name, indices in (("A", said["only_a_right"]), ("B", said["only_b_right"]))
            if indices
        ),
        "",
        textwrap.fill(found.conclusion, 80),
    ]
    terminal.echo("\n".join(lines))


def _listed(indices: list[int]) -> str:
    shown = ", ".join(f"#{index}" for index in indices[:_LISTED])
    more = len(indices) - _LISTED
    return f"{shown} and {more:,} more (--json lists them)" if more > 0 else shown
