"""The money journal of many processes, on real stores: nothing is lost, a cap is a cap, and nobody's death matters."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.reservations import Bill, Caps, reservation_id, run_token
from openrouter_video.stores import Store, open_store
from tests.support.object_stores import of_kinds
from tests.support.store_writers import UNTIL, writers

PROCESSES, TIMES = 5, 3
RACES = 90


def assert_counted(store: Store, processes: int) -> None:
    """Each reservation and each bill of some processes is in the chain once, and each entry follows from the last."""
    journal = Journal(store)
    entries, settled = journal.entries(journal.month), sum(1 for n in range(TIMES) if n % 3)
    assert [entry.n for entry in entries] == list(range(1, processes * (TIMES + settled) + 1))
    bills = [bill.amount for entry in entries for _, _, bill in entry.each_bill()]
    assert bills == [2] * (processes * settled)
    money = journal.money()
    assert sum(money.spent.values()) == sum(bills)
    open_ones = {reservation_id(run_token(f"p{p}"), f"p{p}-{n}") for p in range(processes) for n in range(0, TIMES, 3)}
    assert set(money.reservations()) == open_ones
    steps = [after.money.taken() - before.money.taken() for before, after in pairwise(entries)]
    assert set(steps) == {3, 2 - 3}


@of_kinds("local", "sftp", "seaweed", "gcs", "azure")
def test_nothing_is_lost_among_processes(store: Store) -> None:
    """Two and five append at once; then all want the last dollar, and one gets it."""
    with writers(store.url, PROCESSES) as race:
        for processes in (2, PROCESSES):
            folder = f"with-{processes}"
            race.do(processes, do="append", folder=folder, times=TIMES)
            assert_counted(store.child(folder), processes)
        for n in range(3):
            assert sum(race.do(do="take", folder=f"dollar-{n}", amount=1, caps=[None, 1])) == 1


def test_a_cap_is_never_passed(tmp_path: Path) -> None:
    """Whoever races for the last dollar, one gets it; a larger cap is filled, and no more."""
    with writers(str(tmp_path), 4) as race:
        for n in range(RACES):
            cap, day = (1, 2, 7)[n % 3], n % 2
            taken = race.do(do="take", folder=f"{n}", amount=1, caps=[cap, None] if day else [None, cap])
            assert sum(taken) == cap
            assert Journal(open_store(str(tmp_path / f"{n}"))).money().taken() == cap


@of_kinds("local", "sftp", "seaweed")
def test_a_writer_is_killed_at_each_step(store: Store) -> None:
    """The entry is there whole or not at all, the next writer goes on, and the bill counts once when it comes again.

    The steps in an object store are before and after one request, by the same code for each of them.
    """
    run, ends, step = run_token("a run"), list[int](), 0
    with writers(store.url, 1) as other:
        while 0 not in ends:
            folder = f"step-{step}"
            journal = Journal(store.child(folder))
            journal.reserve(run, {"a": 100}, UNTIL, Caps())
            (a,) = journal.money().reservations()
            ends += other.do(do="die", folder=folder, reservation=a, step=step)
            after = Journal(store.child(folder))
            money = after.money()
            assert (money.taken(), set(money.reservations())) in [(100, {a}), (70, set())]
            after.reserve(run, {"b": 5}, UNTIL, Caps())
            for _ in range(2):
                # As by a collection that finds the reservation, and by the run that begins again.
                settle_again(store.child(folder), a)
            assert Journal(store.child(folder)).money().taken() == 75
            entries = after.entries(after.month)
            assert [entry.n for entry in entries] == [1, 2, 3]
            assert leftovers(store.child(folder), after.month) <= 1
            step += 1
    assert ends == [-signal.SIGKILL] * (step - 1) + [0]
    assert step > 1


def settle_again(store: Store, reservation: str) -> None:
    """Settle what a dead process may have settled."""
    journal = Journal(store)
    journal.settle(journal.month, {reservation: Bill(model="m", amount=70)})


def leftovers(store: Store, month: str) -> int:
    """Return how many temporary files are beside the entries."""
    return sum(name.endswith(".part") for name in store.list_names(f"_money/{month}", temporaries=True))
