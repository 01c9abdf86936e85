"""``ovr-digits export``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command
from ovr_digits.cli.outputs import OutputFile

Form = Literal["page", "onnx"]
#: Endings of names, and the form of a file that is named so.
_ENDINGS: dict[str, Form] = {".html": "page", ".onnx": "onnx"}


@command
@click.argument("output", metavar="FILE", type=OutputFile(dir_okay=False))
@options.models
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_ENDINGS.values())),
    help="What to write. [default: what the ending of FILE says]",
)
def export(output: Path, models: Path | None, form: Form | None) -> None:
    """Write the detectors as one page, or for other languages.

    FILE works without this program.

    .html is a page to draw on that reads by itself, in any browser, with no network and
    nothing to install: one file for a disk, a stick or a web site.

    .onnx is for other languages: an ONNX model that takes raw grey levels, uint8 (n, 784),
    and gives scores, votes, fired and digit. It needs the extra onnx.

    \b
    Examples:
      ovr-digits export page.html
      ovr-digits export model.onnx
      ovr-digits export mine.onnx --models mine.pkl
    """
    form = form or _ENDINGS.get(output.suffix.lower())
    if form is None:
        raise click.UsageError(
            f"{output}: the ending does not say what to write; use {' or '.join(_ENDINGS)}, "
            "or --format."
        )

    from ovr_digits.files import check_writable, write_bytes
    from ovr_digits.models.modelfile import load_models

    check_writable(output)
    if form == "page":
        from ovr_digits.web.page_file import page_bytes as content_of
    else:
        from ovr_digits.models.onnx_file import onnx_bytes as content_of

    content = content_of(load_models(models))
    write_bytes(output, content)
    terminal.echo(f"written to {output}, {len(content) / 1e6:.1f} MB")
