"""Which videos one request makes: their keys and their paths."""

from __future__ import annotations

from openrouter_video.ledger import scope_of_key
from openrouter_video.planning import ModelPlan
from openrouter_video.request import parse_run_request
from openrouter_video.run import videos_of_request

MODELS = ["x-ai/grok", "acme/film"]


def test_a_request_makes_each_take_of_each_model_under_a_key_and_a_path_of_its_own() -> None:
    """Paths are what they were before there were batches, so that a second run finds what the first one left."""
    run = parse_run_request(prompt="A white orchid", models=MODELS, takes=2)
    scope = scope_of_key("orchids")
    videos = videos_of_request(run, scope, tuple(ModelPlan(model=model, decision="send") for model in MODELS))
    folder = f"a-white-orchid-{scope.short}"
    assert [(video.plan.model, video.take, video.path) for video in videos] == [
        ("x-ai/grok", 1, f"{folder}/x-ai--grok.mp4"),
        ("x-ai/grok", 2, f"{folder}/x-ai--grok.take-2.mp4"),
        ("acme/film", 1, f"{folder}/acme--film.mp4"),
        ("acme/film", 2, f"{folder}/acme--film.take-2.mp4"),
    ]
    assert [video.key for video in videos] == [scope.key(video.plan.model, video.take) for video in videos]
