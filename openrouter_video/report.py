"""What a run's outcomes look like to people: rows for a table, and what an interrupted run leaves behind.

Pure. Values of the API and of users end up in tables and terminals, so control characters never pass.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from openrouter_video.outcome import Outcome, dollars, unsettled_words
from openrouter_video.text import clip, printable

__all__ = ["collect_command", "explanation", "interruption_message", "table_rows"]


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


def collect_command(
    *, output: str | None = None, ledger: str | None = None, store: str | None = None, credentials: str | None = None
) -> str:
    """Return the command that finishes what a run with these options leaves open."""
    options = {"output": output, "ledger": ledger, "store": store, "credentials": credentials}
    words = [word for name, value in options.items() if value for word in (f"--{name}", value)]
    return printable(shlex.join(["openrouter-video", "collect", *words]))


def interruption_message(
    outcomes: Sequence[Outcome],
    collect: str,
    *,
    why: str = "Interrupted",
    shown_url: Callable[[str], str] = printable,
) -> str:
    """Return what an interrupted run leaves behind: what is saved, which jobs go on and are billed, and what to do."""
    completed, running, uncertain = (
        [outcome for outcome in outcomes if outcome.status == status] for status in ("completed", "open", "uncertain")
    )
    lines = [f"{why}."]
    if completed:
        lines += ["These videos are safe:", *(f"  {_title(o)}: {shown_url(o.url or '')}" for o in completed)]
    if running:
        lines.append("These jobs go on at OpenRouter and are billed:")
        lines += [f"  {_title(o)}: job {clip(o.job_id or 'unknown')}, key {o.key}" for o in running]
        lines += [f"  {clip(words)}" for words in unsettled_words(running)]
        lines.append(f"Fetch their videos later with the flow collect-videos, or with: {collect}")
    if uncertain:
        lines.append("It is not known whether these were accepted; they may be billed, and are never sent again:")
        lines += [f"  {_title(o)}: key {o.key}" + (f": {clip(o.error)}" if o.error else "") for o in uncertain]
    if not running and not uncertain:
        lines.append("No job of this run goes on, and nothing more will be billed.")
    return "\n".join(lines)


def explanation(outcome: Outcome) -> str:
    """Return in one line why a video is not there, or why it is not quite what was asked."""
    return clip("; ".join([*filter(None, [outcome.error]), *outcome.notes]))


def _title(outcome: Outcome) -> str:
    return clip(outcome.model) if outcome.take == 1 else f"{clip(outcome.model)} take {outcome.take}"


def _number(value: float | None) -> str | float:
    return round(value, 1) if value is not None else ""
