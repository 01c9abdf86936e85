"""Read many pictures, of which some cannot be read.

Each has an answer; that of a picture which cannot be read says why.
"""

from pathlib import Path

from ovr_digits import predict

FOLDER = Path(__file__).parent / ".."
PICTURES = [FOLDER / name for name in ("two.png", "nine.png", "absent.png", "demo.py")]

for picture, answer in zip(PICTURES, predict(PICTURES), strict=True):
    print(picture.name, answer.error or answer.digit)

# Prints:
