"""What the user wants: a prompt, settings, images, provider options, and the run that is to make them."""

from __future__ import annotations

from openrouter_video.request.clips import Clip, load_clip, sign_source
from openrouter_video.request.images import load_image
from openrouter_video.request.inputs import Given, Input, Inputs, PreviousJob
from openrouter_video.request.request import (
    EVERY_PROVIDER,
    WRAPPER,
    OnUnsupported,
    ProviderOptions,
    VideoRequest,
    parse_request,
)
from openrouter_video.request.run_request import RunRequest, WaitMode, parse_run_request
from openrouter_video.request.settings import (
    JSON_EDITOR,
    LONGEST_SIGNED_SECONDS,
    MORE_SECONDS,
    InputReference,
    VideoSettings,
    needs_signature,
)

__all__ = [
    "EVERY_PROVIDER",
    "JSON_EDITOR",
    "LONGEST_SIGNED_SECONDS",
    "MORE_SECONDS",
    "WRAPPER",
    "Clip",
    "Given",
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
    "load_clip",
    "load_image",
    "needs_signature",
    "parse_request",
    "parse_run_request",
    "sign_source",
]
