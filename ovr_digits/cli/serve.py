"""``ovr-digits draw`` and ``ovr-digits serve``."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from ovr_digits.cli import options, terminal
from ovr_digits.cli.ending import command, note, printable
from ovr_digits.extras import missing

_MOST_WORKERS = 256
#: What the extra web installs.
_EXTRA = ("fastapi", "fastapi_offline", "pebble", "python_multipart", "segno", "uvicorn")
#: White and black of the 256 colours of a terminal, which no theme changes.
_INKS = ("8;5;231", "8;5;16")

_keep_option = click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep pictures that are corrected on the page in this folder, for adapt to learn from.",
)


@command
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: a free one]")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@_keep_option
@click.option(
    "--workers",
    type=click.IntRange(1, _MOST_WORKERS),
    default=1,
    show_default=True,
    help="Processes that read pictures.",
)
@options.models
def draw(port: int, no_browser: bool, keep: Path | None, workers: int, models: Path | None) -> None:
    """Draw digits on a page in the browser and watch the votes.

    The page is served to this machine alone, until Ctrl-C.

    \b
    Examples:
      ovr-digits draw
      ovr-digits draw --keep corrections
    """
    _check_extra("draw")
    from ovr_digits.web.browser import open_page
    from ovr_digits.web.server import Settings, run

    def show(url: str) -> None:
        if not open_page(url):
            note("no browser was found to open the page in; open the address yourself")

    def ready(url: str, elsewhere: Sequence[str]) -> None:
        _announce(url, elsewhere)
        if not no_browser:
            threading.Thread(target=show, args=(url,), daemon=True).start()

    run(Settings("127.0.0.1", port, workers, models, keep), ready, note)


@command
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Name or address to listen on; 0.0.0.0 or :: is every address of this machine.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="A host name that browsers may use, besides localhost and that of --host; may be "
    "repeated. Requests to the address of --host and to the loopback need none, and with 0.0.0.0 "
    "or :: those to any address.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, _MOST_WORKERS),
    default=None,
    help="Processes that read pictures. [default: one for each core]",
)
@options.models
@_keep_option
@click.option("--quiet", is_flag=True, help="No line on stderr for every request.")
def serve(  # noqa: PLR0913
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    workers: int | None,
    models: Path | None,
    keep: Path | None,
    quiet: bool,
) -> None:
    """Serve the page and its API to others.

    It runs until Ctrl-C or SIGTERM. With --host 0.0.0.0 it prints the addresses
    for other machines, and a QR code of the first. The API is described at /docs.
    There is no password and no encryption: for more than a trusted network, put
    a web server with both in front, and name it with --allow-host.

    \b
    Examples:
      ovr-digits serve
      ovr-digits serve --host 0.0.0.0 --allow-host digits.example.org
      curl --data-binary @seven.png http://127.0.0.1:8000/api/predict
    """
    _check_extra("serve")
    from ovr_digits.parallel import resolve_jobs
    from ovr_digits.web.server import Settings, run

    n_workers = workers or min(_MOST_WORKERS, resolve_jobs(-1))
    settings = Settings(host, port, n_workers, models, keep, allow_host)
    run(settings, _announce, note, (lambda line: None) if quiet else _log)


def _check_extra(command: str) -> None:
    if any(find_spec(name) is None for name in _EXTRA):
        raise missing("web", command)


def _announce(url: str, elsewhere: Sequence[str]) -> None:
    click.echo(f"ovr-digits: {url} (Ctrl-C stops it)")
    for other in elsewhere:
        if other != url:
            click.echo(f"ovr-digits: {other} from other machines")
    if elsewhere and terminal.has_colour() and terminal.has_unicode():
        lines = _qr_lines(elsewhere[0])
        size = shutil.get_terminal_size()
        if size.columns >= 2 * len(lines) and size.lines > len(lines):
            click.echo("\n".join(lines))


def _qr_lines(url: str) -> list[str]:
    """A QR code in half blocks: black on white, whichever colours the terminal has."""
    from ovr_digits.web.addresses import qr_code

    rows = qr_code(url)
    rows.append([0] * len(rows[0]))  # they are odd in number
    return [
        "".join(f"\x1b[3{_INKS[u]};4{_INKS[v]}m▀" for u, v in zip(*two, strict=True)) + "\x1b[0m"
        for two in zip(rows[::2], rows[1::2], strict=True)
    ]


def _log(line: str) -> None:
    with contextlib.suppress(OSError):  # whoever read it has gone
        click.echo(printable(line), err=True)
