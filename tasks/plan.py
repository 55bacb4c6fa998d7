"""The dry run of a request, of a batch or of a chain, and the ledger's word on its keys; nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.api import Catalog, ModelEndpoints, VideoClient
from openrouter_video.batch import BatchPlan, BatchRequest, Table, batch_plan_lines, compare_with_stores, dry_batch
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
from openrouter_video.report import PlanLine, plan_lines, plan_text
from openrouter_video.request import RunRequest
from openrouter_video.run import Destination, Resources, extra_numbers, find_known, needless_takes
from openrouter_video.shots import ChainPlan, ChainRequest, chain_plan_lines, dry_chain

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
    plan, problems = await _dry(partial(dry_run, run), catalog, destination, resources, health)
    paid_usd = 0.0
    # A store is not asked about every video of a run that cannot have sent any.
    if (scope.shared or again) and not plan.refused:
        plan, paid_usd = await _with_known(plan, run, scope, resources)
    return await _held(plan, problems, run, resources, plan_lines, 0.0 if scope.shared else paid_usd)


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
    dry = partial(dry_batch, table, batch, realm=realm)
    plan, problems = await _dry(dry, catalog, destination, resources, health)
    if not plan.refused:
        plan = await resources.threads.run(_with_accepted, plan, resources)
    return await _held(plan, problems, batch.run, resources, batch_plan_lines)


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
    plan, problems = await _dry(partial(dry_chain, chain, scope), catalog, destination, resources, health)
    paid_usd = 0.0
    if (scope.shared or again) and not plan.refused:
        found = await find_known({shot.key: {} for shot in plan.shots}, None, resources.ledger, resources.threads)
        plan, paid_usd = plan.with_problems(found.problems).with_known(found.sent), found.paid_usd
        plan = plan.with_doubts(found.entries)
    return await _held(plan, problems, chain.run, resources, chain_plan_lines, 0.0 if scope.shared else paid_usd)


async def _dry(
    make: Callable[..., P],
    catalog: Catalog,
    destination: Destination,
    resources: Resources,
    health: Mapping[str, ModelEndpoints] | None,
) -> tuple[P, list[Problem]]:
    """Plan with what earlier bills say of listed prices; without them, also why nothing may be spent.

    In a thread, for what a plan works from is read from files, stores and the ledger.
    """
    problems, bills = list[Problem](), dict[str, Bills]()
    try:
        money = await resources.threads.run(resources.journal(sandbox=catalog.sandbox).money)
        bills = money.bills()
    except LedgerError as error:
        # Money that cannot be counted is not spent.
        problems = [Problem("ledger", str(error))]
    more = {"ledger": resources.ledger, "base_url": resources.client.base_url}
    return await resources.threads.run(make, catalog, destination.options_for, bills, health, **more), problems


async def _held(
    plan: P,
    problems: Sequence[Problem],
    run: RunRequest,
    resources: Resources,
    lines: Callable[[P], Iterable[PlanLine]],
    paid_usd: float = 0.0,
) -> P:
    """Hold a plan that pays for something to what may be spent, and tell it.

    Each job that is to be continued is asked about once, and the key what it may still spend, all for free.
    """
    plan = plan.with_problems(problems) if plan.shares else plan
    plan = await _hold_to_api(hold_to_ceiling(plan, run.max_usd, paid_usd), resources.client)
    get_run_logger().info("Plan:\n%s", plan_text(lines(plan)))
    return plan


async def _hold_to_api(plan: P, client: VideoClient) -> P:
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
