"""What the figures were measured with: processor, cores, memory, versions, code."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT

#: Whose versions may change the figures of every contestant.
COMMON_PACKAGES = ("ovr-digits", "numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl")


def describe_machine() -> dict[str, Any]:
    """Processor, cores that may be used, memory and system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": count_cores(),
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def conditions(packages: Sequence[str] = ()) -> dict[str, Any]:
    """What ``report.conditions_text`` tells of a run: the machine, versions and the time of now."""
    return {
        **describe_machine(),
        "versions": installed_versions(packages),
        "date": utc_now(),
    }


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hold_to_cores(cores: int | None) -> None:
    """Keep this process, and those that it starts, to some of the cores.

    Raises
    ------
    ValueError
        Where there are not as many, or the system has no means to do so.
    """
    available = count_cores()
    if cores is None or cores == available:
        return
    if not 1 <= cores <= available:
        raise ValueError(f"there are {available} cores, not {cores}")
    if not hasattr(os, "sched_setaffinity"):
        raise ValueError("this system cannot keep a process to some of its cores")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def installed_versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Versions of Python, of the common packages, and of those named that are installed."""
    versions = {"python": platform.python_version()}
    for name in (*COMMON_PACKAGES, *packages):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def code_digest(files: Iterable[Path]) -> str:
    """Changes when the content of any of the files does."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def own_code() -> list[Path]:
    """The source files of ovr_digits."""
    return sorted((ROOT / "ovr_digits").rglob("*.py"))


def utc_now() -> str:
    """The date and time of now."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
