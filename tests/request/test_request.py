"""What the user wants: well-formed in itself, comparable, and short on record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.elision import elide
from openrouter_video.errors import RequestRefused
from openrouter_video.outcome import Outcome
from openrouter_video.planning.plan import Plan
from openrouter_video.request.request import OnUnsupported, VideoRequest, parse_request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OPTIONS = st.dictionaries(st.text(max_size=8), st.dictionaries(st.text(max_size=8), JSON, max_size=4), max_size=3)


def refusals(*args: Any, **kwargs: Any) -> list[tuple[str, str]]:
    """The problems of a request that is refused, as field and message."""
    with pytest.raises(RequestRefused) as refused:
        parse_request(*args, **kwargs)
    return [(problem.field, problem.message) for problem in refused.value.problems]


def test_null_means_not_given() -> None:
    """As the form of a deployment sends every parameter that was left alone."""
    request = parse_request("  an orchid ", None, None, None, None)
    assert request == VideoRequest(prompt="an orchid")
    assert request.on_unsupported is OnUnsupported.fallback
    assert request.asked() == {"prompt": "an orchid"}


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        pytest.param({"a": 1, "b": "x"}, {"a": 1, "b": "x"}, id="plain"),
        pytest.param({"parameters": {"a": 1}}, {"a": 1}, id="wrapped"),
        pytest.param({"parameters": {"a": 1}, "b": 2}, {"a": 1, "b": 2}, id="half wrapped"),
        pytest.param({"parameters": {"a": 1}, "a": 1}, {"a": 1}, id="said twice"),
        pytest.param({"parameters": {"a": 1}, "a": None}, {"a": 1}, id="null beside"),
        pytest.param({"parameters": {"a": 1, "b": None}}, {"a": 1}, id="null inside"),
        pytest.param({"parameters": "text"}, {"parameters": "text"}, id="no wrapper"),
        pytest.param({"a": {"parameters": {"b": None}}}, {"a": {"parameters": {"b": None}}}, id="values stay"),
        pytest.param({1: (2,)}, {"1": [2]}, id="as JSON"),
        pytest.param({"a": False, "b": 0, "c": ""}, {"a": False, "b": 0, "c": ""}, id="falsy"),
    ],
)
@pytest.mark.parametrize("slug", ["google-vertex", "seed", "*"])
def test_options_become_plain(slug: str, written: Any, plain: Any) -> None:
    """The user writes plain keys, or the wrapper that he found in some example; what is null is not given."""
    assert parse_request("p", provider_options={slug: written}).provider_options == {slug: plain}


@pytest.mark.parametrize("nothing", [None, {}, {"a": None}, {"parameters": {}}, {"parameters": {"a": None}}])
def test_a_provider_without_options_is_not_given(nothing: Any) -> None:
    """So that nothing is reported of it."""
    assert parse_request("p", provider_options={"seed": nothing, "*": {"a": 1}}).provider_options == {"*": {"a": 1}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("negativePrompt=x", 'must be an object of objects by provider slug, such as {"google-vertex"'),
        (["a"], "got a list"),
        (7, "got 7"),
        ({"seed": "x"}, "the options for 'seed' must be an object of option names and values; got the text 'x'"),
        (
            {"seed": {"a": 1, "parameters": {"a": 2}}},
            "option 'a' for 'seed' has one value inside 'parameters' and anot",
        ),
        ({"seed": {"a": float("nan")}}, "option 'a' for 'seed' cannot be written as JSON: nan"),
        ({"seed": {"a": {1, 2}}}, "cannot be written as JSON: {1, 2}"),
        ({"seed": {"a": "\udcff"}}, "cannot be written as JSON: '\\udcff'"),
        ({"seed": {"\udcff": 1}}, "the name of option '\\udcff' for 'seed' cannot be written as JSON"),
    ],
)
def test_options_that_are_refused(options: Any, message: str) -> None:
    """With the shape that they should have, or the option that is wrong."""
    ((field, text),) = refusals("p", provider_options=options)
    assert field == "provider_options"
    assert message in text


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"prompt": " \n"}, "prompt", "the prompt is empty; say what the video should show"),
        ({"prompt": "caf\udce9"}, "prompt", "text must be UTF-8"),
        ({"prompt": "a\0b"}, "prompt", "NUL character"),
        ({"settings": {"trace": {"cost": float("inf")}}}, "trace", "numbers finite"),
        ({"settings": {"size": "4K"}}, "size", "is not WIDTHxHEIGHT"),
        # Of settings that cannot be read nobody says that there is nothing to work from.
        ({"prompt": "", "settings": {"first_frame": "a.png", "upscale_factor": float("nan")}}, "upscale_factor", "nan"),
        ({"prompt": "", "settings": {"first_frame": " "}}, "prompt", "the prompt is empty"),
        ({"on_unsupported": "ignore"}, "on_unsupported", "cannot be 'ignore'; it is one of fallback, drop, skip, fail"),
        ({"provider_slugs": ["a"]}, "provider_slugs", "must be an object of slugs by model id"),
        ({"provider_slugs": {"a/b": None}}, "provider_slugs", "got {'a/b': None}"),
        ({"provider_slugs": {"a/b": ""}}, "provider_slugs", "must be an object of slugs"),
        ({"provider_slugs": {"a/b": "\udcff"}}, "provider_slugs", "text must be UTF-8"),
    ],
)
def test_a_request_that_is_refused(wrong: dict[str, Any], field: str, message: str) -> None:
    """One problem that names the field and what is allowed."""
    ((name, text),) = refusals(**{"prompt": "p", **wrong})
    assert name == field
    assert message in text


def test_every_problem_of_a_request_is_told_at_once() -> None:
    """Prompt, settings, options, policy and slugs."""
    found = refusals("", {"duration": 0}, {"seed": 1}, "maybe", {"": ""})
    assert [field for field, _ in found] == [
        "duration",
        "provider_options",
        "on_unsupported",
        "provider_slugs",
        "prompt",
    ]


def test_asked_holds_what_was_given_and_no_more() -> None:
    """The policy only where there are options for it to decide about."""
    request = parse_request("p", {"duration": 4}, {"seed": {"a": 1}}, "drop", {"a/*": "seed"})
    assert request.asked() == {
        "prompt": "p",
        "settings": {"duration": 4},
        "provider_options": {"seed": {"a": 1}},
        "on_unsupported": "drop",
        "provider_slugs": {"a/*": "seed"},
    }
    assert "on_unsupported" not in parse_request("p", on_unsupported="skip").asked()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("data:image/png;base64,AAAA", "data:image/png;sha256="),
        ("DATA:;charset=x;base64,AAAA", "data:;sha256="),
        ("data:image/svg+xml; charset=utf-8,<svg/>", "data:image/svg+xml;sha256="),
        (f"data:{'x' * 9999},", f"data:{'x' * 40};sha256="),
    ],
)
def test_an_inline_image_is_recorded_by_its_digest(value: str, shown: str) -> None:
    """A record stays small, and two images still differ."""
    elided = elide({"images": [value, (value,)]})["images"]
    assert elided[0].startswith(shown)
    assert elided[0].endswith(f"length={len(value)}")
    assert elided[1] == [elided[0]]
    assert elide(value + "B") != elided[0]


@pytest.mark.parametrize("text", ["data: a river of numbers, at night", "data:", "data", "", "my data: a,b"])
def test_words_are_no_inline_image(text: str) -> None:
    """A prompt may well begin with this word."""
    assert elide(text) == text


@given(prompt=st.text(), options=OPTIONS)
def test_what_is_accepted_can_be_sent_and_recorded(prompt: str, options: dict[str, Any]) -> None:
    """Any text and any JSON: refused with a reason, or accepted, and then asked() survives JSON unchanged."""
    try:
        request = parse_request(prompt, provider_options=options)
    except RequestRefused:
        return
    assert json.loads(json.dumps(request.asked()).encode()) == request.asked()
    assert VideoRequest.model_validate_json(request.model_dump_json()) == request


def deep(levels: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**5000, deep(40), deep(5000), float("nan")], ids=lambda _: "")
def test_what_nobody_else_could_read_is_refused(value: Any) -> None:
    """In options, settings and traces: whole numbers of more than 64 bits, and what is nested beyond reason."""
    (problem,) = refusals("p", None, {"xai": {"a": value}})
    assert "option 'a' for 'xai' cannot be written as JSON" in problem[1]
    assert refusals("p", {"trace": {"a": value}})
    if isinstance(value, int):
        assert refusals("p", {"seed": value})
    assert parse_request("p", {"seed": 2**63 - 1}, {"xai": {"a": deep(20)}})


def test_a_request_without_a_prompt_is_called_by_its_input() -> None:
    """Nothing of it is recorded as an empty prompt; a prompt counts first, and no secret of a URL is told."""
    clip = {"input_references": [{"type": "video_url", "url": "https://x.example/orchid.mp4?sig=SECRET"}]}
    request = parse_request(None, clip)
    assert (request.prompt, request.title) == ("", "orchid.mp4")
    assert "prompt" not in request.asked()
    assert "SECRET" not in str(request.asked())
    assert parse_request("at night", clip).title == "at night"
    assert parse_request("", {"last_frame": "b.png", "previous_job_id": "x"}).title == "b.png"
    plan = Plan(asked=request.asked())
    assert plan.subject == "Input: orchid.mp4"
    assert Plan(asked=parse_request("at night", clip).asked()).subject == "Prompt: at night"


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        (Outcome(model="a/b", status="completed", key="0" * 32, job_id="gen-vid-1"), "0" * 32),
        (Outcome(model="a/b", status="completed", job_id="gen-vid-1"), "gen-vid-1"),
        (Outcome(model="a/b", status="refused"), None),
    ],
)
def test_an_outcome_stands_for_its_video(outcome: Outcome, asked: str | None) -> None:
    """By its key, which stays the same; one without a video is refused."""
    if asked is None:
        with pytest.raises(RequestRefused, match="the outcome is refused: it has no job to go on from"):
            parse_request("go on", {"previous_job_id": outcome})
        return
    assert parse_request("go on", {"previous_job_id": outcome}).asked()["settings"] == {"previous_job_id": asked}


def test_an_outcome_is_called_by_what_it_was_made_from() -> None:
    """Its prompt, else a frame, a reference, or the job that it continues."""
    frame = {"frame_type": "first_frame", "type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    reference = {"type": "video_url", "video_url": {"url": "https://x.example/b.mp4"}}
    titles = {
        "an orchid": Outcome(model="a/b", status="completed", prompt="an orchid", sent={"frame_images": [frame]}),
        "a.png": Outcome(model="a/b", status="completed", sent={"frame_images": [frame]}),
        "b.mp4": Outcome(model="a/b", status="completed", sent={"input_references": [reference]}),
        "gen-1": Outcome(model="a/b", status="completed", sent={"previous_job_id": "gen-1"}),
        "": Outcome(model="a/b", status="refused"),
    }
    assert {outcome.title: title for title, outcome in titles.items()} == {title: title for title in titles}
