"""The automation by which Prefect's server notices that a run's process is gone, and has its jobs collected.

A run sends heartbeats. One that sends none for a while, and has neither ended nor been suspended, has lost its process,
its worker or its machine: its state is changed to Crashed, which frees its slot of a concurrency limit. What it had
submitted goes on; a collection finishes what has ended by then, and later ones the rest.

Both are actions of one automation. Another one that waits for the event of the Crashed state would wait too long: a
server that was restarted meanwhile holds it back for a quarter of an hour, since it has not seen the event before it.

A server that was away for minutes forgets for which heartbeats it was waiting. So each collection asks after the runs
that are said to go on, and from then on one is waited for again. It does the same for runs that have been Pending for
long: whoever died before the first heartbeat is noticed by nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import httpx
from packaging.version import Version
from prefect import get_client, get_run_logger
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

from openrouter_video.errors import ConfigurationError
from openrouter_video.tasks import RUN_TAG

from .final_states import PARTIAL
from .heartbeats import ASKED, HEARTBEAT, STOPPED, SUSPENDED, emit_run_event

__all__ = ["ask_after_running", "watch_for_dead_workers"]

NAME = f"{RUN_TAG}: runs of dead workers"
COLLECTION = "collect-videos/collect-videos"
SILENT_SECONDS = 90
LONG_PENDING = timedelta(minutes=5)
"""A run whose worker is alive begins within this, or its worker says that it cannot."""
STATES_WITHOUT_HEARTBEATS = (
    *("Completed", PARTIAL, "Failed", "TimedOut", "Cancelled", "Crashed"),
    *("Suspended", "Paused", "AwaitingRetry", "Scheduled"),
)
"""By the names in which their events end. In Cancelling there still must be some: who is to cancel may be dead, too."""
OVERWRITTEN = (
    "It may be switched off; other changes by hand are overwritten by the next deploy: make another one for them."
)
NO_SERVER = "so that there is no server that could notice anything. Set it to http://HOST:4200/api"
OLDEST_SERVER = Version("3.9.1")
PAGE = 200
"""So many runs a server tells of at a time, at most."""
FLOWS = ("generate-video", "fan-out-video", "batch-videos", "batch-shard", "collect-videos", "check-recipes")


def watch_for_dead_workers() -> str:
    """Make the automation, or bring it up to date; return its name. One that somebody has switched off stays so.

    Without the deployment ``collect-videos`` it starts no collection.

    Raises:
        ConfigurationError: if Prefect's server does not take it, or is older than what it was tried with, or if there
            is only the temporary one of this process.
    """
    if not PREFECT_API_URL.value():
        raise ConfigurationError(f"PREFECT_API_URL is not set, {NO_SERVER}")
    try:
        with get_client(sync_client=True) as client:
            _check_version(client)
            automation, known = _automation(client), client.read_automations_by_name(NAME)
            if not known:
                client.create_automation(automation)
                return NAME
            # Two that were made at the same moment would each start a collection.
            enabled = all(one.enabled for one in known)
            client.update_automation(known[0].id, automation.model_copy(update={"enabled": enabled}))
            for one in known[1:]:
                client.delete_automation(one.id)
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        raise ConfigurationError(f"Prefect's server did not take the automation: {error}") from error
    return NAME


def _check_version(client: SyncPrefectClient) -> None:
    if (found := Version(client.api_version())) < OLDEST_SERVER:
        advice = f"this needs {OLDEST_SERVER} or later; upgrade the server, then do this again"
        raise ConfigurationError(f"Prefect's server is version {found}, and {advice}")


def _automation(client: SyncPrefectClient) -> AutomationCore:
    silence = f"No heartbeat for {SILENT_SECONDS} seconds"
    what = f"{silence} of a run tagged {RUN_TAG}: it is set to Crashed, and a collection begins. {OVERWRITTEN}"
    gone = f"{silence}: its process, its worker or its machine is gone. What it had submitted goes on, and is collected"
    return AutomationCore(
        name=NAME,
        description=what,
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={HEARTBEAT, ASKED},
            expect={HEARTBEAT, SUSPENDED, STOPPED, *(f"prefect.flow-run.{name}" for name in STATES_WITHOUT_HEARTBEATS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{RUN_TAG}"},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=timedelta(seconds=SILENT_SECONDS),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=gone), *_collect(client)],
    )


def _collect(client: SyncPrefectClient) -> list[RunDeployment]:
    try:
        return [RunDeployment(source="selected", deployment_id=client.read_deployment_by_name(COLLECTION).id)]
    except ObjectNotFound:
        return []


async def ask_after_running() -> None:
    """Let the automation wait for a heartbeat of each run of ours that Prefect takes for a running one.

    And of those that have been about to begin for too long. One that has stopped meanwhile has given its last sign of
    life before it was asked for one.
    """
    try:
        async with get_client() as client:
            asked = await _running(client)
            for run_id in asked:
                emit_run_event(ASKED, run_id)
            going_on = set(await _running(client)) if asked else set()
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        get_run_logger().warning("The runs that go on could not be asked for: %s", type(error).__name__)
        return
    for run_id in asked:
        if run_id not in going_on:
            emit_run_event(STOPPED, run_id)


async def _running(client: PrefectClient) -> list[UUID]:
    types = [StateType.RUNNING, StateType.CANCELLING, StateType.PENDING]
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=types))
    flows = FlowFilter(name=FlowFilterName(any_=list(FLOWS)))
    ours = FlowRunFilter(state=running, tags=FlowRunFilterTags(all_=[RUN_TAG]))
    read = partial(client.read_flow_runs, flow_filter=flows, flow_run_filter=ours, limit=PAGE)
    runs, begun_before = list[FlowRun](), datetime.now(UTC) - LONG_PENDING
    while page := await read(offset=len(runs)):
        runs += page
    return [run.id for run in runs if not (run.state and run.state.is_pending() and run.state.timestamp > begun_before)]
