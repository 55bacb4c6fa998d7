"""The tags of flow runs and task runs on a real server, and the limits that people set by them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client, tags
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.flow_engine import run_flow

from flows import batch_videos, collect_videos, fan_out_video, generate_video
from openrouter_video.outcome import FanOut
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Fault, Sandbox
from tests.support.flow_processes import MODEL, ORDER

pytestmark = pytest.mark.usefixtures("prefect_server")

TAG, SLUG, OTHER = "openrouter-video", "xai", "google/veo-3.1-lite"
SMALL = VideoSettings(duration=4, resolution="720p")


async def seen_by_prefect(run_id: str | UUID | None) -> tuple[FlowRun, dict[str, set[str]]]:
    """A flow run, and the tags of its task runs by name; the server hears of their ends a moment later."""
    only = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(run_id))]))
    async with get_client() as client:
        run = await client.read_flow_run(UUID(str(run_id)))
        tasks: list[TaskRun] = []
        while not tasks or not all(task.state and task.state.is_final() for task in tasks):
            tasks = await client.read_task_runs(flow_run_filter=only)
        return run, {task.name: set(task.tags) for task in tasks}


async def test_every_run_carries_the_tag_and_a_videos_tasks_its_provider(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the tags of whoever calls it, and without a request more than a run without tags."""
    asked: list[str] = []
    real = PrefectHttpxAsyncClient.send

    async def send(self: PrefectHttpxAsyncClient, request: Any, *args: Any, **more: Any) -> Any:
        asked.append(request.url.path)
        return await real(self, request, *args, **more)

    monkeypatch.setattr(PrefectHttpxAsyncClient, "send", send)
    made = await fan_out_video("An orchid", [MODEL, OTHER], settings=SMALL)
    assert not [path for path in asked if path.endswith("increment-with-lease")]
    monkeypatch.undo()
    assert isinstance(made, FanOut)
    run, tasks = await seen_by_prefect(made.run_id)
    assert run.tags == [TAG]
    own = {name: found for name, found in tasks.items() if name.partition(" ")[0] in {"submit", "poll", "download"}}
    assert own == {
        f"{step} {model}": {TAG, slug}
        for step in ("submit", "poll", "download")
        for model, slug in ((MODEL, SLUG), (OTHER, "google-vertex"))
    }
    assert {frozenset(found) for name, found in tasks.items() if name not in own} == {frozenset({TAG})}


async def test_the_other_flows_carry_it_too(sandbox: Sandbox) -> None:
    """A lane holds videos of several providers, so that its task run has the tag of the package only."""
    rows = [{"prompt": "An orchid", "models": [MODEL, OTHER]}]
    with tags("film"), using_limits(Limits(lanes=0)):
        state = await batch_videos(rows=rows, batch="tags", settings=SMALL, return_state=True)
    run, tasks = await seen_by_prefect(state.state_details.flow_run_id)
    assert set(run.tags) == {TAG, "film"}
    assert set(tasks["videos 1-2 of 2"]) == {TAG, "film"}
    sandbox.add_fault(Fault(on="poll", status=503, times=None))
    await generate_video(**ORDER, deadline_minutes=0.01, return_state=True)
    sandbox.clear_faults()
    collected = await collect_videos(return_state=True)
    run, tasks = await seen_by_prefect(collected.state_details.flow_run_id)
    assert run.tags == [TAG]
    assert tasks[f"download {MODEL}"] == {TAG, SLUG}


async def test_a_run_of_an_untagged_deployment_is_tagged(sandbox: Sandbox) -> None:
    """Later than its first heartbeat, which is why the deployments carry the tag themselves."""
    async with get_client() as client:
        made = await client.create_flow_run(generate_video, parameters=ORDER, tags=["film"])
    await run_flow(generate_video, flow_run=made, return_type="state")  # type: ignore[misc]
    run, _ = await seen_by_prefect(made.id)
    assert set(run.tags) == {TAG, "film"}


@pytest.mark.parametrize(("tag", "lanes"), [(SLUG, 64), (TAG, 0)], ids=["a provider, in chains", "all, in lanes"])
async def test_a_tags_limit_holds_for_submissions(sandbox: Sandbox, tmp_path: Path, tag: str, lanes: int) -> None:
    """With one slot each begins when the one before it is answered; in the end the slot is free."""
    seconds = 0.5
    sandbox.add_fault(Fault(on="submit", delay_seconds=seconds, times=None))
    async with get_client() as client:
        await client.create_concurrency_limit(tag=tag, concurrency_limit=1)
        try:
            with using_limits(Limits(lanes=lanes)):
                made = await fan_out_video(ORDER["prompt"], [MODEL], settings=ORDER["settings"], takes=3)
            assert not (await client.read_global_concurrency_limit_by_name(f"tag:{tag}")).active_slots
        finally:
            await client.delete_concurrency_limit_by_tag(tag)
    assert made.status == "completed"
    jobs = [json.loads(file.read_text()) for file in (tmp_path / "videos" / "_jobs").glob("*/job-1.json")]
    answered = sorted(datetime.fromisoformat(job["at"]) for job in jobs)
    assert [later - sooner >= timedelta(seconds=seconds) for sooner, later in pairwise(answered)] == [True, True]
