"""The dry run of a request, and the ledger's word on its keys; nothing is sent."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.api import Catalog
from openrouter_video.ledger import Scope
from openrouter_video.planning import Plan
from openrouter_video.request import RunRequest
from openrouter_video.run import Resources

__all__ = ["make_plan"]


@task(task_run_name="plan", retries=0, cache_policy=NO_CACHE, persist_result=False)
async def make_plan(run: RunRequest, catalog: Catalog, resources: Resources, scope: Scope) -> Plan:
    """Plan a run: what each model would get, and why the run may not begin.

    Images are read here, and an idempotency key that belongs to a different request is found here, so that the plan
    holds every problem at once, before anything is spent.
    """
    plan = await resources.dry_run(run, catalog)
    if scope.shared and not plan.refused:
        bodies = {scope.key(model.model, take): model.sent or {} for model in plan.models for take in plan.each_take}
        conflicts = await resources.find_conflicts(bodies, run.request.asked())
        plan = plan.model_copy(update={"problems": (*plan.problems, *conflicts)})
    get_run_logger().info("Plan:\n%s", plan)
    return plan
