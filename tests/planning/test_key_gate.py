"""What a plan may cost against what its key may still spend."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openrouter_video.api import Catalog, KeyBudget, VideoModel
from openrouter_video.planning.key_gate import hold_to_key
from openrouter_video.planning.plan import Plan, plan_run
from openrouter_video.request import parse_run_request

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
OWN = "the key's own limit"
LEFT = KeyBudget(400_000, 5_000_000, DECEMBER, OWN, sandbox=False)
SPENT = KeyBudget(0, 5_000_000, DECEMBER, "the budget of its workspace")
UNKNOWN = KeyBudget(unknown="HTTP 404: Not found")
PRICES = {"a/cheap": "0.10", "a/dear": "0.30", "a/unknown": None}
OFFERED = Catalog(
    models=tuple(
        VideoModel(id=name, supported_durations=[4], pricing_skus={"duration_seconds": price} if price else None)
        for name, price in PRICES.items()
    ),
    sandbox=True,
)
IN_DECEMBER = f"the key may spend $0.40 more until 2026-12-01 ({OWN})"


def planned(*models: str) -> Plan:
    """A plan of one video of 4 s from each."""
    return plan_run(parse_run_request(prompt="p", models=models, settings={"duration": 4}), OFFERED)


@pytest.mark.parametrize(
    ("models", "budget", "message"),
    [
        (
            ["a/cheap", "a/dear"],
            LEFT,
            f"{IN_DECEMBER}, and the run may cost up to $1.60; what would fit: without a/dear (up to $0.40)",
        ),
        (
            ["a/dear"],
            LEFT._replace(resets_at=DECEMBER.replace(hour=6)),
            (
                f"the key may spend $0.40 more until 2026-12-01 06:00 UTC ({OWN}), and the run may cost up to $1.20; "
                "not even one video of these models fits: the cheapest may cost up to $1.20"
            ),
        ),
        (
            ["a/dear", "a/unknown"],
            LEFT._replace(resets_at=None, scope=None),
            "the key may spend $0.40 more (its budget), and the run may cost at least $1.20",
        ),
        (
            ["a/cheap"],
            SPENT,
            (
                "the key may spend nothing more until 2026-12-01: the budget of its workspace, of $5.00, is spent; "
                "run again then, or use another key"
            ),
        ),
        (
            ["a/unknown"],
            KeyBudget(0),
            "the key may spend nothing more: its budget is spent; run again once it is raised, or use another key",
        ),
    ],
)
def test_what_does_not_fit(models: list[str], budget: KeyBudget, message: str) -> None:
    """What is left and until when, what the run may cost, and what would fit."""
    held = hold_to_key(planned(*models), budget)
    assert (held.problems, held.warnings) == ((("credentials", message, None),), ())


@pytest.mark.parametrize(
    ("models", "budget", "notes"),
    [
        (["a/dear"], KeyBudget(), ()),
        (["a/cheap"], LEFT, ()),
        (["a/unknown"], KeyBudget(), ()),
        (["a/unknown"], LEFT, (f"{IN_DECEMBER}, and what the run will cost is not known",)),
        (["a/dear"], UNKNOWN, ("what the key may still spend is not known (GET /key: HTTP 404: Not found)",)),
        (["a/unknown"], UNKNOWN, ("what the key may still spend is not known (GET /key: HTTP 404: Not found)",)),
    ],
)
def test_what_fits_or_is_not_known(models: list[str], budget: KeyBudget, notes: tuple[str, ...]) -> None:
    """A look that failed, and a cost that nobody knows, are said and close nothing."""
    held = hold_to_key(planned(*models), budget)
    assert (held.problems, held.warnings) == ((), notes)


def test_what_is_paid_already_needs_no_budget() -> None:
    """A run that only fetches goes on with a key that may spend nothing more."""
    plan = planned("a/dear").model_copy(update={"known": frozenset({("a/dear", 1)})})
    assert not hold_to_key(plan, SPENT).refused


@pytest.mark.parametrize(("said", "sandbox"), [(True, True), (False, False), (None, True)])
def test_the_answer_of_a_moment_ago_says_whether_it_is_a_sandbox(said: bool | None, sandbox: bool) -> None:
    """The list of models may be an hour old, and of another API at the same address; without an answer it counts."""
    assert hold_to_key(planned("a/dear"), KeyBudget(sandbox=said)).sandbox is sandbox
