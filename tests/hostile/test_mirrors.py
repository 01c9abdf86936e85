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

#: One process of a run makes the bombs, and starts another that tries them.
pytestmark = pytest.mark.xdist_group("mirrors")

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


def limits_for(fault: Fault) -> dict[str, float]:
    """Limits that it alone comes to, however busy the machine is."""
    silent, late = fault.reason == SILENT, fault.reason == LATE
    return {"TIMEOUT": 1.0 if silent else 20.0, "TIME_LIMIT": 1.5 if late else 60.0}


FAULTS = faults_at("", "")
HARMLESS = [fault.name for fault in FAULTS if not fault.reason]
SLOW = [[fault.name for fault in FAULTS if fault.reason == reason] for reason in (SILENT, LATE)]
BROKEN = [fault.name for fault in FAULTS if fault.reason not in (SILENT, LATE, "")]


#: All of them take a minute.
MORE = [pytest.param(BROKEN[start::5], marks=pytest.mark.long) for start in range(1, 5)]


@pytest.mark.parametrize("names", [*SLOW, BROKEN[::5], *MORE])
def test_bad_mirrors_are_told_and_followed_by_the_next(attempt, mirror, refused, tmp_path, names):
    faults = [fault for fault in faults_at(mirror.url, refused) if fault.name in names]
    bad = [f.url or mirror.at(f"bad-{place}", f.reply) for place, f in enumerate(faults)]
    limits = limits_for(faults[0])
    outcome = attempt(fetch, tmp_path / "none", bad, refused, limits)
    assert outcome.faults == []
    for url, fault in zip(bad, faults, strict=True):
        assert f"{url} ({fault.reason}" in outcome.text
    assert outcome.peak_bytes < MAX_BYTES
    assert not (tmp_path / "none").exists() or not list((tmp_path / "none").iterdir())
    outcome = attempt(fetch, tmp_path / "good", [bad[-1], mirror.good()], refused, limits)
    assert_fetched(outcome, tmp_path / "good")


@pytest.mark.parametrize("name", HARMLESS)
def test_a_mirror_that_is_merely_odd_serves(attempt, mirror, refused, tmp_path, name):
    (fault,) = [fault for fault in FAULTS if fault.name == name]
    odd = mirror.at("odd", fault.reply)
    assert_fetched(
        attempt(fetch, tmp_path, [odd, mirror.good()], refused, limits_for(fault)), tmp_path
    )
    assert not any("good" in path for path in mirror.asked)


@pytest.mark.long
@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_a_fault_at_the_third_file(attempt, mirror, refused, tmp_path, name):
    (fault,) = [fault for fault in faults_at(mirror.url, refused) if fault.name == name]
    place = list(FILES)[2]
    bad = mirror.at("bad", lambda n: (fault.reply if n == place else whole)(n))
    outcome = attempt(fetch, tmp_path, [bad, mirror.good()], refused, limits_for(fault))
    assert_fetched(outcome, tmp_path)
