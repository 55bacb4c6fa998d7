"""Which run this is, so that a retry of it, or of a run that calls it, finds its own jobs again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import Token
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from prefect import get_client
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from openrouter_video.api import is_loopback
from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger import Scope, scope_of_key, scope_of_run

from .run_tags import add_tag

__all__ = ["RunIdentity", "identify_run", "local_day", "realm_of", "zone_of"]

DATE = "{date}"


class RunIdentity(NamedTuple):
    """The flow run, the outermost run around it, and the day for which that one was scheduled.

    ``deployment``: the name of its deployment, or of that of the outermost run. ``again``: it may have sent something
    before, as one that is begun once more, or as one of several in the same outermost run.
    """

    run_id: str
    root_id: str
    date: str
    deployed: bool
    deployment: str | None = None
    again: bool = True

    def scope(self, idempotency_key: str | None, asked: Mapping[str, Any], base_url: str) -> Scope:
        """Return what identifies the videos of this run: the user's key if there is one, else the root run.

        ``{date}`` in the key becomes the scheduled day. A sandbox on this machine has a realm of its own, so that its
        videos never stand in for paid ones.
        """
        if idempotency_key:
            return scope_of_key(self.dated(idempotency_key), realm_of(base_url))
        return scope_of_run(self.root_id, asked)

    def dated(self, name: str) -> str:
        """Return a name with the scheduled day in the place of ``{date}``."""
        return name.replace(DATE, self.date)


def realm_of(base_url: str) -> str:
    """Return what keeps the videos of a sandbox on this machine apart from paid ones."""
    return "loopback" if is_loopback(base_url) else ""


class _Root(NamedTuple):
    """The outermost run: a flow run, or a task run without a flow around it."""

    id: str
    starts: datetime | None
    flow_run: FlowRun | None = None


async def identify_run(idempotency_key: str | None = None) -> RunIdentity:
    """Identify the current flow run, and its day in its schedule's time zone for a key that holds ``{date}``.

    A retried parent gives its subflow a new id, but the outermost run keeps its own.

    Raises:
        ConfigurationError: outside of any flow run; if the day is asked for and nobody can tell it.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise ConfigurationError("this must be called from a flow run")
    run = context.flow_run
    await add_tag(run)
    root = await _root_of(run)
    if root.starts is None:
        raise ConfigurationError(f"Prefect does not tell when the run {root.id} was to start")
    zone = await _zone_of_run(root.flow_run) if DATE in (idempotency_key or "") else "UTC"
    deployment = await _deployment_of(run, root.flow_run)
    return RunIdentity(
        run_id=str(run.id),
        root_id=root.id,
        date=local_day(root.starts, zone),
        deployed=run.deployment_id is not None,
        deployment=deployment,
        again=root.id != str(run.id) or await _was_begun_before(run),
    )


async def _was_begun_before(run: FlowRun) -> bool:
    """Whether this may be another attempt of the same flow run; what the run at hand says is from before this one."""
    with suppress(PrefectHTTPStatusError, httpx.HTTPError):
        async with get_client() as client:
            return (await client.read_flow_run(run.id)).run_count > 1
    return True


# ---- The outermost run -----------------------------------------------------------------------------------------------


async def _root_of(run: FlowRun) -> _Root:
    """Find the run that stays the same whatever is retried in it."""
    if task_run := _outermost_task():
        return _Root(task_run.dynamic_key, task_run.expected_start_time or task_run.created)
    if run.parent_task_run_id is not None:
        async with get_client() as client:
            while run.parent_task_run_id is not None:
                parent = await client.read_task_run(run.parent_task_run_id)
                if parent.flow_run_id is None:
                    # A task without a flow has started a deployment; Prefect gives this stand-in the task's own key.
                    return _Root(parent.dynamic_key, _start(run), run)
                run = await client.read_flow_run(parent.flow_run_id)
    return _Root(str(run.id), _start(run), run)


async def _deployment_of(*runs: FlowRun | None) -> str | None:
    """Return the name of the deployment of the first of these runs that has one; it is for reports only."""
    deployment_id = next((run.deployment_id for run in runs if run and run.deployment_id), None)
    if deployment_id is None:
        return None
    with suppress(ObjectNotFound, PrefectHTTPStatusError, httpx.HTTPError):
        async with get_client() as client:
            return (await client.read_deployment(deployment_id)).name
    return None


def _start(run: FlowRun) -> datetime | None:
    return run.expected_start_time or run.created


def _outermost_task() -> TaskRun | None:
    """Return the outermost task run around this code that has no flow around itself.

    Each attempt of such a task makes flow runs of its own, which know nothing of it; the task run stays the same.
    """
    outermost, context = None, TaskRunContext.get()
    while context is not None:
        if context.task_run.flow_run_id is None:
            outermost = context.task_run
        before = context._token.old_value if context._token else Token.MISSING  # noqa: SLF001 (Prefect offers no other way)
        context = before if isinstance(before, TaskRunContext) else None
    return outermost


# ---- Its day ---------------------------------------------------------------------------------------------------------


def local_day(moment: datetime, zone: str) -> str:
    """Return the day of a moment in a time zone.

    Raises:
        ConfigurationError: if this machine does not know the time zone.
    """
    try:
        local = moment.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"{DATE} in the idempotency key is a day in the schedule's time zone, and this machine does not know "
            f"{zone!r}; install the package tzdata"
        ) from error
    return local.strftime("%Y-%m-%d")


def zone_of(schedules: Iterable[DeploymentSchedule], schedule_id: UUID | None) -> str:
    """Return the time zone of the schedule that made a run; of a run by hand, that of the first one that is active.

    Without an active one it is that of the first, so that a run by hand shares the day's key; without any it is UTC.
    """
    known = list(schedules)
    ranked = [s for s in known if s.id == schedule_id] + [s for s in known if s.active] + known
    return getattr(ranked[0].schedule, "timezone", None) or "UTC" if ranked else "UTC"


async def _zone_of_run(run: FlowRun | None) -> str:
    if run is None or run.deployment_id is None:
        return "UTC"
    try:
        async with get_client() as client:
            deployment = await client.read_deployment(run.deployment_id)
    except ObjectNotFound as error:
        raise ConfigurationError(
            f"{DATE} in the idempotency key is a day in the time zone of a schedule, and the deployment of this run is "
            "gone; take the day itself"
        ) from error
    made_by = run.created_by.id if run.created_by and run.created_by.type == "SCHEDULE" else None
    return zone_of(deployment.schedules, made_by)
