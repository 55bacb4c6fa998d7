"""The money of a batch in portions: all of it under the caps at once, never twice, whoever is killed and retried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.errors import LedgerError
from openrouter_video.ledger.portions import (
    PORTION,
    batch_token,
    begin_portion,
    in_portions,
    is_lump,
    lump_of,
    reserve_batch,
)
from openrouter_video.ledger.reservations import (
    LARGEST_OPEN,
    CapReached,
    Caps,
    Change,
    Money,
    ledger_key,
    reservation_id,
    reserve,
    run_token,
    settle,
)

MONDAY, TUESDAY = "2026-11-23", "2026-11-24"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUN, OTHER = run_token("a run"), run_token("another run")
BATCH = batch_token("abcdef")
SECOND, THIRD = lump_of(BATCH, 2), lump_of(BATCH, 3)
AMOUNTS = [{"a": 1, "b": 2}, {"c": 3, "d": 4}, {"e": 5, "f": 6}]


def after(change: Change | CapReached | None) -> Money:
    """The money after something that changed it."""
    assert isinstance(change, Change)
    return change.money


def held(money: Money, run: str = RUN) -> dict[str, int]:
    """What a run has reserved, by ledger key or lump."""
    return {ledger_key(name): one.amount for name, one in money.reservations().items() if name.startswith(run)}


BEGUN = after(reserve_batch(Money(), RUN, BATCH, AMOUNTS, MONDAY, NOON, Caps(day=21, month=21)))


def test_all_of_a_batch_is_reserved_at_once() -> None:
    """By video what begins, in a lump what comes later; a cap is held against the whole."""
    assert held(BEGUN) == {"a": 1, "b": 2, SECOND: 7, THIRD: 11}
    assert reserve_batch(Money(), RUN, BATCH, AMOUNTS, MONDAY, NOON, Caps(month=20)) == CapReached(
        "month", 20, 0, 21, MONDAY
    )
    assert reserve_batch(Money(), RUN, BATCH, [], MONDAY, NOON, Caps(month=0)) is None
    assert [is_lump(key) for key in (SECOND, "a" * 32, "portion-2")] == [True, False, False]


def test_a_portion_takes_the_place_of_its_lump_under_full_caps() -> None:
    """No cap can refuse it, not of another day either: it counts on the day of its lump. The other lumps last on."""
    full = after(reserve(BEGUN, OTHER, {"z": 79}, TUESDAY, NOON, Caps(month=100)))
    second = after(begin_portion(full, RUN, SECOND, AMOUNTS[1], TUESDAY, NOON + HOUR, Caps(day=0, month=100)))
    assert held(second) == {"a": 1, "b": 2, "c": 3, "d": 4, THIRD: 11}
    assert (second.taken(), second.taken(TUESDAY)) == (100, 79)
    assert {one.until for name, one in second.reservations().items() if name.startswith(RUN)} == {NOON + HOUR}
    # Twice is harmless.
    assert begin_portion(second, RUN, SECOND, AMOUNTS[1], TUESDAY, NOON, Caps(month=0)) is None


def test_a_lump_that_is_gone_leaves_the_caps_to_decide() -> None:
    """As when a collection has taken its run for dead."""
    gone = after(settle(BEGUN, {}, [reservation_id(RUN, SECOND)], MONDAY))
    assert held(after(begin_portion(gone, RUN, SECOND, AMOUNTS[1], MONDAY, NOON, Caps(month=21)))).keys() >= {"c", "d"}
    reached = begin_portion(gone, RUN, SECOND, AMOUNTS[1], MONDAY, NOON, Caps(month=20))
    assert reached == CapReached("month", 20, 14, 7, MONDAY)


def test_a_run_that_begins_again_reserves_nothing_twice() -> None:
    """Killed in its second portion: what it held by video and in lumps is its own, however it divides the rest now."""
    killed = after(begin_portion(BEGUN, RUN, SECOND, AMOUNTS[1], MONDAY, NOON, Caps()))
    left = [{"b": 2, "d": 4}, {"c": 3, "f": 6}, {"e": 5}]
    again = after(reserve_batch(killed, RUN, BATCH, left, TUESDAY, NOON, Caps(day=0, month=21)))
    assert held(again) == {"a": 1, "b": 2, "c": 3, "d": 4, SECOND: 6, THIRD: 5}
    assert {one.day for one in again.reservations().values()} == {MONDAY}
    # And once more, with all in one portion and one of them dearer.
    whole = [{"b": 2, "c": 3, "d": 4, "e": 5, "f": 7}]
    assert reserve_batch(again, RUN, BATCH, whole, TUESDAY, NOON, Caps(month=21)) == CapReached(
        "month", 21, 10, 12, MONDAY
    )
    assert held(after(reserve_batch(again, RUN, BATCH, whole, TUESDAY, NOON, Caps(month=22)))) == {
        "a": 1,
        "b": 2,
        "c": 3,
        "d": 4,
        "e": 5,
        "f": 7,
    }


def test_two_batches_of_one_run_do_not_meet() -> None:
    """The same flow run may call for two; each has lumps of its own."""
    other = batch_token("uvwxyz")
    both = after(reserve_batch(BEGUN, RUN, other, [{"u": 1}, {"v": 2}], MONDAY, NOON, Caps()))
    assert held(both) == {**held(BEGUN), "u": 1, lump_of(other, 2): 2}


@pytest.mark.parametrize(
    ("videos", "expected"),
    [
        ("", []),
        ("aa", ["aa"]),
        ("abcd", ["ab", "cd"]),
        ("abc", ["ab", "c"]),
        ("--ab-cd-", ["--ab-", "cd-"]),
        ("--", ["--"]),
    ],
)
def test_a_portion_has_so_many_videos_that_are_paid_for(videos: str, expected: list[str]) -> None:
    """What is known already, or never sent, goes along."""
    assert ["".join(portion) for portion in in_portions(videos, lambda video: video != "-", 2)] == expected


def test_a_video_counts_with_all_that_may_be_paid_for_it() -> None:
    """Such as its extra takes; one that is more than a portion has one of its own."""
    weights = dict(zip("abcdef", (2, 1, 0, 2, 5, 0), strict=True))
    assert in_portions(weights, weights.__getitem__, 3) == [["a", "b", "c"], ["d"], ["e", "f"]]


def test_many_batches_fit_beside_each_other() -> None:
    """Each holds a portion and a few lumps; 30,000 videos are no more than that."""
    money = Money()
    for run in range(3):
        keys = [f"{run}-{n}" for n in range(30_000)]
        amounts = [dict.fromkeys(portion, 1) for portion in in_portions(keys, bool, PORTION)]
        assert (len(amounts), sum(map(len, amounts))) == (60, 30_000)
        money = after(
            reserve_batch(money, run_token(str(run)), batch_token(keys), amounts, MONDAY, NOON, Caps(month=90_000))
        )
    assert (money.taken(), len(money.reservations())) == (90_000, 3 * 559)
    with pytest.raises(LedgerError, match=f"would pass {LARGEST_OPEN}"):
        begin_portion(
            money, run_token("0"), lump_of(batch_token(["x"]), 2), dict.fromkeys(keys[:400], 1), MONDAY, NOON, Caps()
        )


STEPS = st.tuples(
    st.sampled_from(["gate", "begin", "end", "dead", "other"]),
    st.integers(2, 4),
    st.sets(st.sampled_from("abcdef")),
)


@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_no_cap_is_passed_and_nothing_counts_twice(steps: list[tuple[str, int, set[str]]]) -> None:
    """A run that is killed and retried at any point, beside one of somebody else, under a cap of 40."""
    prices, caps, token = dict(zip("abcdef", range(1, 7), strict=True)), Caps(month=40), batch_token("abcdef")
    money, ended, plan = Money(), set[str](), list[dict[str, int]]()
    for what, number, some in steps:
        change: Change | CapReached | None = None
        if what == "gate":
            left = sorted(prices.keys() - ended, key=lambda key: (key in some, key))
            plan = [{key: prices[key] for key in keys} for keys in in_portions(left, bool, number)]
            change = reserve_batch(money, RUN, token, plan, MONDAY, NOON, caps)
            if not isinstance(change, CapReached):
                now = held(change.money if change else money)
                assert sum(now.values()) == sum(prices[key] for key in left)
            else:
                plan = []
        elif what == "begin" and number <= len(plan):
            there = lump_of(token, number) in held(money)
            change = begin_portion(money, RUN, lump_of(token, number), plan[number - 1], MONDAY, NOON, caps)
            assert not (there and isinstance(change, CapReached))
        elif what == "end":
            names = [reservation_id(RUN, key) for key in some & held(money).keys()]
            ended |= {ledger_key(name) for name in names}
            plan = [{key: amount for key, amount in portion.items() if key not in ended} for portion in plan]
            change = settle(money, {}, names, MONDAY)
        elif what == "dead":
            change = settle(money, {}, [reservation_id(RUN, lump_of(token, number))], MONDAY)
        elif what == "other":
            change = reserve(money, OTHER, {str(len(money.reservations())): 5}, MONDAY, NOON, caps)
        money = change.money if isinstance(change, Change) else money
        assert money.taken() <= 40
