"""What the sandbox remembers for assertions: every charge, and every request that it saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from openrouter_video.sandbox.jobs import Job

__all__ = ["Charge", "Kind", "Seen", "billing_summary", "charge_of"]

Kind = Literal[
    "models",
    "listing",
    "endpoints",
    "submit",
    "poll",
    "content",
    "signed",
    "key",
    "analytics",
    "generation",
    "other",
]


class Charge(BaseModel):
    """One job that was accepted and is therefore paid for, whatever the client was told.

    ``cost_usd`` is None where the model's prices are in a vocabulary that is not known; ``session_id`` comes from the
    body or the ``x-session-id`` header; ``body`` is the request as received.
    """

    model_config = ConfigDict(frozen=True)

    job_id: str
    model: str
    cost_usd: float | None
    session_id: str | None
    body: dict[str, JsonValue]


class Seen(BaseModel):
    """One request; ``status`` is None where nothing was answered.

    ``authorized`` tells whether an Authorization header came along, right or wrong: a signed URL must get none.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    method: str
    path: str
    status: int | None
    authorized: bool
    host: str
    user_agent: str
    session_id: str | None


def charge_of(job: Job) -> Charge:
    """The charge that a job is."""
    return Charge(job_id=job.id, model=job.order.model, cost_usd=job.cost_usd, session_id=job.session_id, body=job.body)


def billing_summary(charges: Sequence[Charge]) -> dict[str, JsonValue]:
    """The answer of ``GET /sandbox/billing``."""
    return {
        "jobs_charged": len(charges),
        "total_usd": round(sum(charge.cost_usd or 0 for charge in charges), 6),
        "charges": [charge.model_dump(mode="json") for charge in charges],
    }
