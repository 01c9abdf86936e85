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
# two.png 2
# nine.png 9
# absent.png no such file
# demo.py not a picture in a format that can be read; save it as PNG or JPEG
