"""A mirror that misbehaves is passed over for the next, within bounded time and memory."""

from __future__ import annotations

import hashlib
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostile.mirrors import FILES, Fault, Mirror, broken_look_up, faults_at, refusing, whole
from hostile.trial import Outcome, trying
from ovr_digits.data.download import download_mnist
from ovr_digits.data.idx import read_content

#: What is unpacked is held to 100 MB, and held twice.
MAX_BYTES = 600_000_000
LOOK_UP = socket.getaddrinfo


@pytest.fixture(scope="module")
def attempt() -> Iterator[Callable[..., Outcome]]:
    with trying() as attempt:
        yield attempt


@pytest.fixture(scope="module")
def refused() -> Iterator[str]:
    with refusing() as url:
        yield url


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror()
    yield server
    server.close()


def fetch(folder: Path, mirrors: list[str], refused: str, time_limit: float) -> None:
    """Download; OpenML, whose address is fixed, is asked through a proxy that refuses."""
    warnings.simplefilter("ignore", ResourceWarning)  # urllib3 forgets connections
    os.environ |= {"https_proxy": refused, "http_proxy": refused, "no_proxy": "127.0.0.1,.test"}
    socket.getaddrinfo = broken_look_up(2, LOOK_UP)
    download_mnist(folder, FILES, mirrors, timeout=0.3, time_limit=time_limit)


def assert_fetched(outcome: Outcome, folder: Path) -> None:
    assert (outcome.text, outcome.faults) == ("", [])
    assert outcome.peak_bytes < MAX_BYTES
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{n}.gz" for n in FILES)
    for name, digest in FILES.items():
        assert hashlib.sha256(read_content(folder / f"{name}.gz")).hexdigest() == digest


def found(name: str, mirror: Mirror, refused: str) -> tuple[Fault, float]:
    """A fault, and the time limit with which it is met."""
    (fault,) = [fault for fault in faults_at(mirror.url, refused) if fault.name == name]
    return fault, 0.6 if "not done" in fault.reason else 20.0


NAMES = [fault.name for fault in faults_at("", "")]


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_mirror_is_followed_by_the_next(attempt, mirror, refused, tmp_path, name):
    fault, limit = found(name, mirror, refused)
    bad = fault.url or mirror.at("bad", fault.reply)
    outcome = attempt(fetch, tmp_path / "one", [bad, mirror.good()], refused, limit)
    assert_fetched(outcome, tmp_path / "one")
    assert any("good" in path for path in mirror.asked) == bool(fault.reason)
    if fault.reason:
        outcome = attempt(fetch, tmp_path / "two", [bad], refused, limit)
        assert outcome.faults == []
        assert f"{bad} ({fault.reason}" in outcome.text
        assert outcome.peak_bytes < MAX_BYTES
        assert not (tmp_path / "two").exists() or not list((tmp_path / "two").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("place", FILES)
@pytest.mark.parametrize("name", NAMES)
def test_a_fault_at_one_file(attempt, mirror, refused, tmp_path, name, place):
    fault, limit = found(name, mirror, refused)
    bad = mirror.at("bad", lambda n: (fault.reply if n == place else whole)(n))
    assert_fetched(attempt(fetch, tmp_path, [bad, mirror.good()], refused, limit), tmp_path)
