"""Pictures that were made to do harm, by hand."""

from __future__ import annotations

from collections.abc import Callable

CASES: dict[str, Callable[[], bytes]] = {}
