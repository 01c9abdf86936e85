"""What is killed and failed: training, downloads, keeping pictures."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.robustness.crash_run import Run
from ovr_digits import (
    PatchKernelFeatures,
    corrections,
    data,
    download,
    load_models,
    training,
)
from ovr_digits.cli import main as ovr_digits
from ovr_digits.core.vote import count_votes
from ovr_digits.data.corrections import keep_correction, load_corrections
from ovr_digits.data.idx import idx_bytes
from ovr_digits.data.mnist import MNIST_FILES
from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError

_TRAIN = ("train", "--dataset", "digits", "--limit", "120", "--preset", "fast", "--epochs", "3")


@dataclass(frozen=True)
class Job:
    """Something that writes.

    Attributes
    ----------
    name : str
    prepare : callable
        Makes what is there before, in an empty folder.
    run : callable
        Does the job in the folder; ends like a command.
    wrong : callable
        What is not as it should be in the folder, or None; told whether the job has succeeded,
        and what somebody else has removed.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    wrong: Callable[[Path, bool, str], str | None]


def _command(*arguments: str) -> None:
    ovr_digits(list(arguments), prog_name="ovr-digits")


def _weights(path: Path) -> bytes:
    models = load_models(path)
    return models.coef.tobytes() + models.intercept.tobytes()


def _leftovers(folder: Path, expected: set[str]) -> str | None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return None if found == expected else f"left behind or lacking: {sorted(found ^ expected)}"


def training_jobs(reference: Path) -> Iterator[Job]:
    """Training over an older models.pkl, and the same with a checkpoint; of few features."""
    old = b"the old one"
    training.PatchKernelFeatures = functools.partial(  # type: ignore[misc, assignment]
        PatchKernelFeatures, n_anchors=(4, 8)
    )

    @functools.cache
    def new() -> bytes:
        assert Run(lambda: _command(*_TRAIN, "--output", str(reference))).wait() == 0
        return _weights(reference)

    def prepare(folder: Path) -> None:
        (folder / "models.pkl").write_bytes(old)

    def wrong(folder: Path, done: bool, lost: str) -> str | None:
        content = (folder / "models.pkl").read_bytes()
        if content != old and _weights(folder / "models.pkl") != new():
            return "models.pkl is neither the old nor the new"
        if done and content == old:
            return "models.pkl was not replaced"
        return _leftovers(folder, {"models.pkl"}) if done else _broken_stage(folder)

    def _broken_stage(folder: Path) -> str | None:
        for path in folder.rglob("*.npz"):
            with np.load(path, allow_pickle=False) as stage:
                for name in stage.files:
                    stage[name]
        return None

    def train(folder: Path, *options: str) -> None:
        _command(*_TRAIN, "--output", str(folder / "models.pkl"), *options)

    yield Job("train", prepare, train, wrong)
    yield Job(
        "train --checkpoint",
        prepare,
        lambda folder: train(folder, "--checkpoint", str(folder / "unfinished"), "--resume"),
        wrong,
    )


def download_jobs(bodies: Path) -> Iterator[Job]:
    """The download by command, and the one that another command needs, over a damaged file."""
    damaged = b"\x1f\x8b and so on"
    rng = np.random.default_rng(0)
    shapes = [(12, 28, 28), (12,), (6, 28, 28), (6,)]
    files = {}
    for name, shape in zip(MNIST_FILES, shapes, strict=True):
        content = idx_bytes(rng.integers(0, 10, shape, np.uint8))
        files[name] = hashlib.sha256(content).hexdigest()
        (bodies / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    download.download_mnist.__defaults__ = (files, None)
    data.MNIST_FILES = files  # type: ignore[misc]

    def make(name: str, place: str, names: list[str], run: Callable[[Path], None]) -> Job:
        def prepare(folder: Path) -> None:
            (folder / place).mkdir(parents=True)
            (folder / place / f"{names[0]}.gz").write_bytes(damaged)

        def wrong(folder: Path, done: bool, lost: str) -> str | None:
            cache = folder / place
            for path in cache.glob("*.gz"):
                whole = [(bodies / path.name).read_bytes()]
                whole += [damaged] if path.stem == names[0] and not done else []
                if path.read_bytes() not in whole:
                    return f"{path.name} is not whole"
            return _leftovers(cache, {f"{name}.gz" for name in names}) if done else None

        return Job(name, prepare, run, wrong)

    def fetch(folder: Path) -> None:
        _command("data", "download", "--data-dir", str(folder / "cache"))

    def evaluate(folder: Path) -> None:
        os.environ["OVR_DIGITS_CACHE"] = str(folder / "cache")
        _command("evaluate", "--dataset", "mnist")

    names = list(MNIST_FILES)
    yield make("data download", "cache", names, fetch)
    yield make("evaluate, which downloads", "cache/mnist", names[2:], evaluate)


def keeping_job() -> Job:
    """A picture that is kept beside others."""
    image = load_split("digits", "train").X[3].reshape(28, 28)
    content = io.BytesIO()
    Image.fromarray(255 - image).resize((140, 140)).save(content, "PNG")
    (answer,) = count_votes(np.arange(10.0)[None])

    def keep(folder: Path) -> None:
        try:
            keep_correction(folder / "kept", content.getvalue(), 3, answer)
        except DigitsError as error:
            print(f"ovr-digits: {error}", file=sys.stderr)
            sys.exit(1)

    def lines(folder: Path) -> int:
        log = folder / "kept" / corrections.FILE_NAME
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def prepare(folder: Path) -> None:
        for _ in range(2):
            keep(folder)

    def wrong(folder: Path, done: bool, lost: str) -> str | None:
        said: list[str] = []
        load_corrections(folder / "kept", said.append)
        n_files = len(list((folder / "kept").glob("*.png")))
        n_parts = len(list((folder / "kept").glob(".*.part")))
        name = Path(lost).name
        without = [text for text in said if not name or name not in text]
        if [text for text in without if "not a whole JSON object" not in text]:
            return f"a line without its picture: {said}"
        if done and n_parts:
            return f"{n_parts} temporary files left"
        least = done + (0 if lost == "kept" else 2)
        if lines(folder) < (done if name == corrections.FILE_NAME else least):
            return "a line is lost"
        return "a kept picture is lost" if n_files < least - name.endswith(".png") else None

    return Job("keep", prepare, keep, wrong)
