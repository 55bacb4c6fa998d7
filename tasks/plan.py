"""The dry run of a request, and the ledger's word on its keys; nothing is sent."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.api import Catalog
from openrouter_video.ledger import Scope
from openrouter_video.planning import Plan, dry_run, hold_to_ceiling
from openrouter_video.report import plan_text
from openrouter_video.request import RunRequest
from openrouter_video.run import Destination, Resources, find_known

__all__ = ["make_plan"]


@task(task_run_name="plan", retries=0, cache_policy=NO_CACHE, persist_result=False)
async def make_plan(
    run: RunRequest, catalog: Catalog, scope: Scope, destination: Destination, resources: Resources
) -> Plan:
    """Plan a run: what each model would get, and why the run may not begin.

    Images are read here, with the options of the destination where they are in its store. An idempotency key that
    belongs to a different request is found here, so that the plan holds every problem before anything is spent.
    """
    ledger, threads = resources.ledger, resources.threads
    plan = await threads.run(dry_run, run, catalog, destination.options_for)
    if scope.shared and not plan.refused:
        videos = {scope.key(model.model, take): (model, take) for model in plan.models for take in plan.each_take}
        bodies = {key: model.sent or {} for key, (model, _) in videos.items()}
        found = await find_known(bodies, run.request.asked(), ledger, threads)
        known = frozenset((model.model, take) for key, (model, take) in videos.items() if key in found.keys)
        plan = plan.model_copy(update={"problems": (*plan.problems, *found.problems), "known": known})
    plan = hold_to_ceiling(plan, run.max_usd)
    get_run_logger().info("Plan:\n%s", plan_text(plan))
    return plan
