"""What a training has worked out so far, kept in a folder to go on from after it was killed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array, Float64
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable, remove_abandoned, replacing, write_bytes

Arrays = dict[str, Array]

#: In the folder: what the training was asked for. The stages lie beside it.
FILE_NAME = "checkpoint.json"
_SUFFIX = ".npz"
#: Seconds between two saves of what changes all the time.
_INTERVAL = 1.0
#: Arrays that come to a stage as it is stored.
_IDENTITY, _SECONDS = "identity", "seconds"


class Checkpoint:
    """Asked for the results of a training's stages, and given them; this one keeps nothing.

    A result is whatever of it cannot be had again quickly, the states of
    random generators among it. A stage whose result is missing is gone through
    again, and comes to the same.

    Attributes
    ----------
    keeps : bool
        Whether results are worth getting together.
    """

    keeps = False

    def __init__(self) -> None:
        self._earlier, self._started = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the training has taken, without what was lost."""
        return self._earlier + time.monotonic() - self._started

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Say what the training is asked for: plain values, by name."""

    def load(self, stage: str) -> Arrays | None:
        """The result of a stage, if it is known."""
        return None

    def save(self, stage: str, arrays: Mapping[str, Array]) -> None:
        """Keep the result of a stage; its arrays may not be changed afterwards."""

    def is_due(self) -> bool:
        """Whether it is time to save a stage that is not finished."""
        return False

    def clear(self) -> None:
        """Remove all that was kept: the training is done."""


class FolderCheckpoint(Checkpoint):
    """Keeps each stage as a file, written whole, in a thread of its own while training goes on.

    Parameters
    ----------
    folder : Path
        Made where it is missing; its parent is not.
    resume : bool
        Whether to go on from what is in the folder, if there is something.
    warn : callable
        Told once, in a line, where a stage cannot be written any more; the
        training goes on.

    Raises
    ------
    DigitsError
        Where the folder cannot be written, holds an unfinished training that is
        not to be resumed, or anything that is no checkpoint.
    """

    keeps = True

    def __init__(self, folder: Path, resume: bool, warn: Callable[[str], None]) -> None:
        super().__init__()
        self._folder, self._warn = folder, warn
        self._identity, self._saved = "", -_INTERVAL
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._is_broken = False
        try:
            folder.mkdir(exist_ok=True)
            names = [path.name for path in folder.iterdir() if path.suffix != ".part"]
        except OSError as error:
            raise DigitsError(f"{folder}: no place for a checkpoint ({error.strerror})") from None
        if FILE_NAME in names:
            if not resume:
                raise DigitsError(
                    f"{folder}: holds the state of an unfinished training; go on with it with "
                    "--resume, name another folder, or remove this one"
                )
        elif names:
            raise DigitsError(f"{folder}: holds other things than a checkpoint; name a new folder")
        check_writable(folder / FILE_NAME)

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Say what the training is asked for: plain values, by name.

        Raises
        ------
        DigitsError
            Where the checkpoint in the folder is of a training that was asked
            for something else, or is damaged.
        """
        path = self._folder / FILE_NAME
        text = json.dumps(asked, indent=1)
        self._identity = hashlib.sha256(text.encode()).hexdigest()
        try:
            if path.exists():
                self._check_same(json.loads(path.read_bytes()), json.loads(text))
            else:
                write_bytes(path, text.encode())
        except OSError as error:
            raise DigitsError(f"{path}: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise DigitsError(
                f"{path}: damaged; remove the folder, and training begins anew"
            ) from None

    def _check_same(self, stored: Any, asked: dict[str, Any]) -> None:
        if not isinstance(stored, dict) or not stored:
            raise ValueError("no JSON object")
        names = list(dict.fromkeys([*asked, *stored]))
        differences = [
            f"{name} {_shown(stored, name)} there, {_shown(asked, name)} here"
            for name in names
            if stored.get(name) != asked.get(name)
        ]
        if differences:
            raise DigitsError(
                f"{self._folder}: the checkpoint is of another training "
                f"({'; '.join(differences)}); ask for the same, or name another folder"
            )

    def load(self, stage: str) -> Arrays | None:
        """The result of a stage, if it is known.

        Raises
        ------
        DigitsError
            Where its file is damaged or of another training.
        """
        path = self._path(stage)
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                if file.zip.testzip() is not None:  # np.load sees only what a header speaks of
                    raise ValueError("a wrong checksum")
                arrays = {name: file[name] for name in file.files}
            identity = str(arrays.pop(_IDENTITY))
            seconds = float(arrays.pop(_SECONDS))
        except FileNotFoundError:
            return None
        except Exception:  # whatever trips up zipfile or NumPy, the file is not as it was written
            raise self._damaged(path) from None
        if identity != self._identity:
            raise self._damaged(path)
        self._earlier, self._started = max(self.seconds, seconds), time.monotonic()
        return arrays

    def save(self, stage: str, arrays: Mapping[str, Array]) -> None:
        """Keep the result of a stage; its arrays may not be changed afterwards."""
        stored = {
            **arrays,
            _IDENTITY: np.array(self._identity),
            _SECONDS: np.array(self.seconds),
        }
        self._wait()
        self._saved = time.monotonic()
        self._writing = self._writer.submit(self._write, self._path(stage), stored)

    def is_due(self) -> bool:
        """Whether the last save is a while ago, and done."""
        is_busy = self._writing is not None and not self._writing.done()
        return not is_busy and time.monotonic() - self._saved >= _INTERVAL

    def clear(self) -> None:
        """Remove all that was kept: the training is done."""
        self._wait()
        self._writer.shutdown()
        for path in (*self._folder.glob(f"*{_SUFFIX}"), self._folder / FILE_NAME):
            path.unlink(missing_ok=True)
        remove_abandoned(self._folder)

    def _path(self, stage: str) -> Path:
        return self._folder / f"{stage}{_SUFFIX}"

    def _damaged(self, path: Path) -> DigitsError:
        return DigitsError(
            f"{path}: damaged, or of another training; remove this file, and its part of the "
            "work is done again"
        )

    def _wait(self) -> None:
        """Let the last save come to its end."""
        if self._writing is None:
            return
        try:
            self._writing.result()
        except OSError as error:
            if not self._is_broken:
                self._warn(
                    f"{self._folder}: the checkpoint cannot be written ({error.strerror}); "
                    "training goes on, and --resume would go on from an earlier state"
                )
            self._is_broken = True
        self._writing = None

    @staticmethod
    def _write(path: Path, arrays: Arrays) -> None:
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def _shown(values: Mapping[str, Any], name: str) -> str:
    return str(values[name])[:40] if values.get(name) is not None else "not given"


def random_state_array(rng: np.random.RandomState) -> Float64:
    """The state of a generator as numbers (627,), all of which float64 holds exactly."""
    _, key, position, has_gauss, gauss = rng.get_state(legacy=True)
    return np.array([*key, position, has_gauss, gauss])


def set_random_state(rng: np.random.RandomState, state: Array) -> None:
    """Put a generator into a state of ``random_state_array``."""
    *key, position, has_gauss, gauss = state.tolist()
    words = np.array(key).astype(np.uint32)
    rng.set_state(("MT19937", words, int(position), int(has_gauss), float(gauss)))
