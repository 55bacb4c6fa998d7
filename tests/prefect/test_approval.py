"""A run that may cost more than it may spend unasked waits for somebody's yes, and spends nothing until then."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect import flow, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, FlowRun
from prefect.exceptions import FlowPauseTimeout, NotPausedError, Pause
from prefect.flow_runs import aresume_flow_run, resume_flow_run
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import generate_video
from openrouter_video.errors import RequestRefused
from openrouter_video.limits import Limits, using_limits
from openrouter_video.sandbox import Fault, Sandbox
from tests.support.flow_processes import Errand, FlowProcess, Work, environment_of
from tests.support.prefect_servers import PrefectServer

VEO = "google/veo-3.1-lite"
SMALL = {"duration": 4, "resolution": "720p", "aspect_ratio": "16:9", "generate_audio": False}
PROMPT = "A white orchid"
ORDER: dict[str, Any] = {"prompt": PROMPT, "model": VEO, "settings": SMALL, "approve_above_usd": 0.1}
"""Twelve cents by the sandbox's list, so that it asks."""
YES, NO = {"decision": "yes"}, {"decision": "no", "note": "Ada: next month"}


def raise_prices(sandbox: Sandbox, factor: float) -> None:
    """Let the list of models name other prices from now on."""
    listed = json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text())
    for model in listed["data"]:
        model["pricing_skus"] = {sku: f"{float(price) * factor:f}" for sku, price in model["pricing_skus"].items()}
    sandbox.clear_faults()
    sandbox.add_fault(Fault(on="models", status=200, body=listed, times=None))


async def read_run(run_id: UUID | str) -> FlowRun:
    """A run as Prefect knows it."""
    async with get_client() as client:
        return await client.read_flow_run(UUID(str(run_id)))


async def state_of(run_id: UUID | str) -> str:
    """The name of a run's state."""
    run = await read_run(run_id)
    return run.state.name or "" if run.state else ""


async def asked(run_id: UUID | str) -> str:
    """What the form of a waiting run says."""
    run = await read_run(run_id)
    assert run.state is not None
    keys = run.state.state_details.run_input_keyset
    assert keys is not None
    async with get_client() as client:
        return str(json.loads(await client.read_flow_run_input(run.id, keys["description"])))


# ---- A deployment ----------------------------------------------------------------------------------------------------


async def begin_impatiently(errand: Errand) -> list[dict[str, Any]]:
    """Do as ``begin_as_a_worker``, and wait a second for an answer."""
    with using_limits(Limits(approval_seconds=1)):
        return await begin_as_a_worker(errand)


async def begin_as_a_worker(errand: Errand) -> list[dict[str, Any]]:
    """Run a flow run that the server knows, to its end or to its suspension."""
    from prefect.flow_engine import run_flow  # noqa: PLC0415 (in the process)

    try:
        known = await read_run(errand.flow_run_id or "")
        await run_flow(generate_video, flow_run=known, return_type="state")  # type: ignore[misc]
    except Pause:
        return [{"suspended": True}]
    return [{"suspended": False}]


class Deployed:
    """One run of a deployment, which processes of their own begin, and begin anew after each answer."""

    def __init__(self, sandbox: Sandbox, folder: Path, run_id: str) -> None:
        self.sandbox, self.folder, self.id = sandbox, folder, run_id
        self._processes = 0

    def run(self, begin: Work = begin_as_a_worker) -> bool:
        """Run it in a new process, to the end of that; whether it was suspended there."""
        self._processes += 1
        errand = Errand(
            ORDER,
            self.folder / str(self._processes),
            str(PREFECT_API_URL.value()),
            environment_of(self.sandbox, self.folder / "videos"),
            flow_run_id=self.id,
        )
        with FlowProcess(errand, begin) as process:
            assert process.wait(120) == 0, process.output
            return bool(process.outcomes[0]["suspended"])


@pytest.fixture
async def deployed(sandbox: Sandbox, tmp_path: Path, prefect_server: None) -> Deployed:
    """A run of a deployment that nobody has begun yet."""
    async with get_client() as client:
        flow_id = await client.create_flow(generate_video)
        deployment_id = await client.create_deployment(flow_id, "approval", enforce_parameter_schema=False)
        run = await client.create_flow_run_from_deployment(deployment_id, parameters=ORDER)
    return Deployed(sandbox, tmp_path, str(run.id))


async def test_a_suspended_run_goes_on_after_a_yes(deployed: Deployed) -> None:
    """No process waits; the form says what it may cost; a resume without an answer is refused; it is paid once."""
    assert deployed.run()
    assert await state_of(deployed.id) == "Suspended"
    said = await asked(deployed.id)
    assert r"| google/veo-3.1-lite × 1 | \$0.12 |" in said  # noqa: RUF001
    assert "Prompt: A white orchid" in said
    for nothing in (None, {}, {"note": "maybe"}, {"decision": "maybe"}):
        with pytest.raises(RuntimeError, match="Cannot resume"):
            await aresume_flow_run(UUID(deployed.id), run_input=nothing)
    assert await state_of(deployed.id) == "Suspended"
    assert not deployed.sandbox.charges
    await aresume_flow_run(UUID(deployed.id), run_input=YES)
    assert not deployed.run()
    assert await state_of(deployed.id) == "Completed"
    assert len(deployed.sandbox.charges) == 1


async def test_a_suspended_run_ends_refused_after_a_no(deployed: Deployed) -> None:
    """With the words of the answer in its state; a retry asks anew, and a yes then holds."""
    assert deployed.run()
    await aresume_flow_run(UUID(deployed.id), run_input=NO)
    assert not deployed.run()
    run = await read_run(deployed.id)
    assert run.state is not None
    assert run.state.is_failed()
    assert run.state.message == (
        "Refused, nothing was sent: the question whether it may spend this was answered no: 'Ada: next month'"
    )
    assert not deployed.sandbox.charges
    await retry(deployed.id)
    assert deployed.run()
    await aresume_flow_run(UUID(deployed.id), run_input=YES)
    assert not deployed.run()
    assert len(deployed.sandbox.charges) == 1


async def retry(run_id: str) -> None:
    """Do what the button on the page of a failed run does."""
    from prefect.states import Scheduled  # noqa: PLC0415

    async with get_client() as client:
        await client.set_flow_run_state(UUID(run_id), Scheduled(name="AwaitingRetry"), force=False)


async def test_a_no_holds_though_it_has_become_cheaper(deployed: Deployed) -> None:
    """Whoever said no to twelve cents has not been asked about six, and is not."""
    assert deployed.run()
    raise_prices(deployed.sandbox, 0.5)
    await aresume_flow_run(UUID(deployed.id), run_input=NO)
    assert not deployed.run()
    assert await state_of(deployed.id) == "Failed"
    assert not deployed.sandbox.charges


async def test_a_price_that_rose_before_the_answer_is_asked_again(deployed: Deployed) -> None:
    """The list of models of the first process is an hour fresh, and is not believed."""
    assert deployed.run()
    raise_prices(deployed.sandbox, 2)
    await aresume_flow_run(UUID(deployed.id), run_input=YES)
    assert deployed.run()
    assert await state_of(deployed.id) == "Suspended"
    assert r"\$0.24" in await asked(deployed.id)
    assert not deployed.sandbox.charges
    await aresume_flow_run(UUID(deployed.id), run_input=YES)
    assert not deployed.run()
    assert await state_of(deployed.id) == "Completed"
    assert len(deployed.sandbox.charges) == 1


@pytest.mark.parametrize("factor", [0.9, 0.5])
async def test_a_price_that_fell_before_the_answer_is_not(deployed: Deployed, factor: float) -> None:
    """Eleven cents are covered by the yes to twelve, and six need none."""
    assert deployed.run()
    raise_prices(deployed.sandbox, factor)
    await aresume_flow_run(UUID(deployed.id), run_input=YES)
    assert not deployed.run()
    assert await state_of(deployed.id) == "Completed"
    assert len(deployed.sandbox.charges) == 1


async def test_a_run_that_somebody_sets_going_without_an_answer_sends_nothing(deployed: Deployed) -> None:
    """Prefect lets anybody change a state by hand; that is not a yes."""
    assert deployed.run()
    await retry(deployed.id)
    assert not deployed.run()
    run = await read_run(deployed.id)
    assert run.state is not None
    assert "was resumed without an answer; retry it to be asked again" in (run.state.message or "")
    assert not deployed.sandbox.charges


async def test_a_retry_of_an_approved_run_is_not_asked_again(deployed: Deployed) -> None:
    """Not for the same: and what was sent before is not sent again."""
    deployed.sandbox.add_fault(Fault(on="content", status=404, body="gone", times=None))
    assert deployed.run()
    await aresume_flow_run(UUID(deployed.id), run_input=YES)
    assert not deployed.run()
    assert await state_of(deployed.id) == "Failed"
    deployed.sandbox.clear_faults()
    await retry(deployed.id)
    assert not deployed.run()
    assert await state_of(deployed.id) == "Completed"
    assert len(deployed.sandbox.charges) == 1


async def test_a_suspended_run_that_nobody_answers_ends_failed(deployed: Deployed) -> None:
    """An answer that comes later is refused, and changes nothing."""
    assert deployed.run(begin_impatiently)
    await asyncio.sleep(1)
    with pytest.raises((FlowPauseTimeout, NotPausedError)):
        await aresume_flow_run(UUID(deployed.id), run_input=YES)
    assert await state_of(deployed.id) == "Failed"
    assert not deployed.sandbox.charges


# ---- A process of one's own ------------------------------------------------------------------------------------------


async def paused_run() -> UUID:
    """The run that waits in this process."""
    async with get_client() as client:
        while True:
            runs = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Paused"])))
            )
            if runs:
                return runs[0].id
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("prefect_server")
async def test_a_run_without_a_deployment_is_paused(sandbox: Sandbox) -> None:
    """It goes on in the same process after a yes; a price that rose meanwhile is asked again."""
    running = asyncio.ensure_future(generate_video(**ORDER))
    run_id = await paused_run()
    raise_prices(sandbox, 2)
    await aresume_flow_run(run_id, run_input=YES)
    assert await paused_run() == run_id
    assert r"\$0.24" in await asked(run_id)
    assert not sandbox.charges
    await aresume_flow_run(run_id, run_input=YES)
    (outcome,) = await running
    assert outcome.status == "completed"
    assert len(sandbox.charges) == 1


@pytest.mark.usefixtures("prefect_server")
async def test_a_paused_run_ends_refused_after_a_no(sandbox: Sandbox) -> None:
    """The caller gets the refusal."""
    running = asyncio.ensure_future(generate_video(**ORDER))
    await aresume_flow_run(await paused_run(), run_input=NO)
    with pytest.raises(RequestRefused, match="answered no: 'Ada: next month'"):
        await running
    assert not sandbox.charges


@pytest.mark.usefixtures("prefect_server")
async def test_a_subflow_of_a_deployment_is_paused(sandbox: Sandbox) -> None:
    """Prefect suspends no run that another one waits for."""

    @flow
    async def parent() -> Any:
        return await generate_video(**ORDER)

    running = asyncio.ensure_future(parent())
    await aresume_flow_run(await paused_run(), run_input=YES)
    assert len(await running) == len(sandbox.charges) == 1


@pytest.mark.usefixtures("prefect_server")
async def test_a_paused_run_that_nobody_answers_ends_refused(sandbox: Sandbox) -> None:
    """It says until when it has waited."""
    with using_limits(Limits(approval_seconds=1)):
        state = await generate_video(**ORDER, return_state=True)
    assert state.is_failed()
    assert "Nobody answered until 20" in str(state.message)
    assert not sandbox.charges


@pytest.mark.usefixtures("prefect_server")
async def test_nobody_is_asked_on_a_temporary_server(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page is seen by nobody, and it ends with the script."""
    # Without a URL Prefect takes the server that it has started itself, here that of the tests.
    its_own = SubprocessASGIServer()
    started = {"running": True, "port": urlsplit(PREFECT_API_URL.value() or "").port, "server_process": object()}
    for name, value in started.items():
        monkeypatch.setattr(its_own, name, value)
    message = "a temporary one, whose page nobody sees; set PREFECT_API_URL"
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(RequestRefused, match=message):
        await generate_video(**ORDER)
    assert not sandbox.charges


# ---- Everything restarted in between ---------------------------------------------------------------------------------


def test_a_worker_and_its_server_are_restarted_while_a_run_waits(sandbox: Sandbox, tmp_path: Path) -> None:
    """A real worker each time, and a server that is killed: the run waits in the database, and is paid once."""
    server = PrefectServer(tmp_path / "prefect")
    server.start()
    try:
        with temporary_settings({PREFECT_API_URL: server.api}), get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name="videos", type="process"))
            deployment = client.create_deployment(
                client.create_flow(generate_video),
                "approval",
                entrypoint="openrouter_video.flows:generate_video",
                work_pool_name="videos",
                pull_steps=[],
                concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
                concurrency_limit=1,
            )
            run = client.create_flow_run_from_deployment(deployment, parameters=ORDER)
            work(tmp_path, server, sandbox)
            assert state(run.id) == "Suspended"
            # The slot of the limit is free for another run, which waits for its own answer.
            other = client.create_flow_run_from_deployment(deployment, parameters={**ORDER, "prompt": "Another"})
            work(tmp_path, server, sandbox)
            server.kill()
            server.start()
            assert [state(run.id), state(other.id)] == ["Suspended", "Suspended"]
            assert not sandbox.charges
            resume_flow_run(run.id, run_input=YES)
            work(tmp_path, server, sandbox)
            assert [state(run.id), state(other.id)] == ["Completed", "Suspended"]
            assert [charge.body["prompt"] for charge in sandbox.charges] == [PROMPT]
    finally:
        server.kill()


def state(run_id: UUID) -> str:
    """The name of a run's state."""
    return asyncio.run(state_of(run_id))


async def work_once(_: Errand) -> list[dict[str, Any]]:
    """Begin what waits, each run in an interpreter of its own, and end with it."""
    from prefect.workers.process import ProcessWorker  # noqa: PLC0415 (in the process)

    await ProcessWorker("videos").start(run_once=True)
    return []


def work(folder: Path, server: PrefectServer, sandbox: Sandbox) -> None:
    """Let a worker begin what waits for it, and end."""
    environment = environment_of(sandbox, folder / "videos")
    with FlowProcess(Errand({}, folder / "worker", server.api, environment), work_once) as worker:
        assert worker.wait(240) == 0, worker.output
