"""Opens a page in the browser, where there is one that shows pages."""

from __future__ import annotations

import os
import sys
import webbrowser


def open_page(url: str) -> bool:
    """Open a page; whether there was a browser for it.

    Browsers that run in the terminal cannot show the page, and would take the terminal.
    """
    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    try:
        return has_screen and webbrowser.open(url)
    except webbrowser.Error:
        return False
