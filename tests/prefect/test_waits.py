"""Where a run waits for its videos: here, suspended, or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import Pause
from prefect.states import Cancelling, Crashed, Scheduled

from flows import batch_videos, collect_videos, fan_out_video, generate_video
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.ledger import Journal
from openrouter_video.limits import Limits, using_limits
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run import MOST_RESTARTS, read_manifest
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store, path_of_file_url
from tests.support.waits import doze

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


async def set_state(run_id: UUID, state: State[Any], *, force: bool = False) -> None:
    """Bring a run into another state, as its worker, an automation or a person does."""
    async with get_client() as client:
        await client.set_flow_run_state(run_id, state, force=force)


async def test_a_run_that_died_is_begun_anew_and_not_for_ever(
    slow: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Before it was suspended, or while it reported; after three times a person has to look. It never submits again."""
    deployment = Deployment(generate_video, prompt="An orchid", model=VEO)
    run_id = await deployment.new_run()
    await deployment.begin(run_id)
    await set_state(run_id, Crashed(), force=True)
    await collect_videos()
    assert (await read_run(run_id)).state_type == StateType.CRASHED
    slow.release()
    for _ in range(MOST_RESTARTS):
        await collect_videos()
        assert (await read_run(run_id)).state_type == StateType.SCHEDULED
        await set_state(run_id, Crashed(), force=True)
    await collect_videos()
    assert (await read_run(run_id)).state_type == StateType.CRASHED
    assert f"has died {MOST_RESTARTS + 1} times after it was resumed: look at it in Prefect's UI" in caplog.text
    await set_state(run_id, Scheduled())
    run = await deployment.begin(run_id)
    assert (run.state_name, [one.status for one in await result_of(run)]) == ("Completed", ["completed"])
    assert records(tmp_path / "videos" / "_jobs") == []
    assert len(slow.charges) == 1


async def test_a_record_that_is_damaged_is_removed_by_a_person(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Until then the run is refused; without it, it begins anew and finds its job, as the words for it say."""
    deployment, folder = Deployment(generate_video, prompt="An orchid", model=VEO), tmp_path / "videos" / "_jobs"
    run_id = await deployment.new_run()
    await deployment.begin(run_id)
    (record,) = (folder / "_waiting").iterdir()
    record.write_text("{")
    assert [one.status for one in await collect_videos(wait_minutes=1)] == ["completed"]
    assert f"The record of the waiting run {run_id} in {open_store(str(folder)).url}/_waiting cannot be" in caplog.text
    for damaged in (True, False):
        await set_state(run_id, Scheduled(), force=True)
        with using_limits(Limits(sleep=doze)):
            run = await deployment.begin(run_id)
        told = str(run.state and run.state.message)
        if damaged:
            assert told.startswith("Refused, nothing more was sent: file:")
            assert "is not the record of a waiting run; remove it and retry" in told
            record.unlink()
    assert (run.state_name, told) == ("Completed", "1 of 1 video, sandbox $0.12")
    assert len(sandbox.charges) == 1


async def test_a_run_that_is_deleted_keeps_no_other_waiting(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two have died; the first is deleted while the collection begins it anew, and the second is begun all the same."""
    deployment, begin_anew = Deployment(generate_video, prompt="An orchid", model=VEO), PrefectClient.set_flow_run_state
    run_ids = [await deployment.new_run(), await deployment.new_run()]
    for run_id in run_ids:
        await deployment.begin(run_id)
        await set_state(run_id, Crashed(), force=True)

    async def delete_first(client: PrefectClient, run_id: UUID, state: State[Any], **given: Any) -> Any:
        if run_id == run_ids[0]:
            await client.delete_flow_run(run_id)
        return await begin_anew(client, run_id, state, **given)

    monkeypatch.setattr(PrefectClient, "set_flow_run_state", delete_first)
    assert [one.status for one in await collect_videos(wait_minutes=1)] == ["completed", "completed"]
    assert (await read_run(run_ids[1])).state_type == StateType.SCHEDULED
    assert "which waits suspended, is left for the next collection" in caplog.text
    assert len(sandbox.charges) == 2


async def test_a_suspended_run_that_is_cancelled_or_forgotten(sandbox: Sandbox, tmp_path: Path) -> None:
    """It leaves its table of what goes on; its jobs are collected, and its record goes with the next collection."""
    deployment = Deployment(generate_video, prompt="An orchid", model=VEO)
    cancelled, forgotten = await deployment.new_run(), await deployment.new_run(deadline_minutes=0.01)
    await deployment.begin(cancelled)
    await set_state(cancelled, Cancelling())
    with using_limits(Limits(sleep=doze, resume_seconds=0)):
        run = await deployment.begin(forgotten)
    assert run.state is not None
    assert run.state.state_details.pause_timeout is not None
    left = (run.state.state_details.pause_timeout - datetime.now(UTC)).total_seconds()
    await asyncio.sleep(max(0.0, left) + 0.1)
    assert [one.status for one in await collect_videos(wait_minutes=1)] == ["completed", "completed"]
    ended = [(await read_run(run_id)).state for run_id in (cancelled, forgotten)]
    assert [state.type for state in ended if state] == [StateType.CANCELLED, StateType.FAILED]
    assert "never resumed" in str(ended[1] and ended[1].message)
    assert [len(await tables_of(run_id)) for run_id in (cancelled, forgotten)] == [1, 1]
    await collect_videos()
    assert records(tmp_path / "videos" / "_jobs") == []
    assert len(sandbox.charges) == 2


async def test_a_yes_comes_before_the_wait(sandbox: Sandbox) -> None:
    """The run of a batch that asks and then waits is suspended twice, begins three times, and is paid once."""
    rows = [{"prompt": "An orchid"}, {"prompt": "A rose"}]
    deployment = Deployment(batch_videos, rows=rows, batch="asked", models=[VEO], approve_above_usd=0.1)
    run_id = await deployment.new_run()
    assert (await deployment.begin(run_id)).state_name == "Suspended"
    assert not sandbox.charges
    async with get_client() as client:
        await client.resume_flow_run(run_id, run_input={"decision": "yes"})
    assert (await deployment.begin(run_id)).state_name == "Suspended"
    await collect_videos(wait_minutes=1)
    run = await deployment.begin(run_id)
    batch = await result_of(run)
    assert (run.state_name, batch.status, batch.rows_new, len(sandbox.charges)) == ("Completed", "completed", 2, 2)
    rows_now = read_manifest(open_store(os.environ["OPENROUTER_VIDEO_OUTPUT"]), "asked")
    assert [row["status"] for row in rows_now] == ["completed", "completed"]


async def test_many_runs_wait_with_few_places(sandbox: Sandbox) -> None:
    """Six runs, two at a time: all submit before the first reports, and one collection resumes them all."""
    deployment = Deployment(generate_video, prompt="An orchid", model=VEO)
    run_ids = [await deployment.new_run() for _ in range(6)]
    places = asyncio.Semaphore(2)

    async def begin(run_id: UUID) -> str | None:
        async with places:
            return (await deployment.begin(run_id)).state_name

    assert set(await asyncio.gather(*map(begin, run_ids))) == {"Suspended"}
    await asyncio.gather(collect_videos(wait_minutes=1), collect_videos(wait_minutes=1))
    assert set(await asyncio.gather(*map(begin, run_ids))) == {"Completed"}
    assert len(sandbox.charges) == 6


async def test_who_cannot_be_suspended_is_refused(sandbox: Sandbox) -> None:
    """A run in a process of its own, before anything is sent."""
    with pytest.raises(RequestRefused, match="that needs a run of a deployment, which no other flow has called"):
        await fan_out_video("An orchid", [VEO], wait="suspended")
    assert not sandbox.requests
