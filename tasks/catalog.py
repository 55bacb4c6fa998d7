"""The list of models, fetched at most once per base URL and time-to-live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prefect import Task, task
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.utilities.hashing import hash_objects

from openrouter_video.api import Catalog, VideoClient
from openrouter_video.errors import ApiUnavailable

from .result_format import RESULT_FORMAT
from .task_tags import add_tags

__all__ = ["CATALOG_RETRY_DELAYS", "CATALOG_TIME_TO_LIVE", "fetch_catalog"]

CATALOG_RETRY_DELAYS = (1.0, 4.0, 10.0)
CATALOG_TIME_TO_LIVE = timedelta(hours=1)


@dataclass
class BaseUrlOnly(CachePolicy):
    """One record per base URL: neither the key nor the client is part of it."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002 (Prefect's signature)
        **_: Any,
    ) -> str | None:
        """Return a key that is named for the task, since Prefect does not keep the keys of tasks apart."""
        add_tags(task_ctx.task_run)  # here, since a list that is kept runs no body
        return f"openrouter-video-models-{hash_objects(inputs['base_url'], raise_on_failure=True)}"


async def _is_passing(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Trouble of the API or the network passes; a base URL that is not the API stays wrong."""
    return isinstance(await state.aresult(raise_on_failure=False), ApiUnavailable)


@task(
    task_run_name="list models of {base_url}",
    cache_policy=BaseUrlOnly(),
    cache_expiration=CATALOG_TIME_TO_LIVE,
    persist_result=True,
    result_serializer=RESULT_FORMAT,
    cache_result_in_memory=False,
    retries=len(CATALOG_RETRY_DELAYS),
    retry_delay_seconds=list(CATALOG_RETRY_DELAYS),
    retry_jitter_factor=0.5,
    retry_condition_fn=_is_passing,
)
async def fetch_catalog(base_url: str, client: VideoClient) -> Catalog:  # noqa: ARG001 (it is the cache key)
    """Fetch the models that the API offers.

    Raises:
        ApiUnavailable: if the API stayed in trouble, or went on listing nothing that can be read.
        ConfigurationError: if what answers is not OpenRouter's video API.
    """
    return await client.list_models()
