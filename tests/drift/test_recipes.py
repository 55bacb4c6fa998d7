"""What is a recipe and of which flow, what is not one and why, and a run as a recipe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openrouter_video.drift.recipes import FLOWS, Recipe, parse_recipe, recipe_of, unknown_parameters
from openrouter_video.errors import RequestRefused
from openrouter_video.request.run_request import parse_run_request


@pytest.mark.parametrize(
    ("document", "flow"),
    [
        ({"model": "a/b"}, "generate_video"),
        ({"model": "a/b", "shots": ["x"]}, "chain_video"),
        ({"models": ["a/b"]}, "fan_out_video"),
        ({"source": "x.csv", "models": ["a/b"]}, "batch_videos"),
        ({"rows": [], "model": None}, "batch_videos"),
        ({"flow": "fan-out-video", "prompt": "x"}, "fan_out_video"),
        ({"flow": "batch_videos", "model": "a/b"}, "batch_videos"),
    ],
)
def test_the_flow_is_told_by_its_name_or_by_the_parameters(document: dict[str, Any], flow: str) -> None:
    """The name is no parameter: Prefect would take it, and the run would fail."""
    recipe = parse_recipe("a.json", document)
    assert recipe == Recipe("a.json", flow, {name: value for name, value in document.items() if name != "flow"})


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([{"model": "a/b"}], "it is not a recipe: a recipe is an object with the parameters of a flow"),
        (None, "it is not a recipe"),
        ({1: "a/b"}, "it is not a recipe"),
        ({"prompt": "x", "model": None}, "nothing tells which flow it is for: it has none of "),
        ({"flow": "fan_out_vide"}, "flow is 'fan_out_vide', and it can be generate_video, "),
        ({"flow": "fan_out_vide"}, "; did you mean fan_out_video?"),
        ({"flow": ["collect"]}, "flow is ['collect'], and it can be "),
    ],
)
def test_what_is_not_a_recipe(document: object, why: str) -> None:
    """It says why, and what there could be."""
    with pytest.raises(RequestRefused) as refused:
        parse_recipe("a.json", document)
    assert why in str(refused.value)


def test_the_parameters_that_a_flow_does_not_have() -> None:
    """Each with the nearest of those that it has."""
    recipe = Recipe("a.json", FLOWS[0], {"model": "a/b", "takez": 2, "zzz": 1})
    assert unknown_parameters(recipe, ["model", "takes"]) == [
        "'takez' is not a parameter of generate_video; did you mean takes?",
        "'zzz' is not a parameter of generate_video; leave it out",
    ]


@pytest.mark.parametrize(
    ("form", "models"),
    [
        ({"model": "a/b", "models": ["c/d", "a/b", 3, ""]}, ("a/b", "c/d")),
        ({"model": {"$ref": 1}, "models": "a/b"}, ()),
        ({}, ()),
    ],
)
def test_the_models_that_a_recipe_names(form: dict[str, Any], models: tuple[str, ...]) -> None:
    """Whatever else stands in their place is for the check of its parameters."""
    assert Recipe("a.json", FLOWS[0], form).models == models


def test_a_run_becomes_a_recipe_that_makes_the_same_run() -> None:
    """As JSON, with what was asked and no more."""
    plain = parse_run_request(prompt="An orchid", models=["a/b"])
    assert recipe_of(plain) == {"prompt": "An orchid", "models": ["a/b"]}
    run = parse_run_request(
        prompt="An orchid",
        models=["a/b", "c/d"],
        settings={"duration": 4, "generate_audio": False, "aspect_ratio": "16:9"},
        takes=2,
        min_success=1,
        max_usd=3.5,
        labels={"team": "film"},
        assumed_usd={"c/*": 1.5},
        provider_options={"*": {"negativePrompt": "text"}},
        on_unsupported="drop",
    )
    saved = json.loads(json.dumps(recipe_of(run)))
    assert saved["settings"] == {"duration": 4, "aspect_ratio": "16:9", "generate_audio": False}
    assert parse_run_request(**saved) == run
    assert parse_recipe("a.json", saved).flow == "fan_out_video"
