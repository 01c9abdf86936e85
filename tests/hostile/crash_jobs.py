"""What is killed and failed: training, downloads, keeping pictures."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from strokes import picture_of, write

from hostile.mirrors import BODIES, FILES
from ovr_digits import load_models
from ovr_digits.cli import main as ovr_digits
from ovr_digits.core.vote import count_votes
from ovr_digits.data import corrections, download
from ovr_digits.data import splits as data
from ovr_digits.data.corrections import keep_correction, load_corrections
from ovr_digits.errors import DigitsError
from ovr_digits.progress import Progress

_TRAIN = ["train", "--dataset", "digits", "--limit", "120", "--forms", "0"]
_TRAIN += ["--preset", "fast", "--epochs", "3"]
_OLD = b"the old one"
_DAMAGED = b"\x1f\x8b and so on"


@dataclass(frozen=True)
class Job:
    """Something that writes.

    Attributes
    ----------
    prepare : callable
        Makes what is there before, in an empty folder.
    run : callable
        Does the job in the folder; ends like a command.
    wrong : callable
        What is not as it should be in the folder, or None; told whether the job has succeeded.
    """

    prepare: Callable[[Path], object]
    run: Callable[[Path], None]
    wrong: Callable[[Path, bool], str | None]


def _command(*arguments: str) -> None:
    ovr_digits(list(arguments), prog_name="ovr-digits")


def _leftovers(folder: Path, expected: set[str]) -> str | None:
    found = {path.name for path in folder.rglob("*") if path.is_file()}
    return None if found == expected else f"left behind or lacking: {sorted(found ^ expected)}"


def training_job() -> Job:
    """A training of few features over an older models.pkl."""
    from ovr_digits import PatchKernelFeatures
    from ovr_digits.learn import training

    training.PatchKernelFeatures = functools.partial(  # type: ignore[misc, assignment]
        PatchKernelFeatures, n_anchors=(4, 8)
    )

    def wrong(folder: Path, done: bool) -> str | None:
        path = folder / "models.pkl"
        if path.read_bytes() == _OLD:
            return "models.pkl was not replaced" if done else None
        load_models(path)  # raises where it is not whole
        return _leftovers(folder, {path.name}) if done else None

    return Job(
        lambda folder: (folder / "models.pkl").write_bytes(_OLD),
        lambda folder: _command(*_TRAIN, "--output", str(folder / "models.pkl")),
        wrong,
    )


def download_job() -> Job:
    """A download over a damaged file, from whatever ``OVR_DIGITS_MIRRORS`` says."""
    download.download_mnist.__defaults__ = (FILES, Progress())
    data.MNIST_FILES = FILES  # type: ignore[misc]
    first = next(iter(FILES))

    def prepare(folder: Path) -> None:
        (folder / "cache").mkdir()
        (folder / "cache" / f"{first}.gz").write_bytes(_DAMAGED)

    def wrong(folder: Path, done: bool) -> str | None:
        for path in (folder / "cache").glob("*.gz"):
            kept = not done and path.stem == first and path.read_bytes() == _DAMAGED
            if path.read_bytes() != BODIES[path.stem] and not kept:
                return f"{path.name} is not whole"
        return _leftovers(folder / "cache", {f"{name}.gz" for name in FILES}) if done else None

    return Job(
        prepare,
        lambda folder: _command("data", "download", "--data-dir", str(folder / "cache")),
        wrong,
    )


def keeping_job() -> Job:
    """A picture that is kept beside two others."""
    (answer,) = count_votes(np.arange(10.0)[None])
    picture = picture_of(write(3, 140, 140, 200))

    def keep(folder: Path) -> None:
        try:
            keep_correction(folder / "kept", picture, 3, answer)
        except DigitsError as error:
            os.write(2, f"ovr-digits: {error}\n".encode())
            sys.exit(1)

    def wrong(folder: Path, done: bool) -> str | None:
        said: list[str] = []
        kept = folder / "kept"
        load_corrections(kept, said.append)
        if [text for text in said if "not a whole JSON object" not in text]:
            return f"a line without its picture: {said}"
        if done and list(kept.glob(".*.part")):
            return "a temporary file is left"
        lines = (kept / corrections.FILE_NAME).read_bytes().count(b"\n")
        return "a line or a picture is lost" if min(lines, len([*kept.glob("*.png")])) < 2 else None

    return Job(lambda folder: [keep(folder) for _ in range(2)], keep, wrong)


JOBS: dict[str, Callable[[], Job]] = {
    "train": training_job,
    "data download": download_job,
    "keep": keeping_job,
}
