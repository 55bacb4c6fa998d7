"""The one request that costs money."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.ledger import Claim, Submitted
from openrouter_video.run import Resources, submit

from .task_tags import tagged

__all__ = ["submit_video"]


# Prefect must never run this again by itself: the ledger alone decides whether a second POST is safe.
@task(
    task_run_name="submit {claim.title}",
    retries=0,
    timeout_seconds=None,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@tagged
async def submit_video(
    claim: Claim, body: dict[str, Any], resources: Resources, *, deadline_seconds: float = 1800
) -> Submitted:
    """Submit one body under its claim's key: at most one POST in flight or accepted, ever.

    An answer that is late is waited for until the deadline. Call it straight from a flow, never inside another task.

    Raises:
        KeyConflict: if the key belongs to a different request.
        LedgerError: if the claim could not be written; nothing was sent.
    """
    return await submit(claim, body, resources, get_run_logger(), deadline_seconds=deadline_seconds)
