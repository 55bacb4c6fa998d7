"""Who serves the models of a run, and how well, asked at most once per set of models and time-to-live."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.transactions import get_transaction

from openrouter_video.api import ModelEndpoints, VideoClient

from .base_url_cache import ByBaseUrl
from .catalog import CATALOG_TIME_TO_LIVE
from .result_format import RESULT_FORMAT

__all__ = ["fetch_endpoints"]


@task(
    task_run_name="list endpoints at {base_url}",
    cache_policy=ByBaseUrl(kind="endpoints"),
    cache_expiration=CATALOG_TIME_TO_LIVE,
    persist_result=True,
    result_serializer=RESULT_FORMAT,
    cache_result_in_memory=False,
    retries=0,
)
async def fetch_endpoints(
    base_url: str,  # noqa: ARG001 (it is the cache key)
    models: Sequence[str],
    client: VideoClient,
) -> list[ModelEndpoints]:
    """Ask who serves each model; what could not be read is said, not kept, and nothing waits for it."""
    found = await client.list_endpoints(models)
    failed = [one for one in found if one.unknown]
    for one in failed:
        get_run_logger().info("Who serves %s is not known now: %s", one.model, one.unknown)
    if failed and (transaction := get_transaction()):
        transaction.write_on_commit = False
    return found
