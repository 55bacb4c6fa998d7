"""The model list that the sandbox serves, and what each model renders: its defaults and its frame sizes.

The facts are those of OpenRouter's public list of 9 October 2026 (30 models, newest first), with the input modalities
of its plain model list. What only that list tells is not shown by ``GET /videos/models``.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["Catalogue", "Entry", "ModelList", "Work", "load_catalogue", "read_catalogue"]

Work = Literal["generate", "edit", "upscale", "avatar"]
"""What a model does: all but the first work on a file, and have no durations."""
_PLAIN_LIST_ONLY = ("input_modalities", "expiration_date")

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
_SHORT_SIDES = {"1K": 1024, "2K": 1440, "4K": 2160}
# Token-priced models keep the number of pixels and vary both sides; seedance-2.0-mini was recorded at 640x640 for
# 480p 1:1, and these are the sizes that seedance-2.5 lists.
_EQUAL_AREA = {
    ("480p", "16:9"): (854, 480),
    ("480p", "4:3"): (752, 560),
    ("480p", "1:1"): (640, 640),
    ("480p", "3:4"): (560, 752),
    ("480p", "9:16"): (480, 854),
    ("480p", "21:9"): (992, 432),
    ("720p", "16:9"): (1280, 720),
    ("720p", "4:3"): (1112, 834),
    ("720p", "1:1"): (960, 960),
    ("720p", "3:4"): (834, 1112),
    ("720p", "9:16"): (720, 1280),
    ("720p", "21:9"): (1470, 630),
}
# Seen in a recorded file, and explained by no rule.
_RECORDED = {("x-ai/grok-imagine-video", "480p", "1:1"): (544, 544)}


class Entry(BaseModel):
    """One model of the list, as far as the sandbox itself needs to know it."""

    model_config = ConfigDict(frozen=True)

    id: str
    canonical_slug: str
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
    input_modalities: tuple[str, ...] | None = None
    expiration_date: str | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        """Its input modalities; where the list does not tell them, text and, with frames, images."""
        return self.input_modalities or (("text", "image") if self.supported_frame_images else ("text",))

    @property
    def work(self) -> Work:
        """What it does, as far as its entry tells."""
        if self.supported_durations is not None:
            return "generate"
        if self.upscale_factor is not None:
            return "upscale"
        return "avatar" if "image" in self.takes and "video" not in self.takes else "edit"

    @property
    def continues(self) -> bool:
        """Whether it takes ``previous_job_id``.

        Nothing in the list says so. A price for it does, and what works on a video can work on its own last one.
        """
        return self.work in {"edit", "upscale"} or any("video_continuation" in sku for sku in self.pricing_skus)

    @property
    def upscale_factors(self) -> tuple[float, float]:
        """The smallest and the largest factor; 1 and 1 where it does not upscale."""
        spans = self.upscale_factor or {}
        return spans.get("min", 1), spans.get("max", max(1, spans.get("min", 1)))

    @property
    def provider(self) -> tuple[str, str]:
        """The name of the provider that serves this model, and its slug in ``provider.options``."""
        if self.id.startswith("alibaba/wan-2."):
            return "AtlasCloud", "atlas-cloud"
        author = self.id.partition("/")[0]
        return _PROVIDERS.get(author, (author, author))

    @property
    def default_resolution(self) -> str:
        """720p where the model has it, else the first of its list (the API's own default is not published)."""
        choices = self.supported_resolutions or ("720p",)
        return "720p" if "720p" in choices else choices[0]

    @property
    def default_aspect_ratio(self) -> str:
        """16:9 where the model has it, else the first of its list (the API's own default is not published)."""
        choices = self.supported_aspect_ratios or ("16:9",)
        return "16:9" if "16:9" in choices else choices[0]

    def frame_size(self, resolution: str, aspect_ratio: str) -> tuple[int, int]:
        """Width and height in pixels, both even: H.264 in yuv420p takes no odd side."""
        recorded = _RECORDED.get((self.id, resolution, aspect_ratio))
        if recorded:
            return recorded
        if "video_tokens" in self.pricing_skus and (resolution, aspect_ratio) in _EQUAL_AREA:
            return _EQUAL_AREA[resolution, aspect_ratio]
        across, down = (int(part) for part in aspect_ratio.split(":"))
        short = _SHORT_SIDES.get(resolution) or int(resolution.removesuffix("p"))
        long = math.ceil(short * max(across, down) / min(across, down) / 2) * 2
        return (long, short) if across >= down else (short, long)


class Catalogue(NamedTuple):
    """The list as it goes over the wire, and its entries by model id."""

    wire: dict[str, JsonValue]
    entries: Mapping[str, Entry]


def read_catalogue(entries: Sequence[Mapping[str, JsonValue]]) -> Catalogue:
    """The catalogue of these entries, which have the form of ``GET /videos/models``.

    Each may tell ``input_modalities`` and ``expiration_date`` as well. Raises ValueError for what is not an entry.
    """
    known = [Entry.model_validate(entry) for entry in entries]
    shown: list[JsonValue] = [
        {name: value for name, value in entry.items() if name not in _PLAIN_LIST_ONLY} for entry in entries
    ]
    return Catalogue({"data": shown}, {entry.id: entry for entry in known})


@cache
def load_catalogue() -> Catalogue:
    """Read the packaged model list."""
    return read_catalogue(_packaged_models())


class ModelList:
    """The models that a sandbox serves at this moment: the packaged ones, until there are others."""

    def __init__(self) -> None:
        self._entries = _packaged_models()
        self.catalogue = load_catalogue()

    @property
    def entries(self) -> list[dict[str, JsonValue]]:
        """A copy of them, with what only the plain list tells."""
        return copy.deepcopy(self._entries)

    def replace(self, entries: Sequence[Mapping[str, JsonValue]]) -> None:
        """Serve these from now on; raises ValueError for what is not an entry."""
        self.catalogue = read_catalogue(entries)
        self._entries = [copy.deepcopy(dict(entry)) for entry in entries]


def _packaged_models() -> list[dict[str, JsonValue]]:
    text = resources.files("openrouter_video.sandbox").joinpath("video_models.json").read_text(encoding="utf-8")
    entries: list[dict[str, JsonValue]] = json.loads(text)["data"]
    return entries
