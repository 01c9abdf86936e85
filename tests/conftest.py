"""What tests share: the real MNIST files where there are any, and an environment of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A machine that is busy with other things makes single examples slow, not wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder with the real MNIST files; session-wide, so read before it is isolated away."""
    folder = os.environ.get("OVR_DIGITS_DATA")
    if not folder:
        pytest.skip("needs the real MNIST files: set OVR_DIGITS_DATA to their folder")
    return Path(folder)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Isolate from the user's data and proxies; gives the folder that is the MNIST cache now."""
    monkeypatch.delenv("OVR_DIGITS_DATA", raising=False)
    monkeypatch.delenv("OVR_DIGITS_MIRRORS", raising=False)
    monkeypatch.setenv("OVR_DIGITS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "mnist"
