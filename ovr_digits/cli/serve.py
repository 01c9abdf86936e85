"""``ovr-digits draw`` and ``ovr-digits serve``."""

from __future__ import annotations

from pathlib import Path

import click

from ovr_digits.cli.options import CONTEXT_SETTINGS, models_option, tidy_errors

_workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes."
)


@click.command(context_settings=CONTEXT_SETTINGS)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: a free one]")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@_workers_option
@models_option
@tidy_errors
def draw(port: int, no_browser: bool, workers: int, models: Path | None) -> None:
    """Draw digits on a page in the browser and watch ten detectors vote."""
    from ovr_digits.web.server import run

    run("127.0.0.1", port, models, workers, not no_browser)


@click.command(context_settings=CONTEXT_SETTINGS)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@_workers_option
@models_option
@tidy_errors
def serve(host: str, port: int, workers: int, models: Path | None) -> None:
    """Serve the page and the API to others."""
    from ovr_digits.web.server import run

    run(host, port, models, workers, False)
