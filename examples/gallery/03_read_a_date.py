"""Read a date, whose form is known beforehand.

Where a picture can be read in several ways, the likeliest reading of that form is taken.
"""

from datetime import datetime
from pathlib import Path

from ovr_digits import Expected, read

PICTURE = Path(__file__).parent / "date.png"

answer = read(PICTURE, expected=Expected(pattern="dd/dd/dddd"))
print(answer.text, answer.verdict)
print(datetime.strptime(answer.text, "%d/%m/%Y").strftime("%A"))

# Prints:
# 24/12/2025 sure
# Wednesday
