"""What a collection does with runs that wait suspended: those that have nothing to wait for any more go on and report.

Safe beside other collections: of two that resume a run Prefect takes one. Runs of another Prefect server that shares
the ledger are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import get_client, get_run_logger
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect.states import Scheduled

from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Ledger, WaitingRun, WaitingRuns, read_keys
from openrouter_video.run import ENDED, MOST_RESTARTS, is_over, left_words, may_go_on, shards_call, wake
from openrouter_video.shards import batches_in_shards, drop_shards
from openrouter_video.threads import Threads

__all__ = ["forget_ended_shards", "wake_waiting_runs"]

AT_ONCE = 200
"""So many flow runs Prefect's server lists at a time."""
UNREADABLE = (
    "The record of the waiting run %s in %s/_waiting cannot be read, so that nothing resumes it. If it is damaged, "
    "remove it and resume the run, which begins anew and finds in the ledger what is paid"
)
DIED = "The run %s has died %s times after it was resumed: look at it in Prefect's UI. Its videos are collected"


async def wake_waiting_runs(
    ledger: Ledger, threads: Threads, still_open: Collection[str], only: Iterable[str] | None = None
) -> None:
    """Let each waiting run go on that has nothing to wait for; ``only`` these flow runs, if they wait.

    ``still_open``: the keys that are known to be. What is in the way is told, and left for the next collection.
    """
    log, records = get_run_logger(), WaitingRuns(ledger.store)
    try:
        runs, unreadable = await threads.run(_read, records, only)
        for run_id in unreadable:
            log.warning(UNREADABLE, run_id, ledger.url)
        if not runs:
            return
        if not PREFECT_API_URL.value():
            log.warning("%s", left_words(len(runs)))
            return
        waited_for = await threads.run(_waited_for, ledger, runs, still_open)
        async with get_client() as client:
            known = await _flow_runs(client, [one for run in runs for one in (run.run_id, *run.shard_runs)])
            states = {run_id: one.state_type.value for run_id, one in known.items() if one.state_type}
            for run in runs:
                if flow_run := known.get(run.run_id):
                    ready = may_go_on(run, waited_for, datetime.now(UTC))
                    if run.shard_runs and datetime.now(UTC) < run.until:
                        ready = shards_call(run, states)
                    await _wake_one(run, flow_run, client, ledger, threads, ready=ready)
    except (LedgerError, PrefectHTTPStatusError, httpx.HTTPError) as error:
        log.warning("Runs that wait suspended are left for the next collection: %s", error)


async def forget_ended_shards(ledger: Ledger, threads: Threads) -> None:
    """Remove what lies in a ledger for the shards of batches that have ended without a report, as cancelled ones do."""
    try:
        batches = await threads.run(batches_in_shards, ledger.store)
        if not batches or not PREFECT_API_URL.value():
            return
        async with get_client() as client:
            known = await _flow_runs(client, batches)
        for run_id, run in known.items():
            if run.state_type and run.state_type.value in ENDED:
                await threads.run(drop_shards, ledger.store, run_id)
    except (LedgerError, PrefectHTTPStatusError, httpx.HTTPError) as error:
        get_run_logger().warning("Shards of batches that have ended are left for the next collection: %s", error)


def _read(records: WaitingRuns, only: Iterable[str] | None) -> tuple[list[WaitingRun], list[str]]:
    if only is None:
        return records.read()
    return [run for run_id in dict.fromkeys(only) if (run := records.get(run_id))], []


def _waited_for(ledger: Ledger, runs: Sequence[WaitingRun], still_open: Collection[str]) -> set[str]:
    """Return which keys something may still come of; what cannot be read may.

    Those of a run that waits for one that is known to be open are not read.
    """
    now = datetime.now(UTC)
    keys = {key for run in runs if may_go_on(run, still_open, now) for key in run.keys}
    return {*still_open, *keys} - {entry.key for entry in read_keys(ledger, keys).entries if is_over(entry, now)}


async def _flow_runs(client: PrefectClient, run_ids: Sequence[str]) -> Mapping[str, FlowRun]:
    """Return those of these flow runs that this server knows."""
    found: dict[str, FlowRun] = {}
    for first in range(0, len(run_ids), AT_ONCE):
        wanted = FlowRunFilterId(any_=[UUID(run_id) for run_id in run_ids[first : first + AT_ONCE]])
        runs = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=wanted), limit=AT_ONCE)
        found |= {str(run.id): run for run in runs}
    return found


async def _is_crashed(flow_run: FlowRun, client: PrefectClient) -> bool:
    """Whether a run is still as it was found: another collection may have begun it anew just now."""
    return (await client.read_flow_run(flow_run.id)).state_type == StateType.CRASHED


async def _wake_one(
    run: WaitingRun, flow_run: FlowRun, client: PrefectClient, ledger: Ledger, threads: Threads, *, ready: bool
) -> None:
    """Do with one run what is to be done; what is wrong with it keeps no other waiting."""
    try:
        await _wake(run, flow_run, client, ledger, threads, ready=ready)
    except (PrefectHTTPStatusError, ObjectNotFound) as error:
        words = "The run %s, which waits suspended, is left for the next collection: %s"
        get_run_logger().warning(words, flow_run.name, error)


async def _wake(
    run: WaitingRun, flow_run: FlowRun, client: PrefectClient, ledger: Ledger, threads: Threads, *, ready: bool
) -> None:
    log, records = get_run_logger(), WaitingRuns(ledger.store)
    match wake(run, flow_run.state_type.value if flow_run.state_type else None, ready=ready):
        case "resume":
            result = await client.resume_flow_run(flow_run.id)
            accepted = result.status == "ACCEPT"
            log.info("The run %s %s", flow_run.name, "is resumed" if accepted else "was resumed or has ended just now")
        case "restart":
            if not await _is_crashed(flow_run, client):
                return
            await threads.run(records.add, run.model_copy(update={"restarts": run.restarts + 1}))
            await client.set_flow_run_state(flow_run.id, Scheduled(message="A collection begins it anew"))
            log.warning("The run %s had died after it was resumed, and is begun anew", flow_run.name)
        case "give up":
            log.error(DIED, flow_run.name, MOST_RESTARTS + 1)
        case "drop":
            await threads.run(drop_shards, ledger.store, run.run_id)
            await threads.run(records.drop, run.run_id)
        case "leave":
            pass
