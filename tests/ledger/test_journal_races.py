"""The money journal of many processes, on real stores: nothing is lost, a cap is a cap, and nobody's death matters."""

from __future__ import annotations

import signal

from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.reservations import Bill, Caps, run_token
from openrouter_video.stores import Store
from tests.support.journal_writer import UNTIL, writers
from tests.support.object_stores import of_kinds


@of_kinds("local", "sftp", "seaweed", "gcs", "azure")
def test_a_writer_is_killed_at_each_step(store: Store) -> None:
    """The entry is there whole or not at all, the next writer goes on, and the bill counts once when it comes again."""
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
