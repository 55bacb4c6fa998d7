"""The page on which the videos of a run, a batch or a whole output stand side by side."""

from __future__ import annotations

from openrouter_video.gallery.publishing import publish, refresh, was_begun
from openrouter_video.gallery.reading import build_page
from openrouter_video.gallery.run_page import Sights, run_page
from openrouter_video.gallery.sights import find_sights

__all__ = ["Sights", "build_page", "find_sights", "publish", "refresh", "run_page", "was_begun"]
