"""Prefect flows: one prompt to one model or to several, a table of prompts, and the collection of what is open."""

from openrouter_video.checkout import share_modules as _share_modules

_share_modules(__name__)

from .batch import batch_videos
from .batch_shard import batch_shard
from .collection import collect_videos
from .dead_workers import watch_for_dead_workers
from .model_fan_out import fan_out_video
from .offered_models import offer_models
from .shot_chain import chain_video
from .video_generation import generate_video

__all__ = [
    "batch_shard",
    "batch_videos",
    "chain_video",
    "collect_videos",
    "fan_out_video",
    "generate_video",
    "offer_models",
    "watch_for_dead_workers",
]
