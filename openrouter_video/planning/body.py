"""The exact JSON of ``POST /videos``: normalized fields as asked, never changed, inputs as they were read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openrouter_video.api import VideoModel
from openrouter_video.request import Inputs, VideoRequest

__all__ = ["body_of"]


def body_of(request: VideoRequest, model: VideoModel, provider: Mapping[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Return the body of one request to one model; ``provider``: its passthrough options by slug."""
    plain = request.settings.model_dump(mode="json", exclude_none=True)
    frames = [
        {"type": "image_url", "image_url": {"url": inputs.url(source)}, "frame_type": frame_type}
        for frame_type in ("first_frame", "last_frame")
        if (source := plain.pop(frame_type, None)) is not None
    ]
    references = [
        {"type": reference["type"], reference["type"]: {"url": inputs.url(reference["url"])}}
        for reference in plain.pop("input_references", ())
    ]
    if previous := plain.get("previous_job_id"):
        plain["previous_job_id"] = inputs.job_id(previous)
    body: dict[str, Any] = {"model": model.id, **({"prompt": request.prompt} if request.prompt else {}), **plain}
    if frames:
        body["frame_images"] = frames
    if references:
        body["input_references"] = references
    if provider:
        body["provider"] = {"options": provider}
    return body
