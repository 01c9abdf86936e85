"""Unpacks models.pkl and votes on a random MNIST sample; options of ``ovr-digits test``."""

from ovr_digits.cli.test import test

if __name__ == "__main__":
    test(prog_name="testing.py")
