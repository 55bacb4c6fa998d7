"""Prefect flows: one prompt to one model, one prompt to several, and the collection of what is still open."""

from openrouter_video.checkout import share_modules as _share_modules

_share_modules(__name__)

from .collection import collect_videos
from .model_fan_out import fan_out_video
from .video_generation import generate_video

__all__ = ["collect_videos", "fan_out_video", "generate_video"]
