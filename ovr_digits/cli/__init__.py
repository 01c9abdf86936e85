"""The command line: every command only reads its options, calls a function and prints."""

from __future__ import annotations

import click

from ovr_digits.cli.adapt import adapt
from ovr_digits.cli.compare import compare
from ovr_digits.cli.data import data
from ovr_digits.cli.ending import CONTEXT_SETTINGS
from ovr_digits.cli.evaluate import evaluate
from ovr_digits.cli.export import export
from ovr_digits.cli.inspect import inspect
from ovr_digits.cli.predict import predict
from ovr_digits.cli.read import read
from ovr_digits.cli.serve import draw, serve
from ovr_digits.cli.test import test
from ovr_digits.cli.train import train
from ovr_digits.cli.train_stream import train_stream
from ovr_digits.version import __version__

_LEARN = (train, train_stream, adapt)
_READ = (predict, read, draw, serve)
_MEASURE = (test, evaluate, inspect, compare, data, export)


@click.group(context_settings=CONTEXT_SETTINGS, commands=[*_LEARN, *_READ, *_MEASURE])
@click.version_option(__version__, prog_name="ovr-digits")
def main() -> None:
    """Read handwritten digits with ten one-vs-rest classifiers.

    Each of the ten answers "is this my digit?" for one digit only; the
    highest score wins, and who said yes tells how sure the answer is.

    \b
    ovr-digits predict photo.png        read the digit on a picture
    ovr-digits read meter.jpg           read a whole number
    ovr-digits draw                     draw on a page and watch the votes
    ovr-digits test                     vote on a random MNIST sample
    ovr-digits evaluate                 accuracy on the whole test set
    ovr-digits train                    train your own models.pkl
    ovr-digits train-stream             on more digits than fit into memory
    ovr-digits adapt corrections        let it learn your hand
    ovr-digits inspect                  what is in a models.pkl
    ovr-digits compare old.pkl new.pkl  which of two is better
    ovr-digits export model.onnx        take the detectors elsewhere
    ovr-digits data                     which data is at hand, and what is in it
    """
