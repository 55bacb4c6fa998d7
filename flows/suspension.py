"""Suspending a run: Prefect ends its process and frees its slot, and a worker begins it anew once it is resumed."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from uuid import uuid4

import httpx
from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_runs import asuspend_flow_run

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.request import WaitMode

__all__ = ["can_be_suspended", "check_wait", "suspend_until"]

NOT_A_DEPLOYMENTS = (
    "wait cannot be suspended here: that needs a run of a deployment, which no other flow has called, so that a worker "
    "can begin it anew. Take here or no"
)


def can_be_suspended() -> bool:
    """Whether a worker can begin this run anew: it has a deployment, and no other run waits in its process."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and run.deployment_id is not None and run.parent_task_run_id is None


def check_wait(wait: WaitMode) -> None:
    """Make sure that a run can wait as it is asked to, before anything is sent.

    Raises:
        RequestRefused: if it cannot.
    """
    if wait == "suspended" and not can_be_suspended():
        raise RequestRefused([Problem("wait", NOT_A_DEPLOYMENTS)])


async def suspend_until(until: datetime, longer: float) -> None:
    """End this process; returns only if that cannot be. So many seconds ``longer`` Prefect waits to end the run."""
    seconds = max(0.0, (until - datetime.now(UTC)).total_seconds()) + longer
    try:
        # Prefect passes over a pause whose key it knows.
        await asuspend_flow_run(timeout=ceil(seconds), key=f"wait-{uuid4().hex}")
    except (RuntimeError, PrefectHTTPStatusError, httpx.HTTPError) as error:
        get_run_logger().warning("The run could not be suspended, and waits here: %s", error)
