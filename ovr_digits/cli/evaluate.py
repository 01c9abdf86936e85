"""``ovr-digits evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command, printable
from ovr_digits.cli.outputs import check_files_of
from ovr_digits.progress import percent


@command
@options.data
@options.models
@options.jobs
@options.figure("--reliability", "Draw how often votes of each height are right, as a picture")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write report.html and its pictures into this folder: confusions, curves, every mistake.",
)
@options.as_json
def evaluate(  # noqa: PLR0913
    dataset: str,
    data_dir: Path | None,
    models: Path | None,
    jobs: int,
    reliability: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Measure accuracy on the whole test set.

    Accuracy of the vote, precision, recall and F1 of each digit, the confusion
    matrix, how often no detector or several fired, and how far the votes, as
    probabilities, are off.

    \b
    Examples:
      ovr-digits evaluate
      ovr-digits evaluate --reliability votes.png
      ovr-digits evaluate --report results
      ovr-digits evaluate --dataset digits --models mine.pkl --json
    """
    from ovr_digits.core.evaluation import evaluate_scores, measure_reliability
    from ovr_digits.data.splits import load_split
    from ovr_digits.models.modelfile import load_models
    from ovr_digits.models.place import find_models
    from ovr_digits.parallel import collect
    from ovr_digits.progress import TerminalProgress
    from ovr_digits.report.evaluation_report import (
        FILES,
        check_folder,
        make_report,
        votes_finding,
        write_report,
    )

    if report is not None:
        check_files_of("report", FILES)
        check_folder(report)
    models = find_models(models)
    detectors = load_models(models)
    with TerminalProgress() as progress:
        split = load_split(dataset, "test", data_dir, progress)  # type: ignore[arg-type]
        progress.stage("voting on the test set", len(split))
        scores = collect(detectors.decision_function, split.X, jobs, progress.advance)
        name = terminal.DATASET_NAMES[split.dataset]
        if report is not None:
            origin = {"file": str(models), **detectors.provenance}
            files = make_report(split, scores, f"{name} test set", origin, progress)
            write_report(files, report)
    result = evaluate_scores(scores, split.y)
    calibration = measure_reliability(scores, split.y)
    if reliability is not None:
        from ovr_digits.report.plots.evaluation import plot_reliability

        options.put_out(plot_reliability(calibration, votes_finding(calibration)), reliability)
    if as_json:
        options.print_json({"dataset": split.dataset, "split": split.part, **result.as_json()})
        return
    one = result.samples - result.fired_none - result.fired_several
    lines = [
        f"{name} test set: {result.samples:,} images from {split.source}",
        f"{percent(result.accuracy)} are right, {result.errors:,} are wrong",
        f"exactly one detector fired on {one:,}, none on {result.fired_none:,}, "
        f"several on {result.fired_several:,}",
        f"votes are off by {percent(calibration.calibration_error)} on average "
        "(expected calibration error)",
        "",
        "rows: true digit, columns: answer; precision, recall and F1 in %",
        *terminal.confusion_lines(result),
    ]
    if report is not None:
        lines += ["", f"report: {printable(str(report / 'report.html'))}"]
    terminal.echo("\n".join(lines))
