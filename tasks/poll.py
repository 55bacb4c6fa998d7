"""Waiting for one job: one task run, with the loop inside it."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.ledger import Claim
from openrouter_video.run import Resources, Step, poll

from .task_tags import tagged

__all__ = ["poll_job"]


@task(
    task_run_name="poll {claim.title}",
    retries=2,
    retry_delay_seconds=5,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@tagged
async def poll_job(
    claim: Claim,
    job_id: str,
    resources: Resources,
    *,
    deadline_seconds: float = 1800,
    fresh: bool = True,
    usual_seconds: float | None = None,
) -> Step:
    """Ask for a job's status until it is terminal, hopeless or past the deadline; never fails for the API's sake.

    ``fresh`` means that the job was made a moment ago, so that the first question can wait; ``usual_seconds`` is the
    time that such jobs take. Prefect's retries serve a loop that died of something else.
    """
    return await poll(
        claim,
        job_id,
        resources,
        get_run_logger(),
        deadline_seconds=deadline_seconds,
        fresh=fresh,
        usual_seconds=usual_seconds,
    )
