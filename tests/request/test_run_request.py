"""One run as it was asked for: read from the parameters of a flow, checked once, and turned back into them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from openrouter_video.errors import RequestRefused
from openrouter_video.flows import fan_out_video, generate_video
from openrouter_video.request.run_request import RunRequest, parse_run_request

FULL: dict[str, Any] = {
    "prompt": "An orchid",
    "settings": {"duration": 4},
    "provider_options": {"*": {"negativePrompt": "text"}},
    "on_unsupported": "drop",
    "provider_slugs": {"acme/*": "acme-cloud"},
    "takes": 2,
    "idempotency_key": "daily-{date}",
    "deadline_minutes": 5,
    "wait": "here",
    "output": "s3://bucket/videos",
    "ledger": "s3://bucket/ledger",
    "store": "nightly",
    "credentials": "mine",
    "max_usd": 2.5,
    "assumed_usd": {"acme/*": 1.5},
    "labels": {"team": "film"},
    "send_labels": True,
    "approve_above_usd": 0.5,
    "extra_takes_on_output_moderation": 2,
}


def refusals(**given: Any) -> list[tuple[str, str]]:
    """The problems of a run that is refused, as field and message."""
    with pytest.raises(RequestRefused) as refused:
        parse_run_request(**{"prompt": "An orchid", "models": ["a/one", "a/two"], **given})
    return [(problem.field, problem.message) for problem in refused.value.problems]


@pytest.mark.parametrize("flow", [generate_video, fan_out_video])
def test_every_parameter_of_a_flow_is_part_of_the_run(flow: Any) -> None:
    """A parameter that a flow has and a run has not would be ignored without a word."""
    one_model = flow is generate_video
    of_flow = inspect.signature(flow.fn).parameters
    run = parse_run_request(**FULL, **({"model": "a/one"} if one_model else {"models": ["a/one", "a/two"]}))
    given = run.parameters(one_model=one_model)
    assert set(given) == set(of_flow)
    assert parse_run_request(**given) == run
    defaults = {name: one.default for name, one in of_flow.items() if name not in {"prompt", "model", "models"}}
    least = parse_run_request(prompt="p", models=["a/one"])
    assert parse_run_request(prompt="p", models=["a/one"], **defaults) == least


def test_a_run_knows_what_makes_it_a_success() -> None:
    """All videos, unless fewer are enough."""
    run = parse_run_request(prompt="p", models=["a/one", "a/two"], takes=3)
    assert (run.wanted, run._replace(min_success=0).wanted) == (6, 0)


def test_an_emptied_text_box_is_as_good_as_none() -> None:
    """Prefect's form sends an empty text where a text was and is no more."""
    emptied = parse_run_request(
        prompt="p", model="a/one", idempotency_key="", output="", ledger="", store="", credentials=""
    )
    assert emptied == RunRequest(emptied.request, ("a/one",))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"models": []}, [("models", "no model was chosen")]),
        ({"models": ["a/b", "a/b"], "takes": 0}, [("models", "is given 2 times"), ("takes", "1 or more, not 0")]),
        ({"takes": 501}, [("takes", "2 models with takes 501 is more than the 1,000 videos that one run makes")]),
        ({"takes": 2, "min_success": 5}, [("min_success", "must be 0 to 4, the videos asked; not 5")]),
        ({"min_success": -1, "concurrency": 0}, [("min_success", "0 to 2"), ("concurrency", "must be 1 to 1,000")]),
        (
            {"takes": 100, "extra_takes_on_output_moderation": 5},
            [("takes", "2 models with takes 100 and 5 extra takes of each is more than the 1,000 videos")],
        ),
        *(
            (
                {"extra_takes_on_output_moderation": number},
                [("extra_takes_on_output_moderation", f"must be 0 to 5 for each video, not {number}")],
            )
            for number in (-1, 6, True)
        ),
        *(
            (
                {"extra_takes_on_output_moderation": 1, "wait": wait},
                [("extra_takes_on_output_moderation", f"with wait {wait} it is not, and a collection never submits")],
            )
            for wait in ("suspended", "no")
        ),
        ({"prompt": " ", "takes": 0}, [("prompt", "the prompt is empty")]),
        ({"labels": {"team": 7}, "takes": 0}, [("labels", "its value must be text"), ("takes", "1 or more, not 0")]),
    ],
)
def test_a_run_that_cannot_be_is_refused(given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Before any list of models is fetched, with every problem at once."""
    found = refusals(**given)
    assert [field for field, _ in found] == [field for field, _ in expected]
    assert all(words in message for (_, message), (_, words) in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("concurrency", "minutes", "fields"),
    [
        (1, 0.1, []),
        (0, 30, ["concurrency"]),
        (-1, 0, ["concurrency", "deadline_minutes"]),
        (8, float("nan"), ["deadline_minutes"]),
        (1_000, 7 * 24 * 60, []),
        (1_001, 7 * 24 * 60 + 1, ["concurrency", "deadline_minutes"]),
        (10**30, float("inf"), ["concurrency", "deadline_minutes"]),
    ],
)
def test_limits_under_which_nothing_could_run(concurrency: int, minutes: float, fields: list[str]) -> None:
    """Refused before anything is spent, with the value that was given."""
    run = parse_run_request(prompt="p", model="a/b")._replace(concurrency=concurrency, deadline_minutes=minutes)
    assert [problem.field for problem in run.problems()] == fields
    assert all("must be" in problem.message for problem in run.problems())


def test_a_wait_that_there_is_not() -> None:
    """As from Python, where nothing else looks at it."""
    assert refusals(wait="yes") == [("wait", "wait is here, suspended or no, not 'yes'")]


@pytest.mark.parametrize("usd", [0, -1, float("nan"), float("inf"), 1_000_001])
def test_an_amount_that_is_none_is_refused(usd: float) -> None:
    """As a ceiling, and as what to assume."""
    run = parse_run_request(prompt="p", model="a/b")._replace(max_usd=usd, assumed_usd={"a/*": usd})
    assert [(problem.field, f"not {usd!r}" in problem.message) for problem in run.problems()] == [
        ("max_usd", True),
        ("assumed_usd", True),
    ]


@pytest.mark.parametrize("usd", [-1, float("nan"), float("inf"), 1_000_001])
def test_an_amount_above_which_nobody_could_be_asked_is_refused(usd: float) -> None:
    """0 is one: it asks always."""
    run = parse_run_request(prompt="p", model="a/b")
    assert not run._replace(approve_above_usd=0).problems()
    ((field, message),) = [(one.field, one.message) for one in run._replace(approve_above_usd=usd).problems()]
    assert field == "approve_above_usd"
    assert message.endswith(f"not {usd!r}; 0 asks always")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, None),
        ("daily-{date}", None),
        ("plain", None),
        ("  ", "would protect nothing"),
        ("daily-{Date}", "{Date}, but only {date}"),
        ("{day}-{date}", "{day}, but only {date}"),
    ],
)
def test_a_key_that_protects_nothing_is_refused(key: str | None, words: str | None) -> None:
    """An unset variable, or a misspelt day that would give the first day's video for ever."""
    run = parse_run_request(prompt="p", model="a/b")._replace(idempotency_key=key)
    assert [words in problem.message for problem in run.problems() if words] == ([True] if words else [])
    assert bool(run.problems()) == bool(words)


def test_minutes_become_seconds() -> None:
    """People give the deadline in minutes."""
    assert parse_run_request(prompt="p", model="a/b", deadline_minutes=1.5).deadline_seconds == 90
