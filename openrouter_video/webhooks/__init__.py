"""Webhooks: a receiver that believes only what is signed, and starts the collection of the videos that are told of."""

from __future__ import annotations

from openrouter_video.webhooks.app import webhook_app
from openrouter_video.webhooks.collecting import collect_by_deployment, collect_in_process
from openrouter_video.webhooks.signature import SECRET_VARIABLE, parse_secret
from openrouter_video.webhooks.waking import Waking, Woken

__all__ = [
    "SECRET_VARIABLE",
    "Waking",
    "Woken",
    "collect_by_deployment",
    "collect_in_process",
    "parse_secret",
    "webhook_app",
]
