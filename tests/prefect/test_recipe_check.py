"""The check of recipes on a real server and a sandbox whose list of models changes: files, deployments, the command."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.cli import app as prefect_command
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.utilities.callables import parameter_schema
from pydantic import SecretStr

from flows import batch_videos, check_recipes, fan_out_video
from flows.recipe_check import OF_NAME, PAGE
from openrouter_video.blocks import OpenRouterCredentials
from openrouter_video.cli import main
from openrouter_video.drift import FLOWS, RecipeCheck, RecipeVerdict
from openrouter_video.errors import ConfigurationError
from openrouter_video.result_json import decode, encode
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.tasks import RUN_TAG

pytestmark = pytest.mark.usefixtures("prefect_server")

SORA, LITE, FAST = "openai/sora-2-pro", "google/veo-3.1-lite", "bytedance/seedance-2.0-fast"


def changed(sandbox: Sandbox, model: str, **fields: Any) -> list[dict[str, Any]]:
    """The sandbox's models with other fields for one of them; without fields, without that model."""
    models = sandbox.models
    return [one | fields if one["id"] == model else one for one in models if fields or one["id"] != model]


def by_name(check: RecipeCheck) -> dict[str, RecipeVerdict]:
    """The verdicts by the last part of their names."""
    return {one.name.rpartition("/")[2]: one for one in check.recipes}


def test_every_flow_whose_parameters_are_a_recipe_is_known() -> None:
    """By its name, as a recipe and a deployment name it."""
    assert tuple(OF_NAME) == FLOWS
    assert [one.name.replace("-", "_") for one in OF_NAME.values()] == list(FLOWS)


async def test_saved_recipes_against_a_list_that_changes(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A price that fell, an option that is new, a model that expires, and one that is gone in a batch's table."""
    recipes, table = tmp_path / "recipes", tmp_path / "t.csv"
    recipes.mkdir()
    table.write_text(f"prompt,model\na,{LITE}\nb,{FAST}\n")
    (recipes / "cheap.json").write_text(json.dumps({"model": FAST, "settings": {"duration": 4, "resolution": "480p"}}))
    (recipes / "table.yaml").write_text(f"source: {table}\nsettings: {{duration: 4, aspect_ratio: 16:9}}\n")
    (recipes / "slip.json").write_text(json.dumps({"models": [LITE], "takez": 2}))
    wrong = {"duration": "x", "first_frame": "https://a.example/b.png?X-Amz-Signature=canary"}
    (recipes / "type.json").write_text(json.dumps({"models": [LITE], "takes": "many", "settings": wrong}))
    (recipes / "ref.json").write_text(json.dumps({"model": LITE, "settings": {"$ref": "nowhere"}}))
    (recipes / "block.json").write_text(json.dumps({"model": LITE, "store": "nowhere"}))
    old = {"pricing_skus": {"video_tokens": "0.0000056"}, "allowed_passthrough_parameters": ["watermark"]}
    today = sandbox.models
    sandbox.set_models(changed(sandbox, FAST, **old))
    first = by_name(await check_recipes([str(recipes)], deployments=False))
    assert {name: one.status for name, one in first.items() if one.status == "works"} == {
        "cheap.json": "works",
        "table.yaml": "works",
    }
    assert first["slip.json"].problems == ("'takez' is not a parameter of fan_out_video; did you mean takes?",)
    assert {problem.partition(":")[0] for problem in first["type.json"].problems} == {"takes", "settings.duration"}
    assert "canary" not in caplog.text + repr(first)
    assert first["ref.json"].problems == ("Failed to resolve block references in parameters.",)
    assert "there is no OpenRouter Video Store block 'nowhere'" in first["block.json"].problems[0]
    sandbox.set_models(today)
    sandbox.set_models(changed(sandbox, FAST, expiration_date="2026-01-01"))
    cheap = by_name(await check_recipes([str(recipes / "cheap.json")], deployments=False))["cheap.json"]
    assert cheap.price == "cheaper"
    assert f"{FAST}: price video_tokens fell from 0.0000056 to 0.0000042" in cheap.changes
    assert cheap.warnings == (f"{FAST} may be removed after 2026-01-01 (which is over)",)
    sandbox.set_models(changed(sandbox, FAST))
    said = by_name(await check_recipes([str(recipes)], deployments=False))
    assert f"row 3, column model: there is no video model '{FAST}'" in said["table.yaml"].problems[0]
    assert said["table.yaml"].last_ok_at
    assert [request.kind for request in sandbox.requests if request.method == "POST"] == []
    assert not any(request.authorized for request in sandbox.requests)


async def test_deployments_of_ours_and_their_schedules_are_checked(sandbox: Sandbox) -> None:
    """Those of others are left alone, whatever tag they carry; a schedule with parameters of its own is one more."""

    @flow(name="of-others")
    def other(model: str) -> None: ...

    every_day = IntervalSchedule(interval=timedelta(days=1))
    schedules = [
        DeploymentScheduleCreate(schedule=every_day, slug="own", parameters={"models": [SORA]}),
        DeploymentScheduleCreate(schedule=every_day, slug="off", parameters={"models": [SORA]}, active=False),
        DeploymentScheduleCreate(schedule=every_day, slug="same"),
    ]
    form = {"models": [LITE], "settings": {"duration": 4, "seed": None}, "max_usd": None}
    async with get_client() as client:
        ids = [
            await client.create_deployment(
                await client.create_flow(fan_out_video), "daily", tags=[RUN_TAG], parameters=form, schedules=schedules
            ),
            await client.create_deployment(
                await client.create_flow(batch_videos), "form", tags=[RUN_TAG], parameters={"models": [SORA]}
            ),
            await client.create_deployment(
                await client.create_flow(other), "x", tags=[RUN_TAG], parameters={"model": SORA}
            ),
            await client.create_deployment(
                await client.create_flow(fan_out_video), "untagged", parameters={"models": [SORA]}
            ),
        ]
        state = await check_recipes(return_state=True)
        check: RecipeCheck = await state.aresult()
        pages = await client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[PAGE])))
        (page,) = [one for one in pages if str(one.flow_run_id) == check.run_id]
        for one in ids:
            await client.delete_deployment(one)
    # Other tests may have left some of their own on this server.
    ours = ("/daily", "/form", "/x", "/untagged")
    found = {one.name: one.status for one in check.recipes if one.name.partition(",")[0].endswith(ours)}
    assert found == {
        "deployment batch-videos/form": "broken",
        "deployment fan-out-video/daily": "works",
        "deployment fan-out-video/daily, schedule own": "broken",
    }
    assert state.name == "Completed"
    assert f"{len(check.recipes)} recipes: " in str(state.message)
    assert "| deployment fan-out-video/daily | works |" in str(page.data)
    assert decode(json.loads(json.dumps(check, default=encode))) == check


async def test_each_recipe_is_planned_as_its_own_run(sandbox: Sandbox, tmp_path: Path) -> None:
    """By the models of its credentials' API, with its store and its ledger; nobody is sent a key."""
    clip = {"type": "video_url", "url": "http://127.0.0.1:9/clip.mp4"}
    recipes: dict[str, dict[str, Any]] = {
        "clip": {"model": "runway/aleph-2", "prompt": "x", "settings": {"input_references": [clip]}},
        "own": {"model": LITE, "settings": {"duration": 4}},
        "other": {"model": LITE, "credentials": "recipes-other"},
        "nobody": {"model": LITE, "credentials": "recipes-nobody"},
        "real": {"model": LITE, "credentials": "recipes-real"},
        "absent": {"model": LITE, "credentials": "absent"},
        "ledger": {"model": LITE, "output": str(tmp_path / "o"), "settings": {"previous_job_id": "a" * 32}},
    }
    for name, form in recipes.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(form))
    with Sandbox() as other:
        other.set_models(changed(other, LITE))
        urls = {
            "other": other.base_url,
            "nobody": f"{other.base_url}/nowhere",
            "real": "https://nowhere.example/api/v1",
        }
        for name, url in urls.items():
            await OpenRouterCredentials(api_key=SecretStr("sk-canary"), base_url=url).save(f"recipes-{name}")
        found = by_name(await check_recipes([str(tmp_path)], deployments=False))
        asked = (*other.requests, *sandbox.requests)
        assert not any(request.authorized or request.method != "GET" for request in asked)
    said = {name.removesuffix(".json"): "; ".join(one.problems) for name, one in found.items()}
    assert {name: words for name, words in said.items() if not words} == {"clip": "", "own": "", "real": ""}
    assert f"there is no video model '{LITE}'" in said["other"]
    assert said["nobody"].startswith("the models at its credentials' base URL cannot be listed: ")
    assert "there is no OpenRouter Credentials block 'absent'" in said["absent"]
    assert f"the ledger {(tmp_path / 'o' / '_jobs').as_uri()} has no job under the key aaaa" in said["ledger"]
    assert {one.sandbox for one in found.values()} == {True}


async def test_a_list_that_is_short_for_a_moment_breaks_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """The API lists less now and then. A block that is missing, or a ledger that cannot be, refuses the check."""
    (tmp_path / "a.json").write_text(json.dumps({"model": LITE}))
    short = {"data": [one for one in sandbox.models if one["id"] != LITE]}
    sandbox.add_fault(Fault(on="models", body=short, times=1))
    check = await check_recipes([str(tmp_path / "a.json")], deployments=False)
    assert [one.status for one in check.recipes] == ["works"]
    with pytest.raises(ConfigurationError, match="there is no OpenRouter Credentials block 'absent'"):
        await check_recipes([str(tmp_path / "a.json")], credentials="absent")
    with pytest.raises(ConfigurationError, match="Not a directory"):
        await check_recipes([str(tmp_path / "a.json")], ledger=str(tmp_path / "a.json" / "x"))


def test_the_command(sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recipe that `plan` saves works until its model is gone; what breaks is exit code 1, a slip is 2."""
    saved = tmp_path / "recipes" / "orchid.json"
    words = ["plan", "A white orchid", "--model", LITE, "--duration", "4", "--max-usd", "3"]
    assert main([*words, "--save-recipe", str(saved)]) == 0
    assert f"Recipe: {saved.as_uri()}" in capsys.readouterr().out
    assert json.loads(saved.read_text()) == {
        "prompt": "A white orchid",
        "models": [LITE],
        "settings": {"duration": 4},
        "max_usd": 3.0,
    }
    assert main([*words, "--duration", "5", "--save-recipe", str(tmp_path / "never.json")]) == 2
    assert main([*words, "--save-recipe", str(tmp_path / "x.txt")]) == 2
    assert not (tmp_path / "never.json").exists()
    check = ["check-recipes", str(tmp_path / "recipes"), "--no-deployments"]
    capsys.readouterr()
    assert main(check) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing was sent. 1 recipe: 1 works."
    sandbox.set_models(changed(sandbox, LITE))
    assert main([*check, "--json"]) == 1
    (verdict,) = json.loads(capsys.readouterr().out)["recipes"]
    assert (verdict["status"], verdict["name"]) == ("broken", saved.as_uri())
    assert main(check) == 1
    assert "breaks, since 20" in capsys.readouterr().out
    assert main([*check, "--sandbox", "--credentials", "x"]) == 2
    assert "--sandbox and --credentials contradict each other" in capsys.readouterr().err
    assert main(["check-recipes", "--no-deployments", "--json"]) == 2
    said = capsys.readouterr()
    assert "there is nothing to check: name a recipe or a folder of them" in said.err
    assert json.loads(said.out)["status"] == "refused"


def test_a_saved_recipe_runs_by_prefects_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its parameters, which the server holds against the schema of the deployment."""
    saved = tmp_path / "orchid.json"
    assert main(["plan", "An orchid", "--model", LITE, "--sandbox", "--save-recipe", str(saved)]) == 0
    with get_client(sync_client=True) as client:
        schema = parameter_schema(fan_out_video).model_dump_for_openapi()
        deployment = client.create_deployment(
            client.create_flow(fan_out_video), "by-hand", parameter_openapi_schema=schema
        )
        try:
            words = ["prefect", "deployment", "run", "fan-out-video/by-hand", "--params", saved.read_text()]
            monkeypatch.setattr(sys, "argv", words)
            with suppress(SystemExit):
                prefect_command()
            (run,) = [one for one in client.read_flow_runs() if one.deployment_id == deployment]
        finally:
            client.delete_deployment(deployment)
    assert run.parameters == json.loads(saved.read_text())
