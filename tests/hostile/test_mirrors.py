"""A mirror that misbehaves is passed over for the next, within bounded time and memory."""

from __future__ import annotations

import hashlib
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile.mirrors import (
    FILES,
    LATE,
    SILENT,
    Fault,
    Mirror,
    broken_look_up,
    faults_at,
    refusing,
    whole,
)
from hostile.trial import Outcome
from ovr_digits.data import download
from ovr_digits.data.idx import read_content

#: What is unpacked is held to 100 MB, and held twice.
MAX_BYTES = 600_000_000
LOOK_UP = socket.getaddrinfo


@pytest.fixture(scope="module")
def refused() -> Iterator[str]:
    with refusing() as url:
        yield url


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror()
    yield server
    server.close()


def fetch(folder: Path, mirrors: list[str], refused: str, limits: dict[str, float]) -> None:
    """Download; OpenML, whose address is fixed, is asked through a proxy that refuses."""
    warnings.simplefilter("ignore", ResourceWarning)  # urllib3 forgets connections
    os.environ |= {"https_proxy": refused, "http_proxy": refused, "no_proxy": "127.0.0.1,.test"}
    socket.getaddrinfo = broken_look_up(2, LOOK_UP)
    os.environ["OVR_DIGITS_MIRRORS"] = " ".join(mirrors)
    vars(download).update(limits)
    download.download_mnist(folder, FILES)


def assert_fetched(outcome: Outcome, folder: Path) -> None:
    assert (outcome.text, outcome.faults) == ("", [])
    assert outcome.peak_bytes < MAX_BYTES
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{n}.gz" for n in FILES)
    for name, digest in FILES.items():
        assert hashlib.sha256(read_content(folder / f"{name}.gz")).hexdigest() == digest


def found(name: str, mirror: Mirror, refused: str) -> tuple[Fault, dict[str, float]]:
    """A fault, and limits that it alone comes to, however busy the machine is."""
    (fault,) = [fault for fault in faults_at(mirror.url, refused) if fault.name == name]
    silent, late = fault.reason == SILENT, fault.reason == LATE
    return fault, {"TIMEOUT": 1.0 if silent else 20.0, "TIME_LIMIT": 1.5 if late else 60.0}


NAMES = [fault.name for fault in faults_at("", "")]


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_mirror_is_followed_by_the_next(attempt, mirror, refused, tmp_path, name):
    fault, limits = found(name, mirror, refused)
    bad = fault.url or mirror.at("bad", fault.reply)
    outcome = attempt(fetch, tmp_path / "one", [bad, mirror.good()], refused, limits)
    assert_fetched(outcome, tmp_path / "one")
    assert any("good" in path for path in mirror.asked) == bool(fault.reason)
    if fault.reason:
        outcome = attempt(fetch, tmp_path / "two", [bad], refused, limits)
        assert outcome.faults == []
        assert f"{bad} ({fault.reason}" in outcome.text
        assert outcome.peak_bytes < MAX_BYTES
        assert not (tmp_path / "two").exists() or not list((tmp_path / "two").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_fault_at_the_third_file(attempt, mirror, refused, tmp_path, name):
    fault, limits = found(name, mirror, refused)
    place = list(FILES)[2]
    bad = mirror.at("bad", lambda n: (fault.reply if n == place else whole)(n))
    assert_fetched(attempt(fetch, tmp_path, [bad, mirror.good()], refused, limits), tmp_path)
