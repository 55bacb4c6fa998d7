"""The life of a job as a value; time is always an argument. Pure.

A job is finished by the clock, by a person (:func:`ended`), or later than the clock while its video is still rendered.
Times are unix seconds.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue

from openrouter_video.sandbox.orders import Order

__all__ = [
    "End",
    "Job",
    "Status",
    "Terminal",
    "ended",
    "latencies",
    "new_job_id",
    "simulated_seconds",
    "status_of",
]

Terminal = Literal["completed", "failed", "cancelled", "expired", "dead"]
Status = Literal["pending", "in_progress", "completed", "failed", "cancelled", "expired", "dead"]

STORED_SECONDS = 24 * 3600
"""How long after completion the files can be fetched; OpenRouter publishes no figure."""

_ALPHANUMERICS = string.ascii_letters + string.digits
_ERRORS: dict[Terminal, str | None] = {
    "completed": None,
    "failed": "Video generation failed",
    "cancelled": "Job was cancelled",
    "expired": "Job exceeded maximum time to live",
    "dead": "Job could not be processed",
}


class _Pace(NamedTuple):
    clip_seconds: float
    fastest: float
    slowest: float


# The first two are recorded; long clips were seen to take two to five minutes.
_PACES = (_Pace(1, 3, 12), _Pace(4, 41, 62), _Pace(10, 120, 240), _Pace(30, 180, 300))


class End(BaseModel):
    """A terminal state that somebody decided, with the API's error text (None for completed)."""

    model_config = ConfigDict(frozen=True)

    status: Terminal
    error: str | None = None


class Job(BaseModel):
    """One accepted, and therefore charged, video generation."""

    model_config = ConfigDict(frozen=True)

    id: str
    order: Order
    body: dict[str, JsonValue]
    session_id: str | None
    cost_usd: float | None
    submitted_at: float
    ready_at: float
    secret: str
    end: End | None = None
    fate: End | None = None
    """How it ends by itself when it is ready, where that is not with a video."""

    def error_of(self, status: Status) -> str | None:
        """The API's text for this status of the job, if it has one."""
        return next((end.error for end in (self.end, self.fate) if end is not None and end.status == status), None)

    @property
    def expires_at(self) -> int:
        """When the stored files stop being available."""
        return int(self.ready_at) + STORED_SECONDS


def new_job_id(now: float) -> str:
    """An id of the form that OpenRouter gives: ``gen-vid-<unix>-<20 alphanumerics>``."""
    tail = "".join(secrets.choice(_ALPHANUMERICS) for _ in range(20))
    return f"gen-vid-{int(now)}-{tail}"


def _fraction(*parts: str) -> float:
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


def simulated_seconds(order: Order) -> float:
    """How long the provider takes: the same for the same model and prompt, different among models."""
    fastest, slowest = _range(order.seconds)
    return fastest + _fraction(order.model, order.prompt) * (slowest - fastest)


def _range(clip_seconds: float) -> tuple[float, float]:
    clip = min(max(clip_seconds, _PACES[0].clip_seconds), _PACES[-1].clip_seconds)
    low, high = next((a, b) for a, b in pairwise(_PACES) if clip <= b.clip_seconds)
    share = (clip - low.clip_seconds) / (high.clip_seconds - low.clip_seconds)
    return (
        low.fastest + share * (high.fastest - low.fastest),
        low.slowest + share * (high.slowest - low.slowest),
    )


def latencies(model: str, durations: Sequence[int]) -> dict[str, float]:
    """Percentiles of the seconds that this model's jobs take: clips of 5 s, or of its shortest length above."""
    fastest, slowest = _range(max(5, min(durations, default=5)))
    share = {"p50": 0.4, "p75": 0.6, "p90": 0.8, "p99": 1.0}
    own = 0.8 + 0.4 * _fraction(model)
    return {name: own * (fastest + part * (slowest - fastest)) for name, part in share.items()}


def status_of(job: Job, now: float, *, rendering: bool) -> Status:
    """What a poll at ``now`` says; ``rendering`` is true while the video is not rendered yet.

    Most models go straight from pending to completed; one in four shows in_progress during the second half.
    """
    if job.end is not None:
        return job.end.status
    if now >= job.ready_at and job.fate is not None:
        return job.fate.status
    if now >= job.ready_at and not rendering:
        return "completed"
    halfway = (job.submitted_at + job.ready_at) / 2
    shows_progress = _fraction(job.order.model) < 1 / 4
    return "in_progress" if shows_progress and now >= halfway else "pending"


def ended(job: Job, status: Terminal, error: str | None, now: float) -> Job:
    """The job in a terminal state; the error is the API's usual text unless given."""
    end = End(status=status, error=None if status == "completed" else error or _ERRORS[status])
    return job.model_copy(update={"end": end, "ready_at": min(job.ready_at, now)})
