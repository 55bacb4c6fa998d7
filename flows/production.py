"""One run from a request to its outcomes: open, list, plan, make every video, report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, cast

from prefect import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run

from openrouter_video.api import Catalog, VideoClient
from openrouter_video.blocks import load_credentials, load_store
from openrouter_video.errors import ApiUnavailable, ConfigurationError, LedgerError, RequestRefused
from openrouter_video.ledger import LedgerEntry, Scope, entries_in_time
from openrouter_video.outcome import FanOut, Outcome, reused_cost, run_status, total_cost
from openrouter_video.planning import ModelPlan, Plan
from openrouter_video.report import collect_command, interruption_message
from openrouter_video.request import RunRequest, parse_run_request
from openrouter_video.run import (
    Destination,
    Facts,
    Lane,
    Resources,
    current_limits,
    divide,
    folder_of,
    open_resources,
    outcome_of,
    settle_money,
)
from openrouter_video.tasks import ProgressBar, fetch_catalog, make_lane, make_plan, publish_report, unsearched
from openrouter_video.text import clip
from openrouter_video.threads import start

from .approval import open_approval
from .final_states import final_state, refused_state
from .gates import pass_gates
from .run_identity import identify_run
from .termination import ended_by_sigterm, log_if_interrupted
from .video_chain import VideoRun, make_video
from .video_steps import AsCalls, AsTasks

__all__ = ["collect_command_of", "make_videos", "run_name"]

LONGEST_NAME = 60
LOG_WITHIN_SECONDS = 1.0

T = TypeVar("T")


async def make_videos(form: Mapping[str, Any], data: Callable[[FanOut], T]) -> T:
    """Make every video that the parameters of a flow ask for; what it returns is the state that ends the flow.

    Prefect gives the flow's caller the ``data`` of what came of it. A refusal and too few videos are raised there.
    """
    try:
        run = parse_run_request(**form)
        with ended_by_sigterm():
            result = await _produce(run)
    except (RequestRefused, ConfigurationError, ApiUnavailable) as error:
        return cast(T, refused_state(error))
    return cast(T, final_state(result, data(result), run.wanted))


async def _produce(run: RunRequest) -> FanOut:
    """Open what the run needs, plan it, make every video, report."""
    identity = await identify_run(run.idempotency_key)
    credentials = await load_credentials(run.credentials)
    destination = await load_store(run.store, run.output, run.ledger, deployed=identity.deployed)
    async with AsyncExitStack() as stack:
        with log_if_interrupted("Interrupted before anything was sent; nothing was charged."):
            client = credentials.get_client()
            resources = await stack.enter_async_context(open_resources(destination, client, current_limits()))
            scope = identity.scope(run.idempotency_key, run.request.asked(), resources.client.base_url)
            above, base_url = run.approve_above_usd, resources.client.base_url
            approval = await open_approval(above, credentials.approve_above_usd, base_url)
            prepare = partial(_plan, run, scope, destination, resources, again=identity.again)
            plan = await prepare(afresh=approval.answered)
            while not await approval.covers(plan):
                plan = await prepare(afresh=True)
            reserved = await pass_gates(plan, _keys(plan, scope), run, identity, credentials, resources)
        videos = VideoRun(
            asked=run,
            scope=scope,
            resources=resources,
            steps=AsTasks(resources),
            limit=asyncio.Semaphore(run.concurrency),
            run_id=identity.run_id,
            reserved=reserved,
            deployment=identity.deployment,
            folder=await resources.threads.run(folder_of, resources.store, resources.ledger),
            sandbox=plan.sandbox,
        )
        outcomes = await _make_all(plan, videos)
        await _settle(outcomes, videos)
    await publish_report(unsearched(outcomes))
    return FanOut(
        run_id=identity.run_id,
        status=run_status(outcomes, run.wanted),
        asked=plan.asked,
        cost_usd=total_cost(outcomes),
        reused_cost_usd=reused_cost(outcomes),
        estimate=plan.estimate,
        problems=plan.warnings,
        outcomes=tuple(outcomes),
    )


def _keys(plan: Plan, scope: Scope) -> dict[tuple[str, int], str]:
    """Return the ledger key of each video of a plan, by model and take."""
    return {(model.model, take): scope.key(model.model, take) for model, take in plan.videos}


async def _settle(outcomes: Sequence[Outcome], run: VideoRun) -> None:
    """Record what the videos came to; a journal that does not take it now takes it from a collection."""
    resources = run.resources
    try:
        await resources.threads.run(
            settle_money,
            resources.journal(sandbox=run.sandbox),
            resources.ledger,
            run.reserved,
            outcomes,
            run.run_id,
            run.deployment,
        )
    except LedgerError as error:
        collect = collect_command_of(run.asked, resources)
        get_run_logger().warning(
            "The bills are not in the money journal yet (%s); they come there by: %s", error, collect
        )


def collect_command_of(run: RunRequest, resources: Resources) -> str:
    """Return the command by which anybody, anywhere, finishes what this run leaves open."""
    # A block says where its ledger is, and each claim where its video goes.
    return collect_command(
        output=None if run.store else resources.store.url,
        ledger=resources.ledger.url if run.ledger or not run.store else None,
        store=run.store,
        credentials=run.credentials,
    )


async def _plan(
    run: RunRequest, scope: Scope, destination: Destination, resources: Resources, *, again: bool, afresh: bool
) -> Plan:
    """Plan the run, which may have sent something before if it runs ``again``; ``afresh`` by the prices of this moment.

    Raises:
        RequestRefused: if the plan, or what it may cost, does not allow the run to begin.
    """
    catalog = await _list_models(run.models, resources.client, afresh=afresh)
    plan = await make_plan(unsearched(run), unsearched(catalog), scope, unsearched(destination), resources, again=again)
    if plan.refused:
        raise RequestRefused(plan.refusal)
    return plan


async def _list_models(wanted: Sequence[str], client: VideoClient, *, afresh: bool = False) -> Catalog:
    """List the models; afresh also if one that is wanted is missing: the list at hand may be old, or was cut short."""
    anew = fetch_catalog.with_options(refresh_cache=True)
    catalog = await (anew if afresh else fetch_catalog)(client.base_url, client)
    return await anew(client.base_url, client) if catalog.lacks(wanted) else catalog


async def _make_all(plan: Plan, run: VideoRun) -> list[Outcome]:
    """Make all videos side by side, each a chain of tasks, or many of them in lanes; none touches another."""
    videos = plan.videos
    threads, ledger = run.resources.threads, run.resources.ledger
    ledger.expect([run.scope.key(model.model, take) for model, take in videos if model.decision == "send"])
    bar = ProgressBar(len(videos))
    await bar.start()

    async def make_in_lane(lane: Lane) -> list[Outcome]:
        calls = run._replace(steps=AsCalls(run.resources, get_run_logger()))
        return await _side_by_side(_make(*videos[index], calls, bar) for index in lane.indexes)

    async def in_lane(lane: Lane) -> Sequence[Outcome]:
        made = asyncio.ensure_future(make_lane(lane, unsearched(make_in_lane)))
        await asyncio.gather(made, return_exceptions=True)
        # Prefect's own trouble with a task run is none of its videos', and of no other lane.
        if error := made.exception():
            return [await _of_broken_chain(*videos[index], error, run) for index in lane.indexes]
        return made.result()

    try:
        if lanes := divide(len(videos), run.resources.limits.lanes):
            get_run_logger().info("%s videos in %s lanes, each of which is one task run", len(videos), len(lanes))
            made = await _side_by_side(in_lane(lane) for lane in lanes)
            outcomes = [outcome for lane in made for outcome in lane]
        else:
            outcomes = await _side_by_side(_make(model, take, run, bar) for model, take in videos)
    except asyncio.CancelledError:
        await _say_what_goes_on(videos, run)
        raise
    await threads.run(ledger.drop_marks)
    return outcomes


async def _make(model: ModelPlan, take: int, run: VideoRun, bar: ProgressBar) -> Outcome:
    """Make one video; an error that nobody foresaw is in its outcome, and ends nothing else."""
    (result,) = await asyncio.gather(make_video(model, take, run), return_exceptions=True)
    outcome = result if isinstance(result, Outcome) else await _of_broken_chain(model, take, result, run)
    run.steps.log_end(outcome)
    await bar.advance()
    return outcome


async def _side_by_side(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all at once, and return what they return, in their order; one cancellation is for all."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]


async def _say_what_goes_on(videos: Sequence[tuple[ModelPlan, int]], run: VideoRun) -> None:
    """Tell whoever stopped the run what it leaves behind; every submission has ended, so the ledger knows them all."""
    collect = collect_command_of(run.asked, run.resources)
    keys = [run.scope.key(model.model, take) for model, take in videos]
    said = await asyncio.wrap_future(start(partial(entries_in_time, run.resources.ledger, keys)))
    held = {key: run.resources.submitter.unrecorded(key) for key in keys}
    if silent := [entry for entry in said.values() if isinstance(entry, LedgerError)]:
        jobs = ", ".join(
            f"{kept.answer.job_id} (key {key})" for key, kept in held.items() if kept and kept.answer.job_id
        )
        known = f"; not in the ledger: {jobs}" if jobs else ""
        billed = "" if run.sandbox else " and be billed"
        words = "Interrupted. Jobs may go on%s; fetch them with: %s (%s)%s"
        get_run_logger().warning(words, billed, collect, silent[0], known)
    else:
        entries = [entry for entry in said.values() if isinstance(entry, LedgerEntry) and entry.claim]
        facts = [Facts.of_entry(entry)._replace(unrecorded=held[entry.key]) for entry in entries]
        outcomes = [outcome_of(known, datetime.now(UTC)) for known in facts]
        get_run_logger().warning("%s", interruption_message(outcomes, collect))
    with suppress(TimeoutError):
        # A process that dies by a signal sends no log any more.
        await asyncio.wait_for(APILogHandler.aflush(), LOG_WITHIN_SECONDS)


async def _of_broken_chain(model: ModelPlan, take: int, error: BaseException, run: VideoRun) -> Outcome:
    """Tell from the ledger what became of a video whose chain broke off unexpectedly."""
    if not isinstance(error, Exception):
        raise error
    get_run_logger().error("%s: unexpected %s", clip(model.model), type(error).__name__, exc_info=error)
    key = run.scope.key(model.model, take)
    claim = run.claim(model, take)
    try:
        entry = await run.resources.threads.run(run.resources.ledger.entry, key)
    except LedgerError as unreadable:
        entry = LedgerEntry(key, "uncertain", reason=str(unreadable))
    own = entry.claim is None or entry.claim.run_id == run.run_id
    facts = Facts.of_entry(entry._replace(claim=entry.claim or claim), own=own)
    message = clip(f"unexpected {type(error).__name__}: {error}")
    facts = facts._replace(unrecorded=run.resources.submitter.unrecorded(key), unexpected=message)
    return outcome_of(facts, datetime.now(UTC))


def run_name() -> str:
    """Name a flow run after its prompt."""
    prompt = clip(str(flow_run.parameters.get("prompt", "")))
    return prompt if len(prompt) <= LONGEST_NAME else prompt[: LONGEST_NAME - 1] + "…"
