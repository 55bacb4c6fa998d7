"""The flow runs of a batch's shards, as Prefect's server knows them: looked for, seen, started and cancelled.

Each attempt has an idempotency key of its own, so that it is started once, whoever asks, and is found again by it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple
from uuid import UUID

import httpx
from prefect import get_client, get_run_logger
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import DeploymentStatus, FlowRun, StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Cancelled, Cancelling

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.shards import MOST_ATTEMPTS, Shard

__all__ = [
    "DEPLOYMENT",
    "SeenShard",
    "cancel_shard",
    "check_deployment",
    "look_at_shards",
    "resume_batch",
    "start_shard",
]

DEPLOYMENT = "batch-shard/batch-shard"
MISSING = (
    "shards are runs of the deployment batch-shard, and this Prefect server has none; make it with "
    "`prefect deploy --prefect-file deployments/prefect.yaml --name batch-shard`, or leave shards out"
)
NO_POOL = (
    "the deployment batch-shard has no work pool, and nobody serves it: its pool may have been deleted; deploy it anew "
    "with a work pool that exists, or leave shards out"
)
PAUSED = "the work pool {} of the deployment batch-shard is paused; resume it, or leave shards out"


RESUME_TRIES, RESUME_PAUSE_SECONDS = 15, 2.0


class SeenShard(NamedTuple):
    """One shard as Prefect sees it, and what it says of its last attempt."""

    shard: Shard
    words: str = "it was never started"
    run: FlowRun | None = None


async def check_deployment() -> str | None:
    """Make sure that shards can be started; say if nobody seems to be there who would make them.

    Raises:
        RequestRefused: if there is no such deployment, or no work pool for it.
    """
    wrong = MISSING
    async with get_client() as client:
        try:
            deployment = await client.read_deployment_by_name(DEPLOYMENT)
            wrong, pool, ready = NO_POOL, deployment.work_pool_name, deployment.status == DeploymentStatus.READY
            paused = pool is not None and (await client.read_work_pool(pool)).is_paused
        except ObjectNotFound:
            raise RequestRefused([Problem("shards", wrong)]) from None
    if pool is None and not ready:
        raise RequestRefused([Problem("shards", NO_POOL)])
    if paused:
        raise RequestRefused([Problem("shards", PAUSED.format(pool))])
    return None if ready else f"no worker has asked for runs of the work pool {pool} lately; the shards wait for one"


async def look_at_shards(batch: str, numbers: Iterable[int], told: frozenset[int]) -> dict[int, SeenShard]:
    """Return how each of these shards stands; ``told``: those that have told what they did."""
    keys = {_key(batch, number, attempt): number for number in numbers for attempt in range(1, MOST_ATTEMPTS + 1)}
    wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[*keys]))
    async with get_client() as client:
        found = await client.read_flow_runs(flow_run_filter=wanted)
    runs: dict[int, list[FlowRun]] = {number: [] for number in keys.values()}
    for run in sorted(found, key=lambda run: run.idempotency_key or ""):
        runs[keys[run.idempotency_key or ""]].append(run)
    return {number: _seen(of_shard, told=number in told) for number, of_shard in runs.items()}


def _seen(runs: list[FlowRun], *, told: bool) -> SeenShard:
    if not runs:
        return SeenShard(Shard(told))
    last = runs[-1]
    kind, state = last.state_type, last.state
    words = f"{last.state_name}: {state.message}" if state and state.message else f"{last.state_name}"
    if kind == StateType.CANCELLING:
        return SeenShard(Shard(told, len(runs), "cancelling"), words, last)
    if kind == StateType.CANCELLED:
        return SeenShard(Shard(told, len(runs), "cancelled"), words, last)
    over = kind in {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED}
    return SeenShard(Shard(told, len(runs), "over" if over else "live"), words, last)


async def start_shard(batch: str, number: int, attempt: int, name: str, parameters: dict[str, object]) -> FlowRun:
    """Start an attempt of a shard, as a subflow of the flow run at hand, unless it has been started already."""
    return await arun_deployment(
        DEPLOYMENT,
        parameters=parameters,
        flow_run_name=name if attempt == 1 else f"{name}, attempt {attempt}",
        timeout=0,
        idempotency_key=_key(batch, number, attempt),
    )


async def cancel_shard(run: FlowRun) -> None:
    """Ask for the end of a shard's run; one that has not begun is ended."""
    cancelled = Cancelling if run.state_type == StateType.RUNNING else Cancelled
    async with get_client() as client:
        await client.set_flow_run_state(run.id, cancelled(message="The batch does not wait for it any longer."))


async def resume_batch(run_id: str, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Let the run of a batch go on whose shards have all told, once it is suspended; else a collection does, later."""
    try:
        async with get_client() as client:
            for _ in range(RESUME_TRIES):
                run = await client.read_flow_run(UUID(run_id))
                if run.state_type == StateType.PAUSED:
                    await client.resume_flow_run(run.id)
                if run.state_type != StateType.RUNNING:
                    return
                # It has started its shards a moment ago, and is about to be suspended.
                await sleep(RESUME_PAUSE_SECONDS)
    except (PrefectException, httpx.HTTPError) as error:
        words = "The run of the batch was not resumed (%s: %s); a collection does it"
        get_run_logger().warning(words, type(error).__name__, error)


def _key(batch: str, number: int, attempt: int) -> str:
    return f"{batch}-shard-{number}-{attempt}"
