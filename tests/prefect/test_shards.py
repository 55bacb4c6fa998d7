"""A batch in shards on a real Prefect server: one of them dies, each video is paid once, and there is one report."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL
from prefect.states import Crashed

from flows import batch_shard, batch_videos
from openrouter_video.ledger.journal import Journal
from openrouter_video.outcome import Batch
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores import open_store
from tests.support.flow_processes import Errand, FlowProcess, environment_of, wait_until

pytestmark = pytest.mark.usefixtures("prefect_server")

GROK, WAN = "x-ai/grok-imagine-video", "alibaba/wan-3.0"
POOL = "shards"
SMALL = VideoSettings(duration=2, resolution="480p")
ROWS = [{"id": str(n), "prompt": f"Orchid {n}", "shop": f"S-{n}"} for n in range(12)]
NOBODY = "http://127.0.0.1:9/"
AT_ONCE, OF_EACH = 6, 3


async def hasty(seconds: float) -> None:
    """Wait a tenth of the time."""
    await asyncio.sleep(seconds / 10)


def parameters(**changed: Any) -> dict[str, Any]:
    """A batch of 24 videos in three shards."""
    asked = {"batch": "orchids", "rows": ROWS, "models": [GROK, WAN], "settings": SMALL, "shards": 3}
    return {**asked, "concurrency": AT_ONCE, "concurrency_per_provider": OF_EACH, **changed}


@contextmanager
def deployed() -> Iterator[dict[str, UUID]]:
    """The deployments of a batch and of its shards on a work pool; their ids by the name of their flow."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        ids = {}
        for flow in (batch_videos, batch_shard):
            flow_id = client.create_flow(flow)
            ids[flow.fn.__name__] = client.create_deployment(flow_id, name=flow.name, work_pool_name=POOL)
        try:
            yield ids
        finally:
            for one in ids.values():
                client.delete_deployment(one)
            client.delete_work_pool(POOL)


class Worker:
    """A worker with one slot: it takes the oldest run that is due, and runs it in a process of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path, deployments: dict[str, UUID]) -> None:
        told = {"OPENROUTER_VIDEO_WEBHOOK_URL": NOBODY}
        self._folder, self._environment = folder, environment_of(sandbox, folder / "videos") | told
        self._flows = {str(one): name for name, one in deployments.items()}
        self.ran: list[FlowRun] = []

    def work(self, until: threading.Event, kill: Sequence[str] = ()) -> None:
        """Work until that is so; a run of one of these names is killed with its first charge, and told Crashed."""
        kill = [*kill]
        with get_client(sync_client=True) as client:
            while not until.wait(0.1):
                for run in self._due(client)[:1]:
                    self.ran.append(run)
                    with FlowProcess(self._errand(run)) as process:
                        if run.name in kill:
                            kill.remove(run.name)
                            self._kill(process)
                            client.set_flow_run_state(run.id, Crashed(message="no heartbeat"), force=True)
                        else:
                            process.wait(120)

    def _due(self, client: Any) -> list[FlowRun]:
        scheduled = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ours = DeploymentFilter(id=DeploymentFilterId(any_=[UUID(one) for one in self._flows]))
        filters = {"flow_run_filter": FlowRunFilter(state=scheduled), "deployment_filter": ours}
        return [*client.read_flow_runs(**filters, sort=FlowRunSort.EXPECTED_START_TIME_ASC)]

    def _errand(self, run: FlowRun) -> Errand:
        return Errand(
            parameters={},
            folder=self._folder / f"process-{len(self.ran)}",
            prefect_api=PREFECT_API_URL.value(),
            environment=self._environment,
            flow=self._flows[str(run.deployment_id)],
            flow_run_id=str(run.id),
        )

    def _kill(self, process: FlowProcess) -> None:
        claims = self._folder / "videos" / "_jobs"
        before = len([*claims.glob("*/job-1.json")])
        wait_until(lambda: len([*claims.glob("*/job-1.json")]) > before, 60, what=lambda: process.output)
        process.send(signal.SIGKILL)
        process.wait()


def most_at_once(state: Path, provider: str = "") -> int:
    """How many jobs ran side by side at most, by the sandbox's own record."""
    jobs = [job for job in json.loads(state.read_text())["jobs"] if job["body"]["model"].startswith(provider)]
    moments = [(job["submitted_at"], 1) for job in jobs] + [(job["ready_at"], -1) for job in jobs]
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


async def test_a_shard_that_dies_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 videos in three shards: one is killed in the middle; each is charged once, and the limits hold over all."""
    state, done = tmp_path / "sandbox.json", threading.Event()
    with Sandbox(job_seconds=0.5, state=state) as sandbox, deployed() as deployments:
        for name, value in environment_of(sandbox, tmp_path / "videos").items():
            monkeypatch.setenv(name, value)
        worker = Worker(sandbox, tmp_path, deployments)
        working = asyncio.create_task(asyncio.to_thread(worker.work, done, ["orchids, shard 2 of 3"]))
        try:
            with using_limits(Limits(sleep=hasty)):
                made = await batch_videos(**parameters())
        finally:
            done.set()
            await working
        assert isinstance(made, Batch)
        assert made.status == "completed", made
        charges = Counter(charge.session_id for charge in sandbox.charges)
        assert (len(charges), {*charges.values()}) == (24, {1})
        assert {charge.body["callback_url"] for charge in sandbox.charges} == {f"{NOBODY}?key={key}" for key in charges}
        assert {outcome.reused for outcome in made.outcomes} == {False}
        assert [outcome.row_id for outcome in made.outcomes] == [row["id"] for row in ROWS for _ in (GROK, WAN)]
        names = [run.name for run in worker.ran]
        assert sorted(names) == [
            "orchids, shard 1 of 3",
            "orchids, shard 2 of 3",
            "orchids, shard 2 of 3, attempt 2",
            "orchids, shard 3 of 3",
        ]
        assert most_at_once(state) <= AT_ONCE
    journal = Journal(open_store(str(tmp_path / "videos" / "_jobs")), sandbox=True)
    assert journal.money().reservations() == {}
    manifest = (tmp_path / "videos" / "orchids" / "videos.jsonl").read_text().splitlines()
    assert [json.loads(line)["shop"] for line in manifest] == [row["shop"] for row in ROWS for _ in (GROK, WAN)]
    assert not [path for path in (tmp_path / "videos" / "_jobs" / "_shards").rglob("*") if path.is_file()]
