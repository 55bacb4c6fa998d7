"""Prefect blocks: the key and base URL of OpenRouter, and where videos and their ledger live."""

from openrouter_video.checkout import share_modules as _share_modules

_share_modules(__name__)

from .credentials import OpenRouterCredentials, load_credentials
from .store import VideoStore, load_store

__all__ = ["OpenRouterCredentials", "VideoStore", "load_credentials", "load_store"]
