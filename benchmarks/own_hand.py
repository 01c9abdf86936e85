"""How much twenty corrections teach about a person's own hand: python -m benchmarks.own_hand."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.handwriting import Writer, make_writer, write
from benchmarks.report import markdown_table
from benchmarks.setting import Setting, common_options
from ovr_digits.progress import percent

if TYPE_CHECKING:
    from ovr_digits.core.detectors import DetectorArrays

Images = NDArray[np.uint8]
_COLUMNS = ["writer: odd digits", "odd", "after", "all", "after", "wrong label", "MNIST", "seconds"]
_NOTE = """\
Every writer has odd forms for some digits, draws these in turn, and corrects what is not answered
surely and rightly, until {n_corrected} are corrected. Then come {n_later} later drawings of all ten
digits. *odd* is the accuracy on the later drawings of the odd digits before and *after* the
corrections are learnt, *all* that on all of them, *wrong label* the same as the second, had one of
the corrections been wrong. *MNIST* is the change on {n_mnist:,} images of it that were not learnt
from, in percentage points, of {accuracy} before; *seconds* is the time to learn.
"""
#: Drawings after which somebody gives up waiting for mistakes, and corrects what comes.
_PATIENCE = 200
_N_ODD = 4


@dataclass(frozen=True)
class HandResult:
    """What became of one writer; accuracies are shares in 0..1, each before and after.

    Attributes
    ----------
    odd : str
        The odd digits, and what is odd about them.
    drawn : int
        Drawings until enough were corrected.
    odd_accuracy, all_accuracy, mnist_accuracy : (before, after)
    wrong_label_all, wrong_label_mnist : float
        After learning with one label of the corrections wrong.
    calibration_error, sure : (before, after)
        Of the votes on MNIST, and the share of it for which exactly one detector fires.
    seconds : float
    """

    odd: str
    drawn: int
    odd_accuracy: tuple[float, float]
    all_accuracy: tuple[float, float]
    mnist_accuracy: tuple[float, float]
    wrong_label_all: float
    wrong_label_mnist: float
    calibration_error: tuple[float, float]
    sure: tuple[float, float]
    seconds: float

    def row(self, name: str) -> list[str]:
        """Cells of the table."""
        before, after = self.mnist_accuracy
        return [
            name,
            *(percent(share, 1) for share in (*self.odd_accuracy, *self.all_accuracy)),
            percent(self.wrong_label_all, 1),
            f"{100 * (after - before):+.2f}",
            f"{self.seconds:.1f}",
        ]


class Experiment:
    """The models, and the digits of MNIST that are rehearsed and measured on."""

    def __init__(self, setting: Setting) -> None:
        from ovr_digits.parallel import collect

        self.models, self.part = setting.models, setting.split
        X, y = setting.data.load("train")
        if setting.split == "train":  # the last of them stand for the test images
            n = len(X) * 5 // 6
            self.rehearsal, self.rehearsal_labels, self.X, self.y = X[:n], y[:n], X[n:], y[n:]
        else:
            self.rehearsal, self.rehearsal_labels = X, y
            self.X, self.y = setting.X, setting.y
        self.scores = collect(setting.models.decision_function, self.X, -1)

    def corrections(self, writer: Writer, count: int, rng: Any, folder: Path) -> int:
        """Let somebody draw and correct into a folder; the number of drawings that it took."""
        from ovr_digits import predict
        from ovr_digits.data.corrections import keep_correction

        odd = sorted(writer.odd)
        n_drawn = n_kept = 0
        while n_kept < count:
            digit = odd[n_drawn % len(odd)]
            n_drawn += 1
            picture = write(writer, digit, rng)
            answer = predict(picture, models=self.models)
            if answer.vote.fired != (digit,) or n_drawn > _PATIENCE:
                keep_correction(folder, picture, digit, answer.vote)
                n_kept += 1
        return n_drawn

    def learn(self, kept: Images, labels: Images) -> tuple[DetectorArrays, float]:
        """Models that have learnt from kept digits, and the seconds that this took."""
        from ovr_digits.learn.adaptation import adapt_detectors
        from ovr_digits.learn.detectors import detector_arrays

        start = time.perf_counter()
        adapted = adapt_detectors(
            self.models, (kept, labels), (self.rehearsal, self.rehearsal_labels), n_jobs=-1
        )
        return detector_arrays(adapted.detectors), time.perf_counter() - start

    def follow(
        self, writer: Writer, count: int, n_later: int, rng: Any, folder: Path
    ) -> HandResult:
        """One writer's corrections, what was learnt from them, and later drawings."""
        from ovr_digits.core.evaluation import measure_reliability
        from ovr_digits.data.corrections import load_corrections
        from ovr_digits.parallel import collect
        from ovr_digits.picture.digit import find_form

        n_drawn = self.corrections(writer, count, rng, folder)
        kept, labels = load_corrections(folder)
        y = np.arange(n_later) % 10
        X = np.stack([find_form(write(writer, int(digit), rng)).ravel() for digit in y])
        is_odd = np.isin(y, list(writer.odd))
        models, seconds = self.learn(kept, labels)
        mislabelled = labels.copy()
        mislabelled[rng.integers(len(labels))] += 1 + rng.integers(9)
        misled, _ = self.learn(kept, mislabelled % 10)

        own = [m.decision_function(X).argmax(axis=1) == y for m in (self.models, models, misled)]
        mnist = [self.scores, *(collect(m.decision_function, self.X, -1) for m in (models, misled))]
        accuracies = [float((scores.argmax(axis=1) == self.y).mean()) for scores in mnist]
        errors = [measure_reliability(scores, self.y).calibration_error for scores in mnist]
        sure = [float(((scores > 0).sum(axis=1) == 1).mean()) for scores in mnist]
        of_odd, of_all = ([float(o[rows].mean()) for o in own] for rows in (is_odd, slice(None)))
        return HandResult(
            odd="; ".join(f"{digit} {name}" for digit, name in sorted(writer.odd.items())),
            drawn=n_drawn,
            odd_accuracy=(of_odd[0], of_odd[1]),
            all_accuracy=(of_all[0], of_all[1]),
            mnist_accuracy=(accuracies[0], accuracies[1]),
            wrong_label_all=of_all[2],
            wrong_label_mnist=accuracies[2],
            calibration_error=(errors[0], errors[1]),
            sure=(sure[0], sure[1]),
            seconds=seconds,
        )


def median_of(results: Sequence[HandResult]) -> HandResult:
    """The median of each figure."""
    fields = [asdict(result) for result in results]
    medians: dict[str, Any] = {"odd": "", "drawn": int(np.median([r.drawn for r in results]))}
    for name in fields[0]:
        if name not in medians:
            values = np.median([field[name] for field in fields], axis=0)
            medians[name] = tuple(values.tolist()) if values.ndim else float(values)
    return HandResult(**medians)


def _votes_text(results: Sequence[HandResult]) -> str:
    """The worst that a writer did to MNIST, and what became of the votes on it."""
    median = median_of(results)
    worst, misled = (
        100 * min(after - result.mnist_accuracy[0] for result, after in pairs)
        for pairs in (
            [(result, result.mnist_accuracy[1]) for result in results],
            [(result, result.wrong_label_mnist) for result in results],
        )
    )
    errors = " to ".join(f"{error:.4f}" for error in median.calibration_error)
    sure = " to ".join(percent(share) for share in median.sure)
    return (
        f"The worst change of MNIST by one writer is {worst:+.2f} points, and {misled:+.2f} with a "
        f"wrong label among the corrections. In the median the calibration error of the votes on "
        f"MNIST goes from {errors}, and the share for which exactly one detector fires from "
        f"{sure}.\n"
    )


@click.command()
@common_options(10, "Writers.")
@click.option("--corrected", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--later", type=click.IntRange(min=10), default=200, show_default=True)
def main(setting: Setting, count: int, corrected: int, later: int) -> None:
    """Draw as people with odd digits do, correct, learn, and see how later drawings fare."""
    from ovr_digits.data.corrections import load_corrections

    experiment = Experiment(setting)
    results, kept = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            rng = np.random.default_rng([setting.seed, number])
            writer = make_writer(experiment.part, _N_ODD, rng)
            place = Path(folder) / str(number)
            results.append(experiment.follow(writer, corrected, later, rng, place))
            kept.append(load_corrections(place))
            click.echo(" ".join(results[-1].row(f"{number}: {results[-1].odd}")), err=True)
        everybody, seconds = experiment.learn(
            *(np.concatenate(part) for part in zip(*kept, strict=True))
        )
    after = float((everybody.decision_function(experiment.X).argmax(axis=1) == experiment.y).mean())
    before = results[0].mnist_accuracy[0]
    rows = [result.row(f"{n}: {result.odd}") for n, result in enumerate(results, 1)]
    rows.append(median_of(results).row("**median**"))
    n_all = sum(len(labels) for _, labels in kept)
    notes = [
        _NOTE.format(
            n_corrected=corrected,
            n_later=later,
            n_mnist=len(experiment.y),
            accuracy=percent(before),
        ),
        f"All {n_all} corrections of all writers learnt at once change MNIST by "
        f"{100 * (after - before):+.2f} points, in {seconds:.1f} s.\n",
        _votes_text(results),
    ]
    table = markdown_table(_COLUMNS, rows)
    record = {
        "corrected": corrected,
        "later": later,
        "writers": [asdict(result) for result in results],
        "together": {"corrections": n_all, "mnist_accuracy": [before, after], "seconds": seconds},
    }
    setting.store("own_hand", record, table, notes)
    click.echo("\n".join([*notes[1:], table]), nl=False)


if __name__ == "__main__":
    main()
