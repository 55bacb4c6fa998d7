"""The model list that the sandbox serves, and what of it decides whether a request is valid.

The facts are those of OpenRouter's public list of 9 October 2026 (30 models, newest first).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["Catalogue", "Entry", "load_catalogue"]

# Provider names and option slugs as the endpoints route tells them; some are inferred, none is used to refuse anything.
_PROVIDERS = {
    "alibaba": ("Alibaba", "alibaba"),
    "black-forest-labs": ("Black Forest Labs", "black-forest-labs"),
    "bytedance": ("Seed", "seed"),
    "google": ("Google", "google-vertex"),
    "heygen": ("HeyGen", "heygen"),
    "kwaivgi": ("AtlasCloud", "atlas-cloud"),
    "minimax": ("Minimax", "minimax"),
    "runway": ("Runway", "runway"),
    "x-ai": ("xAI", "xai"),
}


class Entry(BaseModel):
    """One model of the list, as far as the sandbox itself needs to know it."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    description: str
    created: int
    supported_resolutions: tuple[str, ...] | None
    supported_aspect_ratios: tuple[str, ...] | None
    supported_sizes: tuple[str, ...] | None
    supported_durations: tuple[int, ...] | None
    supported_frame_images: tuple[str, ...] | None
    generate_audio: bool | None
    upscale_factor: dict[str, float] | None
    creativity: tuple[int, ...] | None
    pricing_skus: dict[str, str]

    @property
    def provider(self) -> tuple[str, str]:
        """The name of the provider that serves this model, and its slug in ``provider.options``."""
        if self.id.startswith("alibaba/wan-2."):
            return "AtlasCloud", "atlas-cloud"
        author = self.id.partition("/")[0]
        return _PROVIDERS.get(author, (author, author))


class Catalogue(NamedTuple):
    """The list as it goes over the wire, and its entries by model id."""

    wire: dict[str, JsonValue]
    entries: Mapping[str, Entry]


@cache
def load_catalogue() -> Catalogue:
    """Read the packaged model list."""
    text = resources.files("openrouter_video.sandbox").joinpath("video_models.json").read_text(encoding="utf-8")
    wire = json.loads(text)
    entries = [Entry.model_validate(entry) for entry in wire["data"]]
    return Catalogue(wire, {entry.id: entry for entry in entries})
