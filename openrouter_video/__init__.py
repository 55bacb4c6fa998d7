"""OpenRouter's video API for data pipelines: values, decisions and thin edges, without Prefect.

Names are loaded when first used, so that a command line that only prints its help starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openrouter_video.api import (
        Catalog,
        JobStatus,
        Timeouts,
        Usage,
        VideoClient,
        VideoJob,
        VideoModel,
        parse_catalog,
    )
    from openrouter_video.errors import (
        ApiUnavailable,
        BrokenVideo,
        ConfigurationError,
        KeyConflict,
        LedgerError,
        LedgerUnsafe,
        Problem,
        RequestRefused,
        StorageError,
        TooFewVideos,
        VideoError,
    )
    from openrouter_video.outcome import FanOut, LeftOut, Outcome
    from openrouter_video.planning import ModelPlan, Plan, plan_videos
    from openrouter_video.request import (
        InputReference,
        OnUnsupported,
        ProviderOptions,
        VideoRequest,
        VideoSettings,
        parse_request,
    )

__all__ = [
    "ApiUnavailable",
    "BrokenVideo",
    "Catalog",
    "ConfigurationError",
    "FanOut",
    "InputReference",
    "JobStatus",
    "KeyConflict",
    "LedgerError",
    "LedgerUnsafe",
    "LeftOut",
    "ModelPlan",
    "OnUnsupported",
    "Outcome",
    "Plan",
    "Problem",
    "ProviderOptions",
    "RequestRefused",
    "StorageError",
    "Timeouts",
    "TooFewVideos",
    "Usage",
    "VideoClient",
    "VideoError",
    "VideoJob",
    "VideoModel",
    "VideoRequest",
    "VideoSettings",
    "parse_catalog",
    "parse_request",
    "plan_videos",
]

_HOMES = ("errors", "outcome", "api", "request", "planning")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
