"""The API's answers as values: status, body, headers, and how the connection ends. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal, NamedTuple

from pydantic import JsonValue

from openrouter_video.sandbox.catalogue import Entry
from openrouter_video.sandbox.jobs import Job, Status
from openrouter_video.sandbox.orders import Refusal

__all__ = [
    "Answer",
    "completed_body",
    "document",
    "envelope",
    "generation_body",
    "key_refusal",
    "refusal_answer",
    "status_body",
    "submitted_body",
]

_JSON = {"content-type": "application/json"}
# Always present, and of no meaning for a video.
_EMPTY = (
    "app_id",
    "cache_discount",
    "external_user",
    "http_referer",
    "latency",
    "moderation_latency",
    "native_finish_reason",
    "native_tokens_cached",
    "native_tokens_completion",
    "native_tokens_completion_images",
    "native_tokens_prompt",
    "native_tokens_reasoning",
    "num_fetches",
    "num_input_audio_prompt",
    "num_media_prompt",
    "num_search_results",
    "preset_id",
    "provider_responses",
    "router",
    "service_tier",
    "tokens_completion",
    "tokens_prompt",
    "upstream_id",
    "upstream_inference_cost",
    "user_agent",
    "web_search_engine",
    "workspace_id",
)


class Answer(NamedTuple):
    """What goes back to the client.

    ``streamed`` bodies are sent in chunks, without a length. ``ending`` "reset" breaks the connection after the body
    (or before any byte, where ``status`` is None); "silence" sends nothing more and never ends, "drip" sends a byte of
    the body at a time, "endless" goes on with zeros.
    """

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = {}
    streamed: bool = False
    ending: Literal["whole", "reset", "silence", "drip", "endless"] = "whole"


def document(status: int, value: JsonValue) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode(), _JSON)


def envelope(status: int, message: str | None = None, metadata: dict[str, JsonValue] | None = None) -> Answer:
    """An error in OpenRouter's envelope; the message is the status's own phrase unless given."""
    error: dict[str, JsonValue] = {"message": message or _phrase(status), "code": status}
    if metadata is not None:
        error["metadata"] = metadata
    return document(status, {"error": error})


def _phrase(status: int) -> str:
    known = {402: "Insufficient credits", 429: "Rate limit exceeded", 502: "Provider returned error"}
    try:
        return known.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return f"Error {status}"


def refusal_answer(refusal: Refusal) -> Answer:
    """A 400 in the envelope that this kind of refusal comes in."""
    if refusal.schema:
        return document(400, {"success": False, "error": {"name": "ZodError", "message": refusal.message}})
    return envelope(400, refusal.message, refusal.metadata)


def key_refusal(authorization: str | None, api_key: str) -> Answer | None:
    """The 401 for a missing or wrong key, or None for the right one.

    Both texts for a missing key are recorded, but not which case gets which.
    """
    if authorization is None:
        return envelope(401, "No cookie auth credentials found")
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return envelope(401, "Missing Authentication header")
    return None if key.strip() == api_key else envelope(401, "User not found.")


def _poll_url(job: Job, origin: str) -> str:
    return f"{origin}/api/v1/videos/{job.id}"


def submitted_body(job: Job, origin: str) -> dict[str, JsonValue]:
    """The body of the 202."""
    return {"id": job.id, "polling_url": _poll_url(job, origin), "status": "pending"}


def status_body(job: Job, status: Status, origin: str) -> dict[str, JsonValue]:
    """The body of a poll of a job that is not completed; ``error`` is a string, where there is one."""
    body: dict[str, JsonValue] = {
        "id": job.id,
        "generation_id": job.id,
        "polling_url": _poll_url(job, origin),
        "status": status,
    }
    if (error := job.error_of(status)) is not None:
        body["error"] = error
    return body


def completed_body(job: Job, origin: str) -> dict[str, JsonValue]:
    """The body of a poll of a completed job. ``urls`` are secrets: they need no key."""
    return {
        **status_body(job, "completed", origin),
        "unsigned_urls": [f"{_poll_url(job, origin)}/content?index=0"],
        "urls": [f"{origin}/stored/{job.id}/0.mp4?token={job.secret}"],
        "expires_at": job.expires_at,
        "usage": {"cost": job.cost_usd, "is_byok": False},
    }


def generation_body(job: Job, entry: Entry | None, origin: str) -> dict[str, JsonValue]:
    """What ``GET /generation`` says of a completed job; ``generation_time`` is in milliseconds."""
    data: dict[str, JsonValue] = dict.fromkeys(_EMPTY)
    data |= {
        "id": job.id,
        "api_type": "video",
        "cancelled": False,
        "created_at": datetime.fromtimestamp(job.submitted_at, UTC).isoformat(),
        "data_region": "global",
        "finish_reason": "stop",
        "generation_time": round((job.ready_at - job.submitted_at) * 1000),
        "is_byok": False,
        "model": job.order.model,
        "num_media_completion": 1,
        "origin": origin,
        "provider_name": entry.provider[0] if entry else None,
        "session_id": job.session_id,
        "streamed": False,
        "total_cost": job.cost_usd or 0,
        "usage": job.cost_usd or 0,
    }
    return {"data": data}
