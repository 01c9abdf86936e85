"""Vowpal Wabbit's one-against-all reduction on pixels."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from vowpalwabbit import Workspace

from benchmarks.peers.base import Peer


class VowpalWabbit(Peer):
    """``--oaa 10`` with the passes and options of its own MNIST demo, linear in the pixels."""

    def fit(self, X: Any, y: Any, cores: int) -> None:
        """Write the images as its text format and let it read them over and over."""
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        order = np.random.default_rng(0).permutation(len(X))
        with (folder / "train.vw").open("w") as file:
            file.writelines(f"{y[i] + 1} {_example(X[i])}\n" for i in order)
        options = (
            f"--oaa 10 --adaptive --invariant --holdout_off -l 0.05 -b 20 --random_seed 1 --quiet "
            f"--passes {3 if self.quick else 15} --cache_file {folder / 'cache'} -k "
            f"-d {folder / 'train.vw'} -f {folder / 'model.vw'}"
        )
        Workspace(options).finish()

    def save(self, folder: Path) -> None:
        """Move what it wrote."""
        shutil.move(Path(self._folder.name) / "model.vw", folder / "model.vw")
        self._folder.cleanup()

    def load(self, folder: Path) -> None:
        """Open the model for predictions only."""
        self.model = Workspace(f"--quiet -t -i {folder / 'model.vw'}")

    def predict(self, X: Any) -> Any:
        """The class, which it counts from 1."""
        return np.array([self.model.predict(_example(image)) for image in X]) - 1


def _example(image: Any) -> str:
    """One image in its text format: the pixels that are not 0, in 0..1."""
    pixels = np.flatnonzero(image)
    values = (image[pixels] / 255).round(4)
    return "|p " + " ".join(map("{}:{}".format, pixels.tolist(), values.tolist()))
