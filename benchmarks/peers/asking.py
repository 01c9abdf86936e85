"""Asks contestants, trained once and kept in the results' runs/, and packages that only read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks import machine
from benchmarks.data import Data
from benchmarks.peers import PEERS, Entry
from benchmarks.store import Record, result_of

if TYPE_CHECKING:
    from benchmarks.peers.base import Peer

T = TypeVar("T")


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


def ask(entry: Entry, read: Callable[..., T], *arguments: Any) -> T | str:
    """What ``read`` comes to in a process of its own, or why an entry cannot be asked.

    PyTorch and TensorFlow do not go into one process; and a process of this kind does not begin
    with the peak memory of the one that asks for it.
    """
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        try:
            return pool.submit(entry.missing).result() or pool.submit(read, *arguments).result()
        except BrokenProcessPool:
            return "its process has died"


def read_images(name: str, entry: Entry, data: Data, output: Path, X: Any) -> tuple[Any, Any]:
    """The digits (n,) that a reader sees on images X (n, 784), and how surely (n,)."""
    peer: Any = trained(name, data, output)[0] if name in PEERS else entry.load()()
    return peer.read(X)
