"""The list of models, fetched at most once per base URL and time-to-live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun

from openrouter_video.api import Catalog, VideoClient
from openrouter_video.errors import ApiUnavailable

from .base_url_cache import ByBaseUrl
from .result_format import RESULT_FORMAT

__all__ = ["CATALOG_RETRY_DELAYS", "CATALOG_TIME_TO_LIVE", "fetch_catalog"]

CATALOG_RETRY_DELAYS = (1.0, 4.0, 10.0)
CATALOG_TIME_TO_LIVE = timedelta(hours=1)


async def _is_passing(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Trouble of the API or the network passes; a base URL that is not the API stays wrong."""
    return isinstance(await state.aresult(raise_on_failure=False), ApiUnavailable)


@task(
    task_run_name="list models of {base_url}",
    cache_policy=ByBaseUrl(kind="models"),
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
