"""What a plan tells of models that are down or slow, and of inputs that may be over; it refuses none of them."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.api import ModelEndpoints, parse_catalog
from openrouter_video.api.endpoints import Endpoint, Latency
from openrouter_video.planning import plan_run, replan_options
from openrouter_video.request.request import parse_request
from openrouter_video.request.run_request import RunRequest

MODEL = "bytedance/seedance-2.0-mini"
ENTRY = {"id": MODEL, "supported_durations": [4, 8], "allowed_passthrough_parameters": ["watermark"]}
CATALOG = parse_catalog({"data": [ENTRY, {**ENTRY, "id": "other/model"}]})


def served(status: int | None = 0, slug: str = "seed", **seconds: float) -> ModelEndpoints:
    """One endpoint with these times."""
    endpoint = Endpoint(slug=slug, status=status, latency=Latency(**seconds) if seconds else None)
    return ModelEndpoints(model=MODEL, endpoints=(endpoint,))


def warnings(of_model: ModelEndpoints | None, models: tuple[str, ...] = (MODEL,), **fields: Any) -> tuple[str, ...]:
    """What the plan of a run with this deadline says; nothing of it is refused."""
    run = RunRequest(parse_request("x"), models, **fields)
    plan = plan_run(run, CATALOG, health={MODEL: of_model} if of_model else None)
    assert [model.decision for model in plan.models] == ["send"] * len(models)
    assert not plan.refused
    return plan.warnings


@pytest.mark.parametrize(
    ("of_model", "fields", "words"),
    [
        (None, {}, None),
        (served(None), {}, None),
        (served(), {}, None),
        (served(p50=60, p99=1800), {}, None),
        (served(-5), {}, f"{MODEL} is down by OpenRouter's list of its endpoints: a video of it may fail or take long"),
        (served(-5, p50=60, p99=9000), {"wait": "no"}, f"{MODEL} is down by OpenRouter's list"),
        (served(p50=60, p99=9000), {"wait": "no"}, None),
        (served(p99=1801), {}, f"{MODEL}: one video in a hundred took longer than 30 min of late"),
        (
            served(p50=90, p99=400),
            {"deadline_minutes": 5},
            "longer than 6.67 min of late, and this run waits for 5 min",
        ),
        (served(p50=400, p99=500), {"deadline_minutes": 5}, f"{MODEL}: half of its videos took longer than 6.67 min"),
    ],
)
def test_a_model_that_is_down_or_slower_than_the_deadline(
    of_model: ModelEndpoints | None, fields: dict[str, Any], words: str | None
) -> None:
    """One sentence, which says what to do; a run that does not wait has no deadline."""
    said = warnings(of_model, **fields)
    assert len(said) == (words is not None)
    assert all(line.startswith(words or "") or (words or "") in line for line in said)


@pytest.mark.parametrize(
    ("url", "minutes", "words"),
    [
        ("s3://b/a.mp4", 9_900, None),
        ("https://x.example/a.mp4", 10_080, None),
        ("s3://b/a.mp4", 10_080, "input_references[0]: its store signs an address for seven days at most, and the "),
    ],
)
def test_a_deadline_that_a_signed_address_does_not_outlive(url: str, minutes: float, words: str | None) -> None:
    """The store cuts its time: that is said before anything is sent. Nothing is signed for who gives an address."""
    settings = {"input_references": [{"type": "video_url", "url": url}]}
    run = RunRequest(parse_request("x", settings), (MODEL,), deadline_minutes=minutes)
    said = plan_run(run, CATALOG).warnings
    assert [line[: len(words or "")] for line in said] == ([words] if words else [])
    assert all(line.endswith("set deadline_minutes to 9,900 or less") for line in said)


def test_slugs_for_a_model_that_is_not_chosen_are_told() -> None:
    """As of a name that was misspelt; a pattern that fits a chosen model says something of it."""
    request = parse_request("x", provider_slugs={"bytedance/*": "seed", "bytedance/sedance": "seed"})
    said = plan_run(RunRequest(request, (MODEL,)), CATALOG).warnings
    told = [line for line in said if line.startswith("provider_slugs names ")]
    assert told == ["provider_slugs names bytedance/sedance, which is not one of the chosen models"]


def test_only_models_that_get_something_are_spoken_of() -> None:
    """Of the others nobody waits for a video; a refused one has reasons enough."""
    assert warnings(served(-1), ("other/model",)) == ()
    run = RunRequest(parse_request("x", {"duration": 5}), (MODEL,))
    assert plan_run(run, CATALOG, health={MODEL: served(-1)}).warnings == ()


def test_the_endpoints_of_a_model_give_its_slug_and_its_usual_time() -> None:
    """A slug that only they know is known; options stay under it when some of them are refused."""
    request = parse_request("x", provider_options={"byteplus": {"watermark": False}})
    run = RunRequest(request, (MODEL,))
    assert [problem.field for problem in plan_run(run, CATALOG).problems] == ["provider_options"]
    plan = plan_run(run, CATALOG, health={MODEL: served(slug="byteplus", p50=44.0)})
    assert (plan.problems, plan.warnings) == ((), ())
    [model] = plan.models
    assert (model.slug, model.usual_seconds) == ("byteplus", 44.0)
    assert model.body["provider"] == {"options": {"byteplus": {"watermark": False}}}
    again = replan_options(model, request, CATALOG.models[0], frozenset())
    assert again.body == model.body
