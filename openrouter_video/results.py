"""The name under which results that Prefect has persisted ask for their format; see ``result_json``."""

from __future__ import annotations

from openrouter_video.result_json import decode, encode

__all__ = ["decode", "encode"]
