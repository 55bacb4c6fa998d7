"""What is said of a recipe: whether it breaks and since when, dearer or cheaper, and what expires."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from openrouter_video.api.catalog import Catalog, VideoModel
from openrouter_video.drift.check_lines import MOST_BYTES, check_lines, check_page
from openrouter_video.drift.entry_changes import facts_of
from openrouter_video.drift.recipes import Recipe
from openrouter_video.drift.verdicts import (
    RecipeCheck,
    RecipePlan,
    RecipeRecord,
    RecipeVerdict,
    broke_now,
    broken_event,
    judge,
    record_of,
    summary_of,
)
from openrouter_video.money import Estimate

MONDAY = datetime(2026, 11, 16, 3, tzinfo=UTC)
DAY = timedelta(days=1)
RECIPE = Recipe("file:///recipes/orchid.json", "fan_out_video", {"models": ["a/b"]})
GONE = RecipePlan(
    ("a/b",), problems=("there is no video model 'a/b'",), needs=("the same request as to a/b is taken by c/d ($1.00)",)
)


def listing(**fields: Any) -> Catalog:
    """A list with the one model."""
    return Catalog(models=(VideoModel.read({"id": "a/b", **fields}),))


def works(low: int, high: int) -> RecipePlan:
    """A recipe that works, for so many micro-dollars."""
    return RecipePlan(("a/b",), estimate=Estimate.of(low, high, "listed"))


def checked(*days: tuple[RecipePlan, Catalog], start: datetime = MONDAY) -> list[tuple[RecipeVerdict, bool]]:
    """What is said of the recipe on one day after the other, and whether it is told as news."""
    record, told = None, []
    for number, (plan, catalog) in enumerate(days):
        now = start + number * DAY
        verdict = judge(RECIPE, plan, catalog, record, now)
        told.append((verdict, broke_now(verdict, record)))
        # As it is written and read again.
        record = RecipeRecord.model_validate_json(record_of(verdict, catalog, record, now).model_dump_json())
    return told


def test_a_recipe_that_breaks_says_since_when_and_is_news_once() -> None:
    """Until it works again: the next time it breaks is news of its own."""
    fine, empty = (works(1, 2), listing()), (GONE, Catalog(models=()))
    said = checked(fine, fine, empty, empty, fine, empty)
    assert [(verdict.status, news) for verdict, news in said] == [
        ("works", False),
        ("works", False),
        ("broken", True),
        ("broken", False),
        ("works", False),
        ("broken", True),
    ]
    assert [verdict.since_words for verdict, _ in said] == [
        "",
        "",
        "since 2026-11-18 (last worked on 2026-11-17)",
        "since 2026-11-18 (last worked on 2026-11-17)",
        "",
        "since 2026-11-21 (last worked on 2026-11-20)",
    ]
    events = [broken_event(verdict, "digest", sandbox=True) for verdict, _ in said if verdict.status == "broken"]
    assert events[0].identity == events[1].identity != events[2].identity
    assert events[0].name == "openrouter-video.recipe.broken"
    assert events[0].resource["openrouter-video.sandbox"] == "true"
    assert events[0].payload["problems"] == list(GONE.problems)
    assert events[0].payload["last_ok_at"] == "2026-11-17T03:00:00Z"


def test_one_that_never_worked_says_so() -> None:
    """It is news at the first check."""
    ((verdict, news), (again, _)) = checked((GONE, listing()), (GONE, listing()))
    assert news
    assert verdict.since_words == again.since_words == "since 2026-11-16 (never seen to work)"
    one, two = (broken_event(each, "digest", sandbox=False).identity for each in (verdict, again))
    assert one == two


@pytest.mark.parametrize(
    ("before", "after", "price", "words"),
    [
        ((448, 448), (560, 560), "dearer", "may cost $0.00056, dearer than at the last check: $0.000448 (+$0.000112"),
        ((20_000, 56_000), (20_000, 42_000), "cheaper", "cheaper than at the last check: $0.02 to $0.056 (-$0.014 at"),
        ((10_000, 50_000), (20_000, 50_000), "dearer", "dearer than at the last check: $0.01 to $0.05"),
        ((1, 2), (1, 2), None, "may cost $0.000001 to $0.000002"),
        ((0, 0), (0, 10), "dearer", "dearer than at the last check: $0.00"),
    ],
)
def test_dearer_or_cheaper(before: tuple[int, int], after: tuple[int, int], price: str | None, words: str) -> None:
    """By both ends of what it may cost, where the entry of one of its models has changed."""
    days = [(works(*before), listing(pricing_skus={"x": "1"})), (works(*after), listing(pricing_skus={"x": "2"}))]
    (_, (verdict, _)) = checked(*days)
    assert verdict.price == price
    assert words in verdict.price_words
    assert verdict.changes == ("a/b: price x rose from 1 to 2",)


def test_a_changed_recipe_is_neither_dearer_nor_cheaper() -> None:
    """Its models are what they were; and what is unpriced, or breaks, has no price to compare."""
    (_, (verdict, _)) = checked((works(1, 2), listing()), (works(3, 4), listing()))
    assert (verdict.price, verdict.changes) == (None, ())
    unpriced = RecipePlan(("a/b",), estimate=Estimate())
    (_, (dear, _)) = checked((works(1, 2), listing(seed=True)), (unpriced, listing(seed=False)))
    assert (dear.price, dear.price_words) == (None, "unpriced")
    simulated = listing().model_copy(update={"sandbox": True})
    assert judge(RECIPE, works(10_000, 10_000), simulated, None, MONDAY).price_words == "may cost sandbox $0.01"


def test_what_was_known_of_a_model_outlives_its_absence() -> None:
    """So what it costs when it is back is held against what it cost before."""
    days = [
        (works(1, 2), listing(pricing_skus={"x": "1"})),
        (GONE, Catalog(models=())),
        (works(1, 3), listing(pricing_skus={"x": "3"})),
    ]
    verdict, _ = checked(*days)[-1]
    assert (verdict.price, verdict.changes) == ("dearer", ("a/b: price x rose from 1 to 3",))


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2026-12-24", None),
        ("2026-12-01", None),
        ("2026-11-30", "a/b may be removed after 2026-11-30 (in 14 days)"),
        ("2026-11-17", "a/b may be removed after 2026-11-17 (in 1 day)"),
        ("2026-11-16", "a/b may be removed after 2026-11-16 (today)"),
        ("2026-11-10", "a/b may be removed after 2026-11-10 (which is over)"),
    ],
)
def test_a_model_that_expires_is_warned_of_two_weeks_before(day: str, words: str | None) -> None:
    """It breaks nothing before it is gone."""
    ((verdict, _),) = checked((works(1, 2), listing(expiration_date=day)))
    assert verdict.status == "works"
    assert verdict.warnings == ((words,) if words else ())
    assert verdict.expires == ({"a/b": date.fromisoformat(day)} if words else {})


def test_records_of_other_versions_are_read() -> None:
    """What they have besides is ignored, what they lack is not known."""
    written = '{"name": "x", "checked_at": "2026-11-16T03:00:00Z", "of_later": {"y": 1}}'
    record = RecipeRecord.model_validate_json(written)
    assert (record.last_ok_at, record.entries) == (None, {})


# ---- How it is told --------------------------------------------------------------------------------------------------


def check(*verdicts: RecipeVerdict, problems: tuple[str, ...] = ()) -> RecipeCheck:
    """A check with these verdicts."""
    return RecipeCheck(checked_at=MONDAY, recipes=verdicts, problems=problems)


BROKEN = judge(RECIPE, GONE, Catalog(models=()), None, MONDAY)
FINE = RecipeVerdict(name="deployment fan-out-video/daily", flow="fan_out_video", models=("a/b",))


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([], "there is no recipe to check"),
        ([FINE], "1 recipe: 1 works"),
        ([FINE, FINE], "2 recipes: 2 work"),
        ([FINE, BROKEN], "2 recipes: 1 works, 1 breaks (orchid.json)"),
        (
            [BROKEN] * 4 + [BROKEN.model_copy(update={"name": FINE.name})],
            "5 recipes: 0 work, 5 break (orchid.json, orchid.json, orchid.json and 2 more)",
        ),
        (
            [FINE.model_copy(update={"price": "dearer"}), FINE.model_copy(update={"price": "cheaper"})],
            "2 recipes: 2 work; 1 dearer; 1 cheaper",
        ),
        (
            [FINE.model_copy(update={"expires": {"a/b": date(2026, 12, 1)}})] * 2,
            "2 recipes: 2 work; a/b expires on 2026-12-01",
        ),
    ],
)
def test_a_check_in_a_line(verdicts: list[RecipeVerdict], words: str) -> None:
    """What whoever looks at a list of runs reads."""
    assert summary_of(check(*verdicts)) == words


def test_a_check_line_by_line() -> None:
    """What breaks comes first, with why, since when and what would do; then all else."""
    dear = FINE.model_copy(
        update={
            "estimate": Estimate.of(560_000, 560_000, "listed"),
            "estimate_before": Estimate.of(448_000, 448_000, "listed"),
            "price": "dearer",
            "changes": ("a/b: price x rose from 0.0896 to 0.1120",),
            "warnings": ("a/b may be removed after 2026-12-01 (in 9 days)",),
            "left_out": ("a/b: seed.x: it is not allowed",),
        }
    )
    lines = check_lines(check(dear, BROKEN, problems=("something",)))
    assert [line.text for line in lines] == [
        "something",
        "file:///recipes/orchid.json: breaks, since 2026-11-16 (never seen to work)",
        "there is no video model 'a/b'",
        "the same request as to a/b is taken by c/d ($1.00)",
        "deployment fan-out-video/daily: works",
        "may cost $0.56, dearer than at the last check: $0.448 (+$0.112 at most, +25%)",
        "warning: a/b may be removed after 2026-12-01 (in 9 days)",
        "changed since the last check: a/b: price x rose from 0.0896 to 0.1120",
        "left out: a/b: seed.x: it is not allowed",
    ]
    assert {line.kind for line in lines} == {"broken", "works", "problem", "needs", "price", "warning", "note"}


def test_the_page_shows_other_peoples_words_as_they_are() -> None:
    """What breaks has a section, and everything a row; a page without an end is not published."""
    odd = BROKEN.model_copy(update={"problems": ("<b>|`x`",), "name": "a|b.json"})
    page = check_page(check(FINE, odd, problems=("something",)))
    assert page.startswith("**2 recipes: 1 works, 1 breaks \\(a\\|b.json\\)**")
    assert "\\<b\\>\\|\\`x\\`" in page
    assert "### a\\|b.json: breaks, since 2026-11-16" in page
    assert "| deployment fan-out-video/daily | works |  | a/b |" in page
    assert "### deployment" not in page
    many = check_page(check(*[odd] * 2000))
    assert len(many.encode()) < MOST_BYTES
    assert "`openrouter-video check-recipes` shows all of it" in many


def test_the_facts_are_json() -> None:
    """As the record keeps them."""
    known = facts_of(VideoModel.read({"id": "a/b", "supported_durations": [8, 4], "expiration_date": "2026-12-01"}))
    assert known["supported_durations"] == [8, 4]
    assert known["expiration_date"] == "2026-12-01"
    assert "name" not in known
