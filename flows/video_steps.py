"""The steps of a video's chain in two grains: each a task run, or all of them plain calls in the task run of a lane.

What a step does is the same in both. ``unsearched`` is for Prefect, so that it stays here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from openrouter_video.api import Catalog
from openrouter_video.errors import ApiUnavailable
from openrouter_video.ledger import Claim, Submitted
from openrouter_video.outcome import Outcome
from openrouter_video.report import final_line
from openrouter_video.run import Facts, Log, Resources, Step, download, poll, submit
from openrouter_video.tasks import (
    CATALOG_RETRY_DELAYS,
    download_video,
    fetch_catalog,
    poll_job,
    submit_video,
    unsearched,
)

__all__ = ["AsCalls", "AsTasks", "VideoSteps"]


class VideoSteps(Protocol):
    """What a chain does outside itself, one after the other; errors are those of the tasks of these names."""

    async def submit(self, claim: Claim, body: Mapping[str, Any], deadline_seconds: float) -> Submitted:
        """Submit one body."""

    async def poll(
        self, claim: Claim, job_id: str, deadline_seconds: float, *, fresh: bool, usual_seconds: float | None = None
    ) -> Step:
        """Wait for a job's end."""

    async def download(self, facts: Facts) -> Facts:
        """Bring the video of a finished job to safety."""

    async def list_models_afresh(self) -> Catalog:
        """List the models as they are at this moment."""

    def log_end(self, outcome: Outcome) -> None:
        """Log what became of the video, unless the steps have said it."""


class AsTasks(VideoSteps):
    """Each step is a task run, with its state, its retries and its log on Prefect's page."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def submit(self, claim: Claim, body: Mapping[str, Any], deadline_seconds: float) -> Submitted:
        """Submit one body."""
        return await submit_video(
            unsearched(claim), unsearched(dict(body)), self._resources, deadline_seconds=deadline_seconds
        )

    async def poll(
        self, claim: Claim, job_id: str, deadline_seconds: float, *, fresh: bool, usual_seconds: float | None = None
    ) -> Step:
        """Wait for a job's end."""
        return await poll_job(
            unsearched(claim),
            job_id,
            self._resources,
            deadline_seconds=deadline_seconds,
            fresh=fresh,
            usual_seconds=usual_seconds,
        )

    async def download(self, facts: Facts) -> Facts:
        """Bring the video of a finished job to safety."""
        claim, job = facts.ended_job()
        return await download_video(unsearched(claim), unsearched(job), unsearched(facts), self._resources)

    async def list_models_afresh(self) -> Catalog:
        """List the models as they are at this moment."""
        client = self._resources.client
        return await fetch_catalog.with_options(refresh_cache=True)(client.base_url, client)

    def log_end(self, outcome: Outcome) -> None:
        """Say nothing: each step has."""


class AsCalls(VideoSteps):
    """Each step is a plain call, which logs only what a person should know now; at its end each video logs one line."""

    def __init__(self, resources: Resources, log: Log) -> None:
        self._resources = resources
        self._log = log
        self._warnings = _OnlyWarnings(log, {})

    async def submit(self, claim: Claim, body: Mapping[str, Any], deadline_seconds: float) -> Submitted:
        """Submit one body."""
        return await submit(claim, body, self._resources, self._warnings, deadline_seconds=deadline_seconds)

    async def poll(
        self, claim: Claim, job_id: str, deadline_seconds: float, *, fresh: bool, usual_seconds: float | None = None
    ) -> Step:
        """Wait for a job's end."""
        return await poll(
            claim,
            job_id,
            self._resources,
            self._warnings,
            deadline_seconds=deadline_seconds,
            fresh=fresh,
            usual_seconds=usual_seconds,
        )

    async def download(self, facts: Facts) -> Facts:
        """Bring the video of a finished job to safety."""
        return await download(facts, self._resources, self._warnings)

    async def list_models_afresh(self) -> Catalog:
        """List the models as they are at this moment; trouble that passes is waited for, as by the task."""
        for seconds in CATALOG_RETRY_DELAYS:
            with suppress(ApiUnavailable):
                return await self._resources.client.list_models()
            await self._resources.limits.sleep(seconds)
        return await self._resources.client.list_models()

    def log_end(self, outcome: Outcome) -> None:
        """Say in one line what became of the video."""
        self._log.info("%s", final_line(outcome))


class _OnlyWarnings(logging.LoggerAdapter[Any]):
    """A log that leaves out the ordinary course."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 (logging's name)
        """Whether something is said at this level."""
        return level >= logging.WARNING and super().isEnabledFor(level)
