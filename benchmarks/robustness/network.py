"""Downloads from mirrors that do everything wrong: ``python -m benchmarks.robustness.network``.

Every fault is met by ``ovr-digits data download`` in a process of its own: at the first mirror,
at all mirrors, and at each of the four files. Nothing but 127.0.0.1 is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks import machine
from benchmarks.measure import ROOT
from benchmarks.options import results_option
from benchmarks.report import conditions_text, markdown_table
from benchmarks.robustness.mirrors import FILES, Fault, Mirror, faults_at, refusing, whole
from benchmarks.store import write_json, write_text
from ovr_digits.data.idx import read_content

_POSITIONS = ["first mirror", "all mirrors", *FILES]
#: Megabytes that a download may take up; what is unpacked is held to 100 MB, and held twice.
_MAX_MB = 600
#: Seconds that Python and its packages may take to start, on a machine that is busy.
_START = 30.0
#: The command itself; only what is downloaded, and how long it may take, is set here.
_CHILD = """
import functools, json, socket, sys
from benchmarks.robustness.mirrors import FILES, broken_look_up
from ovr_digits.data import download
from ovr_digits.cli import main
timeout, time_limit = json.loads(sys.argv[1])
socket.getaddrinfo = broken_look_up(4 * time_limit, socket.getaddrinfo)
download.download_mnist = functools.partial(
    download.download_mnist, files=FILES, timeout=timeout, time_limit=time_limit
)
main(["data", "download", "--data-dir", sys.argv[2]], prog_name="ovr-digits")
"""
_NOTES = """\
Each fault was met by `ovr-digits data download` in a process of its own, at the first of two
mirrors, at both, and at one file of the first; {runs} runs, of which {failed} failed. A source may
be silent for {timeout:g} s and take {time_limit:g} s for a file (the product's own limits are 15 s
and 600 s); the files are small ones in the place of MNIST's. *seconds* and *MB* are the most that
any run of the six took, with the start of Python and without the time in which other programs had
the processor; *next source* says in how many of the five runs
in which another source had the file it was got there (or, of what is no fault in the end, from the
first mirror itself); *cache* says what lay there after the run in which no source had it.
"""


@dataclass
class Outcome:
    """What became of one run.

    Attributes
    ----------
    fault, position : str
    seconds : float
        Of the clock, with the start of Python, without those of waiting for a processor.
    cpu : float
        Of the processor.
    megabytes : float
        The most memory held.
    status : int
    message : str
        The last line on stderr.
    files : int
        Sound ones in the folder afterwards.
    wrong : list of str
        Promises that were not kept.
    """

    fault: str
    position: str
    seconds: float
    cpu: float
    megabytes: float
    status: int
    message: str
    files: int
    wrong: list[str]


def meet(
    fault: Fault, position: str, mirror: Mirror, refused: str, timeout: float, time_limit: float
) -> Outcome:
    """Run the command against one fault in one position, and compare with what is promised."""
    bad = [fault.url or mirror.at(f"bad{k}", fault.reply) for k in (1, 2)]
    if position == "all mirrors":
        mirrors = bad if not fault.url else bad[:1]
    else:
        if position != "first mirror":
            bad[0] = mirror.at("bad1", lambda n: (fault.reply if n == position else whole)(n))
        mirrors = [bad[0], mirror.good()]
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    # OpenML, whose address is fixed, is asked through a proxy that refuses.
    environment |= {"https_proxy": refused, "http_proxy": refused, "no_proxy": "127.0.0.1,.test"}
    environment |= {"OVR_DIGITS_MIRRORS": " ".join(mirrors), "PYTHONPATH": str(ROOT)}
    mirror.asked.clear()
    with tempfile.TemporaryDirectory(prefix="ovr-digits-network-") as folder:
        place = Path(folder) / "mnist"
        arguments = [json.dumps([timeout, time_limit]), str(place)]
        with open(Path(folder) / "said", "w+") as said:
            started = time.monotonic()
            child = subprocess.Popen(
                [sys.executable, "-c", _CHILD, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            seconds = time.monotonic() - started - _waited(child.pid)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            lines = said.read().splitlines()
        sound, stray = _look_at(place)
    outcome = Outcome(
        fault=fault.name,
        position=position,
        seconds=round(seconds, 2),
        cpu=round(usage.ru_utime + usage.ru_stime, 2),
        megabytes=round(usage.ru_maxrss / 1024, 1),
        status=child.returncode,
        message=lines[-1] if lines else "",
        files=len(sound),
        wrong=[f"left in the folder: {name}" for name in stray],
    )
    outcome.wrong += _broken_promises(fault, position, outcome, lines, mirrors, mirror.asked)
    if seconds > 3 * time_limit + _START:  # two mirrors and OpenML, each as long as it may
        outcome.wrong.append("took too long")
    return outcome


def _waited(pid: int) -> float:
    """Seconds in which a process that has ended was ready, and others had the processors."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):  # not Linux
        return 0.0


def _look_at(place: Path) -> tuple[list[str], list[str]]:
    """The sound files of a folder, and what else is in it."""
    sound, stray = [], []
    for path in sorted(place.iterdir()) if place.is_dir() else []:
        name = path.name.removesuffix(".gz")
        is_sound = (
            name in FILES
            and path.name != name
            and hashlib.sha256(read_content(path)).hexdigest() == FILES[name]
        )
        (sound if is_sound else stray).append(path.name)
    return sound, stray


def _broken_promises(
    fault: Fault,
    position: str,
    outcome: Outcome,
    lines: Sequence[str],
    mirrors: Sequence[str],
    asked: Sequence[str],
) -> Iterator[str]:
    if any("Traceback" in line for line in lines):
        yield "a traceback"
    if outcome.megabytes > _MAX_MB:
        yield "much memory"
    asked_next = any(path.startswith("/good/") for path in asked)
    if position != "all mirrors" or not fault.reason:
        if outcome.status != 0 or outcome.files != len(FILES):
            yield "the files were not got"
        if asked_next != bool(fault.reason):
            yield "the next source was asked" if asked_next else "the next source was not asked"
        return
    if outcome.status != 1:
        yield f"exit status {outcome.status}"
    if outcome.files:
        yield "files were got from nowhere"
    tried = [f"{url} ({fault.reason}" for url in mirrors]
    for text in (*tried, "OpenML (", "--data-dir or OVR_DIGITS_DATA", "--dataset digits"):
        if text not in outcome.message:
            yield f"the message lacks {text!r}"


def _table(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for name in dict.fromkeys(outcome.fault for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.fault == name]
        last = next(outcome for outcome in mine if outcome.position == "all mirrors")
        others = [outcome for outcome in mine if outcome is not last]
        reason = last.message.partition(" (")[2].partition(")")[0] if last.status else "none needed"
        rows.append(
            [
                name,
                f"{max(outcome.seconds for outcome in mine):.1f}",
                f"{max(outcome.megabytes for outcome in mine):.0f}",
                f"{sum(outcome.files == len(FILES) for outcome in others)} of {len(others)}",
                reason,
                f"{last.files} files, all right" if last.files else "empty",
                "; ".join(sorted({text for outcome in mine for text in outcome.wrong})) or "-",
            ]
        )
    columns = ["fault", "seconds", "MB", "next source", "message", "cache", "wrong"]
    return markdown_table(columns, rows)


@click.command()
@click.option("--only", multiple=True, help="Faults whose name holds this.")
@click.option("--timeout", type=float, default=1.0, show_default=True, help="Seconds of silence.")
@click.option("--time-limit", type=float, default=5.0, show_default=True, help="Seconds a file.")
@results_option
def main(only: tuple[str, ...], timeout: float, time_limit: float, output: Path) -> None:
    """Meet every fault in every position; exit status 1 where a promise was not kept."""
    outcomes = []
    with closing(Mirror()) as mirror, refusing() as refused:
        for fault in faults_at(mirror.url, refused):
            if only and not any(text in fault.name for text in only):
                continue
            for position in _POSITIONS:
                outcome = meet(fault, position, mirror, refused, timeout, time_limit)
                outcomes.append(outcome)
                state = "; ".join(outcome.wrong) or "as promised"
                click.echo(f"{fault.name}, {position}: {outcome.seconds:.1f} s, {state}")
                if outcome.wrong:
                    click.echo(f"    {outcome.message}")
    failed = sum(bool(outcome.wrong) for outcome in outcomes)
    click.echo(f"{len(outcomes)} runs, {failed} not as promised")
    about: dict[str, Any] = {
        **machine.conditions(("pooch", "requests", "urllib3")),
        "quick": bool(only),
    }
    result = {"runs": len(outcomes), "failed": failed, "timeout": timeout, "time_limit": time_limit}
    stem = output / f"robustness-network{'-quick' if only else ''}"
    output.mkdir(parents=True, exist_ok=True)
    runs = [asdict(outcome) for outcome in outcomes]
    write_json(stem.with_suffix(".json"), {"conditions": about, **result, "outcomes": runs})
    title = "# Robustness: downloads from mirrors that do everything wrong\n"
    notes = [_NOTES.format(**result)]
    page = "\n".join([title, conditions_text(about), *notes, _table(outcomes)])
    write_text(stem.with_suffix(".md"), page)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
