"""The public name of the limits of a run: ``from openrouter_video.limits import Limits, using_limits``."""

from __future__ import annotations

from openrouter_video.run import Limits, current_limits, using_limits

__all__ = ["Limits", "current_limits", "using_limits"]
