"""Read a number, and tell where each digit is."""

from pathlib import Path

from ovr_digits import read

PICTURE = Path(__file__).parent / "meter.png"

number = read(PICTURE)
print(number.text, number.verdict)
for found in number.digits[:2]:
    x, y, width, height = found.box
    print(f"a {found.digit}, {width:.0f} wide and {height:.0f} high")

# Prints:
# 31057 sure
# a 3, 50 wide and 68 high
# a 1, 15 wide and 69 high
