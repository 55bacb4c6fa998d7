"""What the user wants: a prompt, settings, images, provider options, and a policy."""

from __future__ import annotations

from openrouter_video.request.images import load_image
from openrouter_video.request.request import (
    EVERY_PROVIDER,
    WRAPPER,
    OnUnsupported,
    ProviderOptions,
    VideoRequest,
    key_problems,
    limit_problems,
    parse_request,
)
from openrouter_video.request.settings import JSON_EDITOR, InputReference, VideoSettings

__all__ = [
    "EVERY_PROVIDER",
    "JSON_EDITOR",
    "WRAPPER",
    "InputReference",
    "OnUnsupported",
    "ProviderOptions",
    "VideoRequest",
    "VideoSettings",
    "key_problems",
    "limit_problems",
    "load_image",
    "parse_request",
]
