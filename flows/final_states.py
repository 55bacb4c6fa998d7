"""The state that ends a flow: Prefect shows its message, and gives the flow's caller its data or raises it."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from openrouter_video.errors import TooFewVideos, VideoError
from openrouter_video.outcome import FanOut, count_completed, summary

__all__ = ["final_state", "refused_state"]


def final_state(result: FanOut, data: Any, wanted: int) -> State[Any]:
    """Return the state of a run: its message says how many videos there are and what they cost."""
    message = summary(result.outcomes)
    get_run_logger().info(message)
    if count_completed(result.outcomes) >= wanted:
        return Completed(message=message, data=data)
    return Failed(message=message, data=TooFewVideos(result.outcomes, wanted))


def refused_state(error: VideoError) -> State[Any]:
    """Return the state of a run that was refused before anything was spent."""
    return Failed(message=f"Refused, nothing was sent: {error}", data=error)
