"""The state that ends a flow: Prefect shows its message, and gives the flow's caller its data or raises it."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from openrouter_video.errors import TooFewVideos, VideoError
from openrouter_video.outcome import Batch, FanOut, count_asked, count_completed, count_submitted
from openrouter_video.run import tell_result
from openrouter_video.state_message import state_message, warnings_of

__all__ = ["PARTIAL", "final_state", "refused_state"]

PARTIAL = "Partial"
"""The name of the state of a run that is a success with fewer videos than were asked for, also of a batch without some
rows of its table; its type is COMPLETED."""


def final_state(result: FanOut, data: Any, wanted: int, *, waited: bool = True) -> State[Any]:
    """Return the state of a run: its message says how many videos there are, what they cost, and what is missing.

    Of a run that has not ``waited`` for its jobs those that it has submitted count as well.
    """
    tell_result(result)
    log, message = get_run_logger(), state_message(result.outcomes, waited=waited)
    reached = count_completed(result.outcomes) + (0 if waited else count_submitted(result.outcomes))
    left_out = result.rows_left_out if isinstance(result, Batch) else 0
    if isinstance(result, Batch) and left_out:
        message = f"{message}; {left_out:,} of {result.rows_in_table:,} rows were left out"
    for warning in warnings_of(result.outcomes):
        log.warning("%s", warning)
    log.info("%s", message)
    if reached < wanted:
        return Failed(message=message, data=TooFewVideos(result.outcomes, wanted))
    if reached < count_asked(result.outcomes) or left_out:
        return Completed(name=PARTIAL, message=message, data=data)
    return Completed(message=message, data=data)


def refused_state(error: VideoError, *, anew: bool = False) -> State[Any]:
    """Return the state of a run that was refused before anything was spent; one that began ``anew`` may have before."""
    words = "Refused, nothing more was sent" if anew else "Refused, nothing was sent"
    return Failed(message=f"{words}: {error}", data=error)
