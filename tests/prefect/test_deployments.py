"""The deployments as they are written, deployed, and run by a worker; ``make serve`` is in test_ui.py."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import Flow, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment
from prefect.settings import get_current_settings
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from openrouter_video import flows
from openrouter_video.blocks import OpenRouterCredentials, VideoStore
from openrouter_video.form import offers_models, with_models
from openrouter_video.sandbox import Sandbox
from openrouter_video.tasks import RUN_TAG

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deployments" / "prefect.yaml"
DEFINITIONS: dict[str, dict[str, Any]] = {d["name"]: d for d in yaml.safe_load(FILE.read_text())["deployments"]}
FLOWS: dict[str, Flow[..., Any]] = {
    "generate-video": flows.generate_video,
    "fan-out-video": flows.fan_out_video,
    "daily-fan-out-video": flows.fan_out_video,
    "chain-video": flows.chain_video,
    "batch-videos": flows.batch_videos,
    "batch-shard": flows.batch_shard,
    "collect-videos": flows.collect_videos,
    "check-recipes": flows.check_recipes,
}
PATHS = (
    "flows/video_generation.py:generate_video",
    "flows/model_fan_out.py:fan_out_video",
    "flows/shot_chain.py:chain_video",
    "flows/batch.py:batch_videos",
    "flows/batch_shard.py:batch_shard",
    "flows/collection.py:collect_videos",
    "flows/recipe_check.py:check_recipes",
)
GIVEN: dict[str, dict[str, Any]] = {
    "generate-video": {"prompt": "x"},
    "fan-out-video": {"prompt": "x"},
    "chain-video": {"shots": ["x", {"prompt": "y", "settings": {"duration": 8}}]},
    "batch-shard": {"parent": "0198f7a0-0000-7000-8000-00000000000a", "number": 1},
}
"""What a person types into the form, or a batch gives to its shards."""
SCHEDULES = [(name, entry) for name, definition in DEFINITIONS.items() for entry in definition.get("schedules", [])]


def run(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its good end, in the Prefect of this test session; its output."""
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    full = {**os.environ, **settings, **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def deploy() -> None:
    """Deploy everything, as the file's first lines say."""
    run(
        sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", str(FILE.relative_to(ROOT)), "--all"
    )


# ---- The file --------------------------------------------------------------------------------------------------------


def test_the_deployments_are_there() -> None:
    """Each flow has one deployment under its own name, and the fan-out another for every day."""
    assert {name: FLOWS[name].name for name in DEFINITIONS} == {name: name.removeprefix("daily-") for name in FLOWS}
    assert [d["entrypoint"].split(":")[1] for d in DEFINITIONS.values()] == [f.fn.__name__ for f in FLOWS.values()]


@pytest.mark.parametrize(
    "entrypoints", [[d["entrypoint"] for d in DEFINITIONS.values()], PATHS], ids=["modules", "paths"]
)
def test_every_entrypoint_loads(entrypoints: Sequence[str]) -> None:
    """For real: Prefect deploys a file that cannot be imported, and finds out when it runs."""
    code = """if True:
        import sys
        from prefect.flows import load_flow_from_entrypoint
        for entrypoint in sys.argv[1:]:
            print(load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False).fn.__name__)
    """
    assert run(sys.executable, "-c", code, *entrypoints).split() == [e.split(":")[1] for e in entrypoints]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_parameters_are_those_of_the_flow(name: str) -> None:
    """Prefect takes any name when it deploys, and fails when it runs; every value fits its type, too."""
    definition = DEFINITIONS[name]
    parameters = definition["parameters"]
    assert set(parameters) <= set(signature(FLOWS[name].fn).parameters)
    FLOWS[name].validate_parameters(GIVEN.get(name, {}) | parameters)
    assert definition["enforce_parameter_schema"]


def test_runs_that_spend_money_are_limited_and_collections_are_not() -> None:
    """With a limit of one, the slot of a dead worker's collection had every later one cancelled.

    Shards have the limits of their batch.
    """
    assert {name for name, d in DEFINITIONS.items() if d.get("concurrency_limit", {}).get("limit", 0) > 0} == {
        name for name in DEFINITIONS if name not in {"batch-shard", "collect-videos", "check-recipes"}
    }
    assert "concurrency_limit" not in DEFINITIONS["collect-videos"]
    # With CANCEL_NEW a run that somebody has approved may be cancelled.
    assert {d["concurrency_limit"]["collision_strategy"] for d in DEFINITIONS.values() if "concurrency_limit" in d} == {
        "ENQUEUE"
    }


def test_every_deployment_carries_the_tag_of_the_package() -> None:
    """By which the server knows whose heartbeats it waits for; and those that people may filter by since ever."""
    assert {frozenset(d["tags"]) for d in DEFINITIONS.values()} == {frozenset({"openrouter", "video", RUN_TAG})}


def test_no_key_stands_in_a_parameter() -> None:
    """Parameters are shown to everyone: credentials are the name of a block."""
    assert {d["parameters"]["credentials"] for d in DEFINITIONS.values()} == {"openrouter"}
    assert "prefect.blocks." not in FILE.read_text()


@pytest.mark.parametrize(("name", "entry"), SCHEDULES)
def test_every_schedule_has_a_slug_and_a_time_zone(name: str, entry: dict[str, Any]) -> None:
    """By its slug a new deploy finds the schedule again; without a zone seven o'clock is anywhere."""
    assert entry["slug"]
    assert ZoneInfo(entry["timezone"])


@pytest.mark.parametrize(("name", "entry"), SCHEDULES)
def test_no_schedule_has_parameters_of_its_own(name: str, entry: dict[str, Any]) -> None:
    """Prefect empties them when somebody switches the schedule on; those of the deployment stay."""
    assert "parameters" not in entry


def test_the_daily_schedule_is_off_and_has_a_key_a_day() -> None:
    """It spends money; two runs of one day share their videos."""
    assert {name for name, entry in SCHEDULES} == {"daily-fan-out-video", "collect-videos", "check-recipes"}
    (daily,) = DEFINITIONS["daily-fan-out-video"]["schedules"]
    assert daily["active"] is False
    assert "{date}" in DEFINITIONS["daily-fan-out-video"]["parameters"]["idempotency_key"]
    assert daily["cron"].split()[2:] == ["*", "*", "*"]


# ---- The forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOWS)
def test_every_field_of_the_form_is_described(name: str) -> None:
    """In a sentence, in the order of the signature."""
    schema = parameter_schema(FLOWS[name])
    assert [f for f, p in schema.properties.items() if not p.get("description", "").endswith(".")] == []
    assert [p["position"] for p in schema.properties.values()] == list(range(len(schema.properties)))


def test_nested_fields_have_a_place_and_a_description() -> None:
    """Without a position Prefect's form sorts by what has a default, then by the alphabet."""
    definitions = parameter_schema(flows.fan_out_video).definitions
    assert {"InputReference", "VideoSettings"} <= set(definitions)
    for nested in definitions.values():
        fields = nested["properties"]
        assert [field["position"] for field in fields.values()] == list(range(len(fields)))
        assert all(field["description"].endswith(".") for field in fields.values())


def test_the_policy_is_a_select_and_objects_have_an_editor() -> None:
    """An enum is chosen from a list; an optional object typed as one or null would have no editor at all."""
    properties = parameter_schema(flows.fan_out_video).properties
    assert properties["on_unsupported"]["enum"] == ["fallback", "drop", "skip", "fail"]
    for name in ("provider_options", "provider_slugs", "assumed_usd", "labels"):
        assert not {"type", "anyOf"} & set(properties[name])


@pytest.mark.parametrize("name", FLOWS)
def test_every_field_has_a_label_and_every_tab_a_name(name: str) -> None:
    """In words, not a parameter's name or a type's; with the models of a list, too, which refuses no other."""
    schema = parameter_schema(FLOWS[name]).model_dump()
    offering = with_models(schema, ["b/2", "a/1"], "1 May 2026")
    fields = [*offering["properties"].items()]
    fields += [field for nested in offering["definitions"].values() for field in nested["properties"].items()]
    assert [name for name, field in fields if field["title"] == name] == []
    tabs = [[tab.get("title") for tab in field["anyOf"]] for _, field in fields if "anyOf" in field]
    assert all(all(titles) and len(set(titles)) == len(titles) for titles in tabs)
    for model in ("a/1", "c/3") if offers_models(schema) else ():
        given = {"prompt": "x", "shots": ["x"], "model": model, "models": [model], "settings": {"resolution": model}}
        kept = {name: value for name, value in given.items() if name in offering["properties"]}
        assert validate(kept, offering) == []
    again = with_models(offering, ["c/3"], "2 May 2026")
    assert ("a/1" in str(again), "c/3" in str(again)) == (False, offers_models(schema))
    assert validate({"prompt": "x", "model": 1, "models": ["a/1", 1]}, offering) or not offers_models(schema)


# ---- A server and a worker -------------------------------------------------------------------------------------------


async def deployed() -> dict[str, DeploymentResponse]:
    """The deployments on the server, by name."""
    async with get_client() as client:
        return {d.name: d for d in await client.read_deployments() if d.name in DEFINITIONS}


@pytest.fixture(scope="module")
def deployments(prefect_server: None) -> Iterator[None]:
    """Deploy as the file's first lines say; away again afterwards, since other tests share the server."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="videos", type="process"))
        deploy()
        yield
        for deployment in client.read_deployments():
            if deployment.name in DEFINITIONS:
                client.delete_deployment(deployment.id)
        client.delete_work_pool("videos")


@pytest.mark.usefixtures("deployments")
async def test_a_new_deploy_keeps_what_is_there() -> None:
    """The same ids, and the same schedules under their slugs; what the file says of a switch is set anew."""
    before = await deployed()
    (daily,), (quarter_hour,) = (before[name].schedules for name in ("daily-fan-out-video", "collect-videos"))
    assert (daily.active, quarter_hour.active) == (False, True)
    async with get_client() as client:
        for name, schedule in (("daily-fan-out-video", daily), ("collect-videos", quarter_hour)):
            await client.update_deployment_schedule(before[name].id, schedule.id, active=not schedule.active)
    await asyncio.to_thread(deploy)
    after = await deployed()
    assert set(after) == set(DEFINITIONS)
    for name, deployment in after.items():
        assert deployment.id == before[name].id
        assert [(s.id, s.slug) for s in deployment.schedules] == [(s.id, s.slug) for s in before[name].schedules]
    # As the comments in the file say: the daily one is off again, the other one was left as it was.
    assert [s.active for s in after["daily-fan-out-video"].schedules] == [False]
    assert [s.active for s in after["collect-videos"].schedules] == [False]


@pytest.mark.usefixtures("deployments")
def test_a_worker_runs_a_deployment_with_its_blocks(tmp_path: Path) -> None:
    """In a neutral folder and with no key in its environment: block, sandbox, video, ledger."""
    with Sandbox(job_seconds=0) as sandbox:
        credentials = OpenRouterCredentials(api_key=sandbox.api_key, base_url=sandbox.base_url)
        credentials.save("openrouter", overwrite=True)
        VideoStore(base_url=str(tmp_path / "store")).save("videos", overwrite=True)
        (tmp_path / "cwd").mkdir()
        run_deployment("generate-video/generate-video", parameters={"prompt": "An orchid"}, timeout=0)
        nothing = {"OPENROUTER_API_KEY": "", "OPENROUTER_BASE_URL": "", "OPENROUTER_VIDEO_OUTPUT": ""}
        worker = ("-m", "prefect", "worker", "start", "--pool", "videos", "--run-once")
        run(sys.executable, *worker, cwd=tmp_path / "cwd", env=nothing)
        assert len(sandbox.charges) == 1
    (sidecar,) = (tmp_path / "store").glob("an-orchid-*/google--veo-3.1-lite.json")
    assert json.loads(sidecar.read_text())
    assert sidecar.with_suffix(".mp4").stat().st_size > 0
    assert list((tmp_path / "cwd").iterdir()) == []
