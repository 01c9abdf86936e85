"""ovr-digits itself, through its own commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.data import Data
from benchmarks.measure import Cost, measured, ovr_digits_command
from benchmarks.peers.base import Peer


class OursDefault(Peer):
    """``ovr-digits train``; its time is that of the whole command, reading and testing included."""

    preset = "default"

    def train(self, data: Data, cores: int) -> Cost:
        """Run the command, which reads the images itself."""
        self._folder = tempfile.TemporaryDirectory()
        command = [ovr_digits_command(), "train", "--preset", self.preset, *data.train_options()]
        command += ["--forms", "0"]  # all contestants learn from the same images
        command += ["--jobs", str(cores), "--output", str(self._models)]
        if (limit := data.limit("train")) is not None:
            command += ["--limit", str(limit)]
        if self.quick:
            command += ["--epochs", "3"]
        with measured() as cost:
            done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            sys.exit(done.returncode)  # it has said why
        return cost

    @property
    def _models(self) -> Path:
        return Path(self._folder.name) / "models.pkl"

    def fit(self, X: Any, y: Any, cores: int) -> None:
        """Not used: the command reads the images."""
        raise RuntimeError("ovr-digits train reads the images itself")

    def save(self, folder: Path) -> None:
        """Move what the command wrote."""
        shutil.move(self._models, folder / "models.pkl")
        self._folder.cleanup()

    def load(self, folder: Path) -> None:
        """Read models.pkl as the commands do."""
        from ovr_digits import load_models

        self.models = load_models(folder / "models.pkl")

    def predict(self, X: Any) -> Any:
        """The highest of ten scores."""
        from ovr_digits.parallel import collect

        return collect(self.models.decision_function, X, n_jobs=-1).argmax(axis=1)

    def answer_command(self, folder: Path, picture: Path) -> list[str]:
        """``ovr-digits predict``."""
        models = str(folder / "models.pkl")
        return [ovr_digits_command(), "predict", str(picture), "--models", models, "--json"]


class OursFast(OursDefault):
    """Preset fast."""

    preset = "fast"


class OursBest(OursDefault):
    """Preset best."""

    preset = "best"
