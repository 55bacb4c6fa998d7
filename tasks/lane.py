"""Some videos of a large run, which share one task run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from openrouter_video.outcome import Outcome
from openrouter_video.run import Lane

from .task_tags import tagged

__all__ = ["make_lane"]


# The videos are submitted in here, and Prefect must never run a submission again by itself.
@task(task_run_name="{lane}", retries=0, timeout_seconds=None, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def make_lane(lane: Lane, make: Callable[[Lane], Awaitable[Sequence[Outcome]]]) -> Sequence[Outcome]:
    """Make the videos of a lane side by side; what goes wrong with one is in its outcome, and fails no other."""
    return await make(lane)
