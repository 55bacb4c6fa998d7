"""The page of a run's videos, and their manifest, beside them.

Both are for looking at what is already safe: that one cannot be written is a warning and a note, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.gallery import publish, refresh
from openrouter_video.outcome import Outcome
from openrouter_video.run import Published, Resources, tell_published
from openrouter_video.text import clip

from .task_tags import tagged

__all__ = ["publish_gallery", "refresh_galleries"]


@task(task_run_name="gallery", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def publish_gallery(
    outcomes: Sequence[Outcome], folder: str, resources: Resources, *, with_manifest: bool = True
) -> Published:
    """Write ``index.html`` into the folder of a run or batch, and ``videos.jsonl`` unless that is there already."""
    work = partial(publish, resources.store, folder, outcomes, with_manifest=with_manifest)
    (published,) = await _tolerated(lambda: [work()], resources)
    return published


@task(task_run_name="galleries", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def refresh_galleries(outcomes: Mapping[str, Outcome], resources: Resources) -> None:
    """Bring the pages and manifests up to date on which these videos stand already, by the paths of the videos."""
    await _tolerated(partial(refresh, resources.store, outcomes), resources)


async def _tolerated(work: Callable[[], list[Published]], resources: Resources) -> list[Published]:
    """Do it in a thread, and tell whoever watches; what goes wrong is a note: the videos are made and paid for."""
    try:
        published = await resources.threads.run(work)
    except Exception as error:  # noqa: BLE001 (a page about safe videos must not fail their run)
        problem = f"the gallery was not written: {clip(str(error) or type(error).__name__)}"
        get_run_logger().warning("%s. Make it by: openrouter-video gallery", problem)
        published = [Published(problems=(problem,))]
    for one in published:
        tell_published(one)
    return published
