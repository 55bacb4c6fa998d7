"""The recipes in Prefect's server: the parameters of deployments of our flows, and of their schedules."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
from prefect import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, FlowFilter, FlowFilterId
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectHTTPStatusError

from openrouter_video.drift import FLOWS, Recipe
from openrouter_video.errors import ConfigurationError
from openrouter_video.tasks import RUN_TAG

__all__ = ["read_deployed_recipes"]

PAGE = 200
"""So many of them a server tells of at a time, at most."""


async def read_deployed_recipes() -> list[Recipe]:
    """Return a recipe for each deployment of our flows, and for each active schedule with parameters of its own.

    They are known by the tag of this package and by the name of their flow; all others are left alone.

    Raises:
        ConfigurationError: if Prefect's server does not tell.
    """
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[RUN_TAG]))
    deployments: list[DeploymentResponse] = []
    try:
        async with get_client() as client:
            while page := await client.read_deployments(deployment_filter=ours, limit=PAGE, offset=len(deployments)):
                deployments += page
            ids = list({deployment.flow_id for deployment in deployments})
            flows = await client.read_flows(flow_filter=FlowFilter(id=FlowFilterId(any_=ids))) if ids else []
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        raise ConfigurationError(f"Prefect's server does not tell its deployments: {error}") from error
    names = {flow.id: flow.name for flow in flows}
    found = (recipe for one in deployments for recipe in _recipes(names.get(one.flow_id, ""), one))
    return sorted(found, key=lambda recipe: recipe.name)


def _recipes(flow_name: str, deployment: DeploymentResponse) -> Iterator[Recipe]:
    flow, name = flow_name.replace("-", "_"), f"deployment {flow_name}/{deployment.name}"
    if flow not in FLOWS:
        return
    yield Recipe(name, flow, deployment.parameters)
    for schedule in deployment.schedules:
        if schedule.active and schedule.parameters:
            form = {**deployment.parameters, **schedule.parameters}
            yield Recipe(f"{name}, schedule {schedule.slug or schedule.id}", flow, form)
