"""What a sandbox's own record says of the jobs that it has made."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["most_at_once"]


def most_at_once(state: Path, model: str = "") -> int:
    """Return how many jobs ran side by side at most; of models whose id begins so, or of all."""
    jobs = [job for job in json.loads(state.read_text())["jobs"] if job["body"]["model"].startswith(model)]
    moments = [(job["submitted_at"], 1) for job in jobs] + [(job["ready_at"], -1) for job in jobs]
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most
