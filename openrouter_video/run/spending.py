"""The money of a run: reserved in the journal before its first POST, settled at its end, or later by a collection.

An edge: ``bills`` decides what is settled. Every function blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from openrouter_video.ledger import (
    CapReached,
    Caps,
    Claim,
    Journal,
    Ledger,
    LedgerEntry,
    is_lump,
    ledger_key,
    read_keys,
    reservation_id,
    run_token,
)
from openrouter_video.outcome import Outcome
from openrouter_video.run.bills import RunReservation, Settled, bills_by_claim, settled_by_records, settled_by_run

__all__ = [
    "give_up",
    "reserve_batch_money",
    "reserve_money",
    "reserve_portion",
    "settle_left",
    "settle_money",
]

MONTHS = 3
"""So far back a collection looks for what is still reserved; a job's own answer is kept for far less."""


def reserve_money(
    journal: Journal, root_id: str, amounts: Mapping[str, int], until: datetime, caps: Caps, run_id: str
) -> RunReservation | CapReached:
    """Reserve micro-dollars by ledger key, in one step with the check of the caps; nothing to reserve writes nothing.

    What an earlier attempt of the run has left reserved is the run's too.

    Raises:
        LedgerError: if the journal cannot be read or written, so that nobody knows what may be spent.
    """
    token = run_token(root_id)
    month = journal.reserve(token, amounts, until, caps, run_id) if amounts else journal.month
    return month if isinstance(month, CapReached) else RunReservation(month, token, journal.held_by(token, month))


def reserve_batch_money(
    journal: Journal,
    root_id: str,
    batch: str,
    portions: Sequence[Mapping[str, int]],
    until: datetime,
    caps: Caps,
    run_id: str,
) -> RunReservation | CapReached:
    """Reserve micro-dollars by ledger key and by portion, all in one step; as ``reserve_money`` else.

    Raises:
        LedgerError: if the journal cannot be read or written, so that nobody knows what may be spent.
    """
    token = run_token(root_id)
    month = journal.reserve_batch(token, batch, portions, until, caps, run_id)
    return month if isinstance(month, CapReached) else RunReservation(month, token, journal.held_by(token, month))


def reserve_portion(
    journal: Journal,
    reserved: RunReservation,
    lump: str,
    amounts: Mapping[str, int],
    until: datetime,
    caps: Caps,
    run_id: str,
) -> RunReservation | CapReached:
    """Put the videos of a portion in the place of its lump, and return what the run has reserved then.

    Raises:
        LedgerError: if the journal cannot be read or written.
    """
    month, token = reserved.month, reserved.run
    reached = journal.begin_portion(month, token, lump, amounts, until, caps, run_id)
    return reached or reserved._replace(keys=journal.held_by(token, month))


def give_up(journal: Journal, ledger: Ledger, reserved: RunReservation, keys: Iterable[str], run_id: str) -> None:
    """Give up what a run has reserved and will not send any more: portions that never began, and keys without a record.

    Raises:
        LedgerError: if the ledger cannot be listed, or the journal does not take it; a collection does it then.
    """
    held = journal.held_by(reserved.run, reserved.month).intersection(keys)
    sent = set(ledger.keys()) if not all(map(is_lump, held)) else set[str]()
    if names := [reservation_id(reserved.run, key) for key in held - sent]:
        journal.settle(reserved.month, {}, names, run_id)


def settle_money(
    journal: Journal,
    ledger: Ledger,
    reserved: RunReservation,
    outcomes: Sequence[Outcome],
    run_id: str,
    deployment: str | None,
    unused: Collection[str] = (),
) -> None:
    """Record what the videos of a run came to, and give up what it reserved and did not need: ``unused`` by its keys.

    Raises:
        LedgerError: if the journal does not take it; a collection settles it then.
    """
    found, left = dict[str, LedgerEntry](), Settled({}, ())
    if reused := {outcome.key for outcome in outcomes if outcome.key and outcome.reused}:
        # Of what it has found, a run that was killed may have left reservations, and nobody else looks before long.
        money = journal.money(reserved.month)
        names = [name for name in money.reservations() if not name.startswith(reservation_id(reserved.run, ""))]
        others = {*map(ledger_key, names)}
        found = _entries(ledger, (reused & {*reserved.keys, *others}) | (others & {*unused}))
        left = settled_by_records(reserved.month, money, found, datetime.now(UTC))
    own = settled_by_run(reserved, outcomes, found, run_id, deployment, unused)
    settled = Settled(left.bills | own.bills, (*left.released, *own.released))
    if settled.anything:
        journal.settle(reserved.month, settled.bills, settled.released, run_id)


def settle_left(
    ledger: Ledger, now: datetime, ended: Sequence[tuple[Claim, Outcome]] = (), *, only_ended: bool = False
) -> int:
    """Settle what earlier runs left reserved, as far as the ledger knows its end; return how many reservations.

    ``ended``: the videos that a collection has just finished; their bills count also if nothing is reserved any more.
    With ``only_ended`` no others are looked at, which takes as long whatever else is reserved.

    Raises:
        LedgerError: if a journal cannot be read or written.
    """
    number = 0
    for sandbox in (False, True):
        of_kind = [(claim, outcome) for claim, outcome in ended if claim.sandbox is sandbox]
        if of_kind or not only_ended:
            number += _settle_left(Journal(ledger.store, sandbox=sandbox), ledger, now, of_kind, only_ended=only_ended)
    return number


def _settle_left(
    journal: Journal, ledger: Ledger, now: datetime, ended: Sequence[tuple[Claim, Outcome]], *, only_ended: bool
) -> int:
    number, of_ended = 0, {key for claim, _ in ended for key in (claim.key, *claim.extra_keys)}
    named = {(claim.reservation or "").partition("/")[0] for claim, _ in ended}
    for month in [month for month in journal.months()[-MONTHS:] if month in named or not only_ended]:
        money = journal.money(month)
        held = money.reservations()
        late = {name: bill for name, bill in bills_by_claim(month, ended).items() if name not in held}
        keys = [key for key in map(ledger_key, held) if not is_lump(key) and (key in of_ended or not only_ended)]
        bills, released = settled_by_records(month, money, _entries(ledger, keys), now)
        if bills or released or late:
            journal.settle(month, bills | late, released)
            number += len(bills) + len(released)
    return number


def _entries(ledger: Ledger, keys: Iterable[str]) -> dict[str, LedgerEntry]:
    """Read some keys; what cannot be read is left for the next time."""
    return {entry.key: entry for entry in read_keys(ledger, keys).entries}
