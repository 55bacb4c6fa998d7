"""Where a run waits for its videos: here, suspended, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import Pause

from flows import batch_videos, collect_videos, fan_out_video
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.ledger import Journal
from openrouter_video.request.settings import VideoSettings
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store, path_of_file_url

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

VEO, KLING = "google/veo-3.1-lite", "kwaivgi/kling-v3.0-std"
LONG = "alibaba/wan-2.6"  # makes no 4 seconds
SMALL = VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False)
REFUSED = {"error": {"code": 400, "message": "no"}}


async def fan_out(models: list[str], **given: Any) -> tuple[str, str, Any]:
    """Name and message of the state that ends a fan-out, and its result."""
    state = await fan_out_video("An orchid", models, settings=SMALL, wait="no", return_state=True, **given)
    return state.name or "", state.message or "", await state.aresult(raise_on_failure=False)


# ---- Not at all ------------------------------------------------------------------------------------------------------


async def test_a_run_that_does_not_wait_submits_and_ends(sandbox: Sandbox) -> None:
    """Nothing is polled; what is submitted counts, what is refused does not, and what was finished before is found."""
    name, message, result = await fan_out([VEO, KLING], idempotency_key="a")
    assert (name, message) == ("Completed", "2 submitted, collect finishes them; 0 of 2 videos, 2 open")
    assert (result.status, {one.error for one in result.outcomes}) == (
        "submitted",
        {"it is submitted, and this run does not wait for it; `openrouter-video collect` finishes it"},
    )
    assert "poll" not in {request.kind for request in sandbox.requests}
    name, message, _ = await fan_out([VEO, LONG], min_success=1)
    assert (name, message.partition(";")[0]) == ("Partial", "1 submitted, collect finishes it")
    sandbox.add_fault(Fault(on="submit", status=400, body=REFUSED))
    name, message, result = await fan_out([VEO, KLING])
    assert (name, type(result), message.partition(";")[0]) == (
        "Failed",
        TooFewVideos,
        "1 submitted, collect finishes it",
    )
    assert {one.status for one in await collect_videos(wait_minutes=1)} == {"completed"}
    name, message, result = await fan_out([VEO, KLING], idempotency_key="a")
    assert (name, result.status, message.partition(",")[0]) == ("Completed", "completed", "2 of 2 videos")
    assert len(sandbox.charges) == 4


async def test_a_batch_that_does_not_wait_is_finished_by_its_keys(sandbox: Sandbox) -> None:
    """Its manifest knows what is open, and a collection of one key brings that row up to date."""
    rows = [{"prompt": "An orchid"}, {"prompt": "A rose"}]
    batch = await batch_videos(rows=rows, batch="flowers", models=[VEO], settings=SMALL, wait="no")
    assert batch.status == "submitted"
    first, second = (one.key or "" for one in batch.outcomes)
    (one,) = await collect_videos(keys=[first, "0" * 32], wait_minutes=1)
    assert (one.key, one.status) == (first, "completed")
    with pytest.raises(RequestRefused, match="'x' is not the key of a video in a ledger"):
        await collect_videos(keys=["x", second])
    assert [one.key for one in await collect_videos(wait_minutes=1)] == [second]
    assert len(sandbox.charges) == 2


# ---- Suspended -------------------------------------------------------------------------------------------------------


class Deployment:
    """A deployment whose runs are begun in this process, as by a worker."""

    def __init__(self, made: Flow[..., Any], **parameters: Any) -> None:
        self._flow = made
        self._parameters = {"settings": SMALL.model_dump(exclude_none=True), "wait": "suspended", **parameters}

    async def new_run(self, **parameters: Any) -> UUID:
        """Make a run that nobody has begun."""
        async with get_client() as client:
            flow_id = await client.create_flow(self._flow)
            deployment = await client.create_deployment(flow_id, "waits", enforce_parameter_schema=False)
            given = {**self._parameters, **parameters}
            return (await client.create_flow_run_from_deployment(deployment, parameters=given)).id

    async def begin(self, run_id: UUID) -> FlowRun:
        """Begin a run, to its end or until it is suspended; return it as Prefect knows it then."""
        from prefect.flow_engine import run_flow_async  # noqa: PLC0415 (what Prefect's own command calls)

        made = await read_run(run_id)
        with suppress(Pause):
            await run_flow_async(self._flow, flow_run=made, parameters=made.parameters, return_type="state")
        return await read_run(run_id)


async def read_run(run_id: UUID) -> FlowRun:
    """A run as Prefect knows it."""
    async with get_client() as client:
        return await client.read_flow_run(run_id)


async def result_of(run: FlowRun) -> Any:
    """What a run that has ended gives its caller."""
    assert run.state is not None
    return await run.state.aresult(raise_on_failure=False)


async def tables_of(run_id: UUID) -> list[str]:
    """What stands above each table that a run has published, the latest first."""
    mine = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]), key=ArtifactFilterKey(any_=["openrouter-videos"])
    )
    async with get_client() as client:
        tables = await client.read_artifacts(artifact_filter=mine)
    return [str(table.description) for table in sorted(tables, key=lambda one: str(one.created), reverse=True)]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox as the environment's API, whose jobs run until they are released."""
    with Sandbox(job_seconds=600) as running:
        monkeypatch.setenv("OPENROUTER_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENROUTER_API_KEY", running.api_key)
        yield running


def records(ledger: Path) -> list[str]:
    """The records of runs that wait."""
    return [path.name for path in (ledger / "_waiting").glob("*.json")]


DIFFERS = {"key", "job_id", "url", "sidecar_url", "poster_url", "elapsed_seconds", "made_at", "sha256"}
"""What no two runs have in common."""


async def test_a_suspended_run_reports_as_if_it_had_waited(slow: Sandbox, tmp_path: Path) -> None:
    """Resumed too early it is suspended again; once its jobs have ended a collection resumes it; paid once."""
    with Sandbox(job_seconds=0.1) as quick, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENROUTER_BASE_URL", quick.base_url)
        patch.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path / "here"))
        here = await fan_out_video("An orchid", [VEO, KLING], settings=SMALL)
    deployment = Deployment(fan_out_video, prompt="An orchid", models=[VEO, KLING])
    run_id = await deployment.new_run()
    assert (await deployment.begin(run_id)).state_name == "Suspended"
    assert "poll" not in {request.kind for request in slow.requests}
    assert records(tmp_path / "videos" / "_jobs") == [f"{run_id}.json"]
    assert await tables_of(run_id) == [
        "Suspended: 0 of 2 videos, 2 open. A collection resumes the run once its jobs have ended."
    ]
    assert {one.status for one in await collect_videos()} == {"open"}
    assert (await read_run(run_id)).state_name == "Suspended"
    async with get_client() as client:
        await client.resume_flow_run(run_id)
    assert (await deployment.begin(run_id)).state_name == "Suspended"
    slow.release()
    first, second = (one.key or "" for one in await collect_videos())
    run = await read_run(run_id)
    assert run.state_type == StateType.SCHEDULED
    # A model that has gone, another price, a ceiling: nothing of it is asked any more.
    slow.add_fault(Fault(on="models", status=503, body={}, times=None))
    run = await deployment.begin(run_id)
    assert (run.state_name, run.state and run.state.message) == ("Completed", "2 of 2 videos, sandbox $0.456")
    result = await result_of(run)
    assert {first, second} == {one.key for one in result.outcomes}
    assert [one.model_dump(exclude=DIFFERS) for one in result.outcomes] == [
        one.model_dump(exclude=DIFFERS) for one in here.outcomes
    ]
    told = {"run_id", "outcomes", "gallery_url", "manifest_url"}
    assert result.model_dump(exclude=told) == here.model_dump(exclude=told)
    assert (await tables_of(run_id))[0].startswith("2 of 2 videos, sandbox $0.456.")
    manifest = await asyncio.to_thread(Path(str(path_of_file_url(result.manifest_url))).read_text)
    assert manifest.count('"status": "completed"') == 2
    assert records(tmp_path / "videos" / "_jobs") == []
    assert len(slow.charges) == 2
    assert Journal(open_store(str(tmp_path / "videos" / "_jobs")), sandbox=True).money().reserved() == 0
