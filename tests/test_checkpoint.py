"""What may lie in the folder of a checkpoint, and what becomes of damage and full disks."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from ovr_digits.errors import DigitsError
from ovr_digits.scale.checkpoint import Checkpoint


def fail(text: str) -> None:
    raise AssertionError(text)


def at(folder: Path, resume: bool = True) -> Checkpoint:
    opened = Checkpoint(folder, resume, fail)
    opened.begin({"seed": 0})
    return opened


def test_a_state_is_not_lost_silently(tmp_path):
    at(tmp_path).save({"a": np.arange(3)})
    with pytest.raises(DigitsError, match="--resume"):
        Checkpoint(tmp_path, False, fail)
    (tmp_path / "rounds.npz").unlink()
    assert at(tmp_path).load() is None


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.npz").touch()
    for resume in (False, True):
        with pytest.raises(DigitsError, match="other things"):
            Checkpoint(tmp_path, resume, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.npz"]
    with pytest.raises(DigitsError, match="no place for a checkpoint"):
        Checkpoint(tmp_path / "thesis.npz", False, fail)
    with pytest.raises(DigitsError, match="no place for a checkpoint"):
        Checkpoint(tmp_path / "absent" / "folder", False, fail)


class Opened:
    def __reduce__(self) -> object:
        return os.mkdir, ("opened",)


def flipped(content: bytes, n: int) -> bytes:
    return content[:n] + bytes([content[n] ^ 1]) + content[n + 1 :]


def test_every_damage_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "unfinished"
    keep = at(folder)
    keep.save({"a": np.arange(1000)})
    path = folder / "rounds.npz"
    sound = path.read_bytes()
    np.testing.assert_array_equal(at(folder).load()["a"], np.arange(1000))
    for content in (
        *(sound[:n] for n in range(0, len(sound), 500)),
        *(flipped(sound, n) for n in range(200, 8000, 250)),
        pickle.dumps(Opened()),
        b"what is this?",
    ):
        path.write_bytes(content)
        with pytest.raises(DigitsError, match="remove this file"):
            at(folder).load()
    for n in (*range(200), *range(len(sound) - 400, len(sound))):
        path.write_bytes(flipped(sound, n))
        with contextlib.suppress(DigitsError):  # of the date in an entry nothing depends
            np.testing.assert_array_equal(at(folder).load()["a"], np.arange(1000))
    np.savez(path, a=np.array([Opened()], object))
    with pytest.raises(DigitsError, match="remove this file"):
        at(folder).load()
    assert not (tmp_path / "opened").exists()
    elsewhere = Checkpoint(tmp_path / "elsewhere", False, fail)
    elsewhere.begin({"seed": 1})
    elsewhere.save({"a": np.arange(1000)})
    (tmp_path / "elsewhere" / "rounds.npz").replace(path)
    with pytest.raises(DigitsError, match="of another training"):
        at(folder).load()
    for content in (b"", b"[]", b"{}", b"{", b"\xff", b"[" * 100_000):
        (folder / "checkpoint.json").write_bytes(content)
        with pytest.raises(DigitsError, match="remove the folder"):
            at(folder)


def test_a_full_disk_ends_no_training(tmp_path, monkeypatch):
    warnings: list[str] = []
    keep = Checkpoint(tmp_path, False, warnings.append)
    keep.begin({})
    keep.save({"a": np.arange(3)})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full)
        for _ in range(3):
            keep.save({"a": np.arange(3)})
        (warning,) = warnings
    assert "No space left on device" in warning
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.json", "rounds.npz"}
