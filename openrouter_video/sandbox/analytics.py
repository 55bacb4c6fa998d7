"""What an account knows of its generations: ``POST /analytics/query``, as far as it lists them by their id. Pure.

To the official SDK's types. Which metrics and dimensions there are is not among them; OpenRouter's guides name more
than these, and counts are texts there. A video is listed under the id of its job, and dated by its acceptance, which
are guesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from openrouter_video.sandbox.answers import Answer, document, envelope
from openrouter_video.sandbox.catalogue import Catalogue
from openrouter_video.sandbox.jobs import Job

__all__ = ["analytics_answer", "analytics_body"]

_MOST_ROWS = 10_000


class _TimeRange(BaseModel):
    model_config = ConfigDict(frozen=True)

    start: datetime
    end: datetime


class _Filter(BaseModel):
    model_config = ConfigDict(frozen=True)

    field: Literal["model"]
    operator: Literal["eq", "in"]
    value: str | list[str]


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True)

    metrics: list[Literal["request_count", "total_usage"]] = Field(min_length=1)
    dimensions: list[Literal["generation_id", "model"]] = Field(max_length=2)
    time_range: _TimeRange
    filters: list[_Filter] = Field(default=[], max_length=20)
    limit: int = Field(default=1000, ge=1, le=_MOST_ROWS)


def analytics_answer(body: bytes, jobs: Sequence[Job], catalogue: Catalogue) -> Answer:
    """The answer to one query: a row for each generation in the time range, or a 400 that says what is not understood.

    Models are known by their dated slug.
    """
    try:
        query = _Query.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return envelope(400, f"{'.'.join(map(str, first['loc'])) or 'the query'}: {first['msg']}")
    slugs = {model: entry.canonical_slug for model, entry in catalogue.entries.items()}
    wanted = [{one.value} if isinstance(one.value, str) else {*one.value} for one in query.filters]
    rows = list[JsonValue]()
    for job in jobs:
        slug = slugs.get(job.order.model, job.order.model)
        at = datetime.fromtimestamp(job.submitted_at, UTC)
        if query.time_range.start <= at <= query.time_range.end and all(slug in values for values in wanted):
            known: dict[str, JsonValue] = {
                "generation_id": job.id,
                "model": slug,
                "request_count": "1",
                "total_usage": job.cost_usd or 0,
            }
            rows.append({name: known[name] for name in (*query.dimensions, *query.metrics)})
    return document(200, analytics_body(rows[: query.limit], truncated=len(rows) > query.limit))


def analytics_body(rows: list[JsonValue], *, truncated: bool = False) -> dict[str, JsonValue]:
    """The body of an answer with these rows."""
    metadata: dict[str, JsonValue] = {"query_time_ms": 1, "row_count": len(rows), "truncated": truncated}
    return {"data": {"data": rows, "metadata": metadata}}
