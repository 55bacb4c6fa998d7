"""What was spent: each bill once, by what people ask for, and nothing that is missing goes unsaid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from openrouter_video.ledger.journal_entry import JournalEntry
from openrouter_video.ledger.reservations import Bill, Hold, Money, RunBills
from openrouter_video.ledger.spending import By, Reserved, Spending, Sum, reserved, spending

MONDAY, TUESDAY, DECEMBER = "2026-11-23", "2026-11-24", "2026-12-01"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GROWTH, NIGHTLY = {"labels": {"team": "growth", "country": "fr"}}, {"run_id": "r1", "deployment": "nightly"}


def bills(day: str, shared: dict[str, Any], **amounts: int | tuple[int, bool]) -> RunBills:
    """Bills of a run on a day, by model; one that the provider did not name as a pair."""
    given = {name: one if isinstance(one, tuple) else (one, True) for name, one in amounts.items()}
    return RunBills.model_validate(
        {
            "day": day,
            **shared,
            "bills": {f"r/{name}": Bill(model=name, amount=one[0], billed=one[1]) for name, one in given.items()},
        }
    )


def entry(n: int, day: str, spent: dict[str, int], *groups: RunBills) -> JournalEntry:
    """An entry with the state after it."""
    return JournalEntry(
        schema_version=1, n=n, token="t", at="", day=day, kind="settle", bills=groups, money=Money(spent=spent)
    )


NOVEMBER = [
    entry(1, MONDAY, {MONDAY: 30}, bills(MONDAY, NIGHTLY, veo=10, wan=20)),
    entry(2, TUESDAY, {MONDAY: 37, TUESDAY: 45}, bills(TUESDAY, GROWTH, veo=(45, False)), bills(MONDAY, {}, veo=7)),
]
AFTER = [entry(1, DECEMBER, {DECEMBER: 100}, bills(DECEMBER, NIGHTLY, wan=100))]
ALL = Sum(None, 5, 182, 45)


@pytest.mark.parametrize(
    ("by", "sums"),
    [
        ("model", [Sum("wan", 2, 120, 0), Sum("veo", 3, 62, 45)]),
        ("day", [Sum(MONDAY, 3, 37, 0), Sum(TUESDAY, 1, 45, 45), Sum(DECEMBER, 1, 100, 0)]),
        ("label", [Sum(None, 4, 137, 0), Sum("country=fr", 1, 45, 45), Sum("team=growth", 1, 45, 45)]),
        ("run", [Sum("r1", 3, 130, 0), Sum(None, 2, 52, 45)]),
        ("deployment", [Sum("nightly", 3, 130, 0), Sum(None, 2, 52, 45)]),
        ("failure", [Sum(None, 5, 182, 45)]),
    ],
)
def test_what_was_spent(by: By, sums: list[Sum]) -> None:
    """The largest first, days in their order; in all each video counts once."""
    assert spending([NOVEMBER, AFTER], by, MONDAY) == Spending(tuple(sums), ALL, 0)


@pytest.mark.parametrize(
    ("since", "videos", "amount"),
    [(MONDAY, 5, 182), (TUESDAY, 2, 145), ("2026-11-25", 1, 100), ("2026-12-02", 0, 0)],
)
def test_from_a_day_on(since: str, videos: int, amount: int) -> None:
    """By the day on which a bill counts, which is that of its reservation."""
    assert spending([NOVEMBER, AFTER], "model", since).total[1:3] == (videos, amount)


@pytest.mark.parametrize(
    ("by", "sums"),
    [
        ("model", [Sum(None, 0, 75, 0), Sum("veo", 1, 7, 0)]),
        ("day", [Sum(MONDAY, 1, 37, 0), Sum(TUESDAY, 0, 45, 0)]),
    ],
)
def test_what_lost_entries_had_spent(by: By, sums: list[Sum]) -> None:
    """Later entries say how much it was, and on which day; whose it was nobody knows."""
    left = [NOVEMBER[1].model_copy(update={"bills": NOVEMBER[1].bills[1:]})]
    assert spending([left], by, MONDAY) == Spending(tuple(sums), Sum(None, 1, 82, 0), 75)
    assert spending([left], by, TUESDAY).lost == 45


def test_nothing_was_spent() -> None:
    """An empty journal has no sums."""
    assert spending([[]], "model", MONDAY) == spending([], "day", MONDAY) == Spending((), Sum(None, 0, 0, 0), 0)


def test_what_is_reserved() -> None:
    """In all months, with the oldest day; a video that two runs have reserved counts once, with the most of it."""
    first = Hold(run="r", day=TUESDAY, until=NOON, videos={"a": 5, "b": 6})
    second = Hold(run="s", day=MONDAY, until=NOON, videos={"b": 9, "c": 1})
    assert reserved([Money(held=(first, second)), Money(held=(first,))]) == Reserved(5, 26, MONDAY)
    assert reserved([]) == Reserved(0, 0, None)


def test_what_failed_and_was_billed_all_the_same() -> None:
    """By the kind of its failure, which stands in its bill where others have the mode of their body."""
    of_run = {"r/1": Bill(model="veo", amount=5, mode="output_moderation"), "r/2": Bill(model="veo", amount=7)}
    group = RunBills(day=MONDAY, bills=of_run)
    found = spending([[entry(1, MONDAY, {MONDAY: 12}, group)]], "failure", MONDAY)
    assert found.sums == (Sum(None, 1, 7, 0), Sum("output_moderation", 1, 5, 0))
