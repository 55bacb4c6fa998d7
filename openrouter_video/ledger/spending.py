"""What was spent, by model, day, label and so on, and what is reserved: the sums of a money journal.

Pure. Amounts are whole micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from openrouter_video.ledger.journal_entry import JournalEntry
from openrouter_video.ledger.reservations import Bill, Money
from openrouter_video.outcome import FailureKind

__all__ = ["By", "Reserved", "Spending", "Sum", "reserved", "spending"]

FAILURES = frozenset(get_args(FailureKind))
By = Literal["model", "day", "label", "run", "deployment", "failure"]


class Sum(NamedTuple):
    """Bills of one model, day, label, run, deployment or kind of failure; ``name`` is None for those without one.

    ``estimated`` is the part of it for which the provider named no cost, and the top of the estimate stands in.
    """

    name: str | None
    videos: int
    amount: int
    estimated: int


class Spending(NamedTuple):
    """The sums, the largest first, those of days in their order; and all bills, each counted once.

    A video counts once for each of its labels, so sums by label may come to more than the total. ``lost`` is what was
    spent by entries that cannot be read any more: it is in the total, and by day; whose it was nobody knows.
    """

    sums: tuple[Sum, ...]
    total: Sum
    lost: int


class Reserved(NamedTuple):
    """What is reserved and not settled; ``since`` is the day of the oldest reservation."""

    videos: int
    amount: int
    since: str | None


def spending(months: Iterable[Sequence[JournalEntry]], by: By, since: str) -> Spending:
    """Return what was spent from a day on, given all entries of the months that have later days."""
    bills, lost = list[tuple[str, Bill]](), dict[str, int]()
    for entries in months:
        found = [(day, bill) for entry in entries for day, _, bill in entry.each_bill()]
        bills += [(day, bill) for day, bill in found if day >= since]
        lost |= {day: amount for day, amount in _lost(entries, found).items() if day >= since}
    groups = dict[str | None, list[Bill]]()
    for day, bill in bills:
        for name in _names(by, day, bill):
            groups.setdefault(name, []).append(bill)
    nobodys = dict[str | None, int]()
    for day, amount in lost.items():
        name = day if by == "day" else None
        nobodys[name] = nobodys.get(name, 0) + amount
    sums = [_sum(name, groups.get(name, []), nobodys.get(name, 0)) for name in dict.fromkeys([*groups, *nobodys])]
    sums.sort(key=lambda one: (0 if by == "day" else -one.amount, one.name or ""))
    everything = sum(lost.values())
    return Spending(tuple(sums), _sum(None, [bill for _, bill in bills], everything), everything)


def reserved(months: Iterable[Money]) -> Reserved:
    """Return what is reserved in some months; a video that several runs have reserved counts once, as under a cap."""
    known = list(months)
    videos = [amount for money in known for amount in money.by_key().values()]
    return Reserved(len(videos), sum(videos), min((hold.day for money in known for hold in money.held), default=None))


def _lost(entries: Sequence[JournalEntry], bills: Iterable[tuple[str, Bill]]) -> dict[str, int]:
    """Return by day what is spent beyond the bills: those of entries that a repair gave up."""
    left = dict(entries[-1].money.spent) if entries else {}
    for day, bill in bills:
        left[day] = left.get(day, 0) - bill.amount
    return {day: amount for day, amount in left.items() if amount > 0}


def _names(by: By, day: str, bill: Bill) -> list[str | None]:
    if by == "label":
        return [f"{name}={value}" for name, value in sorted(bill.labels.items())] or [None]
    if by == "failure":
        return [bill.mode if bill.mode in FAILURES else None]
    return [{"model": bill.model, "day": day, "run": bill.run_id, "deployment": bill.deployment}[by]]


def _sum(name: str | None, bills: Sequence[Bill], extra: int) -> Sum:
    estimated = sum(bill.amount for bill in bills if not bill.billed)
    return Sum(name, len(bills), sum(bill.amount for bill in bills) + extra, estimated)
