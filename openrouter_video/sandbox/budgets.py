"""What the key may spend: budgets over windows in UTC, ``GET /key``, and the 403 of one that is spent. Pure.

A budget refuses once nothing of it is left, so the last job may cost more than there was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from openrouter_video.sandbox.answers import Answer, document, envelope
from openrouter_video.sandbox.jobs import Job

__all__ = ["Budget", "key_answer", "spent_refusal"]

Interval = Literal["daily", "weekly", "monthly"]
Scope = Literal["workspace_default_member", "workspace_default_key", "member", "api_key", "workspace", "key_limit"]
"""Which layer a budget is, in the order in which they are checked: guardrails, the workspace, the key's own limit."""

_ORDER = get_args(Scope)
_SOURCES = {"key_limit": "openrouter_key_limit", "workspace": "openrouter_workspace_budget"}
_GUARDRAIL = "openrouter_guardrail_budget"
_FREE_REQUESTS: dict[str, JsonValue] = {"limit": 50, "remaining": 50, "used": 0}


class Budget(BaseModel):
    """So many US dollars in each window; ``reset_interval`` None is a single window that never ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit_usd: float = Field(ge=0, allow_inf_nan=False)
    reset_interval: Interval | None = None
    scope: Scope = "key_limit"


class _Layer(NamedTuple):
    """A budget, and what is spent of it at this moment."""

    budget: Budget
    spend_usd: float
    resets_at: datetime | None

    @property
    def remaining_usd(self) -> float:
        return round(self.budget.limit_usd - self.spend_usd, 6)

    def wire(self) -> dict[str, JsonValue]:
        """The budget as ``GET /key`` tells it."""
        scope = self.budget.scope
        return {
            "budget_id": "sandbox-workspace-budget" if scope == "workspace" else None,
            "guardrail_id": None if scope in _SOURCES else "sandbox-guardrail",
            "include_byok": False,
            "limit_usd": self.budget.limit_usd,
            "remaining_usd": self.remaining_usd,
            "reset_interval": self.budget.reset_interval,
            "resets_at": _text(self.resets_at),
            "scope": scope,
            "spend_usd": self.spend_usd,
        }


def spent_refusal(budgets: Sequence[Budget], jobs: Iterable[Job], now: float) -> Answer | None:
    """The 403 of the first budget of which nothing is left, or None."""
    spent = _spent(_layers(budgets, jobs, now))
    if spent is None:
        return None
    scope, until = spent.budget.scope, _text(spent.resets_at)
    what = "Key limit exceeded" if scope == "key_limit" else "Budget limit exceeded"
    metadata: dict[str, JsonValue] = {
        "limit_source": _SOURCES.get(scope, _GUARDRAIL),
        "scope": scope,
        "limit_usd": spent.budget.limit_usd,
        "spend_usd": spent.spend_usd,
        "resets_at": until,
    }
    return envelope(403, f"{what} ({spent.budget.reset_interval or 'total'} limit)", metadata)


def key_answer(budgets: Sequence[Budget], jobs: Sequence[Job], now: float) -> Answer:
    """What ``GET /key`` answers: every field of the published type."""
    layers = _layers(budgets, jobs, now)
    own = next((layer for layer in layers if layer.budget.scope == "key_limit"), None)
    effective = _spent(layers) or min(layers, key=lambda layer: layer.remaining_usd, default=None)
    data: dict[str, JsonValue] = {
        "allowed_data_regions": ["global"],
        "budgets": [layer.wire() for layer in layers],
        "creator_user_id": None,
        "effective_budget": effective.wire() if effective else None,
        "expires_at": None,
        "free_model_daily_requests": _FREE_REQUESTS,
        "include_byok_in_limit": False,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        "label": "sandbox",
        "limit": own.budget.limit_usd if own else None,
        "limit_remaining": own.remaining_usd if own else None,
        "limit_reset": own.budget.reset_interval if own else None,
        "organization_id": None,
        "rate_limit": {"interval": "10s", "note": "of no use any more", "requests": -1},
        "workspace_id": None,
    }
    for interval in (None, *get_args(Interval)):
        name = f"usage_{interval}" if interval else "usage"
        data |= {name: _spend(jobs, _window(interval, now)[0]), f"byok_{name}": 0}
    return document(200, {"data": data})


def _layers(budgets: Sequence[Budget], jobs: Iterable[Job], now: float) -> list[_Layer]:
    """Each budget at this moment, in the order in which they are checked."""
    charged, layers = tuple(jobs), []
    for budget in sorted(budgets, key=lambda budget: _ORDER.index(budget.scope)):
        start, end = _window(budget.reset_interval, now)
        layers.append(_Layer(budget, _spend(charged, start), end))
    return layers


def _spent(layers: Iterable[_Layer]) -> _Layer | None:
    return next((layer for layer in layers if layer.remaining_usd <= 0), None)


def _spend(jobs: Iterable[Job], since: datetime | None) -> float:
    begin = since.timestamp() if since else 0.0
    return round(sum(job.cost_usd or 0 for job in jobs if job.submitted_at >= begin), 6)


def _window(interval: Interval | None, now: float) -> tuple[datetime | None, datetime | None]:
    """When the window around a moment began and ends, in UTC; weeks begin on Monday."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if interval == "daily":
        return day, day + timedelta(days=1)
    if interval == "weekly":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    if interval == "monthly":
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1)
    return None, None


def _text(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
