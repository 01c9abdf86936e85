"""Contestants that other programs ask too: trained once, kept in the results' runs/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.data import Data
from benchmarks.peers import PEERS
from benchmarks.store import Record, result_of

if TYPE_CHECKING:
    from benchmarks.peers.base import Peer


def trained(name: str, data: Data, output: Path, fresh: bool = False) -> tuple[Peer, Record]:
    """A contestant and what its training took; one trained before on the same digits is loaded."""
    entry = PEERS[name]
    folder = output / "runs" / f"trained-{name}-{data.dataset}{'-quick' if data.quick else ''}"
    peer = entry.load()(quick=data.quick)

    def train() -> Record:
        cost = peer.train(data, machine.count_cores())
        folder.mkdir(parents=True, exist_ok=True)
        peer.save(folder)
        samples = len(data.load("train")[1])
        return {"samples": samples, "wall_seconds": cost.wall, "cpu_seconds": cost.cpu}

    conditions = {
        "dataset": data.dataset,
        "quick": data.quick,
        "versions": machine.installed_versions(entry.packages),
        "code": machine.code_digest([entry.source()]),
    }
    record, is_new = result_of(folder / "record.json", conditions, fresh, train)
    if not is_new:
        peer.load(folder)
    return peer, record
