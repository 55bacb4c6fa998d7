"""The events of videos on a real server, and what the triggers that come with the deployments do with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect import flow, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed

from flows import check_recipes, generate_video
from openrouter_video.drift import RecipeVerdict, recipe_digest
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.tasks import RUN_TAG
from tests.support.faulty_runs import MODEL, FaultyRuns
from tests.support.flow_processes import wait_until
from tests.support.mailboxes import Mailbox
from tests.support.prefect_servers import PrefectServer

DEPLOYMENTS = Path(__file__).resolve().parents[2] / "deployments"
ENDS_WITHIN_SECONDS = 60
SORA = "openai/sora-2-pro"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One server with all its services for all tests here: a temporary one would run no trigger."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    # Prefect's sender keeps to the server that it has begun with, and tries each event for a minute where that is away.
    EventsWorker.drain_all(timeout=30)
    try:
        server.start()
        with temporary_settings({PREFECT_API_URL: server.api}):
            yield server
            EventsWorker.drain_all(timeout=30)
    finally:
        server.kill()


@pytest.fixture
def runs(server: PrefectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyRuns]:
    """Flows on this server, in simulated time, whose API is a sandbox."""
    made = FaultyRuns(monkeypatch, tmp_path / "videos")
    with Sandbox(job_seconds=0) as sandbox:
        made.use(sandbox)
        yield made


def events(server: PrefectServer, about: str) -> list[dict[str, Any]]:
    """The events of our own about one job or key that have arrived, oldest first."""
    wanted = {"event": {"prefix": ["openrouter-video."]}, "resource": {"id": [f"openrouter-video.{about}"]}}
    answer = httpx.post(f"{server.api}/events/filter", json={"filter": wanted, "limit": 50}, trust_env=False)
    return sorted(answer.json()["events"], key=lambda event: str(event["occurred"]))


def arrived(server: PrefectServer, about: str, *names: str) -> list[dict[str, Any]]:
    """Wait for these events, which come from a thread of their own, and return them."""
    wanted = [f"openrouter-video.video.{name}" for name in names]

    def there() -> bool:
        return [event["event"] for event in events(server, about)] == wanted

    wait_until(there, ENDS_WITHIN_SECONDS, what=lambda: str(events(server, about)), every=0.2)
    return events(server, about)


def related(event: dict[str, Any]) -> dict[str, str]:
    """What an event is related to, by role."""
    return {one["prefect.resource.role"]: one["prefect.resource.id"] for one in event["related"]}


async def test_a_video_that_is_made_is_told_once(server: PrefectServer, runs: FaultyRuns) -> None:
    """With its job, its run and a small payload; a run that only finds it tells nothing."""
    made = await runs.generate(idempotency_key="orchid", labels={"team": "film"})
    again = await runs.generate(idempotency_key="orchid")
    assert (made.status, again.status, again.reused) == ("completed", "completed", True)
    other = await runs.generate(idempotency_key="rose")
    arrived(server, f"job.{other.job_id}", "completed")
    (event,) = arrived(server, f"job.{made.job_id}", "completed")
    assert related(event)["flow-run"] == f"prefect.flow-run.{event['payload']['run_id']}"
    assert "flow" in related(event)
    assert {name: event["payload"][name] for name in ("model", "take", "key", "cost_usd", "url", "labels")} == {
        "model": MODEL,
        "take": 1,
        "key": made.key,
        "cost_usd": made.cost_usd,
        "url": made.url,
        "labels": {"team": "film"},
    }
    assert runs.sandbox.api_key not in json.dumps(event)
    assert "orchid" not in json.dumps({**event["payload"], "url": "", "poster_url": "", "sidecar_url": ""})


async def test_a_job_that_is_collected_is_told_with_the_run_that_submitted_it(
    server: PrefectServer, runs: FaultyRuns
) -> None:
    """Open at the end of its run, once; completed at the end of the collection that finishes it."""
    runs.sandbox.add_fault(Fault(on="poll", status=503, times=None))
    left = await runs.generate(deadline_minutes=0.01)
    assert left.status == "open"
    assert (await runs.collect_one()).status == "open"
    runs.sandbox.clear_faults()
    assert (await runs.collect_one()).status == "completed"
    opened, completed = arrived(server, f"job.{left.job_id}", "open", "completed")
    assert related(completed)["submitted-by"] == related(opened)["flow-run"]
    assert related(completed)["flow-run"] != related(opened)["flow-run"]


async def test_somebody_is_told_of_an_uncertain_video(server: PrefectServer, runs: FaultyRuns) -> None:
    """By the automation that comes with the deployments, once it is on; not again by a collection."""
    with ExitStack() as stack:
        mailbox = Mailbox(stack)
        (written, _, _) = yaml.safe_load((DEPLOYMENTS / "automations.yaml").read_text())["automations"]
        assert written["enabled"] is False
        assert written["trigger"]["match"].pop("openrouter-video.sandbox") == "false"
        written["actions"][0]["block_document_id"] = str(await mailbox.block())
        async with get_client() as client:
            automation = await client.create_automation(AutomationCore.model_validate(written | {"enabled": True}))
            runs.sandbox.add_fault(Fault(on="submit", drop="after"))
            outcome = await runs.generate()
            assert outcome.status == "uncertain"
            wait_until(lambda: bool(mailbox.notes), ENDS_WITHIN_SECONDS, what=lambda: "no note came")
            assert (await runs.collect_one()).status == "uncertain"
            # What is told after it has gone through the server after it.
            done = await runs.generate()
            arrived(server, f"job.{done.job_id}", "completed")
            await client.delete_automation(automation)
        arrived(server, f"key.{outcome.key}", "uncertain")
        (note,) = mailbox.notes
        assert json.loads(note)["subject"] == f"A video of {MODEL} is uncertain"
        assert f"openrouter-video ledger settle {outcome.key} --job JOB" in json.loads(note)["body"]


async def test_somebody_is_told_of_a_recipe_that_breaks(server: PrefectServer, runs: FaultyRuns) -> None:
    """Once, with what would do instead; the next check only says since when, and one that works again tells nothing."""
    listed = runs.sandbox.models
    sora = {**next(one for one in listed if one["id"] == MODEL), "id": SORA}
    runs.sandbox.set_models([*listed, sora])
    with ExitStack() as stack:
        mailbox = Mailbox(stack)
        (*_, written) = yaml.safe_load((DEPLOYMENTS / "automations.yaml").read_text())["automations"]
        assert written["enabled"] is False
        assert written["trigger"]["match"].pop("openrouter-video.sandbox") == "false"
        written["actions"][0]["block_document_id"] = str(await mailbox.block())
        parameters = {"model": SORA, "settings": {"duration": 1, "resolution": None}}
        async with get_client() as client:
            automation = await client.create_automation(AutomationCore.model_validate(written | {"enabled": True}))
            flow_id = await client.create_flow(generate_video)
            nightly = await client.create_deployment(flow_id, "nightly", tags=[RUN_TAG], parameters=parameters)
            fine, broken, again = [await checked(runs, models) for models in ([*listed, sora], listed, listed)]
            assert [one.status for one in (fine, broken, again)] == ["works", "broken", "broken"]
            assert broken.problems == (f"there is no video model '{SORA}'; `openrouter-video models` lists them",)
            assert broken.needs[0].startswith(f"the same request as to {SORA} is taken by ")
            assert again.since == broken.since
            assert again.last_ok_at == broken.last_ok_at
            assert again.since_words.startswith("since ")
            assert "(last worked on " in again.since_words
            wait_until(lambda: bool(mailbox.notes), ENDS_WITHIN_SECONDS, what=lambda: "no note came")
            # What is told after it has gone through the server after it.
            done = await runs.generate()
            arrived(server, f"job.{done.job_id}", "completed")
            await client.delete_automation(automation)
            await client.delete_deployment(nightly)
    name = "deployment generate-video/nightly"
    (event,) = events(server, f"recipe.{recipe_digest(name, sandbox=True)}")
    assert event["event"] == "openrouter-video.recipe.broken"
    assert event["payload"]["recipe"] == name
    (note,) = mailbox.notes
    assert json.loads(note)["subject"] == f"{name} breaks"
    assert f"there is no video model '{SORA}'" in json.loads(note)["body"]
    assert "is taken by" in json.loads(note)["body"]


async def checked(runs: FaultyRuns, models: list[dict[str, Any]]) -> RecipeVerdict:
    """What a check says of the one deployment, by these models."""
    runs.sandbox.set_models(models)
    (verdict,) = (await check_recipes()).recipes
    return verdict


@pytest.mark.parametrize("name", ["Completed", "Partial"])
async def test_the_next_deployment_starts_when_a_batch_is_done(server: PrefectServer, name: str) -> None:
    """By the trigger that comes with the deployments, once it is on; also when not all of its videos are there."""
    (definition,) = [
        one
        for one in yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())["deployments"]
        if one["name"] == "collect-videos"
    ]
    (written,) = definition["triggers"]
    assert written["enabled"] is False

    @flow(name=f"stand-in-{name.lower()}")
    def stand_in() -> None: ...

    async with get_client() as client:
        flow_id = await client.create_flow(stand_in)
        batch, following = [await client.create_deployment(flow_id, one) for one in ("batch-videos", f"next-{name}")]
        trigger = DeploymentEventTrigger.model_validate(written | {"enabled": True, "name": f"next {name}"})
        trigger.set_deployment_id(following)
        automation = await client.create_automation(trigger.as_automation())
        run = await client.create_flow_run_from_deployment(batch)
        await client.set_flow_run_state(run.id, Completed(name=name), force=True)

        def started() -> bool:
            found = {"deployments": {"id": {"any_": [str(following)]}}}
            return bool(httpx.post(f"{server.api}/flow_runs/count", json=found, trust_env=False).json())

        wait_until(started, ENDS_WITHIN_SECONDS, what=lambda: "the next deployment did not start", every=0.2)
        await client.delete_automation(automation)
        for deployment in (batch, following):
            await client.delete_deployment(deployment)
