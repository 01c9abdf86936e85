"""How many pictures of no digit are told as such, kind by kind: python -m benchmarks.rejection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.drawing_other import KINDS, draw_other
from benchmarks.report import markdown_table
from benchmarks.setting import Setting, common_options
from ovr_digits.progress import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ovr_digits.core.detectors import DetectorArrays

Floats = NDArray[np.float64]
_NOTE = "Pictures of no digit, of kinds that no detector was taught, and below them true digits.\n"
_COLUMNS = ["kind", "pictures", "turned down", "*none*", "*conflict*"]
#: Votes at which the curve is marked; a detector says True above the first.
_MARKS = (0.5, 0.05, 0.9, 0.99)


@dataclass(frozen=True)
class KindResult:
    """What became of the pictures of one kind; counts of pictures."""

    kind: str
    pictures: int
    none: int
    conflict: int

    def row(self) -> list[str]:
        """Cells of the table."""
        counts = (self.none + self.conflict, self.none, self.conflict)
        return [
            self.kind,
            f"{self.pictures:,}",
            *(percent(count / self.pictures, 1) for count in counts),
        ]


def count_kind(kind: str, scores: Floats) -> KindResult:
    """Count the verdicts on pictures of a kind by their scores (n, 10)."""
    fired = (scores > 0).sum(axis=1)
    return KindResult(kind, len(scores), int((fired == 0).sum()), int((fired > 1).sum()))


def score_kind(models: DetectorArrays, kind: str, count: int, seed: int) -> Floats:
    """Draw pictures of a kind, and let the detectors score them: (count, 10)."""
    from ovr_digits.picture.digit import find_form

    rng = np.random.default_rng([seed, KINDS.index(kind)])
    forms = np.stack([find_form(draw_other(kind, rng)) for _ in range(count)])
    return models.decision_function(forms.reshape(count, -1))


def sure_share(scores: Floats, vote: float) -> float:
    """Share of samples for which exactly one detector's vote is above the given one."""
    return float(((scores > np.log(vote / (1 - vote))).sum(axis=1) == 1).mean())


def plot_trade_off(of_digits: Floats, of_others: Floats) -> Figure:
    """What each threshold would turn down of digits and of what is none."""
    from matplotlib.figure import Figure

    from ovr_digits.report.plots.style import FIRED, WINNER, open_frame

    votes = 1 / (1 + np.exp(-np.linspace(-7, 9, 161)))
    lost = [100 * (1 - sure_share(of_digits, vote)) for vote in votes]
    kept = [100 * (1 - sure_share(of_others, vote)) for vote in votes]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(lost, kept, color=FIRED)
    for vote in _MARKS:
        x, y = (100 * (1 - sure_share(scores, vote)) for scores in (of_digits, of_others))
        axes.plot([x], [y], "o", color=WINNER)
        name = percent(vote, 0) + (", as it is" if vote == _MARKS[0] else "")
        axes.annotate(name, (x, y), xytext=(8, -12), textcoords="offset points", fontsize=9)
    axes.set(
        xlabel="true digits without the verdict sure, %",
        ylabel="pictures of no digit without it, %",
        xlim=(0, 4),
        ylim=(min(80, 5 * np.floor(min(kept) / 5)), 100),
    )
    axes.set_title("If detectors said yes to votes above …", loc="left", fontsize=10)
    open_frame(axes)
    return figure


@click.command()
@common_options(50, "Pictures of each kind.")
def main(setting: Setting, count: int) -> None:
    """Draw pictures of no digit, of kinds not trained on, and count how many are turned down."""
    from ovr_digits.parallel import collect
    from ovr_digits.report.plots.style import save_figure

    scores = {}
    for kind in KINDS:
        with threadpool_limits(1):
            scores[kind] = score_kind(setting.models, kind, count, setting.seed)
        click.echo(" ".join(count_kind(kind, scores[kind]).row()), err=True)
    of_digits = collect(setting.models.decision_function, setting.X, -1)
    of_others = np.concatenate(list(scores.values()))
    results = [count_kind(kind, of_kind) for kind, of_kind in scores.items()]
    digits = count_kind(f"true digits: {setting.data.dataset}, {setting.split}", of_digits)
    rows = [*results, count_kind("**all of these**", of_others), digits]
    table = markdown_table(_COLUMNS, [result.row() for result in rows])
    kinds = [vars(result) for result in (*results, digits)]
    stem = setting.store("rejection", {"kinds": kinds}, table, [_NOTE])
    save_figure(plot_trade_off(of_digits, of_others), stem.with_suffix(".png"))
    click.echo(table, nl=False)


if __name__ == "__main__":
    main()
