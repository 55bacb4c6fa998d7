"""The models that the form of a deployment offers: those that OpenRouter lists when it is made.

A flow cannot know them when it is imported, and an enumeration in its signature would refuse each later model. So they
are written into the schema of the deployment, beside a tab that takes any id, with the day of the list.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import get_client
from prefect.client.schemas.actions import DeploymentUpdate

from openrouter_video.api import Catalog, VideoClient, base_url_of
from openrouter_video.form import offers_models, with_models

__all__ = ["offer_models"]


def offer_models(deployments: Sequence[str]) -> list[str]:
    """Let the forms of these deployments offer the models of this moment; return the names of those that ask for one.

    Deploying anew forgets them: the form then takes ids as text, until this is done again.

    Raises:
        ApiUnavailable: if the models could not be listed; the forms are as they were.
        ConfigurationError: if the base URL of the environment is not that of the API.
    """
    ids = [model.id for model in asyncio.run(_list_models()).models]
    day, offering = f"{datetime.now(UTC):%d %B %Y}".lstrip("0"), []
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            schema = deployment.parameter_openapi_schema
            if deployment.name in deployments and schema and offers_models(schema):
                update = DeploymentUpdate(parameter_openapi_schema=with_models(schema, ids, day))
                client.update_deployment(deployment.id, update)
                offering.append(deployment.name)
    return offering


async def _list_models() -> Catalog:
    async with VideoClient(None, base_url_of(os.environ)) as client:
        return await client.list_models()
