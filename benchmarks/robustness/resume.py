"""What a kill costs a long training: ``python -m benchmarks.robustness.resume``.

A training is run undisturbed, then with a checkpoint, then killed with kill -9 at shares of its
work and resumed. Work is counted in seconds of the processor, which other work on the machine
changes little.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.report import conditions_text, markdown_table
from benchmarks.store import Record, write_json, write_text
from ovr_digits import load_models
from ovr_digits.data.splits import load_split

_NOTES = """\
`ovr-digits train --preset {preset}` on {dataset}: undisturbed, with a checkpoint, and killed with
kill -9 at each of these shares of its work and resumed. Work is seconds of the processor, user's
and system's, of all processes. *more* is, of the checkpoint, what it takes more than no checkpoint;
of a kill, with the new start of the program, what it takes more than a checkpoint and no kill.
The models of all runs gave the same scores on the test set: {same}.
"""


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _train(options: list[str], until: float = float("inf")) -> float:
    """Train, and kill it after so much work; the work done."""
    command = [sys.executable, "-m", "ovr_digits", "train", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid = 0
    while not pid:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not pid and _processor_seconds(process.pid) >= until:
            os.kill(process.pid, signal.SIGKILL)  # Popen's own would take the usage away
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == (0 if until == float("inf") else -signal.SIGKILL)
    return usage.ru_utime + usage.ru_stime


@click.command()
@click.option("--preset", default="fast", show_default=True)
@click.option("--dataset", type=click.Choice(["mnist", "digits"]), default="mnist")
@click.option("--at", multiple=True, type=float, default=[0.2, 0.45, 0.7, 0.9])
@click.option(
    "--output",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=ROOT / "benchmarks" / "results",
)
def main(preset: str, dataset: str, at: tuple[float, ...], output: Path) -> None:
    """Measure; exit status 1 where a tenth or more was redone, or the models differ."""
    X = load_split(dataset, "test").X
    with tempfile.TemporaryDirectory(prefix="resume-") as home:
        folder = Path(home)
        common = ["--preset", preset, "--dataset", dataset, "--output"]
        undisturbed = _train([*common, str(folder / "0.pkl")])
        click.echo(f"undisturbed: {undisturbed:.1f} s")
        rows = []
        keeping = ["--checkpoint", str(folder / "unfinished"), "--resume"]
        kept = _train([*common, str(folder / "1.pkl"), *keeping])
        rows.append(["checkpoint, no kill", f"{kept:.1f}", f"{kept / undisturbed - 1:.1%}"])
        click.echo("  ".join(rows[-1]))
        names = ["0.pkl", "1.pkl"]
        for share in at:
            names.append(f"at-{share}.pkl")
            options = [*common, str(folder / names[-1]), *keeping]
            before = _train(options, share * kept)
            work = before + _train(options)
            rows.append([f"killed at {share:.0%}", f"{work:.1f}", f"{work / kept - 1:.1%}"])
            click.echo("  ".join(rows[-1]))
        scores = [load_models(folder / name).decision_function(X) for name in names]
    same = all(np.array_equal(scores[0], other) for other in scores)
    click.echo(f"same scores: {same}")
    about = {
        **machine.conditions(),
        "quick": dataset == "digits",
    }
    result = {"preset": preset, "dataset": dataset, "same": same, "undisturbed": undisturbed}
    content = {"conditions": about, **result, "runs": rows}
    output.mkdir(parents=True, exist_ok=True)
    stem = output / f"robustness-resume-{preset}"
    write_json(stem.with_suffix(".json"), content)
    write_text(stem.with_suffix(".md"), result_page(content))
    worst = max(float(row[2].rstrip("%")) for row in rows)
    sys.exit(0 if same and worst <= 10 else 1)


def result_page(content: Record) -> str:
    """What was measured, as Markdown."""
    title = "# Robustness: a training that is killed and resumed\n"
    same = "yes" if content["same"] else "no"
    notes = _NOTES.format(preset=content["preset"], dataset=content["dataset"], same=same)
    rows = [["undisturbed", f"{content['undisturbed']:.1f}", ""], *content["runs"]]
    table = markdown_table(["run", "work (s)", "more"], rows)
    return "\n".join([title, conditions_text(content["conditions"]), notes, table])


if __name__ == "__main__":
    main()
