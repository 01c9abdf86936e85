"""Results on disk: written whole, and used again where nothing that matters has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ovr_digits.files import write_bytes

Record = dict[str, Any]


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file as a whole."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a text file as a whole."""
    write_bytes(path, text.encode())


def stored(path: Path, conditions: Record) -> Record | None:
    """The result in a file, if it was measured under just these conditions."""
    try:
        record = json.loads(path.read_text())
        return record["result"] if record["conditions"] == conditions else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def result_of(
    path: Path, conditions: Record, fresh: bool, run: Callable[[], Record]
) -> tuple[Record, bool]:
    """The stored result, else a new one, which is stored; and whether it is new."""
    found = None if fresh else stored(path, conditions)
    if found is not None:
        return found, False
    result = run()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"conditions": conditions, "result": result})
    return result, True
