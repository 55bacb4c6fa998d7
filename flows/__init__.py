"""Prefect flows: prompts to models, tables of prompts, the collection of what is open, and the check of recipes."""

from openrouter_video.checkout import share_modules as _share_modules

_share_modules(__name__)

from .batch import batch_videos
from .batch_shard import batch_shard
from .collection import collect_videos
from .dead_workers import watch_for_dead_workers
from .model_fan_out import fan_out_video
from .offered_models import offer_models
from .recipe_check import check_recipes
from .shot_chain import chain_video
from .video_generation import generate_video

__all__ = [
    "batch_shard",
    "batch_videos",
    "chain_video",
    "check_recipes",
    "collect_videos",
    "fan_out_video",
    "generate_video",
    "offer_models",
    "watch_for_dead_workers",
]
