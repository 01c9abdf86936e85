"""Trains ten detectors and writes models.pkl; takes the options of ``ovr-digits train``."""

from ovr_digits.cli.train import train

if __name__ == "__main__":
    train(prog_name="training.py")
