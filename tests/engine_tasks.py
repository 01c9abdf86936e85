"""What the tasks of the tests of the engine do: little, so that its processes import little."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from ovr_digits.errors import DigitsError


def double(number: int, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return 2 * number


def pid(seconds: float = 0.05) -> int:
    time.sleep(seconds)
    return os.getpid()


def noted(folder: Path, number: int, seconds: float) -> int:
    """Leaves a file for each time that a task has begun."""
    (folder / f"{number}-{time.monotonic_ns()}").touch()
    return double(number, seconds)


def refuse(number: int) -> int:
    if number == 5:
        raise DigitsError("five is refused")
    return number


def fail(number: int) -> float:
    return 1 / number


def total(value: Large, number: int) -> tuple[float, int]:
    return float(value.array[0] + number), os.getpid()


def blas_threads() -> set[int]:
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Large:
    """25 MB that note in which processes they arrive."""

    def __init__(self, folder: Path) -> None:
        self.array, self._folder = np.full(25 * 2**17, 7.0), folder

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__ = state
        (self._folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()
