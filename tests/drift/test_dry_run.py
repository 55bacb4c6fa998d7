"""What saved parameters come to by OpenRouter's own list of models, in the words of the plan."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from openrouter_video.api import Endpoint, ModelEndpoints
from openrouter_video.api.catalog import Catalog, parse_catalog
from openrouter_video.drift.dry_run import Surroundings, dry_recipe
from openrouter_video.drift.recipes import Recipe
from openrouter_video.drift.verdicts import RecipePlan

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
SORA, LITE, KLING, WAN = "openai/sora-2-pro", "google/veo-3.1-lite", "kwaivgi/kling-video-o1", "alibaba/wan-2.6"
SEEDANCE = "bytedance/seedance-2.0-mini"


def planned(flow: str, form: dict[str, Any], catalog: Catalog = OFFERED, health: Any = None) -> RecipePlan:
    """What a recipe comes to."""
    return dry_recipe(Recipe("a.json", flow, form), catalog, "2026-11-16", Surroundings(health=health))


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"models": [SORA], "settings": {"duration": 8}}, f"there is no video model '{SORA}'"),
        ({"models": [LITE], "settings": {"duration": 5}}, "supports 4, 6, 8 s; the nearest is 4"),
        ({"models": ["google/veo-3.1-light"]}, "did you mean google/veo-3.1-lite"),
        ({"models": [KLING], "settings": {"duration": 5}, "max_usd": 0.5}, "above its ceiling of $0.50"),
        ({"models": [LITE, WAN], "settings": {"duration": 4}}, "1 of 2 videos can be made, and all are wanted"),
        ({"models": [LITE], "takes": 0}, "takes must be 1 or more"),
        ({"models": [LITE], "prompt": " "}, "the prompt is empty"),
        ({"models": [LITE], "settings": {"first_frame": "/nowhere/a.png"}}, "/nowhere/a.png"),
        ({"models": [LITE], "settings": {"duration": 0}}, "duration"),
    ],
)
def test_what_breaks(form: dict[str, Any], problem: str) -> None:
    """As the run would be refused: a model that is gone, a length that is not supported any more, a price that rose."""
    found = planned("fan_out_video", {"prompt": "An orchid", **form})
    assert problem in "\n".join(found.problems)
    assert found.models == tuple(form["models"])


def test_a_model_that_is_gone_has_others_in_its_place() -> None:
    """The cheapest that take the same request whole: not those without its length, or without one of its options."""
    found = planned(
        "generate_video", {"prompt": "x", "model": SORA, "settings": {"duration": 8, "resolution": "1080p"}}
    )
    (words,) = found.needs
    assert words.startswith(f"the same request as to {SORA} is taken by {LITE} ($")
    assert words.count("$") >= 3
    narrow = planned(
        "generate_video",
        {"model": SORA, "provider_options": {"*": {"enhancePrompt": True}}, "settings": {"duration": 8}},
    )
    assert "google/veo-3.1-lite" in narrow.needs[0]
    assert "alibaba" not in narrow.needs[0]
    impossible = planned("generate_video", {"model": SORA, "settings": {"duration": 8, "size": "1x1"}})
    assert impossible.needs == ()


@pytest.mark.parametrize(
    ("flow", "form", "warning"),
    [
        ("generate_video", {}, "its models are chosen at each run"),
        ("fan_out_video", {"models": []}, "its models are chosen at each run"),
        ("batch_videos", {"settings": {"duration": 4}}, "its models are chosen at each run"),
        (
            "fan_out_video",
            {"models": [LITE, WAN], "settings": {"duration": 4}, "min_success": 1},
            "alibaba/wan-2.6 would be refused: duration 4 s is not supported",
        ),
        (
            "fan_out_video",
            {
                "models": [LITE, WAN],
                "min_success": 1,
                "on_unsupported": "skip",
                "provider_options": {"*": {"enhancePrompt": True}},
            },
            "alibaba/wan-2.6 would be skipped: ",
        ),
        (
            "generate_video",
            {"model": KLING, "settings": {"duration": 5}, "max_usd": 0.5, "idempotency_key": "orchid"},
            "above its ceiling of $0.50; reduce",
        ),
        (
            "generate_video",
            {"model": KLING, "settings": {"duration": 5}, "approve_above_usd": 0.5},
            "it needs somebody's yes",
        ),
        ("batch_videos", {"rows": [{"prompt": "x"}], "models": [KLING], "max_usd": 0.1}, "paid for by an earlier run"),
        (
            "batch_videos",
            {"rows": [{"prompt": "x"}, {"prompt": ""}], "models": [LITE], "on_invalid_row": "skip"},
            "left out: ",
        ),
    ],
)
def test_what_works_with_a_warning(flow: str, form: dict[str, Any], warning: str) -> None:
    """The run goes on, without some of its videos, after a yes, or with other models."""
    found = planned(flow, form)
    assert found.problems == ()
    assert warning.partition("; reduce")[0] in "\n".join(found.warnings)


@pytest.mark.parametrize(
    ("flow", "form"),
    [
        ("fan_out_video", {"prompt": "An orchid", "models": [SEEDANCE]}),
        ("chain_video", {"shots": ["An orchid"], "model": SEEDANCE}),
        ("batch_videos", {"rows": [{"prompt": "An orchid"}], "batch": "b", "models": [SEEDANCE]}),
    ],
)
def test_a_slug_that_only_the_endpoints_of_a_model_know(flow: str, form: dict[str, Any]) -> None:
    """What a run would send is not told as broken, nor as left out."""
    form = {**form, "provider_options": {"byteplus-eu": {"watermark": False}}}
    served = ModelEndpoints(model=SEEDANCE, endpoints=(Endpoint(slug="byteplus-eu", status=0),))
    assert "unknown provider slug" in str(planned(flow, form).problems)
    found = planned(flow, form, health={SEEDANCE: served})
    assert (found.problems, found.left_out) == ((), ())


def test_a_recipe_is_planned_with_what_its_run_would_find() -> None:
    """A clip that only an API on this machine can fetch; and the amount above which somebody is asked for its key."""
    clip = {"type": "video_url", "url": "http://127.0.0.1:9/clip.mp4"}
    form = {"model": "runway/aleph-2", "prompt": "x", "settings": {"input_references": [clip]}}
    recipe = Recipe("a.json", "generate_video", form)
    assert "must begin with https://" in dry_recipe(recipe, OFFERED, "2026-11-16", Surroundings()).problems[0]
    around = Surroundings(base_url="http://127.0.0.1:8/api/v1", approve_above_usd=0.1)
    found = dry_recipe(recipe, OFFERED, "2026-11-16", around)
    assert found.problems == ()
    assert "it needs somebody's yes" in "\n".join(found.warnings)
    lower = Recipe("a.json", "generate_video", {**form, "approve_above_usd": 0.05})
    assert "$0.05" in "\n".join(dry_recipe(lower, OFFERED, "2026-11-16", around).warnings)


def test_an_option_that_is_dropped_is_told() -> None:
    """Of a run and of a batch, once."""
    form = {"models": [KLING], "provider_options": {"*": {"negativePrompt": "text"}}, "on_unsupported": "drop"}
    for flow, more in (("fan_out_video", {}), ("batch_videos", {"rows": [{"prompt": "a"}, {"prompt": "b"}]})):
        (words,) = planned(flow, {**form, **more}).left_out
        assert words.startswith(f"{KLING}: negativePrompt: ")
        assert "did you mean negative_prompt?" in words


def test_a_batch_is_planned_with_its_table(tmp_path: Path) -> None:
    """Row by row, with the images in it; a table that cannot be read breaks it."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    table = tmp_path / "t.csv"
    table.write_text(f"prompt,model,first_frame\na,{LITE},{tmp_path / 'a.png'}\nb,{KLING},\n", encoding="utf-8")
    form = {"source": str(table), "settings": {"duration": 5}}
    broken = planned("batch_videos", form)
    assert "row 2, column duration: google/veo-3.1-lite: duration 5 s is not supported" in broken.problems[0]
    fine = planned("batch_videos", {"source": str(table), "batch": "spring-{date}"})
    assert (fine.problems, fine.models) == ((), (LITE, KLING))
    assert fine.estimate
    assert fine.estimate.high
    assert "there is no table of prompts" in planned("batch_videos", {"source": "/nowhere/t.csv"}).problems[0]


def test_a_batch_whose_table_comes_later_is_checked_for_what_its_rows_share() -> None:
    """As that of a deployment: its models and settings."""
    shared = {"models": [WAN], "prompt_template": "A {colour} orchid", "path_template": "{colour}"}
    assert planned("batch_videos", shared).problems == ()
    assert "the nearest is 5" in planned("batch_videos", {**shared, "settings": {"duration": 4}}).problems[0]


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"shots": ["a", {"prompt": "b", "settings": {"duration": 8}}], "model": LITE}, None),
        ({"model": LITE}, None),
        ({"shots": ["a"]}, None),
        ({"shots": ["a", "b"], "model": SORA}, f"there is no video model '{SORA}'"),
        ({"shots": ["a", {"prompt": "b", "settings": {"duration": 5}}], "model": LITE}, "shot 2: duration 5 s"),
        ({"shots": ["a", "b"], "model": KLING, "max_usd": 0.5}, "above its ceiling of $0.50"),
        ({"shots": [1], "model": LITE}, "a shot is a prompt"),
    ],
)
def test_a_chain_is_planned_shot_by_shot(form: dict[str, Any], problem: str | None) -> None:
    """Without its shots, as in a deployment, it is planned with a stand-in."""
    found = planned("chain_video", form)
    assert (found.problems == ()) is (problem is None)
    assert (problem or "") in "\n".join(found.problems)


def test_what_could_not_be_read_stays_a_problem() -> None:
    """It was told where it was read."""
    recipe = Recipe("a.json", problems=("it is not JSON",))
    assert dry_recipe(recipe, OFFERED, "2026-11-16", Surroundings()) == RecipePlan(problems=recipe.problems)
