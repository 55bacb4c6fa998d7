"""Reading many keys of a ledger at once: what is open, everything, or some keys in a short time.

The one way in which a collection, a list, a settlement and an interruption look at a ledger; a key that cannot be read
stops no other. Blocks; an edge.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from functools import partial
from typing import NamedTuple

from openrouter_video.errors import LedgerError, StorageError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.open_index import Mark, listing_due
from openrouter_video.ledger.records import LedgerEntry, is_of_job
from openrouter_video.threads import start

__all__ = [
    "Reading",
    "Unreadable",
    "entries_in_time",
    "forget_settled",
    "read_accepted",
    "read_all",
    "read_keys",
    "read_marked",
    "read_open",
    "read_open_of",
]

READERS = 16
ANSWERS_WITHIN_SECONDS = 2.0
"""For the keys of a run that was told to end."""


class Unreadable(NamedTuple):
    """A key whose records could not be read, and why."""

    key: str
    reason: str


class Reading(NamedTuple):
    """What was found: entries, the oldest first, and the keys that could not be read. ``marks`` led to them.

    ``unknown``: those that were asked for, and of which there is no record.
    """

    entries: list[LedgerEntry]
    unreadable: list[Unreadable]
    marks: tuple[Mark, ...] = ()
    unknown: tuple[str, ...] = ()


def read_open(ledger: Ledger, now: datetime) -> Reading:
    """Read what is neither free nor settled, by the marks of what is open; once a day by a listing of everything.

    Raises:
        LedgerError: if the ledger cannot be listed.
    """
    marks = tuple(_marks(ledger))
    marked = {key for mark in marks for key in mark.keys or ()}
    everything = listing_due(ledger.index.listed(), marks, now)
    keys = sorted({*marked, *ledger.keys(unsettled=True)} if everything else marked)
    found, unreadable = _read(ledger.unfinished, keys)
    entries = [entry for entry in found.values() if entry is not None and entry.state != "free"]
    unmarked = {*(entry.key for entry in entries), *(one.key for one in unreadable)} - marked
    # To look at a ledger that is not there makes none.
    new = _mark_found(ledger, unmarked, now) if everything and (keys or marks) else []
    over = {key for key, entry in found.items() if entry is None}
    free = {key for key, entry in found.items() if entry is not None and entry.state == "free"}
    rest = ledger.index.tidy(marks, over, free, now)
    return Reading(_by_age(entries), unreadable, (*rest, *new))


def read_open_of(ledger: Ledger, keys: Iterable[str]) -> Reading:
    """Read what is neither free nor settled of these keys; nothing is listed."""
    found, unreadable = _read(ledger.unfinished, dict.fromkeys(keys))
    entries = [entry for entry in found.values() if entry is not None]
    unknown = tuple(entry.key for entry in entries if entry.state == "free" and not entry.attempt)
    return Reading(_by_age(entry for entry in entries if entry.state != "free"), unreadable, unknown=unknown)


def read_marked(ledger: Ledger) -> list[LedgerEntry]:
    """Read what is neither free nor settled of what is marked as open.

    Raises:
        LedgerError: if the marks cannot be listed.
    """
    keys = {key for mark in _marks(ledger) for key in mark.keys or ()}
    return [entry for entry in read_keys(ledger, keys).entries if entry.state not in {"free", "settled"}]


def _marks(ledger: Ledger) -> list[Mark]:
    try:
        return ledger.index.read()
    except StorageError as error:
        raise LedgerError(f"the ledger at {ledger.url} cannot be read: {error}") from None


def _mark_found(ledger: Ledger, keys: set[str], now: datetime) -> list[Mark]:
    """Mark what only the listing found; the listing counts once that is done, and is repeated otherwise."""
    try:
        new = [Mark(ledger.index.add(keys, now), now, tuple(keys))] if keys else []
    except StorageError:
        # Somebody who may only read sees everything all the same, by listing it each time.
        return []
    ledger.index.note_listing(now)
    return new


def forget_settled(ledger: Ledger, reading: Reading) -> None:
    """Remove the marks whose keys have all been settled by this ledger object since they were read; best effort."""
    for mark in reading.marks:
        if mark.keys and ledger.settled.issuperset(mark.keys):
            ledger.index.drop(mark.name)


def read_all(ledger: Ledger) -> Reading:
    """Read every entry, whatever its state.

    Raises:
        LedgerError: if the ledger cannot be listed.
    """
    return read_keys(ledger, ledger.keys())


def read_keys(ledger: Ledger, keys: Iterable[str]) -> Reading:
    """Read the entries of some keys, whatever their state."""
    found, unreadable = _read(ledger.entry, dict.fromkeys(keys))
    return Reading(_by_age(entry for entry in found.values() if entry is not None), unreadable)


def read_accepted(ledger: Ledger, keys: Collection[str]) -> set[str]:
    """Return under which of these keys a job was accepted, by the names of the records alone; none of them is read.

    Where a store lists all records at once, that is all it is asked. An unreadable record counts as well: under its key
    nothing is sent.

    Raises:
        LedgerError: if the ledger cannot be listed.
    """
    wanted = set(keys)
    try:
        tree = ledger.store.list_tree()
        if tree is not None:
            paths = (path.split("/") for path in tree)
            return {path[0] for path in paths if len(path) > 1 and path[0] in wanted and is_of_job(path[1])}
        there = sorted(wanted.intersection(ledger.store.list_names()))
        with ThreadPoolExecutor(READERS) as readers:
            names = zip(there, readers.map(ledger.store.list_names, there), strict=True)
            return {key for key, records in names if any(map(is_of_job, records))}
    except StorageError as error:
        raise LedgerError(f"the ledger at {ledger.url} cannot be listed: {error}") from None


def entries_in_time(ledger: Ledger, keys: Sequence[str]) -> dict[str, LedgerEntry | LedgerError]:
    """Return for each key what the ledger says of it, or why it says nothing; never waits for a store that hangs."""
    found: dict[str, LedgerEntry | LedgerError] = {}

    def read(some: Sequence[str]) -> None:
        for key in some:
            try:
                found[key] = ledger.entry(key)
            except LedgerError as error:
                found[key] = error

    wait([start(partial(read, keys[first::READERS])) for first in range(READERS)], ANSWERS_WITHIN_SECONDS)
    silent = LedgerError(f"{ledger.url} did not answer within {ANSWERS_WITHIN_SECONDS:g} s")
    return {key: found.get(key, silent) for key in keys}


def _read(
    read: Callable[[str], LedgerEntry | None], keys: Iterable[str]
) -> tuple[dict[str, LedgerEntry | None], list[Unreadable]]:
    def read_one(key: str) -> LedgerEntry | Unreadable | None:
        try:
            return read(key)
        except LedgerError as error:
            return Unreadable(key, str(error))

    keys = list(keys)
    with ThreadPoolExecutor(READERS) as readers:
        answers = dict(zip(keys, readers.map(read_one, keys), strict=True))
    unreadable = [answer for answer in answers.values() if isinstance(answer, Unreadable)]
    return {key: answer for key, answer in answers.items() if not isinstance(answer, Unreadable)}, unreadable


def _by_age(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    return sorted(entries, key=lambda entry: entry.since or "")
