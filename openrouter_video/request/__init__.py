"""What the user wants: a prompt, settings, images, provider options, and the run that is to make them."""

from __future__ import annotations

from openrouter_video.request.images import load_image
from openrouter_video.request.inputs import Input, Inputs, PreviousJob
from openrouter_video.request.request import (
    EVERY_PROVIDER,
    WRAPPER,
    OnUnsupported,
    ProviderOptions,
    VideoRequest,
    parse_request,
)
from openrouter_video.request.run_request import RunRequest, WaitMode, parse_run_request
from openrouter_video.request.settings import JSON_EDITOR, InputReference, VideoSettings

__all__ = [
    "EVERY_PROVIDER",
    "JSON_EDITOR",
    "WRAPPER",
    "Input",
    "InputReference",
    "Inputs",
    "OnUnsupported",
    "PreviousJob",
    "ProviderOptions",
    "RunRequest",
    "VideoRequest",
    "VideoSettings",
    "WaitMode",
    "load_image",
    "parse_request",
    "parse_run_request",
]
