"""What a run's outcomes look like to people: flat rows for a table, and a line above it.

Pure. Values of the API and of users end up in tables and terminals, so control characters never pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from openrouter_video.outcome import Outcome, dollars, summary, unsettled_words
from openrouter_video.text import clip, printable

__all__ = ["describe", "explanation", "parting_words", "table_rows"]


def table_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str | int | float]]:
    """Return one flat row per video, the same columns in each, empty where there is nothing to say.

    Prefect's page shows the first columns and scrolls to the rest, so what a person must know comes first.
    """
    return [
        {
            "model": clip(outcome.model),
            "take": outcome.take,
            "status": f"{outcome.status} (reused)" if outcome.reused else outcome.status,
            "cost": dollars(outcome.cost_usd) if outcome.cost_usd is not None else "",
            "why": explanation(outcome),
            "left out": clip(", ".join(option.key for option in outcome.left_out)),
            "video": printable(outcome.url or ""),
            "size": f"{outcome.width}x{outcome.height}" if outcome.width else "",
            "seconds": _number(outcome.duration_seconds),
            "waited": _number(outcome.elapsed_seconds),
            "job": clip(outcome.job_id or ""),
            "key": outcome.key or "",
        }
        for outcome in outcomes
    ]


def describe(outcomes: Sequence[Outcome]) -> str:
    """Return the line above the table, such as ``3 of 4 videos, $1.20``."""
    return f"{summary(outcomes)}."


def parting_words(outcomes: Sequence[Outcome], collect: str) -> str:
    """Return what an interrupted run leaves behind: which jobs go on and are billed, and how to fetch their videos."""
    going_on = [outcome for outcome in outcomes if outcome.status == "open"]
    doubtful = [outcome for outcome in outcomes if outcome.status == "uncertain"]
    lines = []
    if going_on:
        lines.append("Interrupted. These jobs go on and are billed:")
        lines += [f"  {clip(o.model)} take {o.take}: job {clip(o.job_id or 'unknown')}, key {o.key}" for o in going_on]
        lines += [f"  {clip(words)}" for words in unsettled_words(going_on)]
        lines.append(f"Fetch their videos later with the flow collect-videos, or with: {collect}")
    if doubtful:
        lines.append("Interrupted. Nobody knows whether these were accepted; they may be billed:")
        lines += [f"  {clip(o.model)} take {o.take}: {clip(o.error or '')}" for o in doubtful]
    return "\n".join(lines) or "Interrupted. No job of this run goes on, and nothing more will be billed."


def explanation(outcome: Outcome) -> str:
    """Return in one line why a video is not there, or why it is not quite what was asked."""
    return clip("; ".join([*filter(None, [outcome.error]), *outcome.notes]))


def _number(value: float | None) -> str | float:
    return round(value, 1) if value is not None else ""
