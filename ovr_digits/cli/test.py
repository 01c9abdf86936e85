"""``ovr-digits test``."""

from __future__ import annotations

from pathlib import Path

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command


@command
@click.option("--index", type=click.IntRange(min=0), help="This sample instead of a random one.")
@click.option(
    "--count", type=click.IntRange(1, 100), default=1, show_default=True, help="How many samples."
)
@options.seed(None, "The same seed chooses the same samples. [default: different ones each time]")
@options.save
@options.show
@options.data
@options.models
@options.as_json
def test(  # noqa: PLR0913
    index: int | None,
    count: int,
    seed: int | None,
    save: Path | None,
    show: bool,
    dataset: str,
    data_dir: Path | None,
    models: Path | None,
    as_json: bool,
) -> None:
    """Vote on random samples of the test set.

    Shows the digit, the ten votes, who fired, the verdict and the truth.

    \b
    Examples:
      ovr-digits test
      ovr-digits test --count 25 --save votes.png
      ovr-digits test --index 4 --json
    """
    from ovr_digits.core.sampling import random_indices
    from ovr_digits.data.splits import load_split
    from ovr_digits.models.modelfile import load_models
    from ovr_digits.progress import TerminalProgress
    from ovr_digits.report.samples import answer_samples

    detectors = load_models(models)
    with TerminalProgress() as progress:
        split = load_split(dataset, "test", data_dir, progress)  # type: ignore[arg-type]
    if index is not None:
        options.check_index(index, len(split), "test set")
    indices = [index] if index is not None else random_indices(len(split), count, seed)
    answers = answer_samples(detectors, split.X, split.y, indices)
    name = terminal.DATASET_NAMES[split.dataset]

    for answer in answers:
        if as_json:
            options.print_json(answer.as_json())
            continue
        right = "right" if answer.correct else "WRONG"
        terminal.echo(
            terminal.panel(
                answer.image,
                answer.vote,
                f"sample {answer.index} of the {name} test set",
                f"{terminal.verdict_text(answer.vote)}\ntruth {answer.label}: {right}",
            )
        )
    finding = f"{sum(a.correct for a in answers)} of {len(answers)} right"
    if not as_json and len(answers) > 1:
        terminal.echo(finding)
    if save is None and not show:
        return

    from ovr_digits.report.plots.answers import plot_votes

    with TerminalProgress() as progress:
        progress.stage("drawing", 1)
        figure = plot_votes(
            [a.image for a in answers],
            [a.vote for a in answers],
            [
                f"#{a.index}: {a.vote.digit}, {a.vote.verdict}"
                + ("" if a.correct else f"; wrong, it is {a.label}")
                for a in answers
            ],
            [a.label for a in answers],
            f"{finding}: samples of the {name} test set" if len(answers) > 1 else "",
        )
        options.put_out(figure, save, show=False)
    options.put_out(figure, None, show)
