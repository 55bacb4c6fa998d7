"""The plan: exact bodies, what refuses a model and what the whole run, and that nothing asked ever disappears."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.api.catalog import Catalog, VideoModel, parse_catalog
from openrouter_video.errors import Problem
from openrouter_video.planning.passthrough import PROVIDER_SLUGS, provider_slug
from openrouter_video.planning.plan import ModelPlan, Plan, plan_model, plan_run, plan_videos, replan_options
from openrouter_video.report import plan_lines, plan_text
from openrouter_video.request.inputs import Input, Inputs
from openrouter_video.request.request import VideoRequest, parse_request
from openrouter_video.request.run_request import RunRequest
from openrouter_video.request.settings import VideoSettings

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
LITE, MINI, WAN3 = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini", "alibaba/wan-3.0"
EDITOR = "black-forest-labs/flux-video-edit"
FIVE = "alibaba/wan-2.6"
POLICY = ["fallback", "drop", "skip", "fail"]
# The demo's request: options that one model allows, and that others never heard of.
ORCHID = {"duration": 4, "resolution": "720p", "aspect_ratio": "16:9", "generate_audio": False}
VERTEX = {"google-vertex": {"negativePrompt": "text", "enhancePrompt": True}}


def plan_for(
    models: list[str], settings: Any = None, options: Any = None, policy: str = "fallback", **more: Any
) -> Plan:
    """The plan of one prompt over the real list."""
    request = parse_request("an orchid", settings, options, policy, more.pop("provider_slugs", None))
    return plan_videos(request, models, OFFERED, **more)


def decisions(plan: Plan) -> dict[str, str]:
    """What becomes of each model."""
    return {model.model: model.decision for model in plan.models}


def flat_options(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The options of a body by slug, without the nesting."""
    options: dict[str, dict[str, Any]] = body.get("provider", {}).get("options", {})
    return {slug: keys["parameters"] if slug == "google-vertex" else keys for slug, keys in options.items()}


# ---- The body --------------------------------------------------------------------------------------------------------


def test_the_exact_bodies_of_the_demo() -> None:
    """The same normalized fields for all, options for the one that they were meant for."""
    plan = plan_for([LITE, MINI, WAN3], ORCHID, VERTEX)
    plain = {"prompt": "an orchid", **ORCHID}
    provider = {"options": {"google-vertex": {"parameters": VERTEX["google-vertex"]}}}
    assert [model.body for model in plan.models] == [
        {"model": LITE, **plain, "provider": provider},
        {"model": MINI, **plain},
        {"model": WAN3, **plain},
    ]
    assert (plan.problems, plan.warnings) == ((), ())
    assert [[option.key for option in model.left_out] for model in plan.models] == [
        [],
        ["google-vertex.negativePrompt", "google-vertex.enhancePrompt"],
        ["google-vertex.negativePrompt", "google-vertex.enhancePrompt"],
    ]


def test_every_normalized_field_as_the_api_names_it() -> None:
    """Frames and references in the API's own shape, images replaced by what was read, all else as given."""
    sound = {"type": "audio_url", "url": "https://x.example/a.mp3"}
    plain: dict[str, Any] = {"duration": 4, "size": "480x480", "seed": 0, "generate_audio": True}
    plain |= {"callback_url": "https://x.example/hook", "user": "u", "trace": {"run": [1, None]}}
    inputs = Inputs({"a.png": Input("data:image/png;base64,AAAA")})
    framed = plan_for([MINI], {**plain, "first_frame": "a.png", "last_frame": "https://x.example/b.png"}, inputs=inputs)
    assert framed.models[0].body == {
        "model": MINI,
        "prompt": "an orchid",
        **plain,
        "frame_images": [
            {"type": "image_url", "image_url": {"url": inputs.url("a.png")}, "frame_type": "first_frame"},
            {"type": "image_url", "image_url": {"url": "https://x.example/b.png"}, "frame_type": "last_frame"},
        ],
    }
    guided = plan_for([MINI], {"input_references": [{"url": "a.png"}, sound]}, inputs=inputs)
    assert guided.models[0].body["input_references"] == [
        {"type": "image_url", "image_url": {"url": inputs.url("a.png")}},
        {"type": "audio_url", "audio_url": {"url": sound["url"]}},
    ]


def test_what_is_recorded_holds_no_image() -> None:
    """The body is sent whole; reports and records get a digest."""
    (model,) = plan_for(
        [MINI], {"first_frame": "a"}, inputs=Inputs({"a": Input("data:image/png;base64," + "A" * 9999)})
    ).models
    assert model.sent is not None
    assert model.sent["frame_images"][0]["image_url"]["url"].startswith("data:image/png;sha256=")
    assert len(json.dumps(model.body)) > 9999 > len(json.dumps(model.sent))


@pytest.mark.parametrize("policy", POLICY)
@pytest.mark.parametrize("model", OFFERED.models, ids=lambda model: model.id)
def test_every_real_model_is_planned(model: VideoModel, policy: str) -> None:
    """A plain prompt with an option that nobody allows, and one with all that the model allows."""
    allowed = dict.fromkeys(model.passthrough_options, "x")
    accepted = plan_model(parse_request("p", None, {"*": allowed}, policy), model)
    slug = provider_slug(model.id) or ""
    if model.needs != "nothing":
        assert (accepted.decision, accepted.body, accepted.problems[0].field) == ("refuse", {}, "input_references")
        return
    assert flat_options(accepted.body) == ({slug: allowed} if allowed else {})
    assert (accepted.decision, accepted.left_out) == ("send", ())
    odd = plan_model(parse_request("p", None, {slug: {**allowed, "no_such_option": 1}}, policy), model)
    assert odd.decision == {"skip": "skip", "fail": "refuse"}.get(policy, "send")
    assert flat_options(odd.body) == ({slug: allowed} if policy == "drop" and allowed else {})


# ---- Properties ------------------------------------------------------------------------------------------------------

WORDS = ["seed", "style", "negativePrompt", "negative_prompt", "watermark", "audio"]
SLUGS = sorted(set(PROVIDER_SLUGS.values()))
IDS = ["google/veo-9", "bytedance/seedance-9", "alibaba/wan-3.9", "openai/sora-9", "new/model-1"]


def lists(*items: Any) -> st.SearchStrategy[tuple[Any, ...] | None]:
    """A capability list: null, empty, or some of these in any order."""
    return st.none() | st.lists(st.sampled_from(items), unique=True).map(tuple)


MODELS = st.builds(
    VideoModel,
    id=st.sampled_from(IDS),
    supported_durations=lists(4, 5, 8),
    supported_resolutions=lists("480p", "720p"),
    supported_aspect_ratios=lists("16:9", "1:1"),
    supported_sizes=lists("1280x720"),
    supported_frame_images=lists("first_frame", "last_frame"),
    generate_audio=st.none() | st.booleans(),
    seed=st.none() | st.booleans(),
    allowed_passthrough_parameters=lists(*WORDS),
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "duration": st.sampled_from([4, 5, 6]),
        "resolution": st.sampled_from(["480p", "720P"]),
        "aspect_ratio": st.sampled_from(["16:9", "21:9"]),
        "generate_audio": st.booleans(),
        "seed": st.integers(0, 9),
        "first_frame": st.just("https://x.example/a.png"),
        "trace": st.dictionaries(
            st.text(max_size=3), st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=2
        ),
    },
)
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=3)
GIVEN_OPTIONS = st.dictionaries(
    st.sampled_from(["*", *SLUGS]), st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4), max_size=4
)
REQUESTS = st.builds(
    parse_request,
    st.just("p"),
    SETTINGS,
    GIVEN_OPTIONS,
    st.sampled_from(POLICY),
    st.just({}) | st.just({"new/*": "xai"}) | st.just({"google/*": "seed"}),
)


@given(REQUESTS, MODELS)
def test_no_option_disappears(request: VideoRequest, model: VideoModel) -> None:
    """Every key that was given is either in the body or in what was left out, never in both."""
    plan = plan_model(request, model)
    if any(problem.field != "provider_options" for problem in plan.problems):
        return
    own = {key for slug in ("*", plan.slug) if slug for key in request.provider_options.get(slug, {})}
    foreign = {
        f"{slug}.{k}" for slug, keys in request.provider_options.items() if slug not in {"*", plan.slug} for k in keys
    }
    sent = {key for keys in flat_options(plan.body).values() for key in keys}
    left_out = [option.key for option in plan.left_out]
    assert sorted([*sent, *left_out]) == sorted([*own, *foreign])
    assert bool(plan.notes or plan.problems) or not (own - sent)


@given(REQUESTS, MODELS)
def test_only_allowed_options_are_sent_and_with_the_value_that_was_given(
    request: VideoRequest, model: VideoModel
) -> None:
    """To the model's own slug alone; its own value wins over the one for all."""
    plan = plan_model(request, model)
    for slug, keys in flat_options(plan.body).items():
        assert slug == plan.slug == provider_slug(model.id, request.provider_slugs)
        assert keys
        assert set(keys) <= set(model.passthrough_options)
        given_values = request.provider_options.get("*", {}) | request.provider_options.get(slug, {})
        assert keys == {key: given_values[key] for key in keys}


@given(REQUESTS, MODELS)
def test_normalized_fields_are_sent_as_asked(request: VideoRequest, model: VideoModel) -> None:
    """None is added, none is changed, none is missing."""
    plan = plan_model(request, model)
    if plan.decision != "send":
        assert (plan.body, plan.sent) == ({}, None)
        return
    rest = {key: value for key, value in plan.body.items() if key != "provider"}
    frames = rest.pop("frame_images", [])
    asked = request.settings.model_dump(mode="json", exclude_none=True)
    assert [frame["image_url"]["url"] for frame in frames] == [asked.pop(k) for k in ("first_frame",) if k in asked]
    assert rest == {"model": model.id, "prompt": "p", **asked}


@given(REQUESTS, MODELS)
def test_a_model_is_refused_exactly_for_its_problems(request: VideoRequest, model: VideoModel) -> None:
    """And skipped by policy only."""
    plan = plan_model(request, model)
    assert (plan.decision == "refuse") == bool(plan.problems)
    assert plan.decision != "skip" or request.on_unsupported == "skip"
    assert all(problem.model == model.id for problem in plan.problems)


@given(REQUESTS, st.lists(MODELS, max_size=4, unique_by=lambda model: model.id))
def test_a_plan_survives_json_and_prints(request: VideoRequest, models: list[VideoModel]) -> None:
    """A plan crosses a task's boundary; the dry run names every model, and never with a body when it is refused."""
    catalog = Catalog(models=tuple(models))
    plan = plan_videos(request, [model.id for model in models], catalog, min_success=0)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert all(model.id in plan_text(plan_lines(plan)) for model in models)
    assert plan.refused or any(model.decision != "refuse" for model in plan.models)


# ---- The run ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "settings", "sent_to", "refused_for"),
    [
        pytest.param([LITE, WAN3], {"duration": 5}, [WAN3], [], id="some lack it"),
        pytest.param([LITE], {"duration": 5}, [], ["duration"], id="the only one lacks it"),
        pytest.param([LITE, MINI], {"resolution": "720P"}, [], ["resolution"] * 2, id="all lack it"),
        pytest.param([LITE, WAN3], {"resolution": "1P", "duration": 5}, [], ["resolution"] * 2, id="one lacks another"),
        pytest.param(
            [LITE, MINI], {"resolution": "1080p", "duration": 5}, [], ["duration", "resolution"], id="each one"
        ),
        pytest.param([EDITOR, LITE], None, [LITE], [], id="an editor among others"),
        pytest.param([EDITOR], None, [], ["input_references"], id="an editor alone"),
        pytest.param([WAN3], {"size": "1280x720"}, [], ["size"], id="null list"),
    ],
)
def test_one_model_or_the_whole_run(
    models: list[str], settings: Any, sent_to: list[str], refused_for: list[str]
) -> None:
    """A value that only some models lack refuses those; one that no chosen model can take refuses the run."""
    plan = plan_for(models, settings, min_success=0)
    assert decisions(plan) == {model: "send" if model in sent_to else "refuse" for model in models}
    assert [problem.field for problem in plan.problems] == refused_for
    assert plan.refused is bool(refused_for)


@pytest.mark.parametrize(
    ("models", "more", "message"),
    [
        ([], {}, "no model was chosen; `openrouter-video models` lists them"),
        (["google/veo-3.1-lit", WAN3], {}, "no video model 'google/veo-3.1-lit'; did you mean google/veo-3.1-lite"),
        (["google/veo-3.1-lite-20260331"], {}, "; did you mean google/veo-3.1-lite?"),
        (["zzz"], {}, "there is no video model 'zzz'; `openrouter-video models` lists them"),
        ([LITE, WAN3, LITE], {}, "google/veo-3.1-lite is given 2 times; for several videos of one model use takes"),
        ([LITE], {"takes": 0}, "takes must be 1 or more, not 0"),
        ([LITE], {"takes": 1001}, "1 model with takes 1001 is more than the 1,000 videos that one run makes"),
        ([LITE, WAN3], {"takes": 501}, "2 models with takes 501 is more than the 1,000 videos that one run makes"),
        ([LITE], {"takes": 10**30}, "is more than the 1,000 videos that one run makes; ask for fewer, in several runs"),
        ([LITE] * 100_000, {}, "100,000 models with takes 1 is more than the 1,000 videos"),
        ([LITE, WAN3], {"takes": 2, "min_success": 5}, "min_success must be 0 to 4, the videos asked; not 5"),
        ([LITE], {"min_success": -1}, "min_success must be 0 to 1"),
        ([LITE], {"options": {"gogle-vertex": {"a": 1}}}, "unknown provider slug 'gogle-vertex'; did"),
        ([LITE], {"problems": [Problem("first_frame", "there is no image at a.png")]}, "there is no image at a.png"),
    ],
)
def test_what_refuses_the_whole_run(models: list[str], more: dict[str, Any], message: str) -> None:
    """Before anything is spent, with what is allowed or nearest."""
    plan = plan_for(models, **more)
    (problem,) = plan.problems
    assert message in problem.message
    assert plan.refused


def test_an_offered_model_that_cannot_be_read_is_not_called_unknown() -> None:
    """The typo is not the user's."""
    catalog = parse_catalog({"data": [{"id": "a/new", "supported_durations": "any"}, {"id": "a/old"}]})
    (problem,) = plan_videos(parse_request("p"), ["a/new"], catalog).problems
    assert (
        problem.message
        == "a/new is listed, but its entry cannot be read; upgrade prefect-openrouter-video, or try again later"
    )


def test_every_problem_of_a_run_is_told_at_once() -> None:
    """A model given twice does not hide that none of them can do it."""
    plan = plan_for([LITE, LITE], {"duration": 5}, {"gogle": {"a": 1}}, takes=0)
    assert [problem.field for problem in plan.problems] == ["models", "takes", "provider_options", "duration"]


def test_policy_fail_submits_nothing_for_any_model() -> None:
    """One model that lacks an option is enough, and every other problem is told along with it."""
    options = {"alibaba": {"style": "x"}}
    plan = plan_for([LITE, WAN3], {"duration": 5}, options, "fail")
    assert [str(problem) for problem in plan.problems] == [
        "google/veo-3.1-lite: duration 5 s is not supported; it supports 4, 6, 8 s; the nearest is 4",
        "alibaba/wan-3.0: option 'style': not allowed: alibaba/wan-3.0 allows no passthrough options",
    ]
    three = plan_for([LITE, WAN3, MINI], {"duration": 5}, options, "fail")
    assert decisions(three) == {LITE: "refuse", WAN3: "refuse", MINI: "send"}
    assert three.problems == plan.problems
    assert not plan_for([LITE, WAN3], None, VERTEX, "fail").refused


NO_FOUR = "duration 4 s is not supported; it supports 5, 10 s; the nearest is 5"
NO_PROMPT = (
    "it edits or enlarges a video, and none is given; give one as an input reference of type video_url "
    "(--input-reference video_url=URL, https or in a store)"
)


@pytest.mark.parametrize(
    ("models", "more", "message"),
    [
        pytest.param(
            [LITE, FIVE],
            {},
            f"1 of 2 videos can be made, and all are wanted: {FIVE} is refused ({NO_FOUR}). Leave it out, change "
            "duration, or set min_success to 1 (--min-success 1) to go on without it",
            id="one is refused",
        ),
        pytest.param(
            [LITE, FIVE],
            {"takes": 2, "min_success": 3},
            f"2 of 4 videos can be made, and min_success is 3: {FIVE} is refused ({NO_FOUR}). Change duration, or set "
            "min_success to 2 (--min-success 2) to go on without it",
            id="without it three could not be made either",
        ),
        pytest.param(
            [EDITOR, LITE],
            {},
            f"1 of 2 videos can be made, and all are wanted: {EDITOR} is refused ({NO_PROMPT}; duration 4 s "
            "cannot be chosen: it lists none; leave it out). Leave it out, change input_references and duration, or "
            "set min_success to 1 (--min-success 1) to go on without it",
            id="an editor without a video",
        ),
        pytest.param(
            [LITE, WAN3, FIVE],
            {"options": {"alibaba": {"style": "x"}}, "policy": "skip"},
            f"1 of 3 videos can be made, and all are wanted: {WAN3} is skipped (not run for style, by policy skip), "
            f"{FIVE} is refused ({NO_FOUR}). Leave them out, change duration and provider_options (or on_unsupported), "
            "or set min_success to 1 (--min-success 1) to go on without them",
            id="one is skipped, one refused",
        ),
        pytest.param(
            [LITE],
            {"options": {"*": {"style": "x"}}, "policy": "skip"},
            f"0 of 1 video can be made, and all are wanted: {LITE} is skipped (not run for style, by policy skip). "
            "Change provider_options (or on_unsupported)",
            id="nothing is left",
        ),
    ],
)
def test_a_run_that_cannot_succeed_is_refused(models: list[str], more: dict[str, Any], message: str) -> None:
    """It would pay for the rest and then fail: the message says why, and what it advises helps."""
    plan = plan_for(models, {"duration": 4}, **more)
    assert plan.problems == (Problem("min_success", message),)
    possible = more.get("takes", 1) * list(decisions(plan).values()).count("send")
    assert not plan_for(models, {"duration": 4}, **{**more, "min_success": possible}).refused
    left = [model for model, decision in decisions(plan).items() if decision == "send"]
    assert plan_for(left, {"duration": 4}, **more).refused is not ("Leave" in message)


def test_a_run_that_cannot_succeed_names_a_few_models() -> None:
    """A message is for people."""
    models = [model.id for model in OFFERED.models]
    (problem,) = plan_for(models, {"duration": 4}).problems
    refused = list(decisions(plan_for(models, {"duration": 4})).values()).count("refuse")
    assert problem.message.count(" is refused (") == 3
    assert f" and {refused - 3} more. Leave them out, change " in problem.message


@pytest.mark.parametrize(
    ("models", "more", "fields"),
    [
        ([LITE, FIVE], {"settings": {"duration": 5, "resolution": "1P"}}, ["resolution", "resolution"]),
        ([LITE, FIVE], {"min_success": 3}, ["min_success"]),
        ([LITE, FIVE, "no/such"], {}, ["model"]),
        ([LITE, FIVE], {"takes": 0}, ["takes"]),
        ([LITE, FIVE], {"problems": [Problem("first_frame", "no image")]}, ["first_frame", "min_success"]),
    ],
    ids=["a field that all lack", "more than asked", "an unknown model", "no takes", "another field"],
)
def test_what_is_more_specific_is_told_alone(models: list[str], more: dict[str, Any], fields: list[str]) -> None:
    """That too few videos can be made is said only where nothing else says what to change for it."""
    plan = plan_for(models, more.pop("settings", {"duration": 4}), **more)
    assert [problem.field for problem in plan.problems] == fields


def test_policy_skip_refuses_nothing() -> None:
    """A skipped model is not a refused one, and a run that wants no video may skip all of its models."""
    plan = plan_for([WAN3, EDITOR], None, {"*": {"style": "x"}}, "skip", min_success=0)
    assert (decisions(plan), plan.refused) == ({WAN3: "skip", EDITOR: "refuse"}, False)


@pytest.mark.parametrize(
    ("settings", "options", "takes", "warnings"),
    [
        (
            None,
            {"xai": {"a": 1}},
            1,
            ["the options for the provider xai are not used: none of the chosen models is served under it"],
        ),
        ({"seed": 7}, None, 3, ["3 takes with the same seed may give the same video 3 times"]),
        ({"seed": 7}, {"*": {"negativePrompt": "x"}}, 1, []),
    ],
)
def test_warnings_refuse_nothing(settings: Any, options: Any, takes: int, warnings: list[str]) -> None:
    """What is probably not meant, but may be."""
    plan = plan_for([LITE], settings, options, takes=takes)
    assert (list(plan.warnings), plan.refused) == (warnings, False)


def test_a_plan_knows_what_was_asked() -> None:
    """Models and takes beside the request, for the report."""
    plan = plan_for([LITE], {"duration": 4}, VERTEX, takes=2)
    assert plan.takes == 2
    assert plan.asked == {
        "models": [LITE],
        "takes": 2,
        "prompt": "an orchid",
        "settings": {"duration": 4},
        "provider_options": VERTEX,
        "on_unsupported": "fallback",
    }


def test_labels_are_sent_only_when_asked() -> None:
    """As tracing metadata, beside the caller's own; a body without labels is what it would be anyway."""
    request = parse_request("p", {"trace": {"trace_id": "t"}})
    run = RunRequest(request, (LITE, EDITOR), min_success=0, labels={"team": "film"})
    silent, told = (plan_run(run._replace(send_labels=send), OFFERED) for send in (False, True))
    assert [plan.models[0].body["trace"] for plan in (silent, told)] == [
        {"trace_id": "t"},
        {"team": "film", "trace_id": "t"},
    ]
    assert told.models[1].body == {}
    assert told.asked["labels"] == {"team": "film"}
    assert plan_run(run._replace(labels={}, send_labels=True), OFFERED).models == silent.models


# ---- After a 400 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "decision", "options"),
    [
        ("fallback", "send", {}),
        ("drop", "send", {"google-vertex": {"negativePrompt": "text"}}),
        ("skip", "skip", {}),
        ("fail", "refuse", {}),
    ],
)
def test_the_policy_decides_again_about_what_the_api_refused(policy: str, decision: str, options: Any) -> None:
    """Only the options change; the images that were read once stay in the body."""
    settings = VideoSettings(duration=4, first_frame="a.png")
    request = parse_request("p", settings, VERTEX, policy)
    model = OFFERED.get(LITE)
    assert model is not None
    first = plan_model(request, model, inputs=Inputs({"a.png": Input("data:image/png;base64,AAAA")}))
    again = replan_options(first, request, model, frozenset({"enhancePrompt"}))
    assert (again.decision, flat_options(again.body)) == (decision, options)
    assert "enhancePrompt" in {option.key for option in again.left_out}
    kept = {key: value for key, value in first.body.items() if key != "provider"}
    assert {key: value for key, value in again.body.items() if key != "provider"} == (
        kept if decision == "send" else {}
    )


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ({"duration_seconds": "0.03"}, None),
        ({"duration_seconds": "0.01"}, None),
        ({"duration_seconds": "0.05"}, "was up to $0.12 in the plan and is up to $0.20 now"),
        ({"surcharge": "0.05"}, "was up to $0.12 in the plan and cannot be read any more"),
    ],
)
def test_what_has_become_dearer_since_the_plan_is_not_sent_again(prices: dict[str, str], why: str | None) -> None:
    """The plan is what was allowed and approved; what is not dearer than that may go on."""
    run = RunRequest(parse_request("p", ORCHID, VERTEX), (LITE,))
    first = plan_run(run, OFFERED).models[0]
    model = OFFERED.get(LITE)
    assert model is not None
    assert first.estimate is not None
    assert first.estimate.high_usd == 0.12
    today = model.model_copy(update={"pricing_skus": prices})
    again = replan_options(first, run.request, today, frozenset({"enhancePrompt"}))
    assert again.decision == ("refuse" if why else "send")
    assert again.estimate == (None if why else first.estimate)
    assert [problem.message for problem in again.problems] == (
        [f"the list price of a video {why}; start the run again to plan it anew"] if why else []
    )


# ---- The dry run -----------------------------------------------------------------------------------------------------


def test_the_dry_run_as_a_person_reads_it() -> None:
    """Bodies, what is left out and why, notes, refusals and skips, model by model."""
    options = {"google-vertex": {"negative_prompt": "x"}, "xai": {"a": 1}}
    assert plan_text(plan_lines(plan_for([LITE, EDITOR], {"duration": 4}, options, min_success=1))) == (
        "warning: the options for the provider xai are not used: none of the chosen models is served under it\n"
        "google/veo-3.1-lite: to be sent\n"
        "  {\n"
        '    "model": "google/veo-3.1-lite",\n'
        '    "prompt": "an orchid",\n'
        '    "duration": 4\n'
        "  }\n"
        "  may cost $0.12 to $0.32 a video (listed: set resolution, generate_audio to narrow it)\n"
        "  note: fallback: the normalized request without options, for negative_prompt\n"
        "  left out: negative_prompt: not allowed: google/veo-3.1-lite allows personGeneration, aspectRatio, "
        "negativePrompt, conditioningScale, enhancePrompt; did you mean negativePrompt?\n"
        "black-forest-labs/flux-video-edit: refused\n"
        f"  {NO_PROMPT}\n"
        "  duration 4 s cannot be chosen: it lists none; leave it out\n"
        "not sent to models of other providers: a for the provider xai\n"
        "in all: 1 video, $0.12 to $0.32"
    )


def test_what_is_wrong_is_said_once() -> None:
    """Under a refusal neither the reason is repeated for its model, nor is anything said to be sent."""
    lines = plan_text(plan_lines(plan_for([LITE, EDITOR], {"duration": 4}))).splitlines()
    assert lines[0].startswith("refused: 1 of 2 videos can be made, and all are wanted: black-forest-labs/flux-video-")
    assert lines[1:3] == ["nothing is sent to any model; without these problems:", f"{LITE}: would be sent"]
    assert "and none is given" in lines[0]
    assert "and none is given" not in "\n".join(lines[1:])
    assert EDITOR not in "\n".join(lines[1:])
    assert plan_text(plan_lines(plan_for([LITE], {"duration": 5}))).startswith(
        f"refused: {LITE}: duration 5 s is not supported"
    )
    assert "\n" not in plan_text(plan_lines(plan_for([LITE], {"duration": 5})))


AUDIO, KNOWN = "set generate_audio to narrow it", "in the ledger already, and not paid for again"
PRICES: list[tuple[dict[str, Any], str, str]] = [
    ({}, f"may cost $0.12 to $0.20 a video (listed: {AUDIO})", "1 video, $0.12 to $0.20"),
    (
        {"takes": 3},
        f"may cost $0.12 to $0.20 a video (listed: {AUDIO}); 3 takes: $0.36 to $0.60",
        "3 videos, $0.36 to $0.60",
    ),
    (
        {"takes": 3, "known": {(LITE, 2)}, "sandbox": True},
        f"may cost sandbox $0.12 to $0.20 a video (listed: {AUDIO}); 1 of 3 {KNOWN}",
        "2 new videos, sandbox $0.24 to $0.40",
    ),
    (
        {"known": {(LITE, 1)}},
        f"may cost $0.12 to $0.20 a video (listed: {AUDIO}); 1 of 1 {KNOWN}",
        "0 new videos",
    ),
]


@pytest.mark.parametrize(("more", "each", "together"), PRICES)
def test_what_a_plan_says_of_prices(more: dict[str, Any], each: str, together: str) -> None:
    """Of one video and of those that are still to be paid, together and in all."""
    settings = {"duration": 4, "resolution": "720p"}
    plan = plan_for([LITE], settings, takes=more.pop("takes", 1)).model_copy(update=more)
    lines = plan_text(plan_lines(plan)).splitlines()
    assert [line for line in lines if "cost" in line or line.startswith("in all")] == [
        f"  {each}",
        f"in all: {together}",
    ]


def test_what_a_plan_says_of_what_has_no_price() -> None:
    """Why, and that the sum is not all."""
    request = parse_request("an orchid", {"duration": 4})
    unpriced = VideoModel(id="acme/film", supported_durations=(4,))
    catalog = Catalog(models=(*OFFERED.models, unpriced))
    assert plan_text(plan_lines(plan_videos(request, [unpriced.id], catalog))).splitlines()[-2:] == [
        "  unpriced: the API lists no price for it",
        "in all: 1 video, unpriced",
    ]
    both = plan_text(plan_lines(plan_videos(request, [LITE, unpriced.id], catalog, takes=2))).splitlines()
    assert both[-1] == "in all: 4 videos, $0.24 or more, since some are unpriced"
    run = RunRequest(request, (unpriced.id,), assumed_usd={"acme/*": 0.5})
    assert "  may cost $0.50 a video (assumed by 'acme/*'; the API lists no price for it)" in plan_text(
        plan_lines(plan_run(run, catalog))
    )


def test_the_dry_run_of_a_refused_run_does_not_promise_to_send() -> None:
    """A body under a refusal is shown for what it is."""
    lines = plan_text(plan_lines(plan_for([LITE, LITE]))).splitlines()
    assert lines[:3] == [
        "refused: google/veo-3.1-lite is given 2 times; for several videos of one model use takes",
        "nothing is sent to any model; without these problems:",
        "google/veo-3.1-lite: would be sent",
    ]


def test_a_skipped_model_prints_no_body() -> None:
    """But why it is skipped."""
    catalog = Catalog(models=(VideoModel(id=WAN3, supported_durations=(4,)),))
    request = parse_request("p", None, {"*": {"style": "x"}}, "skip")
    note, left_out = plan_text(plan_lines(plan_videos(request, [WAN3], catalog, min_success=0))).splitlines()[-2:]
    assert note == "  note: not run for style, by policy skip"
    assert left_out.startswith("  left out: style: not allowed")
    assert f"{WAN3}: skipped by policy" in plan_text(plan_lines(plan_videos(request, [WAN3], catalog, min_success=0)))
    assert ModelPlan(model="a/b", decision="skip").sent is None


def test_the_dry_run_cannot_steer_a_terminal() -> None:
    """A prompt may come from anywhere; the body is still the JSON that is sent."""
    prompt = "a\x9b2J\u202eb\U000e0001"
    text = plan_text(plan_lines(plan_videos(parse_request(prompt), [MINI], OFFERED)))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert json.loads(text.partition("\n")[2].rpartition("  may cost")[0])["prompt"] == prompt


def test_the_takes_of_a_plan() -> None:
    """Counted from 1, as people do."""
    assert list(Plan(asked={}, takes=3).each_take) == [1, 2, 3]


@pytest.mark.parametrize(("seconds", "notes"), [(None, 0), (59.0, 0), (60.0, 0), (1800.0, 1)])
def test_a_long_clip_is_told_of(seconds: float | None, notes: int) -> None:
    """Once for the run, with its length; one of which nothing is known is not."""
    clip = {"type": "video_url", "url": "s3://bucket/clip.mp4"}
    inputs = Inputs({clip["url"]: Input(clip["url"], seconds)})
    plan = plan_for([EDITOR], {"input_references": [clip]}, inputs=inputs)
    said = "input_references[0] is 30 minutes long, and an edit or upscale of it is charged by its length"
    assert [one for one in plan.warnings if "minutes long" in one] == [said] * notes
    assert plan.models[0].body["input_references"] == [{"type": "video_url", "video_url": {"url": clip["url"]}}]
