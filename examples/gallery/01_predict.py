"""Read the digit on a picture.

The picture can be a path, bytes, an open file, a PIL image or an array.
"""

from pathlib import Path

from ovr_digits import predict

PICTURE = Path(__file__).parent / "../seven.png"

answer = predict(PICTURE)
print(answer.digit, answer.verdict, f"{answer.confidence:.0%}")

# Prints:
# 7 sure 100%
