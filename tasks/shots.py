"""What the shots of a chain need of each other: the last frame of one for the next, and one file of all."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from openrouter_video.outcome import Outcome
from openrouter_video.run import Destination, Resources
from openrouter_video.shots import JoinedChain, frame_after
from openrouter_video.shots import join_shots as join

from .task_tags import tagged

__all__ = ["join_shots", "read_last_frame"]


@task(task_run_name="last frame of shot {number}", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def read_last_frame(number: int, outcome: Outcome, destination: Destination, resources: Resources) -> str:  # noqa: ARG001 (the number names the run)
    """Return the picture that a shot ends with, as a ``data:`` URL.

    Raises:
        ConfigurationError, StorageError: if it cannot be read.
    """
    return await resources.threads.run(frame_after, outcome, destination.options_for)


@task(task_run_name="join", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def join_shots(
    outcomes: Sequence[Outcome], path: str, destination: Destination, resources: Resources
) -> JoinedChain:
    """Join completed shots to one file beside them; why that cannot be is a note."""
    return await resources.threads.run(join, outcomes, resources.store, path, destination.options_for)
