"""How well a set is read of which nothing was learnt: python -m benchmarks.left_out.

Each set of ``data.hands`` is left out in turn, and the detectors learn from the data set, the
others and the drawn forms. What is learnt from, and how, is chosen by this: never by the sets of
``benchmarks.hands``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from benchmarks.hands import answers_of, measure, table_of
from ovr_digits.data.hands import SETS, load_hands
from ovr_digits.data.splits import load_split
from ovr_digits.learn.presets import FORMS, PRESETS
from ovr_digits.learn.training import CommonOptions, fit
from ovr_digits.learn.training_set import Drawing, gather
from ovr_digits.progress import TerminalProgress


@click.command()
@click.option("--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--preset", type=click.Choice(list(PRESETS)), default="default", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--forms", type=click.IntRange(0), default=FORMS, show_default=True)
@click.option("--hands/--no-hands", default=True, help="Learn from the other sets too.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    data_dir: Path | None, preset: str, limit: int, forms: int, hands: bool, seed: int
) -> None:
    """Learn without a set, and read it; without --hands, learn from none of them, and read all."""
    split = load_split("mnist", "train", data_dir)
    limited = replace(split, X=split.X[:limit], y=split.y[:limit])
    sets = {name: load_hands(name) for name in SETS}
    options = CommonOptions(preset=PRESETS[preset], seed=seed)
    results = []
    for left_out in [[name] for name in sets] if hands else [list(sets)]:
        others = [sets[name] for name in sets if name not in left_out]
        held_out = options.preset.learning.validation_fraction
        with TerminalProgress() as progress:
            drawing = Drawing(forms, seed, progress=progress)
            model = fit(gather(limited, others, held_out, drawing), options, progress)

        for name in left_out:
            # Drawn as no training has seen them.
            X = sets[name].images(1, seed + 1)
            answers = answers_of(model.arrays(), X)
            results.append(measure(name, answers, sets[name].y.astype(int)))
    click.echo(table_of(results), nl=False)


if __name__ == "__main__":
    main()
