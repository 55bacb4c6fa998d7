"""Pure: the bodies of the two routes beside the video API: a model's endpoints, and a finished generation."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import JsonValue

from openrouter_video.sandbox.catalogue import Entry
from openrouter_video.sandbox.jobs import Job

__all__ = ["endpoints_body", "generation_body"]

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
_UNMEASURED = (
    "latency_last_30m",
    "throughput_last_30m",
    "uptime_last_1d",
    "uptime_last_30m",
    "uptime_last_5m",
    "max_completion_tokens",
    "max_prompt_tokens",
    "quantization",
    "service_tier",
)


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


def endpoints_body(entry: Entry) -> dict[str, JsonValue]:
    """What ``GET /models/{author}/{slug}/endpoints`` says; the part of ``tag`` before "/" is the option slug."""
    provider, slug = entry.provider
    endpoint: dict[str, JsonValue] = {
        "name": f"{provider} | {entry.id}",
        "model_id": entry.id,
        "model_name": entry.name,
        "provider_name": provider,
        "tag": slug,
        "status": 0,
        "context_length": 0,
        "pricing": {"prompt": "0", "completion": "0"},
        "native_tools": {},
        "supported_parameters": [],
        "supports_diarization": False,
        "supports_implicit_caching": False,
        "supports_tool_choice": {"none": False, "auto": False, "required": False, "function": False},
    }
    endpoint |= dict.fromkeys(_UNMEASURED)
    return {
        "data": {
            "id": entry.id,
            "name": entry.name,
            "created": entry.created,
            "description": entry.description,
            "architecture": {
                "input_modalities": ["text", "image"] if entry.supported_frame_images else ["text"],
                "output_modalities": ["video"],
                "modality": "text->video",
                "instruct_type": None,
                "tokenizer": "Other",
            },
            "endpoints": [endpoint],
        }
    }
