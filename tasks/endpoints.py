"""Who serves the models of a run, and how well, asked at most once per set of models and time-to-live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.transactions import get_transaction
from prefect.utilities.hashing import hash_objects

from openrouter_video.api import ModelEndpoints, VideoClient

from .catalog import CATALOG_TIME_TO_LIVE
from .result_format import RESULT_FORMAT
from .task_tags import add_tags

__all__ = ["fetch_endpoints"]


@dataclass
class BaseUrlAndModels(CachePolicy):
    """One record per base URL and set of models: neither the key nor the client is part of it."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002 (Prefect's signature)
        **_: Any,
    ) -> str | None:
        """Return a key that is named for the task, since Prefect does not keep the keys of tasks apart."""
        add_tags(task_ctx.task_run)  # here, since a list that is kept runs no body
        asked = hash_objects(inputs["base_url"], sorted(inputs["models"]), raise_on_failure=True)
        return f"openrouter-video-endpoints-{asked}"


@task(
    task_run_name="list endpoints at {base_url}",
    cache_policy=BaseUrlAndModels(),
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
