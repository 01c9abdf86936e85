"""The way to matplotlib, which what the environment says of windows must not block."""

from __future__ import annotations

import os
from types import ModuleType


def import_matplotlib() -> ModuleType:
    """The module matplotlib.

    It does not load where ``MPLBACKEND`` names a backend that is not installed,
    as in a command that a notebook starts. Files are written without any.
    """
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return matplotlib
