"""When something was made, and by which versions of what."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ovr_digits.version import __version__


def stamp(*packages: str) -> dict[str, Any]:
    """The UTC time now, and the versions of Python, of this package and of others.

    Returns
    -------
    dict
        ``created`` : str, and ``versions`` : dict of str.
    """
    return {
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": {
            "python": platform.python_version(),
            "ovr-digits": __version__,
            **{package: version(package) for package in packages},
        },
    }
