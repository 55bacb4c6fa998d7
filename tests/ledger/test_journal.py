"""The money journal in one process: what it keeps, what it costs, and how it fails closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from openrouter_video.errors import LedgerError, StorageError
from openrouter_video.ledger.journal import TRUSTED_SECONDS, Journal, Repaired
from openrouter_video.ledger.reservations import Bill, CapReached, Caps, reservation_id, run_token
from openrouter_video.money import Bills
from openrouter_video.stores import Store, open_store
from openrouter_video.stores.local_store import LocalStore

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
UNTIL = NOON + timedelta(days=2)
DAY, MONTH = "2026-11-24", "2026-11"
RUN = run_token("a run")
FREE = Caps()


class Clock:
    """The time of a test: a date for the entries, and seconds for what is remembered."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the date."""
        return self.at

    def seconds(self) -> float:
        """Return the seconds."""
        return self.at.timestamp()


def journal_of(store: Store, clock: Clock | None = None, *, sandbox: bool = False) -> Journal:
    """A journal as another process has it, which waits for nobody."""
    time = clock or Clock()
    return Journal(store, sandbox=sandbox, now=time.now, clock=time.seconds, sleep=lambda _: None)


def held(*keys: str) -> list[str]:
    """The reservations of the run for these keys."""
    return [reservation_id(RUN, key) for key in keys]


def bill(amount: int, **fields: Any) -> Bill:
    """A bill of some model."""
    return Bill(model="m", amount=amount, **fields)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty ledger's store on the local disk."""
    return open_store(str(tmp_path / "jobs"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where its entries of this month are."""
    return tmp_path / "jobs/_money" / MONTH


# ---- A run -----------------------------------------------------------------------------------------------------------


def test_a_run_reserves_and_settles(store: Store, folder: Path) -> None:
    """In two entries; the state is in the newest, and any process reads it."""
    journal = journal_of(store)
    assert journal.reserve(RUN, {"a": 100, "b": 50}, UNTIL, FREE, "run") == MONTH
    assert journal.reserve(RUN, {"b": 50}, UNTIL, FREE, "run") == MONTH
    journal.settle(MONTH, {held("a")[0]: bill(80, labels={"team": "x"})}, held("b"), "run")
    money = journal_of(store).money()
    assert (money.spent, money.held) == ({DAY: 80}, ())
    assert [(entry.kind, entry.run_id) for entry in journal.entries(MONTH)] == [("reserve", "run"), ("settle", "run")]
    assert [path.name for path in sorted(folder.iterdir())] == ["00000001.json", "00000002.json"]
    assert journal.months() == [MONTH]
    assert repr(journal) == f"Journal('{store.url}/_money')"


def test_what_a_run_has_reserved(store: Store) -> None:
    """Also by an earlier attempt of it, and not what others have."""
    journal_of(store).reserve(RUN, {"a": 100}, UNTIL, FREE)
    journal_of(store).reserve(run_token("other"), {"c": 100}, UNTIL, FREE)
    again = journal_of(store)
    assert again.held_by(RUN, MONTH) == frozenset()
    again.reserve(RUN, {"b": 50}, UNTIL, FREE)
    assert again.held_by(RUN, MONTH) == {"a", "b"}


def test_what_changes_nothing_writes_nothing(store: Store) -> None:
    """A settlement that is repeated, as by two collections, leaves one entry."""
    journal_of(store).reserve(RUN, {"a": 100}, UNTIL, FREE)
    for _ in range(3):
        journal_of(store).settle(MONTH, {held("a")[0]: bill(80)}, held("b"))
    assert len(journal_of(store).entries(MONTH)) == 2
    assert journal_of(store).money().spent == {DAY: 80}


def test_an_empty_journal(store: Store, tmp_path: Path) -> None:
    """To look at it makes none."""
    journal = journal_of(store)
    assert (journal.months(), journal.entries(MONTH), journal.money().taken()) == ([], [], 0)
    assert journal.repair(MONTH) is None
    assert not (tmp_path / "jobs").exists()


def test_a_refusal_reads_again_what_it_remembers(store: Store) -> None:
    """Somebody else may have given back meanwhile."""
    ours, theirs = journal_of(store), journal_of(store)
    ours.reserve(RUN, {"a": 100}, UNTIL, Caps(month=100))
    theirs.settle(MONTH, {}, held("a"))
    assert ours.reserve(RUN, {"b": 100}, UNTIL, Caps(month=100)) == MONTH
    assert theirs.reserve(RUN, {"c": 1}, UNTIL, Caps(month=100)) == CapReached("month", 100, 100, 1, DAY)


def test_a_late_bill_counts_once(store: Store) -> None:
    """Its reservation was released as that of a dead run, which was alive all the same."""
    journal_of(store).reserve(RUN, {"a": 100}, UNTIL, FREE)
    journal_of(store).settle(MONTH, {}, held("a"))
    for _ in range(2):
        journal_of(store).settle(MONTH, {held("a")[0]: bill(70)})
    assert journal_of(store).money().spent == {DAY: 70}
    assert len(journal_of(store).entries(MONTH)) == 3


def test_a_sandboxs_money_is_kept_apart(store: Store) -> None:
    """It takes nothing from a cap, and teaches nothing."""
    real, play = journal_of(store), journal_of(store, sandbox=True)
    play.reserve(RUN, {"a": 100}, UNTIL, FREE)
    play.settle(MONTH, {held("a")[0]: bill(99, listed=(9, 9))})
    assert play.money().spent == {DAY: 99}
    assert (real.months(), real.money().taken(), real.money().learned) == ([], 0, {})


# ---- Days and months -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(hours=13), timedelta(days=1)])
def test_the_day_never_goes_back(store: Store, behind: timedelta) -> None:
    """A host whose clock is behind reserves on the day of the last entry, so that no budget is there twice."""
    cap = Caps(day=101)
    journal_of(store).reserve(RUN, {"a": 100}, UNTIL, cap)
    late = journal_of(store, Clock(NOON - behind))
    assert late.reserve(RUN, {"b": 1}, UNTIL, cap) == MONTH
    assert late.reserve(RUN, {"c": 1}, UNTIL, cap) == CapReached("day", 101, 101, 1, DAY)
    assert {one.day for one in late.money().reservations().values()} == {DAY}


def test_clocks_on_either_side_of_a_months_end(store: Store) -> None:
    """Each keeps the cap of its own month."""
    ahead, behind = Clock(datetime(2026, 12, 1, 0, 30, tzinfo=UTC)), Clock(datetime(2026, 11, 30, 23, 30, tzinfo=UTC))
    for _ in range(3):
        for clock in (ahead, behind):
            journal_of(store, clock).reserve(run_token(str(_)), {f"{_}": 40}, UNTIL, Caps(month=100))
    months = [
        journal_of(store, clock).money(month).taken() for clock in (ahead, behind) for month in (MONTH, "2026-12")
    ]
    assert months == [80, 80, 80, 80]


def test_a_bill_counts_on_the_day_and_in_the_month_of_its_reservation(store: Store) -> None:
    """Yesterday's and last month's."""
    clock = Clock()
    journal = journal_of(store, clock)
    journal.reserve(RUN, {"a": 100, "b": 100}, UNTIL, FREE)
    clock.at += timedelta(days=1)
    journal.settle(MONTH, {held("a")[0]: bill(70)})
    clock.at = datetime(2026, 12, 1, 0, 5, tzinfo=UTC)
    journal.settle(MONTH, {held("b")[0]: bill(20)})
    assert journal.money(MONTH).spent == {DAY: 90}
    assert journal.money().taken() == 0
    assert [entry.day for entry in journal.entries(MONTH)] == [DAY, "2026-11-25", "2026-11-25"]


def test_a_new_month_begins_with_what_bills_have_taught(store: Store) -> None:
    """Also when nothing was spent in the one before; and its first entry hands it on."""
    journal_of(store).reserve(RUN, {"a": 100}, UNTIL, FREE)
    journal_of(store).settle(MONTH, {held("a")[0]: bill(20, listed=(10, 10))})
    january = Clock(datetime(2027, 1, 3, tzinfo=UTC))
    assert journal_of(store, january).money().bills()["m text"] == Bills((2.0,), 1)
    assert journal_of(store, january).money().spent == {}
    journal_of(store, january).reserve(RUN, {"b": 1}, UNTIL, FREE)
    (first,) = journal_of(store, january).entries("2027-01")
    assert first.money.learned == journal_of(store).money(MONTH).learned


# ---- What an append costs --------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations on the store, as they are made."""
    made: list[str] = []
    for name in ("list_names", "read_bytes", "create_exclusive", "list_tree", "clear_leftovers"):
        real = getattr(LocalStore, name)

        def counted(self: Store, *args: Any, _real: Any = real, _name: str = name, **more: Any) -> Any:
            made.append(_name)
            return _real(self, *args, **more)

        monkeypatch.setattr(LocalStore, name, counted)
    return made


def test_an_append_costs_the_same_however_long_the_month(store: Store, calls: list[str]) -> None:
    """A process lists the month once and reads its newest entry; after that an append is one creation."""
    costs: list[list[str]] = []
    for _ in range(3):
        calls.clear()
        journal = journal_of(store)
        for n in range(50):
            before = len(calls)
            journal.reserve(run_token(f"{len(costs)}"), {f"{n}": 1}, UNTIL, FREE)
            costs.append(calls[before:])
    # The very first looks for an earlier month, whose bills have taught something.
    assert costs[0] == ["list_names", "list_names", "create_exclusive"]
    assert costs[50] == costs[100] == ["list_names", "read_bytes", "create_exclusive"]
    assert all(cost == ["create_exclusive"] for n, cost in enumerate(costs) if n % 50)


def test_a_conflict_reads_only_what_is_new(store: Store, calls: list[str]) -> None:
    """The entries that others have made since, and the place after them."""
    ours, theirs = journal_of(store), journal_of(store)
    ours.reserve(RUN, {"a": 1}, UNTIL, FREE)
    theirs.reserve(RUN, {"b": 1}, UNTIL, FREE)
    theirs.reserve(RUN, {"c": 1}, UNTIL, FREE)
    calls.clear()
    ours.reserve(RUN, {"d": 1}, UNTIL, FREE)
    # Whose the entry is that was there tells its token, which is read first.
    assert calls == ["create_exclusive", *["read_bytes"] * 4, "create_exclusive"]
    assert set(ours.money().reservations()) == set(held(*"abcd"))


def test_what_is_remembered_for_a_minute_is_not_trusted(store: Store, calls: list[str]) -> None:
    """A day-old memory would be caught up with entry by entry."""
    clock = Clock()
    journal = journal_of(store, clock)
    journal.reserve(RUN, {"a": 1}, UNTIL, FREE)
    clock.at += timedelta(seconds=TRUSTED_SECONDS + 1)
    calls.clear()
    journal.reserve(RUN, {"b": 1}, UNTIL, FREE)
    assert calls == ["list_names", "read_bytes", "create_exclusive"]


# ---- Failing closed, and repair --------------------------------------------------------------------------------------


def three_entries(store: Store) -> None:
    """Three reservations by three processes."""
    for key in "abc":
        journal_of(store).reserve(RUN, {key: 1}, UNTIL, FREE)


def entry_of(folder: Path, n: int) -> Path:
    """The file of an entry."""
    return folder / f"{n:08d}.json"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"n": 2}', b"<html>", "entry 1", '"amount"'], ids=repr)
def test_a_damaged_newest_entry_closes_the_journal(store: Store, folder: Path, content: bytes | str) -> None:
    """Until it is repaired; what it said is lost, and what was reserved before stays reserved."""
    three_entries(store)
    first = entry_of(folder, 1).read_text()
    foreign = {"entry 1": first, '"amount"': first.replace('"n":1', '"n":3').replace('"a":1', '"a":-1')}
    entry_of(folder, 3).write_bytes(content if isinstance(content, bytes) else foreign[content].encode())
    damaged = r"entry 3 of the money journal at .*2026-11 (cannot be read|says).*`openrouter-video ledger repair` mends"
    for attempt in (
        lambda: journal_of(store).reserve(RUN, {"d": 1}, UNTIL, FREE),
        lambda: journal_of(store).settle(MONTH, {}, held("a")),
        lambda: journal_of(store).money(),
        lambda: journal_of(store).entries(MONTH),
    ):
        with pytest.raises(LedgerError, match=damaged):
            attempt()
    assert journal_of(store).repair(MONTH) == Repaired(((3, 3),), newest_lost=True)
    assert journal_of(store).repair(MONTH) is None
    assert journal_of(store).reserve(RUN, {"d": 1}, UNTIL, FREE) == MONTH
    assert set(journal_of(store).money().reservations()) == set(held(*"abd"))
    assert [entry.n for entry in journal_of(store).entries(MONTH)] == [1, 2, 4, 5]


def test_a_gap_closes_the_journal(store: Store, folder: Path) -> None:
    """Each entry has the whole state, so that none of it is lost with the one that is missing."""
    three_entries(store)
    entry_of(folder, 2).unlink()
    with pytest.raises(LedgerError, match=r"entry 2 of .* is not there\. `openrouter-video ledger repair` mends"):
        journal_of(store).reserve(RUN, {"d": 1}, UNTIL, FREE)
    assert journal_of(store).repair(MONTH) == Repaired(((2, 2),), newest_lost=False)
    journal_of(store).reserve(RUN, {"d": 1}, UNTIL, FREE)
    assert set(journal_of(store).money().reservations()) == set(held(*"abcd"))
    assert [entry.kind for entry in journal_of(store).entries(MONTH)] == ["reserve", "reserve", "repair", "reserve"]


def test_damage_that_is_found_while_catching_up(store: Store, folder: Path) -> None:
    """A process that remembers an older entry fails as well, and goes on after the repair."""
    journal = journal_of(store)
    journal.reserve(RUN, {"a": 1}, UNTIL, FREE)
    journal_of(store).reserve(RUN, {"b": 1}, UNTIL, FREE)
    entry_of(folder, 2).write_bytes(b"")
    with pytest.raises(LedgerError, match="ledger repair"):
        journal.reserve(RUN, {"c": 1}, UNTIL, FREE)
    fresh = journal_of(store)
    fresh._memory = dict(journal._memory)
    journal_of(store).repair(MONTH)
    assert journal.reserve(RUN, {"c": 1}, UNTIL, FREE) == MONTH
    assert set(journal.money().reservations()) == set(held("a", "c"))


def test_a_journal_of_which_nothing_can_be_read(store: Store, folder: Path) -> None:
    """It begins anew, after a person has said so."""
    three_entries(store)
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(LedgerError, match="ledger repair"):
        journal_of(store).money()
    assert journal_of(store).repair(MONTH) == Repaired(((1, 3),), newest_lost=True)
    assert journal_of(store).money().taken() == 0


def test_a_repair_leaves_alone_what_a_later_version_wrote(store: Store, folder: Path) -> None:
    """It would give up money that is counted."""
    three_entries(store)
    newer = entry_of(folder, 3).read_text().replace('"schema_version":1', '"schema_version":2')
    entry_of(folder, 3).write_text(newer)
    said = r"entry 3 of .* later version .*\(schema 2\)\. `openrouter-video ledger repair` leaves such entries alone"
    for attempt in (lambda: journal_of(store).money(), lambda: journal_of(store).repair(MONTH)):
        with pytest.raises(LedgerError, match=said):
            attempt()
    assert len(list(folder.iterdir())) == 3


def test_a_stray_file_is_named(store: Store, folder: Path) -> None:
    """Nothing could follow it, so a person removes it."""
    three_entries(store)
    entry_of(folder, 99_999_999).write_bytes(b"")
    with pytest.raises(LedgerError, match="ledger repair"):
        journal_of(store).money()
    with pytest.raises(LedgerError, match=r"99999999\.json is not an entry .* whose last one is 3: remove that file"):
        journal_of(store).repair(MONTH)
    entry_of(folder, 99_999_999).unlink()
    assert journal_of(store).money().taken() == 3


def test_other_files_are_no_entries(store: Store, folder: Path) -> None:
    """Only eight digits and .json count, and the largest number is the newest."""
    three_entries(store)
    for name in ("00000099.json.tmp", "notes.txt", "9.json", "0000000x.json", "000000004.json", "00000000.json"):
        (folder / name).write_text("{}")
    (folder.parent / "2026-13").mkdir()
    assert journal_of(store).months() == [MONTH]
    assert set(journal_of(store).money().reservations()) == set(held(*"abc"))


def test_what_killed_writers_left_is_cleared_away(store: Store, folder: Path) -> None:
    """But for the newest entry, of which a rival may still be at work."""
    three_entries(store)
    for n in (1, 2, 3, 4):
        (folder / f".{n:08d}.json.0123456789ab.part").write_bytes(b"{")
    journal_of(store).money()
    assert [path.name[:14] for path in sorted(folder.glob(".*"))] == [".00000003.json", ".00000004.json"]
    assert journal_of(store).reserve(RUN, {"d": 1}, UNTIL, FREE) == MONTH


# ---- Stores that fail ------------------------------------------------------------------------------------------------


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Operations that fail so many times more: before they are done, or, of creations, after."""
    left = {"list_names": 0, "read_bytes": 0, "create_exclusive": 0, "create_exclusive after": 0}
    for name in ("list_names", "read_bytes", "create_exclusive"):
        real = getattr(LocalStore, name)

        def fails(self: Store, *args: Any, _real: Any = real, _name: str = name, **more: Any) -> Any:
            for when in (_name, f"{_name} after"):
                if left.get(when):
                    left[when] -= 1
                    if when != _name:
                        _real(self, *args, **more)
                    raise StorageError("the connection broke")
            return _real(self, *args, **more)

        monkeypatch.setattr(LocalStore, name, fails)
    return left


def test_the_answer_to_a_creation_may_be_lost(store: Store, failing: dict[str, int]) -> None:
    """The entry was made all the same: it is read, and not made a second time."""
    failing["create_exclusive after"] = 1
    journal_of(store).reserve(RUN, {"a": 1}, UNTIL, FREE)
    assert [entry.n for entry in journal_of(store).entries(MONTH)] == [1]


@pytest.mark.parametrize(
    ("operation", "said"),
    [("list_names", "cannot be read"), ("read_bytes", "cannot be read"), ("create_exclusive", "cannot be written")],
)
def test_a_store_that_fails(store: Store, failing: dict[str, int], operation: str, said: str) -> None:
    """Nothing is reserved, and the next attempt finds the chain whole."""
    journal_of(store).reserve(RUN, {"a": 1}, UNTIL, FREE)
    failing[operation] = 1
    with pytest.raises(LedgerError, match=f"the money journal {said}: the connection broke"):
        journal_of(store).reserve(RUN, {"b": 1}, UNTIL, FREE)
    assert set(journal_of(store).money().reservations()) == set(held("a"))


def test_rivals_that_never_pause(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many attempts it says so, instead of trying for ever."""
    monkeypatch.setattr(LocalStore, "create_exclusive", lambda *_: False)
    with pytest.raises(LedgerError, match=r"others write the money journal at .* all the time; try again later"):
        journal_of(store).reserve(RUN, {"a": 1}, UNTIL, FREE)


def test_a_repair_that_somebody_else_is_quicker_with(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and the next one looks again."""
    three_entries(store)
    entry_of(folder, 2).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "create_exclusive", lambda *_: False)
        with pytest.raises(LedgerError, match="others wrote the money journal of 2026-11 meanwhile; try again"):
            journal_of(store).repair(MONTH)
    assert journal_of(store).repair(MONTH) is not None
