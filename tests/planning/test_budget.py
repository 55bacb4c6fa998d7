"""What a plan may cost against the ceiling of its run, and what of it would fit."""

from __future__ import annotations

import math
from typing import Any

import pytest

from openrouter_video.api import Catalog, VideoModel
from openrouter_video.ledger import CapReached, Caps
from openrouter_video.planning.budget import cap_problem, hold_to_caps, hold_to_ceiling, what_fits
from openrouter_video.planning.plan import Plan, plan_run
from openrouter_video.request import parse_run_request


def a_model(name: str, price: str | None) -> VideoModel:
    """A model that makes 4 or 8 seconds at a price per second, or at none."""
    skus = {"duration_seconds": price} if price else None
    return VideoModel(id=name, pricing_skus=skus, supported_durations=[4, 8], supported_resolutions=["720p"])


OFFERED = Catalog(models=(a_model("a/cheap", "0.10"), a_model("a/dear", "0.50"), a_model("a/unknown", None)))
FOUR = {"duration": 4}


def planned(*models: str, settings: dict[str, Any] | None = None, **asked: Any) -> Plan:
    """A plan, held to its ceiling."""
    run = parse_run_request(prompt="p", models=models, settings=FOUR if settings is None else settings, **asked)
    return hold_to_ceiling(plan_run(run, OFFERED), run.max_usd)


@pytest.mark.parametrize(
    ("models", "takes", "low", "high"),
    [
        (("a/cheap",), 1, 0.4, 0.4),
        (("a/cheap",), 3, 1.2, 1.2),
        (("a/cheap", "a/dear"), 2, 4.8, 4.8),
        (("a/cheap", "a/unknown"), 1, 0.4, None),
    ],
)
def test_the_estimate_of_a_run_counts_its_takes(models: tuple[str, ...], takes: int, low: float, high: float) -> None:
    """Unpriced as soon as one of its models is."""
    plan = planned(*models, takes=takes)
    assert (plan.estimate.low_usd, plan.estimate.high_usd) == (low, high)
    assert not plan.refused


def test_what_is_paid_already_costs_nothing() -> None:
    """The ledger knows one of two takes, and the other model whole."""
    known = frozenset({("a/cheap", 1), ("a/dear", 1), ("a/dear", 2)})
    plan = planned("a/cheap", "a/dear", takes=2).model_copy(update={"known": known})
    assert [model.model for model in plan.paying] == ["a/cheap"]
    assert plan.estimate.high_usd == 0.4
    assert not hold_to_ceiling(plan, 0.4).refused


def test_a_refusal_tells_of_what_was_submitted_before() -> None:
    """Nothing of it is lost, and whoever is refused must know how to get it."""
    plan = planned("a/cheap", "a/dear", max_usd=0.1)
    assert plan.refusal == plan.problems
    again = plan.model_copy(update={"known": frozenset({("a/cheap", 1)})})
    assert again.refusal[-1].message == (
        "1 video of it had been submitted before; `openrouter-video collect` finishes those that are open"
    )
    assert planned("a/cheap").refusal == ()


def test_a_model_that_gets_nothing_costs_nothing() -> None:
    """It is refused by the plan."""
    plan = planned("a/cheap", "a/dear", settings={"duration": 5}, min_success=0)
    assert plan.paying == ()
    assert plan.estimate.high_usd == 0


FITS: list[tuple[dict[str, Any], str]] = [
    ({"models": ["a/cheap"], "max_usd": 0.4}, ""),
    (
        {"models": ["a/cheap"], "max_usd": 0.39},
        "not even one video of these models fits: the cheapest may cost up to $0.40",
    ),
    ({"models": ["a/cheap"], "takes": 5, "max_usd": 1}, "what would fit: takes 2"),
    ({"models": ["a/cheap", "a/dear"], "max_usd": 2.39}, "what would fit: without a/dear (up to $0.40)"),
    (
        {"models": ["a/cheap", "a/dear"], "takes": 2, "max_usd": 3},
        "what would fit: takes 1, or without a/dear (up to $0.80)",
    ),
]


@pytest.mark.parametrize(("asked", "fits"), FITS)
def test_a_ceiling_is_held_against_the_most(asked: dict[str, Any], fits: str) -> None:
    """What is just as much passes; else the message says what may be spent and what would fit."""
    plan = planned(*asked.pop("models"), **asked)
    if not fits:
        assert not plan.refused
        return
    (problem,) = plan.problems
    most = f"${plan.estimate.high_usd:.2f}"
    ceiling = f"${asked['max_usd']:.2f}"
    assert problem.field == "max_usd"
    assert problem.message == f"the run may cost up to {most}, above its ceiling of {ceiling}; {fits}"


@pytest.mark.parametrize("ceiling", [math.inf, -math.inf, math.nan])
def test_what_cannot_be_a_ceiling_is_refused_as_such(ceiling: float) -> None:
    """In words, whichever way it came: `--max-usd inf`, or a recipe in which it is `.inf`."""
    (problem,) = planned("a/cheap", max_usd=ceiling, checked=False).problems
    assert problem.message.startswith("the ceiling must be above 0 and at most 1,000,000 US dollars, not ")


def test_a_wide_estimate_says_what_would_narrow_it() -> None:
    """Nothing is set, so that the model may choose the longest and dearest."""
    wide = VideoModel(id="a/wide", pricing_skus={"duration_seconds": "0.1"}, supported_durations=[1, 8])
    run = parse_run_request(prompt="p", models=["a/wide"], max_usd=0.5)
    (problem,) = hold_to_ceiling(plan_run(run, Catalog(models=(wide,))), 0.5).problems
    assert problem.message.endswith("what would fit: set duration to narrow it")
    assert what_fits(plan_run(run, Catalog(models=(wide,))), 0.1).endswith("set duration to narrow it")


def test_what_is_unpriced_does_not_pass_a_ceiling() -> None:
    """Unless the caller says what to assume."""
    (problem,) = planned("a/cheap", "a/unknown", max_usd=100).problems
    assert problem.message == (
        "nobody can say what a video of a/unknown may cost (the API lists no price for it), so it does not pass the "
        "ceiling of $100.00; leave the model out, or say what to assume in dollars per video: assumed_usd, on the "
        "command line --assume-usd a/unknown=DOLLARS"
    )
    assert not planned("a/cheap", "a/unknown", max_usd=1.4, assumed_usd={"a/unknown": 1}).refused
    (problem,) = planned("a/cheap", "a/unknown", max_usd=1.3, assumed_usd={"a/*": 1}).problems
    assert "may cost up to $1.40" in problem.message


def test_what_an_earlier_attempt_has_paid_for_counts() -> None:
    """A run that begins again may spend what is left of its ceiling, and needs nothing for what is paid already."""
    run = parse_run_request(prompt="p", models=["a/film"], takes=2, max_usd=1.0)
    plan = plan_run(
        run,
        Catalog(models=(VideoModel(id="a/film", pricing_skus={"duration_seconds": "0.1"}, supported_durations=[4]),)),
    )
    rest = plan.model_copy(update={"known": frozenset({("a/film", 1)})})
    assert not hold_to_ceiling(rest, 1.0, 0.6).refused
    (problem,) = hold_to_ceiling(rest, 1.0, 0.61).problems
    assert "the run may cost up to $0.40, above its ceiling of $1.00, of which $0.61 is spent; " in problem.message
    nothing = plan.model_copy(update={"known": frozenset({("a/film", 1), ("a/film", 2)})})
    assert not hold_to_ceiling(nothing, 1.0, 5.0).refused


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        (Caps(), None),
        (Caps(day=100_000_000), "does not pass the cap of $100.00 a day"),
        (Caps(month=100_000_000), "does not pass the cap of $100.00 a month"),
    ],
)
def test_what_is_unpriced_passes_no_cap(caps: Caps, words: str | None) -> None:
    """Whatever is left of it; what has a price is held where it is reserved."""
    assert not hold_to_caps(planned("a/cheap"), caps).refused
    problems = hold_to_caps(planned("a/unknown"), caps).problems
    assert [words in problem.message for problem in problems if words] == ([True] if words else [])
    assert bool(problems) is bool(words)


@pytest.mark.parametrize(
    ("span", "field", "until"),
    [("day", "max_usd_per_day", "2026-11-27 00:00 UTC"), ("month", "max_usd_per_month", "2026-12-01 00:00 UTC")],
)
def test_a_cap_says_what_is_left_and_until_when(span: Any, field: str, until: str) -> None:
    """And what of the plan would fit."""
    reached = CapReached(span, cap=2_000_000, taken=1_500_000, asked=800_000, on="2026-11-26")
    problem = cap_problem(planned("a/cheap", takes=2), reached)
    assert problem.field == field
    assert problem.message == (
        f"the run may cost up to $0.80, and $0.50 of the cap of $2.00 a {span} are left until {until}; "
        "what would fit: takes 1"
    )
