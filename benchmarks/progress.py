"""One line on stderr for each run."""

from __future__ import annotations

import sys


class Line:
    """Says what has begun, and when it ends how it went."""

    def __init__(self, name: str) -> None:
        print(f"{name}: ", end="", file=sys.stderr, flush=True)

    def end(self, text: str) -> None:
        """Finish the line."""
        print(text, file=sys.stderr, flush=True)
