"""Large runs in lanes, on a real Prefect engine: the same outcomes with few task runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from flows import collect_videos, fan_out_video
from flows.video_steps import AsCalls
from openrouter_video.api.client import VideoClient
from openrouter_video.errors import ApiUnavailable, TooFewVideos
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.lanes import Lane
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.run.progress import Progress, watching
from openrouter_video.run.resources import Resources
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from openrouter_video.threads import Threads
from tasks import make_lane

pytestmark = pytest.mark.usefixtures("prefect_server")

GROK, WAN = "x-ai/grok-imagine-video", "alibaba/wan-3.0"
SMALL = VideoSettings(duration=2, resolution="480p")
FEW_LANES = Limits(lanes=3)


async def fan_out(takes: int, limits: Limits = FEW_LANES, **kwargs: Any) -> FanOut | TooFewVideos:
    """Make that many takes of two models, in lanes; a run that failed returns its error."""
    with using_limits(limits):
        state = await fan_out_video(
            "A white orchid", [GROK, WAN], settings=SMALL, takes=takes, return_state=True, **kwargs
        )
    result = await state.aresult(raise_on_failure=False)
    assert isinstance(result, FanOut | TooFewVideos)
    return result


async def task_runs(run_id: str | None, last: str) -> Counter[str]:
    """The names of a run's task runs; Prefect's server hears of them a moment later, of the last one last."""
    only = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run_id or "")]))
    async with get_client() as client, asyncio.timeout(60):
        while True:
            names = Counter(one.name for one in await client.read_task_runs(flow_run_filter=only))
            if last in names:
                return names
            await asyncio.sleep(0.1)


async def test_a_large_run_has_a_task_run_a_lane(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Every video is made and told of as in a chain, with one log line each; the watcher hears each of its steps."""
    heard: list[Progress] = []
    with watching(heard.append), caplog.at_level(logging.INFO, "prefect.task_runs"):
        result = await fan_out(takes=4)
    assert isinstance(result, FanOut)
    assert (result.status, len(sandbox.charges)) == ("completed", 8)
    assert [(one.model, one.take, one.status) for one in result.outcomes] == [
        (model, take, "completed") for model in (GROK, WAN) for take in (1, 2, 3, 4)
    ]
    assert {charge.session_id for charge in sandbox.charges} == {one.key for one in result.outcomes}
    assert Counter(one.stage for one in heard)["ended"] == 8
    lines = [record.getMessage() for record in caplog.records if "prefect.task_runs" in record.name]
    told = [line for line in lines if ": completed, sandbox $" in line]
    assert len(told) == 8
    assert any(line.startswith(f"{WAN} take 4: completed, sandbox $0.10, file://") for line in told)
    assert not [line for line in lines if ": accepted, job" in line]


async def test_the_task_runs_are_named_for_their_videos(sandbox: Sandbox) -> None:
    """Beside the lanes a run has its list of models, who serves them, its plan, its report and its page."""
    result = await fan_out(takes=12)
    assert isinstance(result, FanOut)
    names = await task_runs(result.run_id, "report")
    assert {name for name in names if name.startswith("videos")} == {
        "videos 1-8 of 24",
        "videos 9-16 of 24",
        "videos 17-24 of 24",
    }
    assert sum(names.values()) <= 3 + 5
    assert len(sandbox.charges) == 24


async def test_large_runs_side_by_side(sandbox: Sandbox) -> None:
    """In one process each has its own lanes, its own videos and its own bill."""
    results = await asyncio.gather(*(fan_out(takes=6) for _ in range(3)))
    keys = [one.key for result in results for one in result.outcomes]
    assert all(isinstance(result, FanOut) for result in results)
    assert len(set(keys)) == len(keys) == len(sandbox.charges) == 36


async def test_one_video_fails_alone(sandbox: Sandbox) -> None:
    """In a lane with others, whose outcomes are theirs."""
    sandbox.add_fault(Fault(on="submit", model=WAN, status=500, body="no"))
    result = await fan_out(takes=3)
    assert isinstance(result, TooFewVideos)
    assert Counter(one.status for one in result.outcomes) == {"completed": 5, "uncertain": 1}


async def test_an_unexpected_error_ends_one_video(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in that video's outcome, which the ledger tells, and the lane goes on."""
    from openrouter_video.run.download import Downloader  # noqa: PLC0415

    keep, broken = Downloader.keep, [True]

    async def breaks_once(self: Downloader, facts: Any) -> Any:
        if broken:
            broken.clear()
            raise ZeroDivisionError("nobody foresaw this")
        return await keep(self, facts)

    monkeypatch.setattr(Downloader, "keep", breaks_once)
    result = await fan_out(takes=3)
    assert isinstance(result, TooFewVideos)
    assert Counter(one.status for one in result.outcomes) == {"completed": 5, "open": 1}
    (left,) = [one for one in result.outcomes if one.status == "open"]
    assert "unexpected ZeroDivisionError: nobody foresaw this" in (left.error or "")
    assert len(sandbox.charges) == 6
    assert [one.status for one in await collected()] == ["completed"]


async def test_trouble_with_one_lane_is_not_that_of_the_others(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Prefect itself raises around a task run leaves its videos to the ledger, and the other lanes alone."""

    async def breaks_after_the_first(lane: Lane, make: Any) -> Any:
        made = await make_lane(lane, make)
        if lane.first == 1:
            raise ConnectionError("Prefect's server went away")
        return made

    monkeypatch.setattr("flows.all_videos.make_lane", breaks_after_the_first)
    result = await fan_out(takes=8)
    assert isinstance(result, FanOut)
    assert [one.status for one in result.outcomes] == ["completed"] * 16
    assert "unexpected ConnectionError" in (result.outcomes[0].error or "")
    assert len(sandbox.charges) == 16


async def collected(limits: Limits = FEW_LANES) -> list[Outcome]:
    """What a collection finishes."""
    with using_limits(limits):
        outcomes: list[Outcome] = await collect_videos()
    return outcomes


async def test_a_second_run_of_a_key_pays_for_nothing(sandbox: Sandbox) -> None:
    """Whichever of the two runs was in lanes."""
    first = await fan_out(takes=3, idempotency_key="monday")
    again = await fan_out(takes=3, limits=Limits(), idempotency_key="monday")
    third = await fan_out(takes=3, idempotency_key="monday")
    assert isinstance(first, FanOut)
    for later in (again, third):
        assert isinstance(later, FanOut)
        assert [one.url for one in later.outcomes] == [one.url for one in first.outcomes]
        assert all(one.reused for one in later.outcomes)
    assert len(sandbox.charges) == 6


async def test_a_large_collection_has_no_task_run_a_job(sandbox: Sandbox) -> None:
    """It finishes every job all the same, and logs one line for each."""
    sandbox.add_fault(Fault(on="content", status=401, body="no", times=6))
    left = await fan_out(takes=3)
    assert isinstance(left, TooFewVideos)
    assert Counter(one.status for one in left.outcomes) == {"open": 6}
    outcomes = await collected()
    assert [one.status for one in outcomes] == ["completed"] * 6
    assert {one.job_id for one in outcomes} == {charge.job_id for charge in sandbox.charges}


async def test_a_lane_asks_for_the_models_again_as_the_task_does(sandbox: Sandbox, tmp_path: Path) -> None:
    """Options that a model has refused are planned anew over a fresh list: trouble that passes must cost no video."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    store = open_store(str(tmp_path))
    async with VideoClient(sandbox.api_key, sandbox.base_url) as client:
        resources = Resources(client, store, Ledger(store.child("_jobs")), Threads(), Limits(sleep=sleep))
        steps = AsCalls(resources, logging.getLogger("lane"))
        sandbox.add_fault(Fault(on="models", status=503, times=3))
        assert not (await steps.list_models_afresh()).lacks([GROK])
        assert slept == [1, 4, 10]
        sandbox.add_fault(Fault(on="models", status=503, times=None))
        with pytest.raises(ApiUnavailable, match="HTTP 503"):
            await steps.list_models_afresh()
