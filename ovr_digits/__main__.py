"""``python -m ovr_digits``, the same as the command ``ovr-digits``."""

from ovr_digits.cli import main

main(prog_name="ovr-digits")
