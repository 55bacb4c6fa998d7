"""Whole flows against a sandbox in which anything may go wrong, in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows import collect_videos, generate_video
from openrouter_video.api.client import VideoClient
from openrouter_video.errors import TooFewVideos
from openrouter_video.gallery.writing import PAGE
from openrouter_video.outcome import Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run import MANIFEST
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Sandbox
from openrouter_video.tasks import fetch_catalog

MODEL = "x-ai/grok-imagine-video"
SMALL = VideoSettings(duration=1, resolution="480p")


class SimulatedTime:
    """A clock that only sleeping moves; ``slept`` holds each wait, and ``during`` is called in each with its number."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.during: Callable[[int], None] = lambda _: None

    def clock(self) -> float:
        """Return the seconds slept so far."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass almost at once: the sandbox draws its videos in real time."""
        if seconds > 0:
            self.slept.append(seconds)
            self.now += seconds
            self.during(len(self.slept))
        await asyncio.sleep(0.003)


class FaultyRuns:
    """Runs of the flows for one short video, whose API is a sandbox in which anything may go wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, output: Path) -> None:

        self.output = output
        self.time = SimulatedTime()
        self.limits = Limits(sleep=self.time.sleep, clock=self.time.clock)
        self._environment = monkeypatch
        self._set(OPENROUTER_VIDEO_OUTPUT=str(output), OPENROUTER_VIDEO_LEDGER="")
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)

    def use(self, sandbox: Sandbox, base_url: str | None = None) -> None:
        """Let the environment's API be this sandbox, or another URL with its key."""
        self._set(OPENROUTER_API_KEY=sandbox.api_key, OPENROUTER_BASE_URL=base_url or sandbox.base_url)
        self.sandbox = sandbox

    def use_store(self, output: str, ledger: str | None = None) -> None:
        """Keep the videos, and perhaps the ledger, elsewhere."""
        self._set(OPENROUTER_VIDEO_OUTPUT=output, OPENROUTER_VIDEO_LEDGER=ledger or "")

    def be_impatient(self, **seconds: float) -> None:
        """Set some of the time-outs of single requests, which pass in real time."""
        self.limits = self.limits._replace(timeouts=self.limits.timeouts._replace(**seconds))

    def use_key(self, api_key: str) -> None:
        """Ask with another key from now on."""
        self._set(OPENROUTER_API_KEY=api_key)

    async def generate(self, **kwargs: Any) -> Outcome:
        """Run the flow once and return what became of its one video, however the run ended."""
        with using_limits(self.limits):
            state = await generate_video("A white orchid", MODEL, settings=SMALL, return_state=True, **kwargs)
        result = await state.aresult(raise_on_failure=False)
        if isinstance(result, BaseException) and not isinstance(result, TooFewVideos):
            raise result
        (outcome,) = result.outcomes if isinstance(result, TooFewVideos) else result
        return outcome

    async def generate_in_retried_flow(self, **kwargs: Any) -> list[Outcome]:
        """Run a flow that calls the flow and then fails, so that Prefect runs it again; what both attempts got."""
        got: list[Outcome] = []

        @flow(retries=1)
        async def nightly() -> None:
            got.append(await self.generate(**kwargs))
            if len(got) == 1:
                raise RuntimeError("something later went wrong")

        await nightly()
        return got

    async def collect(self, **kwargs: Any) -> list[Outcome]:
        """Run the flow that finishes what is open."""
        with using_limits(self.limits):
            outcomes: list[Outcome] = await collect_videos(**kwargs)
        return outcomes

    async def collect_one(self, **kwargs: Any) -> Outcome:
        """Collect, where one video is not finished yet."""
        (outcome,) = await self.collect(**kwargs)
        return outcome

    async def know_models(self, base_url: str) -> None:
        """Have the list of models for a base URL at hand, as a run of the last hour would have left it."""

        @flow
        async def earlier() -> None:
            async with VideoClient(None, self.sandbox.base_url) as client:
                await fetch_catalog(base_url, client)

        await earlier()

    def count(self, kind: str) -> int:
        """How many requests of a kind the sandbox saw: submit, poll, content."""
        return sum(seen.kind == kind for seen in self.sandbox.requests)

    @property
    def jobs(self) -> int:
        """How many jobs were charged."""
        return len(self.sandbox.charges)

    @property
    def files(self) -> list[str]:
        """The names of all files in the output, temporary ones too, but not the ledger's records, nor a run's page."""
        found = [path.relative_to(self.output) for path in self.output.rglob("*") if path.is_file()]
        found = [path for path in found if path.name not in {PAGE, MANIFEST}]
        ours = {"_jobs", ".openrouter-video-folder"}
        return sorted(path.name for path in found if path.parts[0] not in ours or path.name.endswith(".part"))

    def _set(self, **environment: str) -> None:
        for name, value in environment.items():
            self._environment.setenv(name, value)
