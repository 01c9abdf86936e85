"""Options that the programs share."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.measure import ROOT

results_option = click.option(
    "--output",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=ROOT / "benchmarks" / "results",
    help="Folder for the results. [default: benchmarks/results]",
)
