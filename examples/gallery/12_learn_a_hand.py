"""Teach models a hand that they do not know.

Somebody writes a 1 like a roof, and no detector recognises it. What is not sure is put aside
(`read --review`), a person types what it says, and `adapt` learns it.
"""

import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from ovr_digits import predict


def roof(seed):
    """Somebody's 1, each a little other."""
    chance = random.Random(seed)
    points = [(x + chance.uniform(-6, 6), y) for x, y in ((20, 100), (50, 15), (80, 100))]
    paper = Image.new("L", (100, 120), "white")
    ImageDraw.Draw(paper).line(points, fill="black", width=7, joint="curve")
    return paper


def ovr_digits(*arguments):
    """Run a command of the program, quietly."""
    command = [sys.executable, "-m", "ovr_digits", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


with tempfile.TemporaryDirectory() as folder:
    scans, unsure, mine = (Path(folder, name) for name in ("scans", "unsure", "mine.pkl"))
    scans.mkdir()
    for number in range(8):
        roof(number).save(scans / f"{number}.png")
    ovr_digits("read", scans, "--review", unsure)

    with open(unsure / "review.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(unsure / "review.csv", "w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(row | {"text": "1"} for row in rows)  # what a person would type

    ovr_digits("adapt", unsure, "--dataset", "digits", "--output", mine)
    print("before:", predict(roof(99)).verdict)
    print("after:", predict(roof(99), models=mine).verdict)

# Prints:
# before: none
# after: sure
