"""Who serves a model and how well, by the answer to ``GET /models/{author}/{slug}/endpoints``.

Pure. What cannot be read is unknown: neither good nor bad. A look that failed is a value with the reason in it, since
nothing but words, the provider's slug and the pace of polling hangs on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from openrouter_video.api.answers import error_message, excerpt, parse_json
from openrouter_video.text import clip

__all__ = ["Endpoint", "Health", "Latency", "ModelEndpoints", "endpoints_path", "read_endpoints"]

Health = Literal["up", "degraded", "down", "unknown"]
"""``down``: OpenRouter gives it a negative status. ``degraded``: it is up, and fails more often than usual."""

USUAL_UPTIME = 95.0
"""Per cent of the time. Below it an endpoint that is up is called degraded; OpenRouter publishes no figure for it."""
OK = 200
LOWEST_STATUS = -1_000
LONGEST_MS = 7 * 24 * 3600 * 1000
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
UPTIMES = ("uptime_last_30m", "uptime_last_1d")


class Latency(BaseModel):
    """How long a video took from its submission to its end, in seconds: 50 of 100 took no longer than ``p50``."""

    model_config = ConfigDict(frozen=True)

    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None


class Endpoint(BaseModel):
    """One provider's offer of a model; None means that it is not told.

    ``slug``: under which it reads its options. ``status``: 0 is fine, below 0 is not. ``uptime``: per cent of the last
    half hour, or of the last day where that had too little traffic. ``latency``: of the last half hour.
    """

    model_config = ConfigDict(frozen=True)

    provider_name: str | None = None
    slug: str | None = None
    status: int | None = None
    uptime: float | None = None
    latency: Latency | None = None

    @property
    def health(self) -> Health:
        """Whether it works, as far as it is told."""
        if self.status is None:
            return "unknown"
        if self.status < 0:
            return "down"
        return "degraded" if self.uptime is not None and self.uptime < USUAL_UPTIME else "up"


class ModelEndpoints(BaseModel):
    """The endpoints of one model, in the order of the API; ``unknown`` says why they could not be read."""

    model_config = ConfigDict(frozen=True)

    model: str
    endpoints: tuple[Endpoint, ...] = ()
    unknown: str | None = None

    @property
    def slugs(self) -> tuple[str, ...]:
        """The slugs of its providers, each once."""
        return tuple(dict.fromkeys(one.slug for one in self.endpoints if one.slug))

    @property
    def health(self) -> Health:
        """Whether the model works: down only where all of its endpoints are."""
        kinds = {one.health for one in self.endpoints}
        if len(kinds) == 1:
            return kinds.pop()
        if kinds & {"up", "degraded"}:
            return "degraded" if kinds & {"down", "degraded"} else "up"
        return "unknown"

    @property
    def usual_seconds(self) -> float | None:
        """The time in which half of its videos are made, by the fastest endpoint that is not down."""
        return min(self._seconds("p50"), default=None)

    @property
    def slow_seconds(self) -> float | None:
        """The time in which 99 of 100 are made, by the slowest endpoint that is not down."""
        return max(self._seconds("p99"), default=None)

    def _seconds(self, percentile: str) -> list[float]:
        told = [one.latency for one in self.endpoints if one.latency and one.health != "down"]
        return [value for one in told if (value := getattr(one, percentile)) is not None]


def endpoints_path(model_id: str) -> str | None:
    """Return where the endpoints of a model are listed, below the base URL; None if it is not an id of a model."""
    author, _, slug = model_id.partition("/")
    if any(part in {"", ".", ".."} for part in (author, slug)):
        return None
    return f"/models/{quote(author, safe='')}/{quote(slug, safe='')}/endpoints"


def read_endpoints(status: int, body: bytes, model_id: str) -> ModelEndpoints:
    """Read the answer for one model; an endpoint that cannot be read hides no other."""
    payload = parse_json(body)
    data = payload.get("data") if isinstance(payload, dict) else None
    listed = data.get("endpoints") if isinstance(data, dict) else None
    if status != OK or not isinstance(listed, list):
        return ModelEndpoints(model=model_id, unknown=f"HTTP {status}: {error_message(payload) or excerpt(body)}")
    return ModelEndpoints(model=model_id, endpoints=tuple(_endpoint(one) for one in listed if isinstance(one, dict)))


def _endpoint(one: Mapping[str, Any]) -> Endpoint:
    name, tag, status = one.get("provider_name"), one.get("tag"), one.get("status")
    slug = tag.partition("/")[0] if isinstance(tag, str) else ""
    uptimes = [value for field in UPTIMES if (value := _number(one.get(field), 100.0)) is not None]
    return Endpoint(
        provider_name=clip(name) if isinstance(name, str) and name.strip() else None,
        slug=slug if SLUG.fullmatch(slug) else None,
        # Which numbers above 0 there may be once, and what they say, nobody knows.
        status=status if type(status) is int and LOWEST_STATUS <= status <= 0 else None,
        uptime=uptimes[0] if uptimes else None,
        latency=_latency(one.get("perf_last_30m_by_workload")),
    )


def _latency(workloads: Any) -> Latency | None:
    """Read the time from end to end of videos; that of an endpoint as a whole is the time to a first token."""
    video = workloads.get("video_generation") if isinstance(workloads, dict) else None
    told = video.get("latency") if isinstance(video, dict) else None
    if not isinstance(told, dict):
        return None
    read = {name: _number(told.get(name), LONGEST_MS) for name in Latency.model_fields}
    seconds = {name: value / 1000 for name, value in read.items() if value}
    return Latency(**seconds) if seconds else None


def _number(value: Any, most: float) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and 0 <= value <= most else None
