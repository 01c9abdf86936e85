"""Teach models a hand that they do not know.

Somebody writes a 1 like a roof, and no detector recognises it. Eight of them are kept with their
digit, as the page does (`ovr-digits draw --keep corrections`), and `adapt` learns from them.
"""

import io
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from ovr_digits import predict
from ovr_digits.data.corrections import keep_correction


def roof(seed):
    """Somebody's 1, each a little other."""
    chance = random.Random(seed)
    points = [(x + chance.uniform(-6, 6), y) for x, y in ((20, 100), (50, 15), (80, 100))]
    paper = Image.new("L", (100, 120), "white")
    ImageDraw.Draw(paper).line(points, fill="black", width=7, joint="curve")
    return paper


with tempfile.TemporaryDirectory() as folder:
    corrections, mine = Path(folder, "corrections"), Path(folder, "mine.pkl")
    for number in range(8):
        file = io.BytesIO()
        roof(number).save(file, "png")
        keep_correction(corrections, file.getvalue(), 1, predict(roof(number)).vote)

    command = [sys.executable, "-m", "ovr_digits", "adapt", corrections]
    subprocess.run(
        [*command, "--dataset", "digits", "--output", mine], check=True, stdout=subprocess.DEVNULL
    )
    print("before:", predict(roof(99)).verdict)
    print("after:", predict(roof(99), models=mine).verdict)

# Prints:
# before: none
# after: sure
