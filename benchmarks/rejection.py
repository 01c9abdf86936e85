"""How many pictures of no digit are told as such, kind by kind: python -m benchmarks.rejection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks import machine
from benchmarks.data import Data
from benchmarks.drawing_other import KINDS, draw_other
from benchmarks.report import conditions_text, markdown_table
from benchmarks.store import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ovr_digits.core.detectors import DetectorArrays

Floats = NDArray[np.float64]
_RESULTS = Path(__file__).resolve().with_name("results")
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
            *(f"{100 * count / self.pictures:.1f} %" for count in counts),
        ]


def count_kind(kind: str, scores: Floats) -> KindResult:
    """Count the verdicts on pictures of a kind by their scores (n, 10)."""
    fired = (scores > 0).sum(axis=1)
    return KindResult(kind, len(scores), int((fired == 0).sum()), int((fired > 1).sum()))


def score_kind(models: DetectorArrays, kind: str, count: int, seed: int) -> Floats:
    """Draw pictures of a kind, and let the detectors score them: (count, 10)."""
    from ovr_digits.image import read_digit

    rng = np.random.default_rng([seed, KINDS.index(kind)])
    forms = np.stack([read_digit(draw_other(kind, rng)) for _ in range(count)])
    return models.decision_function(forms.reshape(count, -1))


def sure_share(scores: Floats, vote: float) -> float:
    """Share of samples for which exactly one detector's vote is above the given one."""
    return float(((scores > np.log(vote / (1 - vote))).sum(axis=1) == 1).mean())


def plot_trade_off(of_digits: Floats, of_others: Floats) -> Figure:
    """What each threshold would turn down of digits and of what is none."""
    from matplotlib.figure import Figure

    from ovr_digits.plots import FIRED, WINNER

    votes = 1 / (1 + np.exp(-np.linspace(-7, 9, 161)))
    lost = [100 * (1 - sure_share(of_digits, vote)) for vote in votes]
    kept = [100 * (1 - sure_share(of_others, vote)) for vote in votes]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(lost, kept, color=FIRED)
    for vote in _MARKS:
        x, y = (100 * (1 - sure_share(scores, vote)) for scores in (of_digits, of_others))
        axes.plot([x], [y], "o", color=WINNER)
        name = f"{100 * vote:.0f} %" + (", as it is" if vote == _MARKS[0] else "")
        axes.annotate(name, (x, y), xytext=(8, -12), textcoords="offset points", fontsize=9)
    axes.set(
        xlabel="true digits without the verdict sure, %",
        ylabel="pictures of no digit without it, %",
        xlim=(0, 4),
        ylim=(min(80, 5 * np.floor(min(kept) / 5)), 100),
    )
    axes.set_title("If detectors said yes to votes above …", loc="left", fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


@click.command()
@click.option("--count", type=click.IntRange(min=1), default=50, help="Pictures of each kind.")
@click.option("--seed", type=int, default=0)
@click.option("--dataset", type=click.Choice(["mnist", "digits"]), default="mnist")
@click.option("--data-dir", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@click.option(
    "--models", "models_path", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=_RESULTS,
    help="Folder for the results. [default: benchmarks/results]",
)
def main(
    count: int,
    seed: int,
    dataset: str,
    data_dir: str | None,
    models_path: Path | None,
    output: Path,
) -> None:
    """Draw pictures of no digit, of kinds not trained on, and count how many are turned down."""
    from ovr_digits import load_models
    from ovr_digits.modelfile import find_models
    from ovr_digits.parallel import collect
    from ovr_digits.plots import save_figure

    models = load_models(find_models(models_path))
    scores = {}
    for kind in KINDS:
        with threadpool_limits(1):
            scores[kind] = score_kind(models, kind, count, seed)
        click.echo(" ".join(count_kind(kind, scores[kind]).row()), err=True)
    X, _ = Data(dataset, data_dir, quick=False).load("test")
    of_digits = collect(models.decision_function, X, -1)
    of_others = np.concatenate(list(scores.values()))
    results = [count_kind(kind, of_kind) for kind, of_kind in scores.items()]
    digits = count_kind(f"true digits of the {dataset} test set", of_digits)
    rows = [*results, count_kind("**all of these**", of_others), digits]
    table = markdown_table(_COLUMNS, [result.row() for result in rows])
    about: dict[str, Any] = {
        **machine.describe_machine(),
        "versions": machine.installed_versions(),
        "date": machine.utc_now(),
        "dataset": dataset,
        "seed": seed,
        "quick": False,
        "options": models.provenance.get("options"),
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = "rejection" if dataset == "mnist" else f"rejection-{dataset}"
    kinds = [vars(result) for result in (*results, digits)]
    write_json(output / f"{stem}.json", {"conditions": about, "kinds": kinds})
    title = "# Pictures of no digit, of kinds that no detector was taught\n"
    write_text(output / f"{stem}.md", "\n".join([title, conditions_text(about), table]))
    save_figure(plot_trade_off(of_digits, of_others), output / f"{stem}.png")
    click.echo(table, nl=False)


if __name__ == "__main__":
    main()
