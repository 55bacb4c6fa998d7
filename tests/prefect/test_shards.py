"""A batch in shards on a real Prefect server: one of them dies, each video is paid once, and there is one report."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from prefect import flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Crashed
from pydantic import SecretStr

from flows import batch_shard, batch_videos, collect_videos
from flows.batch_manifest import BatchManifest
from flows.batch_portions import BatchPortions
from flows.opened_run import OpenedRun
from flows.run_identity import RunIdentity
from flows.video_chain import VideoRun
from flows.video_steps import AsTasks
from openrouter_video.api import VideoClient
from openrouter_video.blocks import OpenRouterCredentials
from openrouter_video.errors import ConfigurationError, RequestRefused, TooFewVideos
from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.reservations import run_token
from openrouter_video.limits import Limits, using_limits
from openrouter_video.money import Estimate
from openrouter_video.outcome import Batch, Outcome
from openrouter_video.run import Concurrency, RunReservation, find_destination, open_resources
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.shards.files import ShardFiles
from openrouter_video.stores import open_store
from tests.prefect.test_failures import SPENT
from tests.shards.test_files import BATCH, RUN, WORK
from tests.support.claims import claim_on
from tests.support.flow_processes import Errand, FlowProcess, environment_of, wait_until
from tests.support.sandbox_record import most_at_once
from tests.support.waits import doze

pytestmark = pytest.mark.usefixtures("prefect_server")

GROK, WAN = "x-ai/grok-imagine-video", "alibaba/wan-3.0"
POOL = "shards"
SMALL = {"duration": 2, "resolution": "480p"}
ROWS = [{"id": str(n), "prompt": f"Orchid {n}", "shop": f"S-{n}"} for n in range(9)]
NOBODY = "http://127.0.0.1:9/"
AT_ONCE, OF_EACH = 6, 3


def parameters(**changed: Any) -> dict[str, Any]:
    """A batch of 18 videos in three shards."""
    asked = {"batch": "orchids", "rows": ROWS, "models": [GROK, WAN], "settings": SMALL, "shards": 3}
    return {**asked, "concurrency": AT_ONCE, "concurrency_per_provider": OF_EACH, **changed}


@contextmanager
def deployed() -> Iterator[dict[str, UUID]]:
    """The deployments of a batch and of its shards on a work pool; their ids by the name of their flow."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        ids = {}
        for one in (batch_videos, batch_shard):
            flow_id = client.create_flow(one)
            ids[one.fn.__name__] = client.create_deployment(flow_id, name=one.name, work_pool_name=POOL)
        try:
            yield ids
        finally:
            for deployment in ids.values():
                client.delete_deployment(deployment)
            client.delete_work_pool(POOL)


class Worker:
    """A worker with one slot: it takes the oldest run that is due, and runs it in a process of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path, deployments: dict[str, UUID]) -> None:
        told = {"OPENROUTER_VIDEO_WEBHOOK_URL": NOBODY}
        self._folder, self._environment = folder, environment_of(sandbox, folder / "videos") | told
        self._flows = {one: name for name, one in deployments.items()}
        self.ran: list[str] = []

    def work(self, client: SyncPrefectClient, kill: str = "") -> None:
        """Work until nothing is due; a run of this name is killed with its first jobs, and told Crashed."""
        while due := self._due(client):
            self.ran.append(due[0].name)
            with FlowProcess(self._errand(due[0])) as process:
                if due[0].name == kill:
                    self._kill(process)
                    client.set_flow_run_state(due[0].id, Crashed(message="no heartbeat"), force=True)
                process.wait(300)

    def _due(self, client: SyncPrefectClient) -> list[FlowRun]:
        scheduled = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        return client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=scheduled),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[*self._flows])),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )

    def _errand(self, run: FlowRun) -> Errand:
        assert run.deployment_id is not None
        return Errand(
            parameters={},
            folder=self._folder / f"process-{len(self.ran)}",
            prefect_api=str(PREFECT_API_URL.value()),
            environment=self._environment,
            flow=self._flows[run.deployment_id],
            flow_run_id=str(run.id),
        )

    def _kill(self, process: FlowProcess) -> None:
        ledger = self._folder / "videos" / "_jobs"
        before = len([*ledger.glob("*/job-1.json")])
        # It makes two at the same time, so that no submission is on its way then: that video would be uncertain.
        wait_until(lambda: len([*ledger.glob("*/job-1.json")]) == before + 2, 60, what=lambda: process.output)
        process.send(signal.SIGKILL)


async def test_a_shard_that_dies_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """18 videos in three shards on one slot, which the batch frees for them; one of them is killed in the middle.

    The batch is resumed by a collection that sees the dead shard, and at last by the last shard. Five times a provider
    withholds what it has made, and an extra take is made in its place. Each take is charged once, the limits hold over
    all shards, and there is one report; a second run of the batch sends nothing, and starts no shard.
    """
    state = tmp_path / "sandbox.json"
    with (
        Sandbox(job_seconds=1, state=state) as sandbox,
        deployed() as deployments,
        get_client(sync_client=True) as client,
    ):
        for name, value in environment_of(sandbox, tmp_path / "videos").items():
            monkeypatch.setenv(name, value)
        sandbox.add_fault(Fault(on="submit", failure="output_moderation", model=GROK, times=5))
        asked = parameters(extra_takes_on_output_moderation=5)
        worker = Worker(sandbox, tmp_path, deployments)
        batch = client.create_flow_run_from_deployment(deployments["batch_videos"], parameters=asked)
        await asyncio.to_thread(worker.work, client, "orchids, shard 2 of 3")
        assert client.read_flow_run(batch.id).state_type == StateType.PAUSED
        # What a shard told is damaged: the ledger knows its videos.
        (told,) = (tmp_path / "videos" / "_jobs" / "_shards" / str(batch.id)).glob("3.done.json")
        told.write_text("{")
        assert await collect_videos() is not None
        await asyncio.to_thread(worker.work, client)
        ended = client.read_flow_run(batch.id)
        assert ended.state is not None
        assert (ended.state.name, ended.name) == ("Completed", "orchids"), ended.state.message
        assert str(ended.state.message).startswith("18 of 18 videos")
        assert str(ended.state.message).endswith("5 failed (output moderation), 5 extra takes")
        charges = Counter(charge.session_id for charge in sandbox.charges)
        assert (len(charges), {*charges.values()}) == (23, {1})
        assert {charge.body["callback_url"] for charge in sandbox.charges} == {f"{NOBODY}?key={key}" for key in charges}
        assert most_at_once(state) <= AT_ONCE
        again: Batch = await batch_videos(**asked)
        assert (len(again.outcomes), {outcome.reused for outcome in again.outcomes}) == (23, {True})
        assert sum(seen.kind == "submit" for seen in sandbox.requests) == 23
    shards = [name for name in worker.ran if "shard" in name]
    assert shards[-1] == "orchids, shard 2 of 3, attempt 2"
    assert sorted(shards[:-1]) == [f"orchids, shard {number} of 3" for number in (1, 2, 3)]
    # Begun, resumed by the collection, and resumed by the last shard.
    assert len(worker.ran) - len(shards) == 3
    ledger = tmp_path / "videos" / "_jobs"
    journal = Journal(open_store(str(ledger)), sandbox=True)
    assert journal.money().reservations() == {}
    assert len([*(ledger / "_money").rglob("*.json")]) <= 4
    lines = (tmp_path / "videos" / "orchids" / "videos.jsonl").read_text().splitlines()
    manifest = [row for row in map(json.loads, lines) if row["instead_of"] is None]
    assert [row["shop"] for row in manifest] == [row["shop"] for row in ROWS for _ in (GROK, WAN)]
    assert len(lines) - len(manifest) == 5
    left = [path for folder in ("_shards", "_waiting") for path in (ledger / folder).rglob("*") if path.is_file()]
    assert left == []


async def test_a_budget_that_is_spent_in_a_shard(sandbox: Sandbox, tmp_path: Path) -> None:
    """Each shard learns it by one submission, and so does what begins later, for which no shard is started any more.

    After the reset another run sends the rest.
    """
    sandbox.add_fault(Fault(on="submit", status=403, body=SPENT, after=1, times=None))
    asked = parameters(rows=ROWS[:5], models=[GROK], shards=2, concurrency=2, concurrency_per_provider=None)
    scheduled = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    with deployed(), using_limits(Limits(sleep=doze, portion=4)):
        batch: asyncio.Task[Any] = asyncio.create_task(cast(Any, batch_videos(**asked, return_state=True)))
        shards = 0
        async with get_client() as client:
            while not batch.done():
                for run in await client.read_flow_runs(flow_run_filter=scheduled):
                    await cast(Any, run_flow(batch_shard, flow_run=run, return_type="state"))
                    shards += 1
                await asyncio.sleep(0.05)
        state = await batch
        assert (shards, len(sandbox.charges)) == (2, 1)
        assert Counter(seen.status for seen in sandbox.requests if seen.kind == "submit") == {202: 1, 403: 3}
        assert "4 refused (spent budget)" in str(state.message)
        few = await state.aresult(raise_on_failure=False)
        assert [outcome.failure for outcome in few.outcomes].count("spent_budget") == 4
        journal = Journal(open_store(str(tmp_path / "videos" / "_jobs")), sandbox=True)
        assert journal.money().reservations() == {}
        sandbox.clear_faults()
        again: Batch = await batch_videos(**{**asked, "shards": 1})
    assert [outcome.status for outcome in again.outcomes] == ["completed"] * 5
    charges = Counter(charge.session_id for charge in sandbox.charges)
    assert (len(charges), {*charges.values()}) == (5, {1})


async def test_what_a_batch_had_sent_itself_before_it_died_is_not_refused(tmp_path: Path) -> None:
    """Its first portion was in shards, and none of the others, since a budget was spent.

    What had not been sent is held by the cap of today.
    """
    plan = WORK.videos[0].plan.model_copy(update={"estimate": Estimate(low_usd=0.1, high_usd=0.2, basis="listed")})
    videos = tuple(WORK.videos[0]._replace(plan=plan, take=take) for take in (1, 2))
    began, seen = BATCH._replace(videos=videos, carried={}), list[str]()
    place, mine = find_destination(str(tmp_path), None, {}), SecretStr("sk-x")
    credentials = OpenRouterCredentials(api_key=mine, base_url=NOBODY, max_usd_per_day=0.1)
    identity = RunIdentity(RUN, RUN, "2026-11-26", deployed=False)

    async def make(_number: int, of_portion: Any, *_: Any) -> list[Outcome]:
        seen.extend(video.plan.decision for video in of_portion)
        return []

    @flow
    async def begun_anew() -> None:
        async with open_resources(place, VideoClient(mine, NOBODY), Limits(portion=1)) as resources:
            reserved = RunReservation(resources.journal(sandbox=True).month, run_token(RUN))
            run = VideoRun(resources, AsTasks(resources), Concurrency(1), RUN, reserved, "", sandbox=True)
            opened = OpenedRun(WORK.videos[0].asked, identity, credentials, place, resources)
            for _ in range(2):
                portions = BatchPortions(videos, frozenset(), opened, begun=1)
                await portions.find_sent()
                await portions.make(run, BatchManifest(began, resources, []), began.began, make)
                resources.ledger.claim(1, claim_on(videos[1].key))
                resources.ledger.record_job(videos[1].key, 1, "job-1")

    await begun_anew()
    assert seen == ["send", "refuse", "send", "send"]


async def test_a_shard_of_which_nothing_can_be_read_keeps_no_batch_waiting(sandbox: Sandbox, tmp_path: Path) -> None:
    """What the shards are to do is damaged, and a person cancels them: the ledger says that nothing was sent."""
    shards = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    with deployed(), get_client(sync_client=True) as client, using_limits(Limits(sleep=doze)):
        batch = asyncio.create_task(batch_videos(**parameters(shards=2)))
        begun = partial(client.read_flow_runs, flow_run_filter=shards)
        await asyncio.to_thread(wait_until, lambda: len(begun()) == 2, 60)
        (folder,) = (tmp_path / "videos" / "_jobs" / "_shards").iterdir()
        for work in folder.glob("[12].json"):
            work.write_text("{}")
        for run in begun():
            client.set_flow_run_state(run.id, Cancelled())
        with pytest.raises(TooFewVideos, match="0 of 18") as few:
            await batch
    assert {one.status for one in few.value.outcomes} == {"refused"}
    assert len((tmp_path / "videos" / "orchids" / "videos.jsonl").read_text().splitlines()) == 18
    assert (sandbox.charges, [*folder.glob("*")]) == ((), [])
    # A shard tells after its batch has ended; another batch is one of another Prefect server.
    late, others = folder / "1.done.json", folder.with_name(RUN) / "batch.json"
    others.parent.mkdir()
    for left in (late, others):
        left.write_text("{}")
    assert await collect_videos() == []
    assert (late.exists(), others.exists()) == (False, True)


async def test_shards_need_a_deployment_and_a_work_pool(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them the batch is refused in words, before anything is reserved or sent."""

    async def refusal() -> str:
        with pytest.raises(RequestRefused) as refused:
            await batch_videos(**parameters())
        return str(refused.value)

    assert "has none" in await refusal()
    with deployed(), get_client(sync_client=True) as client:
        client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
        assert f"the work pool {POOL} of the deployment batch-shard is paused" in await refusal()
        client.delete_work_pool(POOL)
        assert "has no work pool, and nobody serves it" in await refusal()
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", "videos")
    with pytest.raises(ConfigurationError, match="lasting place"):
        await batch_videos(**parameters())
    assert sandbox.charges == ()
    assert not (tmp_path / "videos" / "_jobs" / "_money").exists()


@pytest.mark.parametrize(
    ("parent", "number", "key", "refused", "words"),
    [
        (RUN, 5, None, RequestRefused, "was planned, priced and reserved for the API at https://openrouter.ai/api/v1"),
        (RUN, 5, "sk-another", ConfigurationError, "its batch was begun with another one"),
        (
            RUN,
            6,
            None,
            RequestRefused,
            f"there is nothing to make at file://.*_shards/{RUN}: the batch of this shard has",
        ),
        (RUN, -1, None, RequestRefused, "there is nothing to make at"),
        ("mine", 5, None, ConfigurationError, "'mine' is not the id of a flow run"),
    ],
)
async def test_a_shard_that_is_not_of_this_place_sends_nothing(
    sandbox: Sandbox, tmp_path: Path, parent: str, number: int, key: str | None, refused: type[Exception], words: str
) -> None:
    """Started by hand with what is wrong, or by a worker with another API or key than those of its batch."""
    files = ShardFiles(open_store(str(tmp_path / "videos" / "_jobs")), RUN, SecretStr(key or sandbox.api_key))
    files.keep_work(WORK._replace(base_url="https://openrouter.ai/api/v1"))
    with pytest.raises(refused, match=words):
        await batch_shard(parent, number)
    assert sandbox.requests == ()
