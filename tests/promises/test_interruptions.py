"""Ctrl-C, SIGTERM and a cancellation from Prefect's UI, at every stage: soon over, nothing lost, and nothing unsaid."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelling

from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import LedgerEntry
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.sandbox.billing import Charge
from openrouter_video.stores import open_store
from tests.support.flow_processes import MODEL, ORDER, Errand, FlowProcess, environment_of, wait_until
from tests.support.prefect_servers import serving_runs

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

BUSY = {"error": {"code": 429, "message": "Slow down", "metadata": None}}


class Stage(NamedTuple):
    """A moment of a run: how to keep it there, how to see that it is there, and what the ledger knows in the end."""

    fault: Fault | None
    reached: Callable[[Sandbox, Path], object]
    state: str | None
    seconds: float = 20.0


def _saw(kind: str) -> Callable[[Sandbox, Path], object]:
    return lambda sandbox, _: any(seen.kind == kind for seen in sandbox.requests)


STAGES = {
    "waiting to submit": Stage(
        Fault(on="submit", status=429, headers={"retry-after": "250"}, body=BUSY, times=None), _saw("submit"), "free"
    ),
    "in the POST": Stage(Fault(on="submit", delay_seconds=2), lambda sandbox, _: sandbox.charges, "accepted"),
    "in a POST without an answer": Stage(
        Fault(on="submit", delay_seconds=60), lambda sandbox, _: sandbox.charges, "claimed", 3.0
    ),
    "in polling": Stage(None, _saw("poll"), "accepted"),
    "in the download": Stage(None, lambda _, output: [*output.rglob("*.mp4.*.part")], "accepted"),
    "in the download that went silent": Stage(
        Fault(on="content", mangle="silence"), lambda _, output: [*output.rglob("*.mp4.*.part")], "accepted", 600.0
    ),
}


@pytest.fixture
def slow_sandbox() -> Iterator[Sandbox]:
    """A sandbox whose jobs take for ever, unless they are released."""
    with Sandbox(job_seconds=3600) as sandbox:
        yield sandbox


def _entries(output: Path) -> list[LedgerEntry]:
    ledger = Ledger(open_store(str(output)).child("_jobs"))
    return [ledger.entry(key) for key in ledger.keys()]  # noqa: SIM118 (a ledger is no dict)


def _check_words(said: str, charges: Sequence[Charge], entry: LedgerEntry, output: Path) -> None:
    """What was said names what goes on, what it costs, and how to get hold of it."""
    if entry.state == "free":
        assert "No job of this run goes on, and nothing more will be billed" in said
        return
    (charge,) = charges
    assert charge.session_id == entry.key
    assert entry.key in said
    if entry.state == "claimed":
        assert "a sandbox bills nothing" in said
        assert f"settle {entry.key} --job ID" in said
    else:
        assert entry.job_id == charge.job_id
        assert "These jobs go on in the sandbox, and nothing is billed" in said
        assert f"job {charge.job_id}" in said
        assert f"openrouter-video collect --output file://{output}" in said


@pytest.mark.parametrize(
    ("runs", "number"),
    [("chain", signal.SIGINT), ("chain", signal.SIGTERM), ("lane", signal.SIGTERM)],
    indirect=["runs"],
    ids=["Ctrl-C", "SIGTERM", "SIGTERM in a lane"],
)
@pytest.mark.parametrize("name", STAGES)
async def test_a_signal_ends_the_run_and_loses_nothing(
    runs: FaultyRuns, slow_sandbox: Sandbox, tmp_path: Path, name: str, number: signal.Signals
) -> None:
    """The process ends, where all else would take for ever; a paid job is in the ledger and on the screen."""
    stage = STAGES[name]
    if name.startswith("in the download"):
        slow_sandbox = runs.sandbox
    runs.use(slow_sandbox)
    if stage.fault:
        slow_sandbox.add_fault(stage.fault)
    errand = Errand(
        ORDER,
        tmp_path / "run",
        PREFECT_API_URL.value() or "",
        environment_of(slow_sandbox, runs.output),
        submit_seconds=stage.seconds,
        crawls=name == "in the download",
        lanes=runs.limits.lanes,
    )
    with FlowProcess(errand) as process:
        wait_until(lambda: stage.reached(slow_sandbox, runs.output), what=lambda: process.output)
        process.send(number)
        assert process.wait(100) != 0
    (entry,) = _entries(runs.output)
    assert (entry.state, runs.files) == (stage.state, [])
    _check_words(process.output, slow_sandbox.charges, entry, runs.output)
    slow_sandbox.clear_faults()
    slow_sandbox.release()
    collected = await runs.collect()
    # A claim so young may be in flight, as far as anybody can tell.
    expected = {"free": {""}, "claimed": {"uncertain", "open"}, "accepted": {"completed"}}[entry.state]
    assert "".join(outcome.status for outcome in collected) in expected
    assert runs.count("submit") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_store_that_never_answers_keeps_no_run_alive(
    runs: FaultyRuns, tmp_path: Path, number: signal.Signals
) -> None:
    """An S3 endpoint that takes connections and says nothing, for as long as anybody waits: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            **environment_of(runs.sandbox, tmp_path),
            "OPENROUTER_VIDEO_OUTPUT": "s3://bucket/videos",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }
        errand = Errand(ORDER, tmp_path / "run", PREFECT_API_URL.value() or "", environment)
        with FlowProcess(errand) as process:
            connection, _ = silent.accept()
            process.send(number)
            assert process.wait(100) != 0
            connection.close()
        assert "Interrupted while it began, before it sent anything" in process.output
    assert runs.sandbox.requests == ()


# ---- Cancelled from the UI -------------------------------------------------------------------------------------------


class Cancelled(NamedTuple):
    """A flow run after its cancellation: the state's name, its log, and what there is to look at."""

    state: str
    log: str
    table: list[dict[str, Any]]
    sandbox: Sandbox
    output: Path


CANCELLED_STAGES = {
    "waiting to submit": ("google/veo-3.1-lite", "free"),
    "in the POST": ("bytedance/seedance-2.0-mini", "accepted"),
    "in polling": ("alibaba/wan-3.0", "accepted"),
    "in the download": (MODEL, "accepted"),
}
POST_SECONDS = 6.0


async def serve_flow(_: Errand) -> list[dict[str, Any]]:
    """Serve the flow to Prefect's server, as a team would; each run gets a process of its own."""
    runner = Runner(name="interrupted", query_seconds=1, limit=None, pause_on_shutdown=False)
    deployment = RunnerDeployment.from_entrypoint("openrouter_video.flows:generate_video", name="interrupted")
    await runner.aadd_deployment(deployment)
    await runner.start()
    return []


def _spoil(sandbox: Sandbox) -> None:
    model = {stage: model for stage, (model, _) in CANCELLED_STAGES.items()}
    busy = {"status": 429, "headers": {"retry-after": "250"}, "body": BUSY, "times": None}
    away = {"status": 503, "headers": {"retry-after": "250"}, "body": "away", "times": None}
    sandbox.add_fault(Fault(on="submit", model=model["waiting to submit"], **busy))
    sandbox.add_fault(Fault(on="submit", model=model["in the POST"], delay_seconds=POST_SECONDS))
    sandbox.add_fault(Fault(on="content", **away))


def _has_reached(stage: str, sandbox: Sandbox) -> bool:
    jobs = {charge.model: charge.job_id for charge in sandbox.charges}
    job = jobs.get(CANCELLED_STAGES[stage][0])
    if stage == "waiting to submit":
        return any(seen.status == 429 for seen in sandbox.requests)
    if stage == "in the download" and job is not None:
        sandbox.release(job)
    kind = {"in polling": "poll", "in the download": "content"}.get(stage)
    return job is not None and (kind is None or any(s.kind == kind and job in s.path for s in sandbox.requests))


async def _until(true: Callable[[], Any], seconds: float = 150.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (value := await true()):  # noqa: ASYNC110 (another process sends no event)
            await asyncio.sleep(0.1)
        return value


async def _cancel_at(client: PrefectClient, deployment: UUID, stage: str, sandbox: Sandbox, output: Path) -> Cancelled:
    parameters = {"prompt": "A white orchid", "model": CANCELLED_STAGES[stage][0], "output": str(output)}
    run = await client.create_flow_run_from_deployment(deployment, parameters=parameters)

    async def reached() -> bool:
        return _has_reached(stage, sandbox)

    async def ended() -> str | None:
        state = (await client.read_flow_run(run.id)).state
        return state.name if state and state.is_final() else None

    await _until(reached)
    await client.set_flow_run_state(run.id, Cancelling())
    state = await _until(ended)

    async def said() -> str:
        logs = await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
        log = "\n".join(entry.message for entry in logs)
        return log if "Interrupted" in log else ""

    log = await _until(said)
    (table,) = await client.read_artifacts(
        artifact_filter=ArtifactFilter(
            key=ArtifactFilterKey(any_=["openrouter-videos"]), flow_run_id=ArtifactFilterFlowRunId(any_=[run.id])
        )
    )
    return Cancelled(state, log, json.loads(str(table.data)), sandbox, output)


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server with events, by which whoever runs a deployment hears of a cancellation."""
    with serving_runs(tmp_path_factory.mktemp("prefect-server")):
        yield


@pytest.fixture(scope="module")
def cancelled(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cancelled]]:
    """One flow run per stage, all at the same time, each cancelled when it is there."""
    folder = tmp_path_factory.mktemp("cancelled")

    async def cancel_all() -> list[Cancelled]:
        async with get_client() as client:

            async def find() -> UUID | None:
                try:
                    return (await client.read_deployment_by_name("generate-video/interrupted")).id
                except ObjectNotFound:
                    return None

            deployment = await _until(find)
            places = {stage: folder / str(number) for number, stage in enumerate(CANCELLED_STAGES)}
            runs = [_cancel_at(client, deployment, stage, sandbox, place) for stage, place in places.items()]
            return await asyncio.gather(*runs)

    with Sandbox(job_seconds=3600) as sandbox:
        _spoil(sandbox)
        errand = Errand({}, folder / "runner", PREFECT_API_URL.value() or "", environment_of(sandbox, folder))
        with FlowProcess(errand, serve_flow) as runner:
            try:
                yield dict(zip(CANCELLED_STAGES, asyncio.run(cancel_all()), strict=True))
            finally:
                runner.send(signal.SIGTERM)
                runner.wait()


@pytest.mark.parametrize("stage", CANCELLED_STAGES)
def test_a_cancellation_from_the_ui_loses_nothing(cancelled: dict[str, Cancelled], stage: str) -> None:
    """The run ends soon, as Cancelled; its log and its table tell which job goes on, is billed, and how to fetch it."""
    run = cancelled[stage]
    (entry,) = _entries(run.output)
    assert run.state == "Cancelled"
    assert entry.state == CANCELLED_STAGES[stage][1]
    charges = [charge for charge in run.sandbox.charges if charge.model == CANCELLED_STAGES[stage][0]]
    assert [charge.session_id for charge in charges] == ([] if entry.state == "free" else [entry.key])
    _check_words(run.log, charges, entry, run.output)
    jobs = [charge.job_id for charge in charges]
    assert [row["job"] for row in run.table if row["status"] == "open"] == jobs
