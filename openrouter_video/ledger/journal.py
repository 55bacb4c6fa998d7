"""The money journal: one append-only chain of entries a month, beside the ledger's records.

An edge: ``reservations`` decides what the next entry says. Entry n is created exclusively, so that an append is a
compare-and-set over every store that can keep a ledger: of two writers one is told that the other was quicker, and
decides anew. Real money is at ``<ledger>/_money/<YYYY-MM>/<8 digits>.json``, a sandbox's below ``_money/sandbox``.

A run appends twice: it reserves before its first POST, and at its end settles what it knows and releases the rest. What
a run left that died is settled by a collection, which finds it in ``money``.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from openrouter_video.errors import LedgerError
from openrouter_video.ledger.journal_entry import ABSENT, Damage, JournalEntry, Span, covers, missing_in, spans_of
from openrouter_video.ledger.journal_files import JournalFiles
from openrouter_video.ledger.learning import Ratios
from openrouter_video.ledger.portions import begin_portion, reserve_batch
from openrouter_video.ledger.reservations import Bill, CapReached, Caps, Change, Money, held_by, reserve, settle
from openrouter_video.stores import Store

__all__ = ["Journal", "Repaired"]

FOLDER, SANDBOX = "_money", "sandbox"
TRUSTED_SECONDS = 60.0
TRIES = 200
LONGEST_PAUSE_SECONDS = 0.5
FARTHEST_LOST = 100
"""A damaged entry so far beyond the last good one is not what a writer left, but a stray file."""


class Remembered(NamedTuple):
    """The newest entry of a chain that this process has seen (None: it is empty), the money after it, and when."""

    entry: JournalEntry | None
    money: Money
    seen: float

    @property
    def n(self) -> int:
        """The number of the entry; 0 for an empty chain."""
        return self.entry.n if self.entry else 0


class Repaired(NamedTuple):
    """What a repair gave up: entries, and whether the newest is among them, so that what it changed is lost too."""

    lost: tuple[Span, ...]
    newest_lost: bool


Decide = Callable[[Money, str], Change | CapReached | None]


class Journal:
    """The money of one ledger. Every method blocks, and may be called from any thread of any process.

    All raise LedgerError if the store fails or the chain is damaged: money that cannot be counted is not spent.
    """

    def __init__(
        self,
        store: Store,
        *,
        sandbox: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._files = JournalFiles(store.child(FOLDER, SANDBOX) if sandbox else store.child(FOLDER))
        self._now, self._clock, self._sleep = now, clock, sleep
        self._lock = threading.Lock()
        self._memory: dict[str, Remembered] = {}

    def __repr__(self) -> str:
        return f"Journal({self._files.url!r})"

    @property
    def month(self) -> str:
        """The present month, in UTC, as ``2026-11``."""
        return self._today()[:7]

    def months(self) -> list[str]:
        """Return the months that have a chain, the oldest first."""
        return self._files.months()

    def money(self, month: str | None = None) -> Money:
        """Return the money of a month as it is now, with what bills have taught by its end."""
        return self._read(month or self.month).money

    def entries(self, month: str) -> list[JournalEntry]:
        """Return every entry of a month in order, except for those that a repair gave up."""
        return self._files.entries(month)

    def reserve(
        self, run: str, amounts: Mapping[str, int], until: datetime, caps: Caps, run_id: str | None = None
    ) -> str | CapReached:
        """Reserve the top of each video's estimate by its ledger key, in one step with the check of the caps.

        ``run`` is the run's token. Returns the month to which the reservations belong, or the cap that they would pass.
        """
        month = self.month
        done = self._append(month, run_id, lambda money, day: reserve(money, run, amounts, day, until, caps))
        return done if isinstance(done, CapReached) else month

    def reserve_batch(
        self,
        run: str,
        batch: str,
        amounts: Sequence[Mapping[str, int]],
        until: datetime,
        caps: Caps,
        run_id: str | None = None,
    ) -> str | CapReached:
        """Reserve the portions of a batch, the first by video and each later one in a lump; as ``reserve`` else."""
        month = self.month
        done = self._append(
            month, run_id, lambda money, day: reserve_batch(money, run, batch, amounts, day, until, caps)
        )
        return done if isinstance(done, CapReached) else month

    def begin_portion(
        self,
        month: str,
        run: str,
        lump: str,
        amounts: Mapping[str, int],
        until: datetime,
        caps: Caps,
        run_id: str | None = None,
    ) -> CapReached | None:
        """Put the videos of a portion in the place of its lump, in the month in which the batch was reserved."""
        done = self._append(
            month, run_id, lambda money, day: begin_portion(money, run, lump, amounts, day, until, caps)
        )
        return done if isinstance(done, CapReached) else None

    def held_by(self, run: str, month: str) -> frozenset[str]:
        """Return the ledger keys under which a run has something reserved, by what this process saw last."""
        last = self._memory.get(month)
        return frozenset(held_by(last.money, run) if last else ())

    def settle(
        self, month: str, bills: Mapping[str, Bill], released: Collection[str] = (), run_id: str | None = None
    ) -> None:
        """Put bills in the place of their reservations and give others up, all by their ids; twice is harmless."""

        def decide(money: Money, day: str) -> Change | None:
            unknown = bills.keys() - money.reservations().keys()
            return settle(money, bills, released, day, self._settled(month, unknown) if unknown else ())

        self._append(month, run_id, decide)

    def repair(self, month: str) -> Repaired | None:
        """Read a whole chain, and append an entry that gives up what cannot be read; None if there is nothing to do.

        Since each entry carries the whole state, only the change of the newest can be lost.

        Raises:
            LedgerError: if a later version wrote an entry, if a file is a stray one, or if the chain changed meanwhile.
        """
        with self._lock:
            self._memory.pop(month, None)
            numbers = self._files.listed(month)
            found = dict(zip(numbers, self._files.all_parsed(month, numbers), strict=True))
            last = next((one for one in reversed(found.values()) if isinstance(one, JournalEntry)), None)
            self._refuse_strays(month, found, last.n if last else 0)
            lost = spans_of((n for n, one in found.items() if isinstance(one, Damage)), missing_in(numbers))
            if covers(last.lost if last else (), lost):
                return None
            money = last.money if last else Money(learned=self._learned_before(month))
            day = last.day if last else self._day(None, month)
            entry = self._new_entry(numbers[-1] + 1, day, None, Change("repair", money), lost)
            if not self._files.create(month, entry):
                raise LedgerError(f"others wrote the money journal of {month} meanwhile; try again")
            return Repaired(lost, newest_lost=last is None or last.n < numbers[-1])

    def _append(self, month: str, run_id: str | None, decide: Decide) -> Change | CapReached | None:
        with self._lock:
            last, fresh = self._recall(month)
            for attempt in range(TRIES):
                day = self._day(last.entry, month)
                try:
                    decided = decide(last.money, day)
                except LedgerError:
                    if fresh:
                        raise
                    # So many may be reserved no longer.
                    last, fresh = self._read(month), True
                    continue
                if isinstance(decided, Change):
                    entry = self._new_entry(last.n + 1, day, run_id, decided, last.entry.lost if last.entry else ())
                    if self._files.create(month, entry):
                        self._memory[month] = Remembered(entry, entry.money, self._clock())
                        return decided
                    self._sleep(min(LONGEST_PAUSE_SECONDS, 0.001 * 2**attempt) * random.random())  # noqa: S311 (spreads load)
                    last, fresh = self._catch_up(month, last), True
                elif fresh:
                    return decided
                else:
                    # What was remembered may be old: somebody else may have settled or released meanwhile.
                    last, fresh = self._read(month), True
        raise LedgerError(f"others write the money journal at {self._files.url} all the time; try again later")

    def _recall(self, month: str) -> tuple[Remembered, bool]:
        """Return the newest entry that is known, and whether it was read just now."""
        last = self._memory.get(month)
        if last is None or self._clock() - last.seen > TRUSTED_SECONDS:
            return self._read(month), True
        return last, False

    def _read(self, month: str) -> Remembered:
        entry = self._files.newest(month)
        return self._remember(month, entry, entry.money if entry else Money(learned=self._learned_before(month)))

    def _catch_up(self, month: str, last: Remembered) -> Remembered:
        """Read on from the entry that was thought to be the newest."""
        newest, n = last.entry, last.n + 1
        while isinstance(read := self._files.parsed(month, n), JournalEntry):
            newest, n = read, n + 1
        if read != ABSENT or newest is None:
            # A repair may have given it up, as a newer entry then says.
            return self._read(month)
        return self._remember(month, newest, newest.money)

    def _remember(self, month: str, entry: JournalEntry | None, money: Money) -> Remembered:
        self._memory[month] = Remembered(entry, money, self._clock())
        return self._memory[month]

    def _learned_before(self, month: str) -> dict[str, Ratios]:
        """Return what bills taught by the end of the newest month before; a new month begins with it."""
        before = [one for one in self.months() if one < month]
        return self._read(before[-1]).money.learned if before else {}

    def _settled(self, month: str, names: Collection[str]) -> set[str]:
        """Return which of these reservations have a bill: reading the whole month, which only a late bill needs."""
        return {name for entry in self.entries(month) for _, name, _ in entry.each_bill() if name in names}

    def _refuse_strays(self, month: str, found: Mapping[int, JournalEntry | Damage], last: int) -> None:
        for n, entry in found.items():
            if isinstance(entry, Damage) and entry.newer:
                raise self._files.damaged(month, n, entry)
        newest = max(found, default=0)
        if newest > last + FARTHEST_LOST:
            raise LedgerError(
                f"{self._files.url_of(month, newest)} is not an entry of the money journal, whose last one is {last}: "
                "remove that file, then try again"
            )

    def _new_entry(self, n: int, day: str, run_id: str | None, change: Change, lost: Iterable[Span]) -> JournalEntry:
        return JournalEntry(
            schema_version=1,
            n=n,
            token=secrets.token_hex(8),
            at=self._now().astimezone(UTC).isoformat(timespec="milliseconds"),
            day=day,
            kind=change.kind,
            run_id=run_id,
            bills=change.bills,
            released=change.released,
            lost=tuple(lost),
            money=change.money,
        )

    def _day(self, last: JournalEntry | None, month: str) -> str:
        """Return today, but never a day before the last entry's, nor one after the month: there it is only settled."""
        known, today = last.day if last else f"{month}-01", self._today()
        return max(today, known) if today[:7] == month else known

    def _today(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%d")
