"""The report of a run in Prefect's UI: a table and a page at the end, and a progress bar on the way.

All are for people to look at: a server that is away at that moment must not cost a video, so each call is limited in
time and its failure is a log line.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import TypeVar
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import PrefectException

from openrouter_video.errors import ConfigurationError
from openrouter_video.gallery import Sights, find_sights, run_page
from openrouter_video.outcome import Outcome, expected_cost, is_simulated, summary
from openrouter_video.report import table_rows
from openrouter_video.run import Resources
from openrouter_video.threads import Threads

from .task_tags import tagged

__all__ = ["ProgressBar", "publish_page", "publish_report", "publish_table"]

T = TypeVar("T")

ARTIFACT_TIMEOUT_SECONDS = 10.0
STEPS = 20
TABLE = "openrouter-videos"
MOST_ROWS = 1_000


@task(task_run_name="report", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def publish_report(
    outcomes: Sequence[Outcome], resources: Resources | None = None, gallery_url: str | None = None
) -> None:
    """Publish what became of every video: a table with flat columns, and a page with a picture of each.

    The page has no key: under a shared one it would be a version of the newest run's, and be listed with its pictures.
    """
    expected, words = expected_cost(outcomes), f"{summary(outcomes)}."
    above = f" The estimate was {expected.words(sandbox=is_simulated(outcomes))}." if expected else ""
    await publish_table(outcomes, f"{words}{above}")
    page = run_page(outcomes, await _find_sights(outcomes, resources, gallery_url), gallery_url)
    await _tolerate(acreate_markdown_artifact(page, description=f"The videos of this run: {words}"))


async def _find_sights(outcomes: Sequence[Outcome], resources: Resources | None, gallery_url: str | None) -> Sights:
    store, threads = (resources.store, resources.threads) if resources else (None, Threads())
    try:
        return await threads.run(find_sights, outcomes, store, os.environ, datetime.now(UTC), gallery_url)
    except ConfigurationError as error:
        get_run_logger().warning("The page of the run has neither links nor pictures: %s", error)
        return Sights({}, {})


async def publish_table(outcomes: Sequence[Outcome], above: str, seconds: float = ARTIFACT_TIMEOUT_SECONDS) -> None:
    """Publish a table of what became of videos, with a line above it; within so many seconds, or not at all.

    Of a large batch it has the first videos: Prefect lists artifacts with all that is in them.
    """
    if len(outcomes) > MOST_ROWS:
        above += f" The table has {MOST_ROWS:,} of {len(outcomes):,} videos, the manifest all."
    table = table_rows(outcomes[:MOST_ROWS])
    await _tolerate(acreate_table_artifact(table=table, key=TABLE, description=above), seconds)


@task(task_run_name="report", retries=0, cache_policy=NO_CACHE, persist_result=False)
@tagged
async def publish_page(page: str, key: str, description: str) -> None:
    """Publish a page in Markdown, as the newest version of those with its key."""
    await _tolerate(acreate_markdown_artifact(page, key=key, description=description))


class ProgressBar:
    """Shows how many videos of a run have ended, in no more API calls than a bar has steps that people can see."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0
        self._artifact: UUID | None = None

    async def start(self) -> None:
        """Show an empty bar."""
        self._artifact = await _tolerate(
            acreate_progress_artifact(0.0, key="openrouter-videos-progress", description=self._title())
        )

    async def advance(self, outcome: Outcome) -> None:
        """Count one more video that has ended; of many, every twentieth part and the last one move the bar.

        An extra take is not counted: it is made in the place of a video that is.
        """
        if outcome.instead_of is not None:
            return
        self._ended += 1
        is_step = self._ended % ceil(self._total / STEPS) == 0 or self._ended == self._total
        if self._artifact is not None and is_step:
            progress = 100.0 * self._ended / self._total
            await _tolerate(aupdate_progress_artifact(self._artifact, progress, description=self._title()))

    def _title(self) -> str:
        return f"{self._ended} of {self._total} video{'s' * (self._total != 1)} ended"


async def _tolerate(call: Awaitable[T], seconds: float = ARTIFACT_TIMEOUT_SECONDS) -> T | None:
    try:
        return await asyncio.wait_for(call, seconds)
    except (TimeoutError, httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("Prefect's server did not take the report: %s", type(error).__name__)
        return None
