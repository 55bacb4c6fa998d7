"""What a process measures of itself, read from the system."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def resident_mib() -> float:
    """Return the memory that this process holds now, in MiB; where nobody tells, the most that it ever held."""
    return _of_status("VmRSS")


def peak_mib() -> float:
    """Return the most memory that this process ever held, in MiB."""
    return _of_status("VmHWM")


def forget_peak() -> None:
    """Let ``peak_mib`` begin anew, where the system can."""
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def _of_status(field: str) -> float:
    # What getrusage tells begins with the memory of the process that started this one.
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines[field].split()[0]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


def write_figures(path: str, figures: dict[str, Any]) -> None:
    """Write one JSON line: to a file, since a server that outlives this process would keep a pipe open."""
    Path(path).write_text(json.dumps(figures) + "\n")
