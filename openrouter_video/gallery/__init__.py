"""The page on which the videos of a run, a batch or a whole output stand side by side."""

from __future__ import annotations

from openrouter_video.gallery.publishing import publish, refresh, was_begun
from openrouter_video.gallery.reading import build_page

__all__ = ["build_page", "publish", "refresh", "was_begun"]
