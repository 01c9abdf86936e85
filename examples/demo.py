"""The main job from start to end: train, test on a random sample, predict an example picture.

Trains on MNIST where a copy is at hand or can be downloaded, else on the
digits that come with scikit-learn. What it writes goes into ``demo/``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ovr_digits.data.splits import load_split
from ovr_digits.errors import DigitsError
from ovr_digits.progress import TerminalProgress

FOLDER = Path(__file__).parent
MODELS = Path("demo/models.pkl")


def best_dataset() -> str:
    """MNIST if it can be had, else the bundled digits; says which."""
    try:
        with TerminalProgress() as progress:
            source = load_split("mnist", "train", progress=progress).source
            load_split("mnist", "test", progress=progress)
    except DigitsError as error:
        print(f"No MNIST here: {error}\nTraining on the bundled digits instead.\n")
        return "digits"
    print(f"Training on MNIST from {source}.\n")
    return "mnist"


def run(*arguments: str) -> None:
    """Run one command of the program, and show it first."""
    print("$ ovr-digits " + " ".join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", "ovr_digits", *arguments], check=True)
    print(flush=True)


def main() -> None:
    """Train, test, predict."""
    dataset = best_dataset()
    MODELS.parent.mkdir(exist_ok=True)
    models = ("--models", str(MODELS))
    run("train", "--dataset", dataset, "--output", str(MODELS))
    run("test", "--dataset", dataset, *models)
    run("predict", os.path.relpath(FOLDER / "seven.png"), *models)
    if dataset == "digits":
        print(
            "1,500 digits of 8×8 pixels are little to learn from. The models that ship are\n"
            "trained on the 60,000 of MNIST and on 14,519 of other people's hands:\n"
        )
        run("predict", os.path.relpath(FOLDER / "seven.png"))


if __name__ == "__main__":
    main()
