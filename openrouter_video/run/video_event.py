"""What Prefect is told at the end of a video: an event with the job as its resource, for automations. Pure.

An event is news: a video that a run only finds has had its own. Its identity hangs on the token of the
claim, so that a collection that meets the same submission again tells the same event, and Prefect keeps it once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from openrouter_video.elision import redact
from openrouter_video.outcome import Outcome
from openrouter_video.run.facts import Facts
from openrouter_video.text import clip

__all__ = ["VideoEvent", "video_event"]

PREFIX = "openrouter-video"
TOLD = (
    *("key", "model", "take", "status", "failure", "batch", "row", "row_id", "job_id", "cost_usd", "duration_seconds"),
    "sandbox",
)
PLACES = ("url", "poster_url", "sidecar_url")


class VideoEvent(NamedTuple):
    """One event; ``identity`` is the same text for the same news of the same submission."""

    name: str
    resource: dict[str, str]
    payload: dict[str, Any]
    identity: str


def video_event(outcome: Outcome, facts: Facts, *, collected: bool = False) -> VideoEvent | None:
    """Return what is to be told of a video; None if it is no news. ``collected``: its own run may not have told it."""
    claim = facts.claim
    if claim is None or not _is_news(outcome, facts, collected=collected):
        return None
    name = f"{PREFIX}.video.{outcome.status}"
    subject = f"job.{clip(outcome.job_id)}" if outcome.job_id else f"key.{claim.key}"
    resource = {
        "prefect.resource.id": f"{PREFIX}.{subject}",
        "prefect.resource.name": claim.title,
        f"{PREFIX}.model": clip(outcome.model),
        f"{PREFIX}.sandbox": str(outcome.sandbox).lower(),
    }
    if outcome.batch:
        resource[f"{PREFIX}.batch"] = clip(outcome.batch)
    payload: dict[str, Any] = {field: getattr(outcome, field) for field in TOLD}
    payload |= {field: redact(url) if (url := getattr(outcome, field)) else None for field in PLACES}
    payload |= {"labels": dict(claim.labels), "run_id": claim.run_id, "error": clip(outcome.error or "") or None}
    return VideoEvent(name, resource, payload, f"{name} {claim.key} {claim.token or claim.at}")


def _is_news(outcome: Outcome, facts: Facts, *, collected: bool) -> bool:
    submitted = facts.submitted
    if submitted is not None and (submitted.state == "settled" or submitted.in_flight):
        return False
    match outcome.status:
        case "skipped":
            return False
        case "uncertain":
            return collected or not facts.reused
        case "open":
            # The run that submitted it has told so, and a collection tells how it ends.
            return not collected and not facts.reused
        case _:
            return True
