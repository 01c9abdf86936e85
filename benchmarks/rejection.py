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
#: Votes that the axis names; a detector says True above one half.
_MARKS = (0.02, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)


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
    return float(((scores > _log_odds(vote)).sum(axis=1) == 1).mean())


def plot_trade_off(of_digits: Floats, of_others: Floats) -> Figure:
    """What each threshold would turn down of digits and of what is none."""
    from ovr_digits.report.plots.style import WINNER, WRONG, new_figure, open_frame, set_title

    scores = np.linspace(_log_odds(_MARKS[0]), _log_odds(_MARKS[-1]), 161)
    votes = 1 / (1 + np.exp(-scores))
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    lines = (
        ("pictures of no digit\nthat are turned down", of_others, WRONG, lambda share: 1 - share),
        ("true digits\nthat are read as sure", of_digits, WINNER, lambda share: share),
    )
    now = []
    for name, of_these, colour, good in lines:
        shares = [100 * good(sure_share(of_these, vote)) for vote in votes]
        axes.plot(scores, shares, color=colour, linewidth=2)
        axes.text(
            1.02, shares[-1], name, transform=axes.get_yaxis_transform(), color=colour, va="center"
        )
        now.append(good(sure_share(of_these, 0.5)))
        axes.plot([0], [100 * now[-1]], "o", color=colour)
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    axes.text(0, 1.01, "as it is", transform=axes.get_xaxis_transform(), ha="center", va="bottom")
    axes.set_xticks([_log_odds(vote) for vote in _MARKS], [f"{100 * vote:g} %" for vote in _MARKS])
    axes.set(xlabel="vote above which a detector says yes", ylabel="share, %", xlim=scores[[0, -1]])
    axes.set_ylim(top=100)
    axes.grid(color="#E6E6E6", linewidth=0.7)
    open_frame(axes)
    set_title(
        figure,
        f"{percent(now[0], 1)} of pictures of no digit are turned down, and\n"
        f"{percent(now[1], 1)} of true digits are read as sure",
    )
    return figure


def _log_odds(vote: float) -> float:
    return float(np.log(vote / (1 - vote)))


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
