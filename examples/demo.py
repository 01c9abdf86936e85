"""The main job from start to end in less than a minute: train, test on a sample, read pictures.

Trains on some of MNIST where a copy is at hand, else on the digits that come
with scikit-learn. What it writes goes into ``demo/``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ovr_digits.data.inventory import take_inventory

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
EXAMPLES = [os.path.relpath(Path(__file__).parent / f"{name}.png") for name in NAMES]
MODELS = Path("demo", "models.pkl")
DRAWN = Path("demo", "seven.png")

#: Training that ends soon: one view of the images, and fewer drawn digits than usual.
QUICK = {
    "mnist": ("--preset", "fast", "--limit", "5000", "--forms", "1000"),
    "digits": ("--preset", "fast", "--forms", "2000"),
}


def tell(text: str) -> None:
    """Say what comes next, before it comes."""
    print(text, flush=True)


def run(*arguments: str) -> None:
    """Run one command of the program, and show it first."""
    tell("\n$ ovr-digits " + " ".join(arguments))
    subprocess.run([sys.executable, "-m", "ovr_digits", *arguments], check=True)


def main() -> None:
    """Train, test, read."""
    mnist = take_inventory("mnist")
    if mnist.is_usable:
        dataset, used = "mnist", f"5,000 digits of MNIST, from {mnist.in_use.folder}"
    else:
        dataset, used = "digits", "the 1,500 digits inside scikit-learn, as MNIST is not at hand"
    tell(f"Ten detectors learn from {used}, and from drawn ones.")
    tell("This is a quick try: plain training takes minutes, and reads more.")
    MODELS.parent.mkdir(exist_ok=True)
    models = ("--models", str(MODELS))
    run("train", "--dataset", dataset, *QUICK[dataset], "--output", str(MODELS))
    tell("\nAsked for a digit that they have not learnt from:")
    run("test", "--dataset", dataset, *models)
    tell("Asked for ten pictures, of chalk, pencil, marker and other pens:")
    run("predict", "--brief", *EXAMPLES, *models)
    run("predict", EXAMPLES[7], *models, "--explain", str(DRAWN))
    tell(f"The way from the picture to this answer is drawn in {DRAWN}.")
    tell("\nDraw digits yourself, on a page in the browser: make draw")
    tell("The models that ship with the program have learnt from far more: ovr-digits predict")


if __name__ == "__main__":
    main()
