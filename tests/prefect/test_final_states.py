"""The state in which a run ends, and its name: what Prefect, its callers and people take it for."""

from __future__ import annotations

import json
import logging
from uuid import UUID

import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.runtime import flow_run
from prefect.utilities.names import generate_slug

from flows import fan_out_video
from flows.run_names import is_made_up
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.sandbox import Sandbox
from tasks import publish_table

VEO, KLING = "google/veo-3.1-lite", "kwaivgi/kling-v3.0-std"
LONG = "alibaba/wan-2.6"  # makes no 4 seconds
SMALL = VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False)
OPTIONS = {"google-vertex": {"negativePrompt": "text"}, "atlas-cloud": {"negativePrompt": "text"}}


@pytest.mark.usefixtures("prefect_server", "short_waits")
async def test_a_partial_success_is_a_completed_run_of_its_own_name(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """No retry, the caller gets the result, it is kept, and the page finds it by name and by type."""
    caplog.set_level(logging.INFO)
    attempts: list[FanOut] = []

    @flow(retries=1)
    async def nightly() -> UUID:
        models = [VEO, KLING, LONG]
        attempts.append(
            await fan_out_video("An orchid", models, settings=SMALL, provider_options=OPTIONS, min_success=2)
        )
        return UUID(flow_run.id)

    parent = await nightly()
    assert [len(one.outcomes) for one in attempts] == [3]
    async with get_client() as client:
        named = FlowRunFilterState(
            name=FlowRunFilterStateName(any_=["Partial"]), type=FlowRunFilterStateType(any_=[StateType.COMPLETED])
        )
        mine = FlowRunFilterParentFlowRunId(any_=[parent])
        (run,) = await client.read_flow_runs(flow_run_filter=FlowRunFilter(state=named, parent_flow_run_id=mine))
        assert (await client.read_flow_run(parent)).state_name == "Completed"
    assert run.name == "An orchid"
    assert run.state is not None
    assert run.state.is_completed()
    kept = await run.state.aresult()
    assert kept == attempts[0]
    assert "wan-2.6 refused: duration" in (run.state.message or "")
    assert "lost: kling-v3.0-std negativePrompt" in (run.state.message or "")
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.split(": ")[0] for line in warned if "was refused" in line or "did not get" in line] == [
        f"{LONG} was refused",
        f"{KLING} did not get negativePrompt",
    ]


@pytest.mark.usefixtures("prefect_server")
async def test_a_name_that_a_person_has_typed_is_kept(sandbox: Sandbox) -> None:
    """One that Prefect made up gives way to the prompt."""
    named: list[str] = []
    async with get_client() as client:
        for name in ("orchids for Ada", generate_slug(2)):
            made: FlowRun = await client.create_flow_run(
                fan_out_video, parameters={"prompt": "An orchid", "models": ["a/b"]}, name=name
            )
            await fan_out_video_run(made)
            named.append((await client.read_flow_run(made.id)).name)
    assert named == ["orchids for Ada", "An orchid"]


async def fan_out_video_run(made: FlowRun) -> None:
    """Run a flow run that the server knows already, as a worker does."""
    from prefect.flow_engine import run_flow_async  # noqa: PLC0415 (what Prefect's own command calls)

    await run_flow_async(fan_out_video, flow_run=made, parameters=made.parameters, return_type="state")


@pytest.mark.usefixtures("prefect_server")
async def test_the_table_of_a_large_batch_is_bounded() -> None:
    """And says so, with where all of them are."""

    @flow
    async def large() -> UUID:
        await publish_table([Outcome(model="a/b", status="open")] * 1_001, "Above.")
        return UUID(flow_run.id)

    mine = ArtifactFilterFlowRunId(any_=[await large()])
    async with get_client() as client:
        (table,) = await client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=mine))
    assert len(json.loads(str(table.data))) == 1_000
    assert table.description == "Above. The table has 1,000 of 1,001 videos, the manifest all."


@pytest.mark.parametrize(
    ("name", "made_up"),
    [
        ("Refined-Pomsky", True),
        ("tau4-trill", True),
        ("gamma-canis-majoris-vega", True),
        ("orchid-test", False),
        ("Orchid-Test", False),
        ("Refined-Orchids", False),
        ("nightly 2026-11-26", False),
        ("A white orchid", False),
    ],
)
def test_which_names_prefect_makes_up(name: str, made_up: bool) -> None:
    """Its server and each of its forms has words of its own; nothing else tells them from what a person types."""
    assert is_made_up(name) is made_up


def test_what_prefect_makes_up_here_is_known() -> None:
    """Names of chance are no parameters: each of the processes that share the tests would draw others."""
    assert [name for name in (generate_slug(2) for _ in range(20)) if not is_made_up(name)] == []
