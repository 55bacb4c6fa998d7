"""The state that ends a flow: Prefect shows its message, and gives the flow's caller its data or raises it."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from openrouter_video.errors import TooFewVideos, VideoError
from openrouter_video.outcome import FanOut, count_completed
from openrouter_video.state_message import state_message, warnings_of

__all__ = ["PARTIAL", "final_state", "refused_state"]

PARTIAL = "Partial"
"""The name of the state of a run that is a success with fewer videos than were asked for; its type is COMPLETED."""


def final_state(result: FanOut, data: Any, wanted: int) -> State[Any]:
    """Return the state of a run: its message says how many videos there are, what they cost, and what is missing."""
    log, message, completed = get_run_logger(), state_message(result.outcomes), count_completed(result.outcomes)
    for warning in warnings_of(result.outcomes):
        log.warning("%s", warning)
    log.info("%s", message)
    if completed < wanted:
        return Failed(message=message, data=TooFewVideos(result.outcomes, wanted))
    if completed < len(result.outcomes):
        return Completed(name=PARTIAL, message=message, data=data)
    return Completed(message=message, data=data)


def refused_state(error: VideoError) -> State[Any]:
    """Return the state of a run that was refused before anything was spent."""
    return Failed(message=f"Refused, nothing was sent: {error}", data=error)
