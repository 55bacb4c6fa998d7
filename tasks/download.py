"""From a finished job to files that are safe."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from openrouter_video.api import VideoJob
from openrouter_video.ledger import Claim
from openrouter_video.run import Facts, Resources, download

from .task_tags import tagged

__all__ = ["download_video"]


@task(
    task_run_name="download {claim.title}",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@tagged
async def download_video(
    claim: Claim,  # noqa: ARG001 (for Prefect to draw)
    job: VideoJob,  # noqa: ARG001 (the same)
    facts: Facts,
    resources: Resources,
) -> Facts:
    """Download, verify and publish the videos of a finished job, write the sidecar, then end its ledger entry.

    ``claim`` and ``job`` are part of ``facts``; by them Prefect draws this run behind its submission and its poll.

    Raises:
        ContentUnavailable, StorageError: if no further attempt can help; the job stays open and can be collected.
    """
    return await download(facts, resources, get_run_logger())
