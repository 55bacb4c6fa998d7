"""Prefect blocks: the key and base URL of OpenRouter, where videos and their ledger live, and a paid job."""

from openrouter_video.checkout import share_modules as _share_modules

_share_modules(__name__)

from .credentials import OpenRouterCredentials, load_credentials
from .store import VideoStore, load_store
from .video_job import OpenRouterVideoJob, OpenRouterVideoJobRun

__all__ = [
    "OpenRouterCredentials",
    "OpenRouterVideoJob",
    "OpenRouterVideoJobRun",
    "VideoStore",
    "load_credentials",
    "load_store",
]
