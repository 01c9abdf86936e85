"""Runs the contestants one after the other and writes what they did."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks import machine, report
from benchmarks.data import Data
from benchmarks.measure import CommandError, run_command
from benchmarks.peers import PEERS, Entry
from benchmarks.store import Record, result_of, stored, write_json, write_text

#: Fresh processes whose median is the cold time, and how many of them a quick run starts.
_COLD_RUNS, _COLD_RUNS_QUICK = 3, 1


@dataclass(frozen=True)
class Settings:
    """What all runs have in common.

    Attributes
    ----------
    data : Data
    output : Path
        The folder for results.
    fresh : bool
        Measure again what has been measured.
    """

    data: Data
    output: Path
    fresh: bool = False

    def stem(self, name: str) -> str:
        """The name of a result file without its ending; each kind of data has its own."""
        dataset = "" if self.data.dataset == "mnist" else f"-{self.data.dataset}"
        return name + dataset + ("-quick" if self.data.quick else "")

    def record_path(self, stem: str, name: str) -> Path:
        """Where the result of one run is kept."""
        return self.output / "runs" / stem / f"{name}.json"


def run_contest(settings: Settings, names: Sequence[str]) -> bool:
    """Measure the contestants named; the table also shows others measured before.

    Returns
    -------
    bool
        Whether all went well; a contestant that was skipped does no harm.
    """
    stem = settings.stem("peers")
    rows: dict[str, Record] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        facts = _worker("data", folder, {"data": settings.data.as_json()})
        about = {
            **machine.describe_machine(),
            "dataset": settings.data.dataset,
            "quick": settings.data.quick,
            **facts,
        }
        for name in PEERS:
            found = stored(settings.record_path(stem, name), _conditions(name, about))
            if found is not None and name not in names:
                rows[name] = found
        for i, name in enumerate(names, 1):
            click.echo(f"[{i}/{len(names)}] {name}: ", err=True, nl=False)
            rows[name], is_new = _contestant(settings, folder, name, about, stem)
            known = "" if is_new else " (measured before)"
            click.echo(report.summary(rows[name]) + known, err=True)
            _write_tables(settings, stem, about, rows)
    report.save_picture(settings.output / f"{stem}.png", _in_order(rows), about)
    return not any("failed" in row for row in rows.values())


def _contestant(
    settings: Settings, folder: Path, name: str, about: Record, stem: str
) -> tuple[Record, bool]:
    """A result from the store or a new one; what was skipped or failed is not stored."""
    path = settings.record_path(stem, name)
    try:
        return result_of(
            path,
            _conditions(name, about),
            settings.fresh,
            lambda: _measure(settings, folder, name),
        )
    except SkippedError as error:
        return {"name": name, "title": PEERS[name].title, "skipped": str(error)}, True
    except CommandError as error:
        return {"name": name, "title": PEERS[name].title, "failed": str(error)}, True


class SkippedError(Exception):
    """A contestant that cannot run here; the message is the reason."""


def _measure(settings: Settings, folder: Path, name: str) -> Record:
    home = folder / name
    home.mkdir()
    options = {
        "name": name,
        "data": settings.data.as_json(),
        "cores": machine.count_cores(),
    }
    trained = _worker("train", home, options)
    if "skipped" in trained:
        raise SkippedError(trained["skipped"])
    predicted = _worker("predict", home, options)
    command = trained.pop("answer_command") or _command("answer", home, options)
    n_cold = _COLD_RUNS_QUICK if settings.data.quick else _COLD_RUNS
    cold = [run_command(command, home / "answer.log")[0].wall for _ in range(n_cold)]
    return {
        "name": name,
        "title": PEERS[name].title,
        **trained,
        **predicted,
        "cold_seconds": statistics.median(cold),
        "versions": machine.installed_versions(PEERS[name].packages),
        "date": machine.utc_now(),
    }


def _conditions(name: str, about: Record) -> Record:
    """All that may change a result."""
    entry = PEERS[name]
    return {
        **about,
        "versions": machine.installed_versions(entry.packages),
        "code": machine.code_digest(_sources(entry)),
    }


def _sources(entry: Entry) -> list[Path]:
    return [entry.source(), *(machine.own_code() if entry.ours else [])]


def _worker(action: str, folder: Path, options: Record) -> Any:
    run_command(_command(action, folder, options), folder / f"{action}.log")
    return json.loads((folder / f"{action}.json").read_text())


def _command(action: str, folder: Path, options: Record) -> list[str]:
    return [sys.executable, "-m", "benchmarks.worker", action, str(folder), json.dumps(options)]


def _in_order(rows: dict[str, Record]) -> list[Record]:
    return [rows[name] for name in PEERS if name in rows]


def _write_tables(settings: Settings, stem: str, about: Record, rows: dict[str, Record]) -> None:
    packages = [package for entry in PEERS.values() for package in entry.packages]
    content = {
        "conditions": {
            **about,
            "versions": machine.installed_versions(packages),
            "date": machine.utc_now(),
        },
        "peers": _in_order(rows),
    }
    write_json(settings.output / f"{stem}.json", content)
    write_text(settings.output / f"{stem}.md", report.peers_table(content))
