"""What is an entry of the money journal, and what is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from openrouter_video.ledger.journal_entry import (
    ABSENT,
    Damage,
    JournalEntry,
    Span,
    covers,
    missing_in,
    parse_journal_entry,
    spans_of,
)
from openrouter_video.ledger.reservations import (
    LARGEST_OPEN,
    Bill,
    Caps,
    Change,
    Hold,
    Money,
    RunBills,
    reserve,
    settle,
)

MONDAY, TUESDAY = "2026-11-23", "2026-11-24"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HELD = Hold(run="5" * 12, day=MONDAY, until=NOON, videos={"a": 100})
ENTRY = JournalEntry(
    schema_version=1,
    n=3,
    token="t",
    at="2026-11-24T08:00:00.000+00:00",
    day=TUESDAY,
    kind="settle",
    bills=(RunBills(day=MONDAY, labels={"team": "x"}, bills={"b": Bill(model="m", amount=70, listed=(60, 80))}),),
    money=Money(spent={MONDAY: 70}, held=(HELD,)),
)
WRITTEN: dict[str, Any] = json.loads(ENTRY.model_dump_json(exclude_defaults=True))


def test_an_entry_reads_back() -> None:
    """As it was written, with its bills whole."""
    assert parse_journal_entry(json.dumps(WRITTEN).encode(), 3, "2026-11") == ENTRY
    bill = Bill(model="m", amount=70, listed=(60, 80), labels={"team": "x"})
    assert ENTRY.each_bill() == [(MONDAY, "b", bill)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 4}, "says that it is entry 4 of 2026-11"),
        ({"n": "3"}, "cannot be read (n: "),
        ({"n": 3.0}, "cannot be read (n: "),
        ({"n": 0}, "cannot be read (n: "),
        ({"day": "2026-12-01"}, "it has days of another month"),
        ({"day": "2026-11-32"}, "cannot be read (day: "),
        ({"day": "yesterday"}, "cannot be read (day: "),
        ({"money": {"spent": {MONDAY: -1}}}, "cannot be read (money.spent.2026-11-23: "),
        ({"money": {"spent": {MONDAY: 0.5}}}, "cannot be read (money.spent.2026-11-23: "),
        ({"money": {"spent": {MONDAY: True}}}, "cannot be read (money.spent.2026-11-23: "),
        ({"money": {"spent": {"2026-10-31": 1}}}, "it has days of another month"),
        ({"money": {"held": [{"run": "r", "day": MONDAY, "until": "noon", "videos": {}}]}}, "(money.held.0.until: "),
        ({"money": {"learned": {"m text": {"bills": 0, "latest": [1]}}}}, "(money.learned.m text.bills: "),
        ({"kind": "refund"}, "cannot be read (kind: "),
        ({"schema_version": 0}, "cannot be read (schema_version: "),
        ({"schema_version": "2"}, "cannot be read (schema_version: "),
        ({"new": 1}, "cannot be read (new: "),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_not_the_entry_that_it_should_be(change: dict[str, Any], said: str) -> None:
    """Money that cannot be counted is not spent."""
    damage = parse_journal_entry(json.dumps(WRITTEN | change).encode(), 3, "2026-11")
    assert isinstance(damage, Damage)
    assert said in damage.why
    assert not damage.newer


def test_a_missing_version_is_no_entry() -> None:
    """Anybody's JSON could come without one."""
    damage = parse_journal_entry(json.dumps(WRITTEN | {"schema_version": None}).encode(), 3, "2026-11")
    assert isinstance(damage, Damage)


def test_an_entry_of_a_later_version_says_so() -> None:
    """Whatever else is in it: a repair by an older version would give up what a newer one counts."""
    damage = parse_journal_entry(b'{"schema_version": 2, "n": "three"}', 3, "2026-11")
    assert damage == Damage("was written by a later version of this package (schema 2)", newer=True)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"null"], ids=lambda value: repr(value)[:9]
)
def test_what_is_no_record_at_all(content: bytes) -> None:
    """Empty, cut, or something else."""
    damage = parse_journal_entry(content, 3, "2026-11")
    assert isinstance(damage, Damage)
    assert damage.why.startswith("cannot be read (the whole file: ")


def test_an_absent_entry() -> None:
    """It is told from a damaged one."""
    assert parse_journal_entry(None, 3, "2026-11") is ABSENT


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [([], []), ([1, 2, 3], []), ([2], [(1, 1)]), ([1, 5, 6, 8], [(2, 4), (7, 7)]), ([99_999_999], [(1, 99_999_998)])],
)
def test_what_is_missing(numbers: list[int], missing: list[Span]) -> None:
    """Every number from 1 on."""
    assert missing_in(numbers) == missing


def test_what_is_known_to_be_lost() -> None:
    """Numbers and spans put together, and whether they hold others."""
    lost = spans_of([4, 9, 2], [(5, 7), (3, 3)])
    assert lost == ((2, 7), (9, 9))
    assert covers(lost, [(2, 2), (3, 7), (9, 9)])
    assert not covers(lost, [(7, 8)])
    assert covers((), ())


def written(change: Change) -> int:
    """The bytes of an entry."""
    return len(ENTRY.model_copy(update=change._asdict()).model_dump_json(exclude_defaults=True))


def test_an_entry_stays_small() -> None:
    """With as many reservations as may be open, and with the bills of a run of 500 videos."""
    runs = [(f"{run:012x}", {f"{run:04x}{key:028x}": 30_370_000 for key in range(500)}) for run in range(4)]
    money, sizes = Money(), []
    for run, amounts in runs:
        change = reserve(money, run, amounts, TUESDAY, NOON, Caps())
        assert isinstance(change, Change)
        money = change.money
        sizes.append(written(change))
    assert len(money.reservations()) == LARGEST_OPEN
    assert max(sizes) < 100_000
    about = {
        "run_id": "0" * 36,
        "deployment": "fan-out-video/nightly",
        "labels": {f"label {n}": "x" * 60 for n in range(8)},
    }
    bill = Bill.model_validate(
        {"model": "bytedance/seedance-2.0-mini", "amount": 12_345_678, "listed": (140_000, 30_370_000), **about}
    )
    settled = settle(money, {f"{runs[0][0]}/{key}": bill for key in runs[0][1]}, [], TUESDAY)
    assert settled is not None
    assert written(settled) < 150_000
