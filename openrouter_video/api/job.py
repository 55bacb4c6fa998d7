"""What the provider says of a job: its status, its error, what it cost.

Pure values. Signed download URLs are secrets and are never read out of an answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["JobStatus", "Usage", "VideoJob"]


class JobStatus(StrEnum):
    """The statuses of a job that OpenRouter is known to use; any other means that it still runs."""

    pending = "pending"
    in_progress = "in_progress"
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"
    expired = "expired"
    dead = "dead"


UNSUCCESSFUL = frozenset({JobStatus.failed, JobStatus.cancelled, JobStatus.expired, JobStatus.dead})


class Usage(BaseModel):
    """What a finished job cost, by the provider's own account; the only true price."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cost: float | None = None


class VideoJob(BaseModel):
    """One answer of ``GET /videos/{id}``, reduced to what a decision needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    status: str
    error: str | None = None
    usage: Usage | None = None
    videos: int = 1
    expires_at: str | None = None

    @field_validator("error", mode="before")
    @classmethod
    def _any_error_as_text(cls, value: Any) -> Any:
        """The API documents a string; an object from a look-alike server must not lose a paid job."""
        if isinstance(value, dict):
            return str(value.get("message") or value)
        return value if value is None else str(value)

    @field_validator("expires_at", mode="before")
    @classmethod
    def _sortable_time(cls, value: Any) -> Any:
        """Seconds of the epoch and ISO dates become one form that sorts as text; anything else is not said."""
        try:
            numeric = isinstance(value, int | float)
            when = datetime.fromtimestamp(value, UTC) if numeric else datetime.fromisoformat(str(value))
            aware = when if when.tzinfo else when.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat(timespec="seconds")
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def completed(self) -> bool:
        """Whether the video is ready."""
        return self.status == JobStatus.completed

    @property
    def unsuccessful(self) -> bool:
        """Whether the provider gave the job up for good."""
        return self.status in UNSUCCESSFUL

    @property
    def terminal(self) -> bool:
        """Whether the job will not change any more."""
        return self.completed or self.unsuccessful

    @property
    def cost_usd(self) -> float | None:
        """What the job cost in US dollars; None as long as the provider does not say."""
        return self.usage.cost if self.usage else None
