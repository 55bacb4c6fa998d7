"""The tag by which Prefect's filters, automations and limits know the flow runs of this package."""

# No postponed annotations: what flows are made with is pickled where Prefect serves them.
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect import get_client, get_run_logger, tags
from prefect.client.schemas.objects import FlowRun
from prefect.context import TagsContext
from prefect.exceptions import PrefectHTTPStatusError

from openrouter_video.tasks import RUN_TAG

__all__ = ["add_tag", "made_with_tag", "tasks_tag_themselves"]


@contextmanager
def made_with_tag() -> Iterator[None]:
    """Let Prefect make a flow run with the tag, which costs no request; that of a deployment has the deployment's."""
    with tags(RUN_TAG):
        yield


@contextmanager
def tasks_tag_themselves() -> Iterator[None]:
    """Keep the tag from the tasks of a flow run that was made with it: they have a cheaper way of their own."""
    with TagsContext(current_tags=TagsContext.get().current_tags - {RUN_TAG}):
        yield


async def add_tag(run: FlowRun) -> None:
    """Tag a flow run that was made without, as by a deployment that lacks the tag; its heartbeats stay without."""
    if RUN_TAG in run.tags:
        return
    try:
        async with get_client() as client:
            await client.update_flow_run(run.id, tags=[*run.tags, RUN_TAG])
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        words = "This run could not be tagged %s (%s); tag its deployment"
        get_run_logger().warning(words, RUN_TAG, type(error).__name__)
