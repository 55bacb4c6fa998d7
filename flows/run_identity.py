"""Who is running: what makes a retry of a run, or of a run that calls it, find its own jobs again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from openrouter_video.endpoint import is_loopback
from openrouter_video.errors import ConfigurationError
from openrouter_video.records import Scope, scope_of_key, scope_of_run

__all__ = ["RunIdentity", "identify_run"]


class RunIdentity(NamedTuple):
    """The flow run, the outermost flow run above it, and the day for which that one was scheduled (UTC)."""

    run_id: str
    root_id: str
    date: str
    deployed: bool

    def scope(self, idempotency_key: str | None, asked: Mapping[str, Any], base_url: str) -> Scope:
        """Return what identifies the videos of this run: the user's key if there is one, else the root run.

        ``{date}`` in the key becomes the scheduled day. A sandbox on this machine has a realm of its own, so that its
        videos never stand in for paid ones.
        """
        if idempotency_key:
            realm = "loopback" if is_loopback(base_url) else ""
            return scope_of_key(idempotency_key.replace("{date}", self.date), realm)
        return scope_of_run(self.root_id, asked)


async def identify_run() -> RunIdentity:
    """Identify the current flow run.

    A retried parent gives its subflow a new id, but the outermost run keeps its own.

    Raises:
        ConfigurationError: outside of any flow run.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise ConfigurationError("this must be called from a flow run")
    run = context.flow_run
    root = await _root_of(run) if run.parent_task_run_id else run
    day = root.expected_start_time or root.created
    if day is None:
        raise ConfigurationError(f"Prefect does not tell when the flow run {root.id} was to start")
    return RunIdentity(str(run.id), str(root.id), day.strftime("%Y-%m-%d"), run.deployment_id is not None)


async def _root_of(run: FlowRun) -> FlowRun:
    async with get_client() as client:
        while run.parent_task_run_id is not None:
            task_run = await client.read_task_run(run.parent_task_run_id)
            if task_run.flow_run_id is None:
                break
            run = await client.read_flow_run(task_run.flow_run_id)
    return run
