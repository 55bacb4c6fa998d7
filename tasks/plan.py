"""The dry run of a request, of a batch or of a chain, and the ledger's word on its keys; nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.api import Catalog, ModelEndpoints, VideoClient
from openrouter_video.batch import BatchPlan, BatchRequest, Table, batch_plan_text, compare_with_stores, dry_batch
from openrouter_video.errors import LedgerError, Problem, StorageError
from openrouter_video.ledger import LedgerEntry, Scope
from openrouter_video.money import Bills
from openrouter_video.planning import (
    GatedPlan,
    Plan,
    dry_run,
    hold_to_ceiling,
    hold_to_key,
    looked_at,
)
from openrouter_video.report import plan_text
from openrouter_video.request import RunRequest
from openrouter_video.run import Destination, Resources, extra_numbers, find_known, needless_takes
from openrouter_video.shots import ChainPlan, ChainRequest, chain_plan_text, dry_chain

from .task_tags import tagged

__all__ = ["make_batch_plan", "make_chain_plan", "make_plan"]

P = TypeVar("P", bound=GatedPlan)


@task(task_run_name="plan", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def make_plan(
    run: RunRequest,
    catalog: Catalog,
    scope: Scope,
    destination: Destination,
    resources: Resources,
    *,
    again: bool = True,
    health: Mapping[str, ModelEndpoints] | None = None,
) -> Plan:
    """Plan a run: what each model would get, and why the run may not begin.

    Images are read here, with the options of the destination where they are in its store. An idempotency key that
    belongs to a different request is found here, so that the plan holds every problem before anything is spent. So is
    what this run may have sent before, if it runs ``again``, for it is not paid for twice. ``health``: who serves the
    models, and how well.
    """
    bills, problems = await _bills(resources, sandbox=catalog.sandbox)
    plan = await _dry(dry_run, resources, run, catalog, destination.options_for, bills, health)
    paid_usd = 0.0
    # A store is not asked about every video of a run that cannot have sent any.
    if (scope.shared or again) and not plan.refused:
        plan, paid_usd = await _with_known(plan, run, scope, resources)
    if plan.paying:
        plan = plan.with_problems(problems)
    plan = hold_to_ceiling(plan, run.max_usd, 0.0 if scope.shared else paid_usd)
    plan = await _hold_to_api(plan, resources.client)
    get_run_logger().info("Plan:\n%s", plan_text(plan))
    return plan


@task(task_run_name="plan", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def make_batch_plan(
    table: Table,
    batch: BatchRequest,
    catalog: Catalog,
    destination: Destination,
    resources: Resources,
    realm: str,
    *,
    health: Mapping[str, ModelEndpoints] | None = None,
) -> BatchPlan:
    """Plan a whole batch: what each row would get, what the ledger knows of it, and why the batch may not begin.

    ``realm`` keeps a sandbox's videos apart from paid ones. ``health``: who serves the models, and how well.
    """
    bills, problems = await _bills(resources, sandbox=catalog.sandbox)
    plan = await _dry(dry_batch, resources, table, batch, catalog, destination.options_for, bills, health, realm=realm)
    if not plan.refused:
        plan = await resources.threads.run(_with_accepted, plan, resources)
    if plan.new_videos:
        plan = plan.with_problems(problems)
    plan = hold_to_ceiling(plan, batch.run.max_usd)
    plan = await _hold_to_api(plan, resources.client)
    get_run_logger().info("Plan:\n%s", batch_plan_text(plan))
    return plan


@task(task_run_name="plan", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def make_chain_plan(
    chain: ChainRequest,
    catalog: Catalog,
    scope: Scope,
    destination: Destination,
    resources: Resources,
    *,
    again: bool = True,
    health: Mapping[str, ModelEndpoints] | None = None,
) -> ChainPlan:
    """Plan a whole chain: what each shot would get, what the ledger knows of it, and why the chain may not begin.

    ``again`` and ``health`` as for ``make_plan``.
    """
    bills, problems = await _bills(resources, sandbox=catalog.sandbox)
    plan = await _dry(dry_chain, resources, chain, scope, catalog, destination.options_for, bills, health)
    paid_usd = 0.0
    if (scope.shared or again) and not plan.refused:
        found = await find_known({shot.key: {} for shot in plan.shots}, None, resources.ledger, resources.threads)
        plan, paid_usd = plan.with_problems(found.problems).with_known(found.sent), found.paid_usd
        plan = plan.with_doubts(found.entries)
    if plan.new_shots:
        plan = plan.with_problems(problems)
    plan = hold_to_ceiling(plan, chain.run.max_usd, 0.0 if scope.shared else paid_usd)
    plan = await _hold_to_api(plan, resources.client)
    get_run_logger().info("Plan:\n%s", chain_plan_text(plan))
    return plan


async def _dry(make: Callable[..., P], resources: Resources, *asked: Any, **more: Any) -> P:
    """Plan in a thread, for what a plan works from is read from files, stores and the ledger."""
    base_url = resources.client.base_url
    return await resources.threads.run(make, *asked, **more, ledger=resources.ledger, base_url=base_url)


async def _hold_to_api(plan: P, client: VideoClient) -> P:
    """Ask, for free, once about each job that is to be continued, and what the key may still spend."""
    jobs = () if plan.refused else plan.continued
    answers = await asyncio.gather(*map(client.get_job, jobs))
    plan = plan.with_looks({job: looked_at(job, one, client.base_url) for job, one in zip(jobs, answers, strict=True)})
    if plan.refused or not plan.shares:
        return plan
    return hold_to_key(plan, await client.get_key_budget())


def _with_accepted(plan: BatchPlan, resources: Resources) -> BatchPlan:
    try:
        return compare_with_stores(plan, resources.store, resources.ledger)
    except (LedgerError, StorageError) as error:
        return plan.with_problems([Problem("ledger" if isinstance(error, LedgerError) else "output", str(error))])


async def _bills(resources: Resources, *, sandbox: bool) -> tuple[Mapping[str, Bills], list[Problem]]:
    """Return what earlier bills say of listed prices; money that cannot be counted is not spent."""
    try:
        money = await resources.threads.run(resources.journal(sandbox=sandbox).money)
    except LedgerError as error:
        return {}, [Problem("ledger", str(error))]
    return money.bills(), []


async def _with_known(plan: Plan, run: RunRequest, scope: Scope, resources: Resources) -> tuple[Plan, float]:
    """Add which of the videos the ledger knows already; return what these have cost, too."""
    videos = {scope.key(model.model, take): (model, take) for model, take in (*plan.videos, *plan.extra_videos)}
    bodies = {key: model.sent or {} for key, (model, _) in videos.items()}
    found = await find_known(bodies, run.request.asked(), resources.ledger, resources.threads)
    ordinary = {(model.model, take): scope.key(model.model, take) for model, take in plan.videos}
    known = frozenset(video for video, key in ordinary.items() if key in found.keys)
    needless = (
        (model, number)
        for model, take in ordinary
        for number in extra_numbers(take, run)
        if scope.key(model, number) in _needless(model, take, run, scope, found.entries)
    )
    told = {"known": known, "needless": frozenset(needless)}
    return plan.with_problems(found.problems).model_copy(update=told), found.paid_usd


def _needless(
    model: str, take: int, run: RunRequest, scope: Scope, entries: Mapping[str, LedgerEntry]
) -> Collection[str]:
    keys = [scope.key(model, number) for number in (take, *extra_numbers(take, run))]
    return needless_takes(keys, entries)
