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
from ovr_digits.cli.predicting import predict
from ovr_digits.cli.reading import read
from ovr_digits.cli.serve import draw, serve
from ovr_digits.cli.test import test
from ovr_digits.cli.train import train
from ovr_digits.cli.train_stream import train_stream
from ovr_digits.version import __version__

_LEARN = (train, train_stream, adapt)
_READ = (predict, read, draw, serve)
_MEASURE = (test, evaluate, inspect, compare, data, export)


#: What is said where no command is given.
_FIRST = """Reads handwritten digits. To begin with:

  ovr-digits predict photo.png   read the digit on a picture
  ovr-digits read meter.jpg      read a whole number
  ovr-digits draw                draw on a page and watch the votes
  ovr-digits --help              all commands; each has --help, too
"""


@click.group(
    context_settings=CONTEXT_SETTINGS,
    commands=[*_LEARN, *_READ, *_MEASURE],
    invoke_without_command=True,
)
@click.version_option(__version__, "-V", "--version", prog_name="ovr-digits")
@click.pass_context
def main(context: click.Context) -> None:
    """Read handwritten digits with ten one-vs-rest classifiers.

    Each of the ten answers "is this my digit?" for one digit only; the
    highest score wins, and who said yes tells how sure the answer is.

    \b
    Examples:
      ovr-digits predict photo.png
      ovr-digits read meter.jpg
      ovr-digits draw
    """
    if context.invoked_subcommand is None:
        click.echo(_FIRST, nl=False, err=True)
        context.exit(2)  # wrong usage, for scripts
