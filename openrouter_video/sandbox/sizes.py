"""Pure: which frame size a model renders when it is asked for a resolution and an aspect ratio."""

from __future__ import annotations

import math

from openrouter_video.sandbox.catalogue import Entry

__all__ = ["default_aspect_ratio", "default_resolution", "frame_size"]

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


def default_resolution(entry: Entry) -> str:
    """720p where the model has it, else the first of its list (the API's own default is not published)."""
    choices = entry.supported_resolutions or ("720p",)
    return "720p" if "720p" in choices else choices[0]


def default_aspect_ratio(entry: Entry) -> str:
    """16:9 where the model has it, else the first of its list (the API's own default is not published)."""
    choices = entry.supported_aspect_ratios or ("16:9",)
    return "16:9" if "16:9" in choices else choices[0]


def frame_size(entry: Entry, resolution: str, aspect_ratio: str) -> tuple[int, int]:
    """Width and height in pixels, both even: H.264 in yuv420p takes no odd side."""
    recorded = _RECORDED.get((entry.id, resolution, aspect_ratio))
    if recorded:
        return recorded
    if "video_tokens" in entry.pricing_skus and (resolution, aspect_ratio) in _EQUAL_AREA:
        return _EQUAL_AREA[resolution, aspect_ratio]
    across, down = (int(part) for part in aspect_ratio.split(":"))
    short = _SHORT_SIDES.get(resolution) or int(resolution.removesuffix("p"))
    long = math.ceil(short * max(across, down) / min(across, down) / 2) * 2
    return (long, short) if across >= down else (short, long)
