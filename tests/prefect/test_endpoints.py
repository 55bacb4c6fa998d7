"""Who serves a model, as the flows ask and use it: once, kept for an hour, and never in the way of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from flows import batch_videos, fan_out_video, generate_video
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Fault, Sandbox
from tests.support.waits import doze

pytestmark = pytest.mark.usefixtures("prefect_server")

PROMPT = "A white orchid blooming"
VEO, SEEDANCE = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini"
SMALL = VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False)


def looks(sandbox: Sandbox) -> list[str]:
    """The models whose endpoints were asked for, with the key."""
    asked = [seen for seen in sandbox.requests if seen.kind == "endpoints"]
    assert all(seen.authorized for seen in asked)
    return sorted(seen.path.removeprefix("/api/v1/models/").removesuffix("/endpoints") for seen in asked)


async def task_runs(flow_run_id: str | None, expected: int) -> list[str]:
    """The names of the task runs of a flow run, once the server has heard of so many."""
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run_id or "")]))
    async with get_client() as client:
        for _ in range(100):  # the server learns of task runs by events, a little later
            names = sorted(run.name for run in await client.read_task_runs(flow_run_filter=of_run))
            if len(names) >= expected:
                break
            await asyncio.sleep(0.1)
    return names


async def test_each_model_is_asked_for_once_and_kept(sandbox: Sandbox) -> None:
    """One task run for all models of a run; a failure is neither kept nor in the way, nor is it in the report."""
    sandbox.add_fault(Fault(on="endpoints", model=SEEDANCE, status=503, times=1))
    with using_limits(Limits(sleep=doze)):
        first, second, third = [await fan_out_video(PROMPT, [SEEDANCE, VEO], settings=SMALL) for _ in range(3)]
    assert [result.status for result in (first, second, third)] == ["completed"] * 3
    assert first.problems == second.problems == ()
    # The first was not kept, since a part of it failed; the second was.
    assert looks(sandbox) == [SEEDANCE] * 2 + [VEO] * 2
    of_one_run = [name.split()[0] for name in await task_runs(first.run_id, 5 + 2 * 3)]
    assert sorted(set(of_one_run)) == ["download", "gallery", "list", "plan", "poll", "report", "submit"]
    assert of_one_run.count("list") == 2


async def test_a_batch_asks_once_for_each_model_of_its_rows(sandbox: Sandbox) -> None:
    """However many rows name it; one that is not offered is refused without asking for it."""
    rows = [{"prompt": f"{PROMPT} {n}", "model": (VEO, SEEDANCE)[n % 2]} for n in range(6)]
    rows[0] = {"prompt": PROMPT, "models": f"{VEO}, {SEEDANCE}"}
    with using_limits(Limits(sleep=doze)):
        result = await batch_videos(
            rows=[*rows, {"prompt": PROMPT, "model": "no/model"}], batch="b", settings=SMALL, on_invalid_row="skip"
        )
    assert {outcome.status for outcome in result.outcomes} == {"completed"}
    assert looks(sandbox) == [SEEDANCE, VEO]


async def test_the_endpoints_give_the_slug_and_the_news(sandbox: Sandbox) -> None:
    """Options go under the slug that the API lists, which our table does not know; a model that is down is a note."""
    elsewhere = {"tag": "byteplus/eu", "provider_name": "BytePlus", "status": -2}
    sandbox.add_fault(Fault(on="endpoints", model=SEEDANCE, body={"data": {"endpoints": [elsewhere]}}))
    options = {"byteplus": {"watermark": False}}
    with using_limits(Limits(sleep=doze)):
        result = await fan_out_video(PROMPT, [SEEDANCE], settings=SMALL, provider_options=options)
    [charge] = sandbox.charges
    assert charge.body["provider"] == {"options": options}
    assert result.problems == (
        f"{SEEDANCE} is down by OpenRouter's list of its endpoints: a video of it may fail or take long",
    )


async def test_a_job_is_first_asked_for_at_its_usual_age() -> None:
    """By the word of what bills; a sandbox tells of real jobs, and its own are ready sooner."""
    assert [await _first_waits(disclosed=disclosed) for disclosed in (True, False)] == [1.5, 7.0]


async def _first_waits(*, disclosed: bool) -> float:
    waits: list[float] = []

    def noting(sleep: Callable[[float], Awaitable[None]]) -> Callable[[float], Awaitable[None]]:
        async def wait(seconds: float) -> None:
            waits.append(seconds)
            await sleep(seconds)

        return wait

    latency = {"p50": 7_000, "p99": 9_000}
    endpoint = {
        "tag": "google-vertex",
        "status": 0,
        "perf_last_30m_by_workload": {"video_generation": {"latency": latency}},
    }
    fault = Fault(on="endpoints", body={"data": {"endpoints": [endpoint]}}, times=None)
    with (
        Sandbox(job_seconds=0, disclosed=disclosed, faults=[fault]) as running,
        pytest.MonkeyPatch.context() as environment,
        using_limits(Limits(sleep=noting(doze))),
    ):
        environment.setenv("OPENROUTER_BASE_URL", running.base_url)
        environment.setenv("OPENROUTER_API_KEY", running.api_key)
        await generate_video(PROMPT, VEO, settings=SMALL)
    return waits[0]
