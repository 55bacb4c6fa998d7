"""A worker and a server that are killed, with real processes: within three minutes everything is as it should be."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import UUID, uuid4

import httpx
import pytest
import yaml
from prefect import Flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.exceptions import Pause
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending, Running, Suspended

from flows import collect_videos, generate_video, watch_for_dead_workers
from flows.dead_workers import LONG_PENDING, ask_after_running
from flows.heartbeats import ASKED, EVERY_SECONDS, HEARTBEAT, STOPPED, SUSPENDED, heartbeats
from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger.journal import Journal
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores import open_store
from tests.support.flow_processes import ORDER, Errand, FlowProcess, environment_of, wait_until
from tests.support.mailboxes import Mailbox
from tests.support.prefect_servers import PrefectServer

DEPLOYMENTS = Path(__file__).resolve().parents[2] / "deployments"
TAG = "openrouter-video"
WITHIN_SECONDS = 180
SETTINGS = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}


class World:
    """A server of Prefect's with two deployments of ours, a sandbox, and a person who is told."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.server = PrefectServer(folder / "prefect", **SETTINGS)
        stack.callback(self.server.kill)
        self.server.start()
        stack.enter_context(temporary_settings({PREFECT_API_URL: self.server.api}))
        self.sandbox = stack.enter_context(Sandbox(job_seconds=3600))
        self.environment = environment_of(self.sandbox, folder / "videos")
        self.mailbox = Mailbox(stack)
        self.folder, self.stack = folder, stack

    async def prepare(self, client: PrefectClient) -> UUID:
        """Make a pool, the deployments and the automations; return the deployment that has one slot."""
        await client.create_work_pool(WorkPoolCreate(name="videos", type="process"))
        one_slot = await self._deploy(generate_video, client, limit=1)
        await self._deploy(collect_videos, client)
        await asyncio.to_thread(watch_for_dead_workers)
        (made,) = await client.read_automations()
        twin = {name: getattr(made, name) for name in AutomationCore.model_fields}
        await client.create_automation(AutomationCore(**twin))
        await client.pause_automation(made.id)
        # A second time, by the command; what is switched off stays so, and of two that were made at once one goes.
        await asyncio.to_thread(runpy.run_path, str(DEPLOYMENTS / "dead_workers.py"), run_name="__main__")
        (kept,) = await client.read_automations()
        assert (kept.name, kept.enabled) == (made.name, False)
        await client.resume_automation(kept.id)
        (_, written, _) = yaml.safe_load((DEPLOYMENTS / "automations.yaml").read_text())["automations"]
        assert EventTrigger.model_validate(written["trigger"]) == made.trigger
        written["actions"][0]["block_document_id"] = str(await self.mailbox.block())
        await client.create_automation(AutomationCore.model_validate(written | {"enabled": True}))
        return one_slot

    async def _deploy(self, flow: Flow[..., Any], client: PrefectClient, limit: int | None = None) -> UUID:
        entrypoint = f"openrouter_video.flows:{flow.fn.__name__}"
        options: dict[str, Any] = {"work_pool_name": "videos", "concurrency_limit": limit, "pull_steps": []}
        return await client.create_deployment(
            await client.create_flow(flow), flow.name, entrypoint=entrypoint, tags=[TAG], **options
        )

    def start_worker(self, name: str) -> FlowProcess:
        """Start a worker, with files of its own."""
        errand = Errand({}, self.folder / name / "worker", self.server.api, self.environment)
        worker = self.stack.enter_context(FlowProcess(errand, work))
        self.stack.callback(kill, worker)
        return worker

    def tell(self, event: str, run: FlowRun) -> None:
        """Send the event of a run, as its process does."""
        related = [{"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{tag}"} for tag in run.tags]
        told = {
            "id": str(uuid4()),
            "event": event,
            "occurred": datetime.now(UTC).isoformat(),
            "resource": {"prefect.resource.id": f"prefect.flow-run.{run.id}"},
            "related": related,
        }
        httpx.post(f"{self.server.api}/events", json=[told], trust_env=False).raise_for_status()

    @contextmanager
    def beating(self, run: FlowRun) -> Iterator[None]:
        """Send the heartbeats of a run that lives, also while nobody is there to hear them."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(EVERY_SECONDS):
                with suppress(httpx.HTTPError):
                    self.tell(HEARTBEAT, run)

        self.tell(HEARTBEAT, run)
        thread = threading.Thread(target=beat)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


async def work(_: Errand) -> list[dict[str, Any]]:
    """Begin what waits, each run in an interpreter of its own, until it is killed."""
    from prefect.workers.process import ProcessWorker  # noqa: PLC0415 (in the process)

    await ProcessWorker("videos", limit=2).start()
    return []


def kill(worker: FlowProcess) -> None:
    """Kill a worker and the processes of its runs, as a machine that fails does."""
    if worker.alive:
        # Each in a session of its own, so that no signal to a group reaches them.
        runs = " ".join(one.read_text() for one in Path(f"/proc/{worker.pid}/task").glob("*/children")).split()
        for process in (worker.pid, *map(int, runs)):
            os.kill(process, signal.SIGKILL)
        worker.wait()


def state(run: FlowRun, server: PrefectServer) -> str:
    """The name of the state of a run."""
    with urlopen(f"{server.api}/flow_runs/{run.id}", timeout=30) as answer:  # noqa: S310 (http on this machine)
        return str(json.load(answer)["state_name"])


def becomes(name: str, run: FlowRun, server: PrefectServer) -> None:
    """Wait for a state of a run."""
    wait_until(lambda: state(run, server) == name, WITHIN_SECONDS, what=lambda: state(run, server), every=2)


async def test_a_worker_and_the_server_are_killed(tmp_path: Path) -> None:
    """The run is Crashed, its slot free, its job collected, a person told; what goes on, or waits, is left alone."""
    with ExitStack() as stack:
        world = World(tmp_path, stack)
        async with get_client() as client:
            one_slot = await world.prepare(client)
            # Of somebody else, and of ours but suspended: its last heartbeat is late.
            foreign = await client.create_flow_run(generate_video, parameters=ORDER, state=Running())
            suspended = await client.create_flow_run(generate_video, parameters=ORDER, tags=[TAG], state=Running())
            for run in (foreign, suspended):
                world.tell(HEARTBEAT, run)
            await client.set_flow_run_state(suspended.id, Suspended(), force=True)
            for event in (HEARTBEAT, SUSPENDED):
                world.tell(event, suspended)
            living = await client.create_flow_run(generate_video, parameters=ORDER, tags=[TAG], state=Running())
            stack.enter_context(world.beating(living))
            worker = world.start_worker("first")
            dying = await client.create_flow_run_from_deployment(one_slot, parameters=ORDER)
            wait_until(lambda: any(seen.kind == "poll" for seen in world.sandbox.requests), 90, every=0.2)
            waiting = await client.create_flow_run_from_deployment(one_slot, parameters=ORDER | {"prompt": "A rose"})
            becomes("AwaitingConcurrencySlot", waiting, world.server)
        kill(worker)
        world.server.kill()
        world.sandbox.release()
        world.server.start()
        world.start_worker("second")
        becomes("Crashed", dying, world.server)
        # Its slot is another run's, and its job is collected; a collection needs no slot.
        wait_until(lambda: len(world.sandbox.charges) > 1, WITHIN_SECONDS, every=1)
        world.sandbox.release()
        becomes("Completed", waiting, world.server)
        wait_until(lambda: len(list((tmp_path / "videos").glob("*/*.mp4"))) > 1, WITHIN_SECONDS, every=1)
        journal = Journal(open_store(str(tmp_path / "videos" / "_jobs")), sandbox=True)
        wait_until(lambda: not journal.money().reservations(), WITHIN_SECONDS, every=1)
        wait_until(lambda: bool(world.mailbox.notes), what=lambda: "no note came")
        assert [state(run, world.server) for run in (foreign, suspended, living)] == ["Running", "Suspended", "Running"]
        assert [json.loads(note)["subject"] for note in world.mailbox.notes] == [
            f"The run {ORDER['prompt']} sends no heartbeats"
        ]
        assert len(world.sandbox.charges) == 2


def test_an_older_server_is_told_in_words() -> None:
    """With both versions, before anything is written there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path.endswith("/admin/version")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'"3.8.8"')

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as old:
        threading.Thread(target=old.serve_forever, daemon=True).start()
        with (
            temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{old.server_port}/api"}),
            pytest.raises(ConfigurationError, match=r"is version 3\.8\.8, and this needs 3\.9\.1 or later"),
        ):
            watch_for_dead_workers()
        old.shutdown()


def test_without_a_server_nothing_is_made() -> None:
    """A temporary one would take the automation, and be gone with the command that says so."""
    with (
        temporary_settings({PREFECT_API_URL: None}),
        pytest.raises(SystemExit, match="PREFECT_API_URL is not set, so that there is no server that could notice"),
    ):
        runpy.run_path(str(DEPLOYMENTS / "dead_workers.py"), run_name="__main__")


def test_more_runs_than_a_server_tells_of_at_once_are_asked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them, once; of those about to begin one that has been for long; none that has stopped meanwhile."""
    long_ago = datetime.now(UTC) - 2 * LONG_PENDING
    states: list[State[Any]] = [*[Running(timestamp=long_ago)] * 5, Pending(timestamp=long_ago), Pending()]
    runs = [FlowRun(flow_id=uuid4(), state=one) for one in states]
    told, stopped = list[tuple[str, UUID]](), 3

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)  # it knows of no CSRF tokens

        def do_POST(self) -> None:
            read = json.loads(self.rfile.read(int(self.headers["content-length"])))
            going_on = [run for number, run in enumerate(runs) if not told or number != stopped]
            page = going_on[read["offset"] : read["offset"] + min(read["limit"], 3)]
            body = json.dumps([run.model_dump(mode="json") for run in page]).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    monkeypatch.setattr("flows.dead_workers.emit_run_event", lambda name, run_id: told.append((name, run_id)))
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api"}):
            asyncio.run(ask_after_running())
        server.shutdown()
    assert told == [*((ASKED, run.id) for run in runs[:-1]), (STOPPED, runs[stopped].id)]


def test_heartbeats_go_on_whatever_blocks_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there is time for; the last word of a run that is suspended is that it is."""
    told: list[str] = []
    monkeypatch.setattr("flows.heartbeats.EVERY_SECONDS", 0.01)
    monkeypatch.setattr("flows.heartbeats.emit_event", lambda name, **_: told.append(name))

    context: dict[str, Any] = {"flow_run": FlowRun(flow_id=uuid4())}

    async def body() -> None:
        with FlowRunContext.model_construct(**context), heartbeats():
            wait_until(lambda: told.count(HEARTBEAT) > 2)
            raise Pause

    with suppress(Pause):
        asyncio.run(body())
    assert (set(told[:-1]), told[-1]) == ({HEARTBEAT}, SUSPENDED)
