"""Whether a run needs somebody's yes, what is asked, and what an earlier yes still covers."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from openrouter_video.api import Catalog, VideoModel
from openrouter_video.planning.approval import (
    Question,
    asked_words,
    form_text,
    needs_approval,
    priced_rows,
)
from openrouter_video.planning.plan import Plan, plan_run
from openrouter_video.request import parse_run_request

URL = "https://openrouter.ai/api/v1"
UNTIL = datetime(2026, 12, 3, 14, 5, tzinfo=UTC)


def a_model(name: str, price: str | None) -> VideoModel:
    """A model that makes 4 or 8 seconds at a price per second, or at none."""
    skus = {"duration_seconds": price} if price else None
    return VideoModel(id=name, pricing_skus=skus, supported_durations=[4, 8])


def planned(*models: str, prices: dict[str, str | None] | None = None, **asked: Any) -> Plan:
    """A plan of four-second videos over models at these prices per second."""
    offered = {"a/cheap": "0.10", "a/dear": "0.50", "a/unknown": None} | (prices or {})
    asked.setdefault("settings", {"duration": 4})
    run = parse_run_request(prompt=asked.pop("prompt", "p"), models=models, **asked)
    return plan_run(run, Catalog(models=tuple(a_model(name, price) for name, price in offered.items())))


def question(*models: str, url: str = URL, **asked: Any) -> Question:
    """What is asked about such a plan."""
    return Question.of(planned(*models, **asked), url)


@pytest.mark.parametrize(
    ("plan", "above", "needed"),
    [
        (planned("a/cheap"), None, False),
        (planned("a/unknown"), None, False),
        (planned("a/cheap"), 0.4, False),
        (planned("a/cheap"), 0.399999, True),
        (planned("a/cheap", takes=2), 0.4, True),
        (planned("a/cheap", settings={}), 0.4, True),
        (planned("a/cheap"), 0, True),
        (planned("a/unknown"), 1000, True),
        (planned("a/cheap", "a/unknown"), 1000, True),
        (planned("a/unknown", assumed_usd={"a/*": 1}), 1, False),
        (planned("a/unknown", assumed_usd={"a/*": 1.1}), 1, True),
        (planned("a/dear").model_copy(update={"known": frozenset({("a/dear", 1)})}), 0, False),
        (planned("a/cheap", settings={"duration": 5}, min_success=0), 0, False),
        # What is refused anyway is asked about by nobody, also where it is for the amount itself.
        *(
            (planned("a/cheap", approve_above_usd=above, checked=False), above, False)
            for above in (math.inf, math.nan, -1)
        ),
    ],
)
def test_what_may_cost_more_needs_a_yes(plan: Plan, above: float | None, needed: bool) -> None:
    """By the high end, or if nobody knows it; what is paid already and what is not sent need none."""
    assert needs_approval(plan, above) is needed


COVERED: list[tuple[str, Question, Question, bool]] = [
    ("the same", question("a/cheap"), question("a/cheap"), True),
    ("cheaper", question("a/cheap"), question("a/cheap", prices={"a/cheap": "0.09"}), True),
    ("dearer", question("a/cheap"), question("a/cheap", prices={"a/cheap": "0.100001"}), False),
    (
        "one dearer, one cheaper by more",
        question("a/cheap", "a/dear"),
        question("a/cheap", "a/dear", prices={"a/cheap": "0.2", "a/dear": "0.3"}),
        True,
    ),
    ("a price is gone", question("a/cheap"), question("a/cheap", prices={"a/cheap": None}), False),
    ("a price is known", question("a/unknown"), question("a/unknown", prices={"a/unknown": "0.1"}), False),
    ("still unpriced", question("a/unknown"), question("a/unknown"), True),
    (
        "unpriced, and the rest is dearer",
        question("a/unknown", "a/cheap"),
        question("a/unknown", "a/cheap", prices={"a/cheap": "0.2"}),
        False,
    ),
    ("another prompt", question("a/cheap"), question("a/cheap", prompt="q"), False),
    ("more takes", question("a/cheap", takes=2), question("a/cheap", takes=3), False),
    ("another model", question("a/dear"), question("a/cheap"), False),
    ("the models in another order", question("a/cheap", "a/dear"), question("a/dear", "a/cheap"), True),
    ("another API", question("a/cheap"), question("a/cheap", url="http://127.0.0.1:8787/api/v1"), False),
]


@pytest.mark.parametrize(("approved", "later", "covered"), [case[1:] for case in COVERED], ids=[c[0] for c in COVERED])
def test_a_yes_covers_what_is_the_same_and_not_dearer(approved: Question, later: Question, covered: bool) -> None:
    """All else is asked again."""
    assert approved.covers(later) is covered


def test_what_the_ledger_knows_by_now_makes_a_run_cheaper_and_not_another() -> None:
    """A retry of an approved run that has made one of its videos is not asked again."""
    plan = planned("a/cheap", takes=2)
    later = plan.model_copy(update={"known": frozenset({("a/cheap", 1)})})
    assert Question.of(plan, URL).most == 800_000
    assert Question.of(later, URL).most == 400_000
    assert Question.of(plan, URL).covers(Question.of(later, URL))
    assert not Question.of(later, URL).covers(Question.of(plan, URL))


def test_a_question_is_read_again_from_its_key() -> None:
    """Prefect keeps the answers under it; a key has letters, digits and dashes."""
    asked = question("a/cheap", "a/unknown", takes=3)
    assert asked[1:] == (1_200_000, 3)
    assert re.fullmatch(r"[a-z0-9-]+", asked.key)
    assert Question.in_key(f"suspended-{asked.key}-response") == asked
    assert Question.in_key("suspended-1-response") is None


def test_the_words_say_why_it_is_asked() -> None:
    """What it may cost, or that nobody knows, and the limit."""
    assert asked_words(planned("a/cheap"), 0.1) == (
        "The run may cost $0.40, and above $0.10 (approve_above_usd) it needs somebody's yes."
    )
    assert "may cost $0.40 to $0.80, and" in asked_words(planned("a/cheap", settings={}), 0)
    sandboxed = planned("a/cheap").model_copy(update={"sandbox": True})
    assert asked_words(sandboxed, 0.1).startswith("The run may cost $0.40 (a sandbox, which bills nothing), and above")
    assert asked_words(planned("a/cheap", "a/unknown"), 0.1).startswith(
        "Nobody can say what the run may cost (a/unknown: unpriced), and above $0.10"
    )


def test_the_rows_begin_with_what_costs_most() -> None:
    """What nobody can put a figure on comes first, with its reason; what is not paid for has no row."""
    plan = planned("a/cheap", "a/unknown", "a/dear", takes=2)
    plan = plan.model_copy(update={"known": frozenset({("a/cheap", 1)})})
    assert priced_rows(plan) == [
        ("a/unknown", 2, "unpriced", "unpriced: the API lists no price for it"),
        ("a/dear", 2, "$2.00", "$4.00"),
        ("a/cheap", 1, "$0.40", "$0.40"),
    ]


def test_the_form_shows_the_plan_as_a_table() -> None:
    """The whole text, since a person decides by it."""
    assert form_text(planned("a/cheap", "a/dear", takes=2), 1, UNTIL).split("\n") == [
        r"**The run may cost \$4.80, and above \$1.00 \(approve\_above\_usd\) it needs somebody's yes.**",
        "",
        "Prompt: p",
        "",
        "| model | may cost |",
        "|---|---|",
        r"| a/dear × 2 | \$4.00 |",  # noqa: RUF001
        r"| a/cheap × 2 | \$0.80 |",  # noqa: RUF001
        r"| **4 videos** | **\$4.80** |",
        "",
        (
            "**yes**: it goes on; if the same requests cost more by then, it asks again. **no**, or no answer until "
            "2026-12-03 14:05 UTC: the run ends as failed, and nothing is spent."
        ),
    ]


def test_a_form_of_many_models_stays_short() -> None:
    """Prefect keeps the text with the run; the sum counts all of them."""
    models = {f"a/{number}": "0.1" for number in range(100)}
    text = form_text(planned(*models, prices=dict(models)), 1, UNTIL)
    assert text.count("\n| a/") == 40
    assert "| and 60 models more | see the run's log |" in text
    assert "**100 videos**" in text


def test_words_of_others_are_no_markup_in_the_form() -> None:
    """Nobody forges a row, a link or a heading by a prompt."""
    hostile = "x\n| a/free | 1 | $0 |\n# [yes](https://evil.example) <b>`*"
    line = next(
        line for line in form_text(planned("a/cheap", prompt=hostile), 0, UNTIL).split("\n") if "Prompt" in line
    )
    assert line == (r"Prompt: x \| a/free \| 1 \| \$0 \| \# \[yes\]\(https<!-- -->://evil.example\) \<b\>\`\*")
