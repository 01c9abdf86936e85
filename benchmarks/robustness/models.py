"""Tries hostile models.pkl files: ``python -m benchmarks.robustness.models``."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from PIL import Image

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.options import results_option
from benchmarks.report import conditions_text, markdown_table
from benchmarks.robustness.model_cases import CANARY, hostile_models, live_models
from benchmarks.robustness.model_check import check_reading
from benchmarks.robustness.model_trial import can_trace, read_all
from benchmarks.robustness.pickle_changes import change_bytes, change_opcodes
from benchmarks.robustness.small_models import small_models
from benchmarks.store import Record, write_json, write_text
from ovr_digits.models.place import find_models

_NOTES = """\
Every case was read by `load_models` in a child process that was watched by Python's audit hooks
(imports, names looked up, opened files, processes, sockets, compiled code, all) and, where there
is strace, by that, too. *Refused* means one line, nothing imported, called, written or started, no
module, thread or open file left, at most 5 s and 700 MB; most files that claim more are a few
bytes. The live cases would create a file: that the watch sees it is shown by reading them with
plain `pickle.loads`. A *changed* file is a real one with some bytes or opcodes changed at random:
it is refused in one line, or is ten detectors of finite numbers all the same.
"""


def flat(cases: Mapping[str, Mapping[str, bytes]]) -> dict[str, bytes]:
    """Cases by kind and name as one table."""
    return {f"{kind}: {name}": data for kind, of in cases.items() for name, data in of.items()}


def try_command(cases: Mapping[str, bytes]) -> Iterator[str]:
    """Give each case to ``ovr-digits predict``; what was wrong with the outcome."""
    with tempfile.TemporaryDirectory(prefix="models-") as name:
        folder = Path(name)
        Image.new("L", (28, 28), 255).save(folder / "x.png")
        for case, data in cases.items():
            mark = folder / "mark".ljust(len(CANARY) - len(name) - 1, "x")
            path = folder / "models.pkl"
            path.write_bytes(data.replace(CANARY.encode(), str(mark).encode()))
            done = subprocess.run(
                [sys.executable, "-m", "ovr_digits", "predict", folder / "x.png", "--models", path],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            lines = done.stderr.splitlines()
            if (
                done.returncode != 1
                or done.stdout
                or len(lines) != 1
                or "models.pkl" not in lines[0]
            ):
                yield f"{case}: exit status {done.returncode}, {done.stdout!r}, {done.stderr!r}"
            if {path.name for path in folder.iterdir()} != {"x.png", "models.pkl"}:
                yield f"{case}: created a file"


def try_changes(count: int, seed: int) -> Record:
    """Read real files with random changes; how many were refused, how many read, what failed.

    One in ten is the models.pkl that would be used here, the others are small ones.
    """
    rng = random.Random(seed)
    small = [small_models(protocol) for protocol in (2, 3, 4, 5)]
    shipped = find_models().read_bytes()
    check_reading(shipped)
    refused = read = 0
    failed = []
    with click.progressbar(
        range(count), label="changed files", file=sys.stderr, update_min_steps=100
    ) as shown:
        for index in shown:
            data = shipped if index % 10 == 0 else rng.choice(small)
            change = change_bytes if rng.random() < 0.5 else change_opcodes
            try:
                if check_reading(change(data, rng)):
                    read += 1
                else:
                    refused += 1
            except Exception as error:
                failed.append(f"change {index} of seed {seed}: {type(error).__name__}: {error}")
    return {"changed": count, "changed_refused": refused, "changed_read": read, "failed": failed}


def unseen_live_cases(trace: bool) -> list[str]:
    """The live cases whose doing escapes the watch where plain pickle reads them: none."""
    readings, effects = read_all(live_models(), plain=True, trace=trace)
    unseen = [r.name for r in readings if not (r.created and r.events and r.faults)]
    if len(readings) != len(live_models()) or (trace and not effects):
        unseen.append("the child or strace told too little")
    return unseen


@click.command()
@click.option("--count", type=click.IntRange(min=0), default=20_000, help="Changed files to read.")
@click.option("--commands", type=click.IntRange(min=1), default=60, help="Cases for the command.")
@click.option("--seed", type=int, default=0, show_default=True)
@results_option
def main(count: int, commands: int, seed: int, output: Path) -> None:
    """Try hostile models.pkl files, and real ones with random changes."""
    began = time.monotonic()
    trace = can_trace()
    cases = hostile_models()
    every = flat(cases)
    unseen = unseen_live_cases(trace)
    readings, effects = read_all(every, trace=trace)
    failed = [f"{reading.name}: {fault}" for reading in readings for fault in reading.faults]
    failed += [f"seen by strace: {line}" for line in effects]
    failed += [f"not seen by the watch: {name}" for name in unseen]
    chosen = random.Random(seed).sample(sorted(every), min(commands, len(every)))
    failed += try_command({name: every[name] for name in chosen})
    changes = try_changes(count, seed)
    failed += changes.pop("failed")
    by_name = {reading.name: reading for reading in readings}
    rows = []
    for kind, of in cases.items():
        these = [by_name[f"{kind}: {name}"] for name in of]
        seconds = max(reading.seconds for reading in these)
        megabytes = max(reading.peak_bytes for reading in these) / 1e6
        refused = sum(not reading.faults for reading in these)
        rows.append([kind, f"{len(these):,}", f"{refused:,}", f"{seconds:.2f}", f"{megabytes:.0f}"])
    columns = ["kind", "cases", "refused", "longest, s", "most memory, MB"]
    table = markdown_table(columns, rows)
    summary = (
        f"\n{len(every):,} hostile files; {len(chosen)} of them also given to `ovr-digits "
        f"predict`; {count:,} changed real files: {changes['changed_refused']:,} refused, "
        f"{changes['changed_read']:,} read. {len(live_models())} live cases, all seen by the watch "
        f"under plain pickle{' and by strace' if trace else ''}. Failures: {len(failed)}.\n"
    )
    about: Record = {
        **machine.conditions(),
        "seed": seed,
        "quick": False,
    }
    result: Record = {
        "seconds": round(time.monotonic() - began),
        "kinds": {kind: len(of) for kind, of in cases.items()},
        "strace": trace,
        "live": len(live_models()),
        "commands": len(chosen),
        **changes,
        "failed": failed,
    }
    output.mkdir(parents=True, exist_ok=True)
    stem = output / "robustness-models"
    write_json(stem.with_suffix(".json"), {"conditions": about, **result})
    title = "# Hostile models.pkl files\n"
    page = "\n".join([title, conditions_text(about), _NOTES, table, summary.strip(), ""])
    write_text(stem.with_suffix(".md"), page)
    click.echo(table + summary, nl=False)
    for line in failed:
        click.echo(line, err=True)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
