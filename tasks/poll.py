"""Waiting for one job: one task run, with the loop inside it."""

from __future__ import annotations

import random

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.ledger import Claim
from openrouter_video.run import Progress, Resources, Step, is_news, next_step, poll_interval, tell

__all__ = ["poll_job"]


@task(
    task_run_name="poll {claim.title}",
    retries=2,
    retry_delay_seconds=5,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def poll_job(
    claim: Claim, job_id: str, resources: Resources, *, deadline_seconds: float = 1800, fresh: bool = True
) -> Step:
    """Ask for a job's status until it is terminal, hopeless or past the deadline; never fails for the API's sake.

    ``fresh`` means that the job was made a moment ago, so that the first question can wait. After each answer the
    ledger is asked again to take what it has not taken of the submission. Prefect's retries serve a loop that died of
    something else.
    """
    limits, began, told = resources.limits, resources.limits.clock(), None
    await limits.sleep(poll_interval(0.0) if fresh else 0.0)
    while True:
        answer = await resources.client.get_job(job_id)
        elapsed = limits.clock() - began
        step = next_step(answer, elapsed, deadline_seconds, random.random())  # noqa: S311 (spreads load)
        if is_news(answer, elapsed, told):
            told = (answer.reason, elapsed)
            get_run_logger().info("%s: %s after %.0f s", claim.title, answer.reason, elapsed)
            status = answer.job.status if answer.job else None
            tell(Progress("waiting", claim.model, claim.take, claim.key, job_id, status))
        await resources.submitter.record_again(claim.key)
        if step.action != "wait":
            return step
        await limits.sleep(step.seconds)
