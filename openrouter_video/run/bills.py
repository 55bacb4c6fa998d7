"""What videos came to: the bills for the money journal, and the reservations that are given up.

Pure. A run tells it by its own outcomes, and of what others submitted by their records; a collection by records alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Self

from openrouter_video.ledger import Bill, Claim, LedgerEntry, Money, is_lump, ledger_key, reservation_id
from openrouter_video.money import micro
from openrouter_video.outcome import Outcome
from openrouter_video.planning import Plan, mode_of
from openrouter_video.run.extra_takes import is_last_take

__all__ = [
    "RunReservation",
    "Settled",
    "bill_of",
    "bills_by_claim",
    "settled_by_records",
    "settled_by_run",
    "to_reserve",
]

ENDED = frozenset({"completed", "failed"})
GIVEN_UP = frozenset({"failed", "cancelled", "expired", "dead"})
"""What OpenRouter says of a job that it gives up, for which it names no cost."""
NOTHING_SENT = frozenset({"refused", "skipped"})


class RunReservation(NamedTuple):
    """What a run has reserved in the journal of a month: the top of the estimate of each of these ledger keys."""

    month: str
    run: str
    keys: frozenset[str] = frozenset()

    def name_of(self, key: str) -> str | None:
        """Return what a claim says of its reservation; None if the run has reserved nothing under a key."""
        return claimed_name(self.month, reservation_id(self.run, key)) if key in self.keys else None


class End(NamedTuple):
    """What becomes of one reservation: a bill takes its place, or it is given up; with neither it stays."""

    bill: Bill | None = None
    given_up: bool = False


class Settled(NamedTuple):
    """What the journal is to take, by the ids of the reservations."""

    bills: dict[str, Bill]
    released: tuple[str, ...]

    @classmethod
    def of(cls, ends: Mapping[str, End]) -> Self:
        """Return what these ends settle."""
        bills = {name: end.bill for name, end in ends.items() if end.bill is not None}
        return cls(bills, tuple(name for name, end in ends.items() if end.given_up))

    @property
    def anything(self) -> bool:
        """Whether there is something to write."""
        return bool(self.bills or self.released)


def claimed_name(month: str, reservation: str) -> str:
    """Return how a claim names its reservation: by the month of its journal, and its id there."""
    return f"{month}/{reservation}"


def to_reserve(plan: Plan, keys: Mapping[tuple[str, int], str]) -> dict[str, int]:
    """Return the micro-dollars to reserve by ledger key: the top of the estimate of each video that is to be paid for.

    Of extra takes that is each that may be made. What is unpriced reserves nothing, and counts once its bill is there.
    """
    new = [(one, take) for one, take in plan.videos if one.decision == "send" and (one.model, take) not in plan.known]
    return {
        keys[model.model, take]: (model.estimate.high if model.estimate else None) or 0
        for model, take in (*new, *plan.extra_videos)
    }


def bill_of(outcome: Outcome, run_id: str | None = None, deployment: str | None = None) -> Bill | None:
    """Return what one video came to; None if nothing was charged that anybody knows of.

    OpenRouter names a cost for what is completed, and none for a job that it gives up itself: that one is free. Where
    a job was completed, or given up by a person, and no cost is known, the top of its estimate stands in. What did not
    end well teaches nothing.
    """
    if outcome.cost_usd is None and (outcome.status not in ENDED or outcome.job_status in GIVEN_UP):
        return None
    estimate = outcome.estimate
    amount = micro(outcome.cost_usd) if outcome.cost_usd is not None else (estimate.high if estimate else None) or 0
    listed = estimate.listed if estimate and outcome.status == "completed" else None
    return Bill(
        model=outcome.model,
        mode=(outcome.failure if outcome.status == "failed" else None) or mode_of(outcome.sent or {}),
        # A record may have been edited by hand, and must not stop the bills of others.
        amount=max(0, amount),
        billed=outcome.cost_usd is not None,
        listed=listed if listed and min(listed) >= 0 else None,
        run_id=run_id,
        deployment=deployment,
        labels=outcome.labels,
    )


def settled_by_run(
    reserved: RunReservation,
    outcomes: Iterable[Outcome],
    records: Mapping[str, LedgerEntry],
    run_id: str | None = None,
    deployment: str | None = None,
    unused: Iterable[str] = (),
) -> Settled:
    """Return what the end of a run settles; what is open or uncertain stays reserved.

    ``records`` holds what the ledger says of the videos that this run found submitted already. ``unused``: the keys of
    what was reserved and not needed, such as extra takes.
    """
    ends = {reservation_id(reserved.run, key): End(given_up=True) for key in unused if key in reserved.keys}
    for outcome in outcomes:
        if outcome.key is None or outcome.key not in reserved.keys:
            continue
        name = reservation_id(reserved.run, outcome.key)
        if outcome.reused:
            ends[name] = _by_record(claimed_name(reserved.month, name), records.get(outcome.key), over=True)
        elif outcome.status in ENDED:
            ends[name] = _billed(bill_of(outcome, run_id, deployment))
        else:
            ends[name] = End(given_up=outcome.status in NOTHING_SENT)
    return Settled.of(ends)


def settled_by_records(month: str, money: Money, entries: Mapping[str, LedgerEntry], now: datetime) -> Settled:
    """Return what a collection settles of the open reservations of a month, by what the ledger says of their keys.

    A reservation that no claim names is given up once its time is over, for its run may still be about to submit. No
    claim ever names that of a portion which has not begun. That of an extra take is given up as soon as none follows.
    """
    reservations = money.reservations()
    ends = {
        name: End(given_up=held.until <= now)
        if is_lump(ledger_key(name))
        else _by_record(claimed_name(month, name), entries.get(ledger_key(name)), over=held.until <= now)
        for name, held in reservations.items()
    }
    return Settled.of(ends | dict.fromkeys(_not_needed(month, reservations, entries), End(given_up=True)))


def _not_needed(month: str, reservations: Collection[str], entries: Mapping[str, LedgerEntry]) -> list[str]:
    """Return what runs have reserved for extra takes that nobody makes, by the end of their own take before these."""
    found = list[str]()
    for name in reservations:
        run, _, key = name.partition("/")
        entry = entries.get(key)
        if entry and entry.claim and entry.claim.reservation == claimed_name(month, name) and is_last_take(entry):
            extra = [later for later in entry.claim.extra_keys if later in entries and entries[later].claim is None]
            found += [reservation_id(run, later) for later in extra]
    return [name for name in found if name in reservations]


def bills_by_claim(month: str, ended: Iterable[tuple[Claim, Outcome]]) -> dict[str, Bill]:
    """Return the bills of videos that have just ended, by the reservations in a month that their claims name.

    A reservation may have been given up too early, while its run was taken for dead.
    """
    bills = dict[str, Bill]()
    for claim, outcome in ended:
        named, _, name = (claim.reservation or "").partition("/")
        bill = _bill_of_record(outcome, claim) if named == month and outcome.status in ENDED else None
        if bill is not None:
            bills[name] = bill
    return bills


def _by_record(name: str, entry: LedgerEntry | None, *, over: bool) -> End:
    """Return what becomes of a reservation by the records of its key; ``over`` if its run cannot use it any more."""
    if entry is None:
        return End()
    if entry.claim is None or entry.claim.reservation != name:
        return End(given_up=over or entry.state == "settled")
    if entry.state == "settled" and entry.outcome is not None:
        return _billed(_bill_of_record(entry.outcome, entry.claim))
    return End(given_up=entry.state == "free" and over)


def _billed(bill: Bill | None) -> End:
    """Return the end of a video that is over: what is free gives back what it had reserved."""
    return End(bill, given_up=bill is None)


def _bill_of_record(outcome: Outcome, claim: Claim) -> Bill | None:
    """Return what a settled video came to; outcomes of older versions lack what its claim says."""
    told = {"estimate": outcome.estimate or claim.estimate, "labels": outcome.labels or claim.labels}
    return bill_of(outcome.model_copy(update=told), claim.run_id, claim.deployment)
