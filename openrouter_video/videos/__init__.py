"""Whole videos: what their bytes say, how they are saved, and where they lie."""

from __future__ import annotations

from openrouter_video.videos.checks import checked
from openrouter_video.videos.concat import concat
from openrouter_video.videos.input_facts import InputFacts, read_input_facts
from openrouter_video.videos.last_frame import last_frame
from openrouter_video.videos.paths import (
    FILE_SUFFIXES,
    claimed_path,
    folder_of_batch,
    kept_names,
    model_slug,
    numbered_path,
    output_count,
    possible_names,
    sidecar_path,
    slug,
    take_suffix,
    video_path,
    written_path,
)
from openrouter_video.videos.saving import (
    Stopped,
    find_saved,
    read_sidecar,
    save_damaged,
    save_video,
    write_sidecar,
)

__all__ = [
    "FILE_SUFFIXES",
    "InputFacts",
    "Stopped",
    "checked",
    "claimed_path",
    "concat",
    "find_saved",
    "folder_of_batch",
    "kept_names",
    "last_frame",
    "model_slug",
    "numbered_path",
    "output_count",
    "possible_names",
    "read_input_facts",
    "read_sidecar",
    "save_damaged",
    "save_video",
    "sidecar_path",
    "slug",
    "take_suffix",
    "video_path",
    "write_sidecar",
    "written_path",
]
