"""What the money of a run and of a collection costs in operations on the store."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Caps, Journal, Ledger, run_token
from openrouter_video.ledger.portions import batch_token, lump_of
from openrouter_video.outcome import Outcome
from openrouter_video.run import RunReservation, reserve_money, settle_left, settle_money
from openrouter_video.stores import open_store
from openrouter_video.stores.local_store import LocalStore
from tests.support.claims import claim_on

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
KEYS = [f"{n:032x}" for n in range(500)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger in which nothing is."""
    (tmp_path / "ledger").mkdir()
    return Ledger(open_store(str(tmp_path / "ledger")))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each operation of a store was made."""
    counts = Counter[str]()
    for name in ("list_names", "read_bytes", "create_exclusive", "list_tree"):
        real = getattr(LocalStore, name)

        def counted(*args: object, _real: object = real, _name: str = name, **more: object) -> object:
            counts[_name] += 1
            return _real(*args, **more)  # type: ignore[operator]

        monkeypatch.setattr(LocalStore, name, counted)
    return counts


def test_a_run_of_500_videos_writes_twice(ledger: Ledger, made: Counter[str]) -> None:
    """It reserves once and settles once; caps or not."""
    journal = Journal(ledger.store, now=lambda: NOW)
    reserved = reserve_money(journal, "run", dict.fromkeys(KEYS, 100_000), LATER, Caps(day=50_000_000), "run")
    assert isinstance(reserved, RunReservation)
    assert len(reserved.keys) == 500
    outcomes = [Outcome(model="m", key=key, status="completed", cost_usd=0.1, bytes=1) for key in KEYS]
    settle_money(journal, ledger, reserved, outcomes, "run", None)
    assert made["create_exclusive"] == 2
    assert (made["read_bytes"], made["list_tree"]) == (0, 0)
    assert made["list_names"] <= 2
    assert Journal(ledger.store, now=lambda: NOW).money().spent == {"2026-11-26": 50_000_000}


def test_a_collection_settles_a_large_run_by_one_write(ledger: Ledger, made: Counter[str]) -> None:
    """Of a run that died before its first claim; and nothing is written where nothing is to be settled."""
    journal = Journal(ledger.store, now=lambda: NOW)
    assert isinstance(reserve_money(journal, "run", dict.fromkeys(KEYS, 1), NOW, Caps(), "run"), RunReservation)
    made.clear()
    assert settle_left(ledger, LATER) == 500
    assert made["create_exclusive"] == 1
    assert settle_left(ledger, LATER) == 0
    assert made["create_exclusive"] == 1


def test_a_collection_without_money_lists_twice(ledger: Ledger, made: Counter[str]) -> None:
    """Whether there is a journal, and whether there is one of a sandbox's money."""
    assert settle_left(ledger, NOW) == 0
    assert (made.total(), made["list_names"]) == (2, 2)
    assert not (Path(ledger.url.removeprefix("file://")) / "_money").exists()


def test_large_runs_beside_each_other(ledger: Ledger) -> None:
    """Two of a thousand videos fit; a third one is told to wait, and has reserved nothing."""
    journal = Journal(ledger.store, now=lambda: NOW)
    many = {f"{n:032x}": 1 for n in range(1000)}
    for run in ("one", "two"):
        assert isinstance(reserve_money(journal, run, many, LATER, Caps(), run), RunReservation)
    with pytest.raises(LedgerError, match="2000 videos are reserved and 1000 more would pass 2000"):
        reserve_money(journal, "three", many, LATER, Caps(), "three")
    # The first begins again, and has all it needs.
    again = reserve_money(journal, "one", many, LATER, Caps(month=2000), "one")
    assert isinstance(again, RunReservation)
    assert len(again.keys) == 1000
    settle_left(ledger, LATER)
    assert isinstance(reserve_money(journal, "three", many, LATER + timedelta(days=1), Caps(), "three"), RunReservation)


def test_a_batch_holds_lumps_for_what_has_not_begun(ledger: Ledger, made: Counter[str]) -> None:
    """A collection leaves them until their time is over, and asks the ledger for no key of theirs."""
    journal, token, batch = Journal(ledger.store, now=lambda: NOW), run_token("run"), batch_token(KEYS)
    first, second = (dict.fromkeys(keys, 1) for keys in (KEYS[:250], KEYS[250:]))
    month = journal.reserve_batch(token, batch, [first, second], LATER, Caps(month=500), "run")
    assert month == "2026-11"
    assert settle_left(ledger, NOW) == 0
    assert journal.begin_portion(month, token, lump_of(batch, 2), second, LATER, Caps(month=500), "run") is None
    assert journal.held_by(token, month) == {*KEYS}
    assert made["create_exclusive"] == 2
    again = Journal(ledger.store, now=lambda: NOW)
    again.reserve_batch(token, batch, [first, {"z": 1}], LATER, Caps(month=501), "run")
    made.clear()
    assert settle_left(ledger, LATER) == 501
    assert made["list_names"] == len(KEYS) + 3


def test_a_run_that_finds_a_video_reads_no_record_of_its_own_extra_takes(ledger: Ledger, made: Counter[str]) -> None:
    """They are its own to give up: only those that another run holds may be that one's still."""
    journal, (found, *extra) = Journal(ledger.store, now=lambda: NOW), KEYS[:50]
    reserved = reserve_money(journal, "run", dict.fromkeys(extra, 10), LATER, Caps(), "run")
    assert isinstance(reserved, RunReservation)
    outcome = Outcome(model="m", key=found, status="completed", cost_usd=0.1, reused=True)
    before = made["list_names"]
    settle_money(journal, ledger, reserved, [outcome], "run", None, extra)
    assert made["list_names"] - before < len(extra)
    assert journal.money().reservations() == {}


@pytest.mark.parametrize("by_collection", [False, True])
def test_a_run_settles_what_a_killed_run_has_left_of_the_videos_that_it_finds(
    ledger: Ledger, *, by_collection: bool
) -> None:
    """Its bill counts once; what the killed run had not sent yet stays reserved, for nobody knows that it is dead.

    An extra take of a video that is there is no longer needed, and held no longer: also if a collection has found it.
    """
    journal, cap = Journal(ledger.store, now=lambda: NOW), Caps(day=30)
    found, not_sent, extra = KEYS[:3]
    killed = reserve_money(journal, "killed", {found: 10, not_sent: 10, extra: 10}, LATER, cap, "killed")
    assert isinstance(killed, RunReservation)
    claim = claim_on(
        found,
        at=NOW.isoformat(),
        model="m",
        path="x.mp4",
        run_id="killed",
        reservation=killed.name_of(found),
        extra_keys=(extra,),
    )
    outcome = Outcome(model="m", key=found, status="completed", cost_usd=0.000004, bytes=1)
    ledger.claim(1, claim)
    ledger.record_job(found, 1, "job-1")
    ledger.settle(found, outcome)
    if by_collection:
        assert settle_left(ledger, NOW, [(claim, outcome)], only_ended=True) == 2
    finishing = reserve_money(journal, "finishing", {not_sent: 10}, LATER, cap, "finishing")
    assert isinstance(finishing, RunReservation)
    made = [outcome.model_copy(update={"reused": True}), outcome.model_copy(update={"key": not_sent})]
    for _ in range(2):
        settle_money(journal, ledger, finishing, made, "finishing", None, [extra])
        money = Journal(ledger.store, now=lambda: NOW).money()
        assert (money.spent, list(money.reservations())) == ({"2026-11-26": 8}, [f"{killed.run}/{not_sent}"])
