"""Training that is ended and goes on from its checkpoint, to the very same models."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from test_cli import assert_one_line, environment, run  # noqa: F401

from ovr_digits import OneVsRestDigits, PatchKernelFeatures
from ovr_digits.core.arrays import Array
from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.learn import checkpoint, coordinates, fitting
from ovr_digits.learn.checkpoint import FolderCheckpoint, random_state_array, set_random_state
from ovr_digits.learn.negatives import draw_negatives

TRAIN = ("train", "--dataset", "digits", "--limit", "300", "--epochs", "4")


def fail(text: str) -> None:
    raise AssertionError(text)


def at(folder: Path, resume: bool = True) -> FolderCheckpoint:
    opened = FolderCheckpoint(folder, resume, fail)
    opened.begin({"seed": 0})
    return opened


class KilledError(Exception):
    pass


class Mortal(FolderCheckpoint):
    """Dies after so many saves."""

    lives = 0

    def save(self, stage: str, arrays: Mapping[str, Array]) -> None:
        super().save(stage, arrays)
        self.lives -= 1
        if not self.lives:
            raise KilledError


@pytest.mark.parametrize("patience", [None, 1])
def test_a_fit_that_dies_at_any_save_goes_on_to_the_same(tmp_path, monkeypatch, patience):
    """With groups of views, and copies that do not fit into memory together."""
    monkeypatch.setattr(checkpoint, "_INTERVAL", 0)
    monkeypatch.setattr(fitting, "WINDOW_BYTES", 150_000)
    monkeypatch.setattr(coordinates, "_PIECE", 256)
    split = load_split("digits", "train")
    features = PatchKernelFeatures(("raw", "even"), n_anchors=(6, 8), random_state=1)
    model = OneVsRestDigits(
        features,
        n_copies=3,
        epochs=2 if patience is None else 8,
        n_leading=4,
        n_components=20,
        groups=(("raw",), ("raw", "even")),
        validation_fraction=0.2,
        patience=patience,
        random_state=2,
    )
    negatives = draw_negatives(20, split.X, 0)
    curve: list[object] = []
    told: list[object] = []

    def fit(keep: FolderCheckpoint | None) -> list[Array]:
        model.fit(split.X[:400], split.y[:400], None, negatives, curve.append, keep)
        return [model.arrays().coef, model.arrays().intercept]

    plain = fit(None)
    told, curve[:] = list(curve), []
    n_deaths = 0
    while True:
        mortal = Mortal(tmp_path, True, fail)
        mortal.begin({"seed": 0})
        mortal.lives = 1 + n_deaths % 2
        curve.clear()
        try:
            resumed = fit(mortal)
        except KilledError:
            n_deaths += 1
            mortal._wait()
        else:
            break
    assert n_deaths > 12
    assert all(np.array_equal(one, other) for one, other in zip(plain, resumed, strict=True))
    assert curve == told
    mortal.clear()
    assert list(tmp_path.iterdir()) == []


def test_negatives_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("ovr_digits.learn.negatives._PIECE", 10)
    digits = load_split("digits", "train").X
    plain = draw_negatives(35, digits, 3)
    begun = Mortal(tmp_path, True, fail)
    begun.begin({"seed": 0})
    begun.lives = 2
    with pytest.raises(KilledError):
        draw_negatives(35, digits, 3, checkpoint=begun)
    begun._wait()
    assert np.array_equal(draw_negatives(35, digits, 3, checkpoint=at(tmp_path)), plain)


def test_the_state_of_a_generator_comes_back_to_the_last_bit():
    rng = np.random.RandomState(5)
    rng.standard_normal(3)  # leaves a second one over
    again = np.random.RandomState(0)
    set_random_state(again, random_state_array(rng))
    assert np.array_equal(again.standard_normal(9), rng.standard_normal(9))
    assert np.array_equal(again.permutation(99), rng.permutation(99))


# --- the command ------------------------------------------------------------------------------


def weights(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        detectors = pickle.load(file)
    return [d.sgd_.coef_.tobytes() + d.sgd_.intercept_.tobytes() for d in detectors]


def kill_at(folder: Path, moment: str, *arguments: str) -> None:
    """Begin training, and end it with kill -9 as soon as a file of the checkpoint is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ovr_digits", *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (folder / "unfinished" / moment).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()


def test_killed_and_resumed_training_gives_the_same_models(run, tmp_path):  # noqa: F811
    assert run(*TRAIN, "--output", "a.pkl", "--log", "a.jsonl").returncode == 0
    options = (*TRAIN, "--output", "b.pkl", "--log", "b.jsonl", "--checkpoint", "unfinished")
    kill_at(tmp_path, "negatives-0.npz", *options)
    for moment in ("patches.npz", "images-0.npz", "sgd.npz"):
        kill_at(tmp_path, moment, *options, "--resume")
    assert not (tmp_path / "b.pkl").exists()
    refused = run(*options)
    assert_one_line(refused, "unfinished", "--resume")
    other = run(*options, "--resume", "--seed", "7", "--preset", "fast")
    assert_one_line(other, "seed 0 there, 7 here", "preset default there, fast here")
    (tmp_path / "unfinished" / f".sgd.npz.{'0' * 8}.part").touch()  # of a process that died
    resumed = run(*options, "--resume", "--plot", "b.png")
    assert resumed.returncode == 0, resumed.stderr
    assert weights(tmp_path / "b.pkl") == weights(tmp_path / "a.pkl")
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    assert (tmp_path / "b.png").exists()
    assert list((tmp_path / "unfinished").iterdir()) == []
    assert run(*TRAIN, "--checkpoint", "unfinished", "--resume").returncode == 0


def test_resume_needs_a_checkpoint(run):  # noqa: F811
    result = run(*TRAIN, "--resume")
    assert result.returncode == 2
    assert "--checkpoint DIR" in result.stderr


# --- what may lie in the folder ---------------------------------------------------------------


def test_a_state_is_not_lost_silently(tmp_path):
    at(tmp_path).save("one", {"a": np.arange(3)})
    with pytest.raises(DigitsError, match="--resume"):
        FolderCheckpoint(tmp_path, False, fail)
    assert at(tmp_path).load("two") is None


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.npz").touch()
    for resume in (False, True):
        with pytest.raises(DigitsError, match="other things"):
            FolderCheckpoint(tmp_path, resume, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.npz"]
    with pytest.raises(DigitsError, match="no place for a checkpoint"):
        FolderCheckpoint(tmp_path / "thesis.npz", False, fail)
    with pytest.raises(DigitsError, match="no place for a checkpoint"):
        FolderCheckpoint(tmp_path / "absent" / "folder", False, fail)


class Opened:
    def __reduce__(self) -> object:
        return os.mkdir, ("opened",)


def flipped(content: bytes, n: int) -> bytes:
    return content[:n] + bytes([content[n] ^ 1]) + content[n + 1 :]


def test_every_damage_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "unfinished"
    keep = at(folder)
    keep.save("one", {"a": np.arange(1000)})
    keep._wait()
    path = folder / "one.npz"
    sound = path.read_bytes()
    np.testing.assert_array_equal(at(folder).load("one")["a"], np.arange(1000))
    for content in (
        *(sound[:n] for n in range(0, len(sound), 500)),
        *(flipped(sound, n) for n in range(200, 8000, 250)),
        pickle.dumps(Opened()),
        b"what is this?",
    ):
        path.write_bytes(content)
        with pytest.raises(DigitsError, match="remove this file"):
            at(folder).load("one")
    for n in (*range(200), *range(len(sound) - 400, len(sound))):
        path.write_bytes(flipped(sound, n))
        with contextlib.suppress(DigitsError):  # of the date in an entry nothing depends
            np.testing.assert_array_equal(at(folder).load("one")["a"], np.arange(1000))
    np.savez(path, a=np.array([Opened()], object))
    with pytest.raises(DigitsError, match="remove this file"):
        at(folder).load("one")
    assert not (tmp_path / "opened").exists()
    elsewhere = FolderCheckpoint(tmp_path / "elsewhere", False, fail)
    elsewhere.begin({"seed": 1})
    elsewhere.save("one", {"a": np.arange(1000)})
    elsewhere._wait()
    (tmp_path / "elsewhere" / "one.npz").replace(path)
    with pytest.raises(DigitsError, match="of another training"):
        at(folder).load("one")
    for content in (b"", b"[]", b"{}", b"{", b"\xff", b"[" * 100_000):
        (folder / "checkpoint.json").write_bytes(content)
        with pytest.raises(DigitsError, match="remove the folder"):
            at(folder)


def test_a_full_disk_ends_no_training(tmp_path, monkeypatch):
    warnings: list[str] = []
    keep = FolderCheckpoint(tmp_path, False, warnings.append)
    keep.begin({})
    keep.save("one", {"a": np.arange(3)})
    keep._wait()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full)
        for _ in range(3):
            keep.save("two", {"a": np.arange(3)})
        keep._wait()
    (warning,) = warnings
    assert "No space left on device" in warning
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.json", "one.npz"}
