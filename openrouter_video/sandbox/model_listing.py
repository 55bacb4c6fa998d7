"""What the API tells of AI models of every kind: the plain list, and the endpoints that serve one. Pure.

To the official SDK's types: every field is there. How a real endpoint of a video model measures is not recorded; its
latency here is the time that the sandbox's own jobs take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from openrouter_video.sandbox.catalogue import Catalogue, Entry

__all__ = ["Health", "endpoints_body", "listing_body", "with_health"]

Health = Literal["down", "slow", "several"]
"""What a fault makes of the endpoints of a model."""

_DOWN = -5
_SLOWER = 6
_UNMEASURED = (
    "latency_last_30m",
    "throughput_last_30m",
    "max_completion_tokens",
    "max_prompt_tokens",
    "quantization",
    "service_tier",
)
_UPTIMES = ("uptime_last_1d", "uptime_last_30m", "uptime_last_5m")
_NO_TOKENS: dict[str, JsonValue] = {"prompt": "0", "completion": "0"}


def listing_body(catalogue: Catalogue, query: Mapping[str, str], origin: str) -> dict[str, JsonValue]:
    """What ``GET /models`` says; of its filters and pages, those by modality and by number.

    Without ``output_modalities`` it lists models that write text, as OpenRouter's does: the sandbox has none.
    """
    wanted = set(query.get("output_modalities", "text").split(","))
    inputs = set(query.get("input_modalities", "").split(",")) - {""}
    entries = [
        entry for entry in catalogue.entries.values() if wanted & {"video", "all"} and inputs <= set(entry.takes)
    ]
    start, most = (int(text) if (text := query.get(name, "")).isdigit() else 0 for name in ("offset", "limit"))
    page = entries[start : start + most] if most else entries[start:]
    data: list[JsonValue] = [_listed(entry) for entry in page]
    more = start + len(page) < len(entries)
    following = f"{origin}/api/v1/models?output_modalities=video&offset={start + len(page)}&limit={most}"
    return {"data": data, "links": {"next": following if more else None}, "total_count": len(entries)}


def _architecture(entry: Entry) -> dict[str, JsonValue]:
    return {
        "input_modalities": list(entry.takes),
        "output_modalities": ["video"],
        "modality": f"{'+'.join(entry.takes)}->video",
        "instruct_type": None,
        "tokenizer": "Other",
    }


def _listed(entry: Entry) -> dict[str, JsonValue]:
    return {
        "id": entry.id,
        "canonical_slug": entry.canonical_slug,
        "hugging_face_id": None,
        "name": entry.name,
        "created": entry.created,
        "description": entry.description,
        "context_length": 0,
        "architecture": _architecture(entry),
        "pricing": _NO_TOKENS,
        "top_provider": {"context_length": None, "max_completion_tokens": None, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": [],
        "supported_voices": None,
        "default_parameters": None,
        "knowledge_cutoff": None,
        "expiration_date": entry.expiration_date,
        "links": {"details": f"/api/v1/models/{entry.canonical_slug}/endpoints"},
    }


def endpoints_body(entry: Entry, latency: Mapping[str, float] | None) -> dict[str, JsonValue]:
    """What ``GET /models/{author}/{slug}/endpoints`` says; the part of ``tag`` before "/" is the option slug.

    ``latency``: percentiles in seconds, which only who has a key is told.
    """
    return {
        "data": {
            "id": entry.id,
            "name": entry.name,
            "created": entry.created,
            "description": entry.description,
            "architecture": _architecture(entry),
            "endpoints": [_endpoint(entry, latency)],
        }
    }


def _endpoint(entry: Entry, latency: Mapping[str, float] | None) -> dict[str, JsonValue]:
    provider, slug = entry.provider
    endpoint: dict[str, JsonValue] = {
        "name": f"{provider} | {entry.id}",
        "model_id": entry.id,
        "model_name": entry.name,
        "provider_name": provider,
        "tag": slug,
        "status": 0,
        "context_length": 0,
        "pricing": _NO_TOKENS,
        "native_tools": {},
        "supported_parameters": [],
        "supports_diarization": False,
        "supports_image_reference": False,
        "supports_implicit_caching": False,
        "supports_multiple_audio_references": False,
        "supports_tool_choice": {"none": False, "auto": False, "required": False, "function": False},
        "supports_voice_cloning": False,
    }
    endpoint |= dict.fromkeys(_UNMEASURED) | dict.fromkeys(_UPTIMES, 100)
    if latency is not None:
        milliseconds: JsonValue = {name: round(seconds * 1000) for name, seconds in latency.items()}
        measured: JsonValue = {"latency": milliseconds, "request_count": 240, "throughput": None}
        endpoint["perf_last_30m_by_workload"] = {"video_generation": measured}
    return endpoint


def with_health(body: dict[str, JsonValue], health: Health) -> dict[str, JsonValue]:
    """The same answer when the model is down, or slow, or served by several: a variant, and one that is down."""
    data = body.get("data")
    endpoints = data.get("endpoints") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(endpoints, list):
        return body
    changed = list[JsonValue]()
    for one in (one for one in endpoints if isinstance(one, dict)):
        if health == "several":
            elsewhere = {**_down(one), "provider_name": "AtlasCloud", "tag": "atlas-cloud", "name": "AtlasCloud"}
            changed += [one, {**_slow(one), "tag": f"{one['tag']}/global"}, elsewhere]
        else:
            changed.append(_down(one) if health == "down" else _slow(one))
    return {**body, "data": {**data, "endpoints": changed}}


def _down(endpoint: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {**endpoint, "status": _DOWN, "uptime_last_1d": 71.4, "uptime_last_30m": 0, "uptime_last_5m": 0}


def _slow(endpoint: dict[str, JsonValue]) -> dict[str, JsonValue]:
    match endpoint:
        case {"perf_last_30m_by_workload": {"video_generation": {"latency": dict() as latency}}}:
            later: JsonValue = {name: value * _SLOWER for name, value in latency.items() if isinstance(value, int)}
            slower: JsonValue = {"latency": later, "request_count": 240, "throughput": None}
            return {**endpoint, "perf_last_30m_by_workload": {"video_generation": slower}}
    return endpoint
