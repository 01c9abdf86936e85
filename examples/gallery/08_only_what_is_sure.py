"""Act on what is sure, and leave the rest to a person.

`sure` means that exactly one detector said yes. A threshold of your own on `confidence` can ask for
more.
"""

from pathlib import Path

from PIL import Image, ImageDraw

from ovr_digits import predict

FOLDER = Path(__file__).parent / ".."

scribble = Image.new("L", (100, 100), "white")
ImageDraw.Draw(scribble).line([(20, 80), (35, 20), (50, 80), (65, 20), (80, 80)], width=6)
for name, picture in (("eight.png", FOLDER / "eight.png"), ("a scribble", scribble)):
    answer = predict(picture)
    if answer.verdict == "sure" and answer.confidence > 0.99:
        print(f"{name}: {answer.digit}")
    else:
        print(f"{name}: for a person to look at")

# Prints:
# eight.png: 8
# a scribble: for a person to look at
