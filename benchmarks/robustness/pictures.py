"""Damaged and hostile pictures by the ten thousand: python -m benchmarks.robustness.pictures."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.options import results_option
from benchmarks.report import conditions_text, markdown_table
from benchmarks.robustness.mutations import mutated
from benchmarks.robustness.picture_cases import CASES
from benchmarks.robustness.trial import MAX_BYTES, MAX_SECONDS, Attempt, Outcome, progress, try_all
from benchmarks.store import write_json, write_text
from ovr_digits.errors import BlankPictureError

#: Of so many mutations, one is also read as a number.
_NUMBERS = 10
#: Ends the name of a case of which the number is read.
AS_NUMBER = ", as a number"
#: A run of fewer mutations is a quick one.
_FEW = 10_000
_NOTES = f"""\
Sound files of drawn digits, as Pillow writes them, are damaged at random one to five times over
(bits, bytes, numbers at the end of their range, lengths, cuts, repetitions, parts of other files,
chunks in another order), and files are made by hand to do harm. The digit on each is looked for
(`find_digit`); of one in {_NUMBERS} mutations the number is read instead, and of those made by
hand in another case (`read_number`).
*read* found a picture, *refused* gave one line of text. *failed* would be anything else: another
error, a crash, a warning, anything printed, over {MAX_SECONDS:g} s of the processor or of the
clock (but for the time in which other programs had the processor), or over
{MAX_BYTES / 1e6:,.0f} MB of memory in the process.
"""
_COLUMNS = ["", "cases", "read", "refused", "failed", "slowest, s", "most memory, MB"]


def content_of(case: str) -> tuple[str, bytes]:
    """A case's format and file."""
    seed, _, number = case.partition("/")
    if not number:
        return "made by hand", CASES[case.removesuffix(AS_NUMBER)]()
    name, content = mutated(int(number), int(seed))
    return name.split()[0], content


def prepare() -> Attempt:
    """What is done with each case."""
    from threadpoolctl import threadpool_limits

    from ovr_digits import load_models
    from ovr_digits.picture.digit import find_digit
    from ovr_digits.picture.number import read_number

    models = load_models(ROOT / "models.pkl")
    threadpool_limits(1)  # the processes share the cores already

    def attempt(case: str) -> str:
        _, content = content_of(case)
        kind, _, number = case.rpartition("/")
        if int(number) % _NUMBERS == 0 if kind else case.endswith(AS_NUMBER):
            with contextlib.suppress(BlankPictureError):
                read_number(models, content)
        else:
            find_digit(content)
        return "read"

    return attempt


def cases(count: int, seed: int) -> list[str]:
    """All that are made by hand, and as many mutations."""
    by_hand = [name + ending for name in CASES for ending in ("", AS_NUMBER)]
    return [*by_hand, *(f"{seed}/{number}" for number in range(count))]


def _recorded(wanted: Sequence[str], jobs: int, records: Path | None) -> Iterator[Outcome]:
    """Outcomes, out of a file where they are in it already."""
    lines = records.read_text().splitlines() if records and records.exists() else []
    known = {outcome.case: outcome for outcome in (Outcome(**json.loads(line)) for line in lines)}
    yield from (known[case] for case in wanted if case in known)
    with open(records or os.devnull, "a") as file:
        for outcome in try_all(prepare, [case for case in wanted if case not in known], jobs):
            file.write(json.dumps(asdict(outcome)) + "\n")
            file.flush()
            yield outcome


def _table(outcomes: Sequence[tuple[str, Outcome]]) -> list[list[str]]:
    kinds = sorted({kind for kind, _ in outcomes})
    groups = [(kind, [o for k, o in outcomes if k == kind]) for kind in kinds]
    groups.append(("**all**", [outcome for _, outcome in outcomes]))
    rows = []
    for kind, group in groups:
        counts = Counter(outcome.how for outcome in group)
        rows.append(
            [
                kind,
                *(f"{n:,}" for n in (len(group), *(counts[how] for how in _COLUMNS[2:5]))),
                f"{max(outcome.seconds for outcome in group):.2f}",
                f"{max(outcome.peak_bytes for outcome in group) / 1e6:,.0f}",
            ]
        )
    return rows


def _keep(outcomes: Iterable[Outcome], folder: Path) -> None:
    """Write the files of these cases."""
    for outcome in outcomes:
        folder.mkdir(parents=True, exist_ok=True)
        name = "".join(sign if sign.isalnum() else "-" for sign in outcome.case)
        (folder / name).write_bytes(content_of(outcome.case)[1])


@click.command()
@click.option("--count", type=click.IntRange(min=0), default=100_000, help="Of mutations.")
@click.option("--seed", type=int, default=0)
@click.option("--jobs", type=click.IntRange(min=1), default=2, help="Processes.")
@click.option(
    "--records",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep every outcome in this file; what is there already is not tried again.",
)
@click.option(
    "--failures",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("failures"),
    help="Folder for the pictures on which it failed.",
)
@results_option
def main(
    count: int, seed: int, jobs: int, records: Path | None, failures: Path, output: Path
) -> None:
    """Try pictures that are damaged or made to do harm."""
    wanted = cases(count, seed)
    found = []
    for outcome in progress(_recorded(wanted, jobs, records), len(wanted)):
        found.append((content_of(outcome.case)[0], outcome))
        if outcome.how == "failed":
            click.echo(f"\n{outcome.case}: {outcome.text}")
    failed = [outcome for _, outcome in found if outcome.how == "failed"]
    _keep(failed, failures)
    slowest = max((outcome for _, outcome in found), key=lambda outcome: outcome.seconds)
    table = markdown_table(_COLUMNS, _table(found))
    about: dict[str, Any] = {
        **machine.conditions(("pillow",)),
        "quick": count < _FEW,
        "seed": seed,
        "command": f"python -m benchmarks.robustness.pictures --count {count} --seed {seed}",
    }
    results = {
        "rows": [dict(zip(["format", *_COLUMNS[1:]], row, strict=True)) for row in _table(found)],
        "slowest": {"case": slowest.case, "seconds": round(slowest.seconds, 3)},
        "failed": [{"case": outcome.case, "text": outcome.text} for outcome in failed],
        "refusals": Counter(o.text for _, o in found if o.how == "refused").most_common(40),
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = output / f"robustness-pictures{'-quick' if count < _FEW else ''}"
    write_json(stem.with_suffix(".json"), {"conditions": about, **results})
    title = f"# Damaged and hostile pictures: {len(found):,} cases, {len(failed)} failures\n"
    page = "\n".join([title, conditions_text(about), _NOTES, table])
    write_text(stem.with_suffix(".md"), page)
    click.echo(table)
    click.echo(f"slowest: {slowest.case}, {slowest.seconds:.2f} s")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
