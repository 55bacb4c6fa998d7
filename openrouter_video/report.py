"""What a run's outcomes look like to people: flat rows for a table, and a line above it.

Pure. Values of the API and of users end up in tables and terminals, so control characters never pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from openrouter_video.answers import clip
from openrouter_video.job import Outcome, dollars, summary

__all__ = ["describe", "explanation", "table_rows"]


def table_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str | int | float]]:
    """Return one flat row per video, the same columns in each, empty where there is nothing to say."""
    return [
        {
            "model": clip(outcome.model),
            "take": outcome.take,
            "status": f"{outcome.status} (reused)" if outcome.reused else outcome.status,
            "cost": dollars(outcome.cost_usd) if outcome.cost_usd is not None else "",
            "seconds": _number(outcome.duration_seconds),
            "size": f"{outcome.width}x{outcome.height}" if outcome.width else "",
            "waited": _number(outcome.elapsed_seconds),
            "left out": ", ".join(option.key for option in outcome.left_out),
            "why": explanation(outcome),
            "video": outcome.url or "",
            "job": outcome.job_id or "",
            "key": outcome.key or "",
        }
        for outcome in outcomes
    ]


def describe(outcomes: Sequence[Outcome]) -> str:
    """Return the line above the table, such as ``3 of 4 videos, $1.20``."""
    return f"{summary(outcomes)}."


def explanation(outcome: Outcome) -> str:
    """Return in one line why a video is not there, or why it is not quite what was asked."""
    return clip("; ".join([*filter(None, [outcome.error]), *outcome.notes]))


def _number(value: float | None) -> str | float:
    return round(value, 1) if value is not None else ""
