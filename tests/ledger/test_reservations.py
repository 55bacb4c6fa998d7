"""The money of a month: reservations under caps, bills in their place, and what may be released."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from openrouter_video.errors import LedgerError
from openrouter_video.ledger.reservations import (
    LARGEST_OPEN,
    Bill,
    CapReached,
    Caps,
    Change,
    Hold,
    Money,
    ledger_key,
    reservation_id,
    reserve,
    run_token,
    settle,
)
from openrouter_video.money import Bills

MONDAY, TUESDAY = "2026-11-23", "2026-11-24"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUN, OTHER = run_token("a run"), run_token("another run")
SPENT = Money(spent={MONDAY: 600, TUESDAY: 300}, held=(Hold(run=RUN, day=MONDAY, until=NOON, videos={"a": 100}),))


def ids(*keys: str, run: str = RUN) -> list[str]:
    """The reservations of a run for these keys."""
    return [reservation_id(run, key) for key in keys]


def bill(amount: int, **fields: object) -> Bill:
    """A bill of some model."""
    return Bill.model_validate({"model": "m", "amount": amount, **fields})


def after(change: Change | CapReached | None) -> Money:
    """The money after something that changed it."""
    assert isinstance(change, Change)
    return change.money


# ---- Reserving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "day", "caps", "expected"),
    [
        ({"b": 50}, TUESDAY, Caps(), 1050),
        ({"b": 50}, TUESDAY, Caps(day=350), 1050),
        ({"b": 51}, TUESDAY, Caps(day=350), CapReached("day", 350, 300, 51, TUESDAY)),
        ({"b": 50}, TUESDAY, Caps(month=1050), 1050),
        ({"b": 51}, TUESDAY, Caps(month=1050), CapReached("month", 1050, 1000, 51, TUESDAY)),
        ({"b": 51}, TUESDAY, Caps(day=310, month=1050), CapReached("day", 310, 300, 51, TUESDAY)),
        ({"b": 51}, TUESDAY, Caps(day=350, month=1010), CapReached("month", 1010, 1000, 51, TUESDAY)),
        ({"b": 30, "c": 21}, TUESDAY, Caps(day=350), CapReached("day", 350, 300, 51, TUESDAY)),
        ({"b": 1}, MONDAY, Caps(day=700), CapReached("day", 700, 700, 1, MONDAY)),
        ({"b": 0}, MONDAY, Caps(day=700), 1000),
        ({"b": 1}, MONDAY, Caps(day=0), CapReached("day", 0, 700, 1, MONDAY)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_reserving_under_caps(amounts: dict[str, int], day: str, caps: Caps, expected: int | CapReached) -> None:
    """What is reserved counts as spent, and a cap is kept to the micro-dollar; the tightest one is named."""
    decided = reserve(SPENT, OTHER, amounts, day, NOON, caps)
    assert (decided.money.taken() if isinstance(decided, Change) else decided) == expected


@pytest.mark.parametrize(
    ("span", "on", "resets_at"),
    [
        ("day", "2026-11-30", datetime(2026, 12, 1, tzinfo=UTC)),
        ("month", "2026-11-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("month", "2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_cap_says_what_is_left_and_until_when(span: str, on: str, resets_at: datetime) -> None:
    """In UTC; bills that were higher than expected leave nothing, not less."""
    reached = CapReached("day" if span == "day" else "month", 100, 130, 5, on)
    assert (reached.left, reached.resets_at) == (0, resets_at)
    assert reached._replace(taken=40).left == 60


def test_a_run_that_begins_again_reserves_what_has_become_dearer() -> None:
    """The rest of it, under the caps; a video that may cost less by now keeps what it has."""
    dearer = after(reserve(SPENT, RUN, {"a": 150}, TUESDAY, NOON, Caps(day=350)))
    assert dearer.reservations()[ids("a")[0]].amount == 150
    assert dearer.reserved() == SPENT.reserved() + 50
    reached = reserve(SPENT, RUN, {"a": 151}, TUESDAY, NOON, Caps(day=350))
    assert isinstance(reached, CapReached)
    assert (reached.asked, reached.left) == (51, 50)
    assert reserve(SPENT, RUN, {"a": 99}, TUESDAY, NOON - HOUR, Caps()) is None


def test_a_run_that_begins_again_reserves_only_what_is_new() -> None:
    """What it had reserved stays on its day, for as long as the run needs it now; caps do not ask for it again."""
    again = after(reserve(SPENT, RUN, {"a": 100, "b": 5}, TUESDAY, NOON + HOUR, Caps(month=1005)))
    assert [(hold.day, hold.until, hold.videos) for hold in again.held] == [
        (MONDAY, NOON + HOUR, {"a": 100}),
        (TUESDAY, NOON + HOUR, {"b": 5}),
    ]
    assert reserve(SPENT, RUN, {"a": 100}, TUESDAY, NOON, Caps(day=0, month=0)) is None
    assert reserve(SPENT, RUN, {}, TUESDAY, NOON - HOUR, Caps()) is None


def test_what_a_killed_run_has_left_does_not_stand_in_the_way_of_the_run_that_finishes_its_work() -> None:
    """The same keys again are no more money, however little of the caps is left; other keys are."""
    killed = after(reserve(Money(), RUN, {"a": 60, "b": 40}, TUESDAY, NOON, Caps(day=100)))
    finishing = after(reserve(killed, OTHER, {"a": 60, "b": 40}, TUESDAY, NOON, Caps(day=100)))
    assert (finishing.taken(), len(finishing.reservations())) == (100, 4)
    assert reserve(killed, OTHER, {"a": 61, "b": 40}, TUESDAY, NOON, Caps(day=100)) == CapReached(
        "day", 100, 0, 101, TUESDAY
    )
    assert reserve(killed, OTHER, {"a": 60, "c": 1}, TUESDAY, NOON, Caps(day=100)) == CapReached(
        "day", 100, 40, 61, TUESDAY
    )


def test_two_runs_of_one_key_have_reservations_of_their_own() -> None:
    """The bill of one never settles the other's; as long as both are open they count as one, for one will be paid."""
    both = after(reserve(SPENT, OTHER, {"a": 40}, TUESDAY, NOON, Caps()))
    assert (both.reserved(), both.reserved(TUESDAY), len(both.reservations())) == (100, 40, 2)
    settled = after(settle(both, {ids("a", run=OTHER)[0]: bill(30)}, [], TUESDAY))
    assert list(settled.reservations()) == ids("a")


def test_more_is_never_open_than_an_entry_can_hold() -> None:
    """A larger run reserves in portions."""
    full = after(reserve(Money(), RUN, {f"{n}": 1 for n in range(LARGEST_OPEN)}, MONDAY, NOON, Caps()))
    with pytest.raises(LedgerError, match=r"2000 videos are reserved and 1 more would pass 2000.*collect"):
        reserve(full, RUN, {"more": 1}, MONDAY, NOON, Caps())


def test_a_negative_amount_is_refused() -> None:
    """It would raise a cap."""
    with pytest.raises(ValidationError):
        reserve(Money(), RUN, {"a": -1}, MONDAY, NOON, Caps())


def test_a_runs_token_and_the_ids_of_its_reservations() -> None:
    """Twelve hexadecimal digits of the run, then the ledger key."""
    assert run_token("a run") == RUN != OTHER
    assert len(RUN) == 12
    assert int(RUN, 16)
    assert ledger_key(reservation_id(RUN, "f" * 32)) == "f" * 32


# ---- Settling --------------------------------------------------------------------------------------------------------


def test_a_bill_counts_once_and_on_the_day_of_its_reservation() -> None:
    """Whenever it comes, and however often."""
    (a,) = ids("a")
    settled = settle(SPENT, {a: bill(70)}, [], TUESDAY)
    assert settled is not None
    assert settled.money == Money(spent={MONDAY: 670, TUESDAY: 300})
    assert [(one.day, list(one.bills)) for one in settled.bills] == [(MONDAY, [a])]
    assert settle(settled.money, {a: bill(70)}, [], TUESDAY, {a}) is None


def test_a_bill_without_a_reservation_counts_all_the_same() -> None:
    """Its reservation was released too early, or was lost: the money is gone, so it counts, today."""
    settled = settle(SPENT, {ids("b")[0]: bill(70)}, [], TUESDAY)
    assert after(settled).spent == {MONDAY: 600, TUESDAY: 370}
    assert list(after(settled).reservations()) == ids("a")


def test_a_release_gives_back_once() -> None:
    """Of what was never charged nothing is spent; what has a bill is not released."""
    released = settle(SPENT, {}, ids("a", "never reserved"), TUESDAY)
    assert after(released) == Money(spent={MONDAY: 600, TUESDAY: 300})
    assert released is not None
    assert released.released == tuple(ids("a"))
    assert settle(after(released), {}, ids("a"), TUESDAY) is None
    both = settle(SPENT, {ids("a")[0]: bill(70)}, ids("a"), TUESDAY)
    assert both is not None
    assert (both.money.spent[MONDAY], both.released) == (670, ())


def test_bills_and_releases_of_a_run_are_one_change() -> None:
    """What bills share is said once, and each is whole again when it is read."""
    money = after(reserve(SPENT, OTHER, dict.fromkeys("bcd", 9), TUESDAY, NOON, Caps()))
    about = {"run_id": "run", "deployment": "nightly", "labels": {"team": "growth"}}
    b, c, d = ids("b", "c", "d", run=OTHER)
    (a,) = ids("a")
    bills = {b: bill(3, **about), c: bill(4, **about), a: bill(5)}
    change = settle(money, bills, [d], TUESDAY)
    assert change is not None
    assert [(one.day, one.labels, len(one.bills)) for one in change.bills] == [
        (TUESDAY, {"team": "growth"}, 2),
        (MONDAY, {}, 1),
    ]
    assert {name: one for group in change.bills for name, one in group.each().items()} == bills
    assert change.released == (d,)
    assert change.money == Money(spent={MONDAY: 605, TUESDAY: 307})


def test_bills_teach_and_estimates_that_stand_in_do_not() -> None:
    """Only what the provider named, where the list says what it should have been."""
    money = after(reserve(Money(), RUN, dict.fromkeys("abc", 9), TUESDAY, NOON, Caps()))
    a, b, c = ids("a", "b", "c")
    bills = {
        a: bill(20, listed=(10, 10), mode="image"),
        b: bill(10, listed=(10, 10), mode="image", billed=False),
        c: bill(7),
    }
    learned = after(settle(money, bills, [], TUESDAY))
    assert learned.bills()["m image"] == Bills((2.0,), 1)
    assert "m text" not in learned.bills()
    assert after(reserve(learned, RUN, {"d": 1}, TUESDAY, NOON, Caps())).learned == learned.learned


OPERATIONS = st.tuples(
    st.sampled_from(["reserve", "bill", "release"]),
    st.sampled_from([RUN, OTHER]),
    st.sampled_from("abc"),
    st.integers(0, 9),
)


@given(st.lists(OPERATIONS, max_size=30))
def test_whatever_happens_each_video_counts_once(operations: list[tuple[str, str, str, int]]) -> None:
    """Reserved until its bill or its release, and then with the bill alone; no cap is passed by a reservation."""
    money, held, billed = Money(), dict[str, int](), dict[str, list[int]]()
    for what, run, key, amount in operations:
        (name,) = ids(key, run=run)
        change: Change | CapReached | None
        if what == "reserve":
            change = reserve(money, run, {key: amount}, TUESDAY, NOON, Caps(month=20))
            more = max(0, amount - held.get(name, 0))
            if isinstance(change, CapReached):
                assert more > 0
                assert change.taken + more > 20
            else:
                held[name] = max(amount, held.get(name, 0))
                assert more == 0 or after(change).taken() <= 20
        elif what == "bill":
            change = settle(money, {name: bill(amount)}, [], TUESDAY, billed)
            if held.pop(name, None) is not None or name not in billed:
                billed.setdefault(name, []).append(amount)
        else:
            change = settle(money, {}, [name], TUESDAY)
            held.pop(name, None)
        money = change.money if isinstance(change, Change) else money
        assert {one: found.amount for one, found in money.reservations().items()} == held
        assert sum(money.spent.values()) == sum(map(sum, billed.values()))
