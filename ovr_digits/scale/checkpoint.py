"""The state of a training on a stream, kept in a folder, so that a killed training can go on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ovr_digits.core.arrays import Array
from ovr_digits.errors import DigitsError
from ovr_digits.files import check_writable, remove_abandoned, replacing, write_bytes

Arrays = dict[str, Array]

#: Files in the folder: what the training was asked for, and what its rounds came to.
FILE_NAME, _ROUNDS = "checkpoint.json", "rounds.npz"
#: Names of two more arrays in the file of the rounds.
_IDENTITY, _SECONDS = "identity", "seconds"


class Checkpoint:
    """Keeps what the rounds of a training come to in a file that is written whole.

    Parameters
    ----------
    folder : Path, optional
        Made where it is missing; its parent is not. Without it nothing is kept.
    resume : bool
        Whether to go on from what is in the folder, if there is something.
    warn : callable
        Told once, in a line, where the file cannot be written any more; the
        training goes on.

    Raises
    ------
    DigitsError
        Where the folder cannot be written, holds an unfinished training that is
        not to be resumed, or anything that is no checkpoint.
    """

    def __init__(
        self,
        folder: Path | None = None,
        resume: bool = False,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._folder, self._warn = folder, warn
        self._identity, self._is_broken = "", False
        self._earlier, self._started = 0.0, time.monotonic()
        if folder is None:
            return
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

    @property
    def seconds(self) -> float:
        """How long the training has taken, without what was lost."""
        return self._earlier + time.monotonic() - self._started

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Refuse a checkpoint of a training that was asked for something else (plain values)."""
        if self._folder is None:
            return
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

    def load(self) -> Arrays | None:
        """What was saved last, if anything was, and is not damaged."""
        if self._folder is None:
            return None
        path = self._folder / _ROUNDS
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                if file.zip.testzip() is not None:  # np.load sees only what a header speaks of
                    raise ValueError("a wrong checksum")
                arrays = {name: file[name] for name in file.files}
            if str(arrays.pop(_IDENTITY)) != self._identity:
                raise ValueError("of another training")
            seconds = float(arrays.pop(_SECONDS))
        except FileNotFoundError:
            return None
        except Exception:  # whatever trips up zipfile or NumPy, the file is not as it was written
            raise DigitsError(
                f"{path}: damaged, or of another training; remove this file, and its part of the "
                "work is done again"
            ) from None
        self._earlier, self._started = max(self.seconds, seconds), time.monotonic()
        return arrays

    def save(self, arrays: Mapping[str, Array]) -> None:
        """Keep what the rounds have come to."""
        if self._folder is None:
            return
        own = {_IDENTITY: np.array(self._identity), _SECONDS: np.array(self.seconds)}
        try:
            with replacing(self._folder / _ROUNDS) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays, **own)
        except OSError as error:
            if not self._is_broken:
                self._warn(
                    f"{self._folder}: the checkpoint cannot be written ({error.strerror}); "
                    "training goes on, and --resume would go on from an earlier state"
                )
            self._is_broken = True

    def clear(self) -> None:
        """Remove all that was kept: the training is done."""
        if self._folder is None:
            return
        for name in (_ROUNDS, FILE_NAME):
            (self._folder / name).unlink(missing_ok=True)
        remove_abandoned(self._folder)


def _shown(values: Mapping[str, Any], name: str) -> str:
    return str(values[name])[:40] if values.get(name) is not None else "not given"
