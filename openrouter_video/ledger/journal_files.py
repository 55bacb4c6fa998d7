"""The files of the money journal: entry n of a month is ``<YYYY-MM>/<8 digits>.json``, created once and never changed.

An edge: whether a file is an entry is decided by ``journal_entry``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from openrouter_video.errors import LedgerError, StorageError
from openrouter_video.ledger.journal_entry import ABSENT, Damage, JournalEntry, covers, missing_in, parse_journal_entry
from openrouter_video.stores import Store, part_of

__all__ = ["JournalFiles"]

NAME = re.compile(r"(?!0{8})[0-9]{8}\.json")
MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
READERS = 16
REPAIR = "`openrouter-video ledger repair`"


class JournalFiles:
    """The entries in one folder of a store. Every method blocks, and raises LedgerError if the store fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def url(self) -> str:
        """Where they are, without credentials."""
        return self._store.url

    def url_of(self, month: str, n: int) -> str:
        """Return where an entry is, or would be."""
        return self._store.url_of(_path(month, n))

    def months(self) -> list[str]:
        """Return the months that have entries, the oldest first."""
        return [name for name in self._names("") if MONTH.fullmatch(name)]

    def listed(self, month: str) -> list[int]:
        """Return the numbers of what is there, in order; clears away what killed writers left of older entries."""
        names = self._names(month)
        numbers = sorted(int(name[:8]) for name in names if NAME.fullmatch(name))
        parts = {of for of in map(part_of, names) if of is not None and NAME.fullmatch(of)}
        # A rival of the newest entry may still be at work, and one of an older entry makes its file anew.
        superfluous = {of for of in parts if numbers and int(of[:8]) < numbers[-1]}
        if superfluous:
            self._store.clear_leftovers(month, superfluous)
        return numbers

    def newest(self, month: str) -> JournalEntry | None:
        """Return the newest entry; None if there are none. Fails if one is missing that no repair gave up."""
        numbers = self.listed(month)
        if not numbers:
            return None
        n, missing = numbers[-1], missing_in(numbers)
        entry = self._good(month, n, self.parsed(month, n))
        if not covers(entry.lost, missing):
            raise self.damaged(month, missing[0][0], ABSENT)
        return entry

    def parsed(self, month: str, n: int) -> JournalEntry | Damage:
        """Return an entry, or why there is none."""
        try:
            content = self._store.read_bytes(_path(month, n))
        except StorageError as error:
            raise LedgerError(f"the money journal cannot be read: {error}") from None
        return parse_journal_entry(content, n, month)

    def entries(self, month: str) -> list[JournalEntry]:
        """Return every entry in order, except for those that a repair gave up; fails if another cannot be read."""
        newest = self.newest(month)
        numbers = [n for n in range(1, newest.n) if not covers(newest.lost, [(n, n)])] if newest else []
        found = zip(numbers, self.all_parsed(month, numbers), strict=True)
        return [*(self._good(month, n, one) for n, one in found), *([newest] if newest else [])]

    def all_parsed(self, month: str, numbers: Iterable[int]) -> list[JournalEntry | Damage]:
        """Read many entries side by side."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(partial(self.parsed, month), numbers))

    def create(self, month: str, entry: JournalEntry) -> bool:
        """Create an entry; False if somebody else has made it.

        A store whose answer was lost may have made it all the same, so what is there decides.
        """
        content = entry.model_dump_json(exclude_defaults=True).encode()
        trouble = None
        try:
            if self._store.create_exclusive(_path(month, entry.n), content):
                return True
        except StorageError as error:
            trouble = error
        there = self.parsed(month, entry.n)
        if trouble is not None and there == ABSENT:
            raise LedgerError(f"the money journal cannot be written: {trouble}")
        return isinstance(there, JournalEntry) and there.token == entry.token

    def damaged(self, month: str, n: int, damage: Damage) -> LedgerError:
        """Return the error that says what is wrong with an entry, and what mends it."""
        todo = "leaves such entries alone; upgrade this package" if damage.newer else "mends the journal"
        return LedgerError(
            f"entry {n} of the money journal at {self._store.url_of(month)} {damage.why}. {REPAIR} {todo}."
        )

    def _good(self, month: str, n: int, entry: JournalEntry | Damage) -> JournalEntry:
        if isinstance(entry, Damage):
            raise self.damaged(month, n, entry)
        return entry

    def _names(self, relative: str) -> list[str]:
        try:
            return self._store.list_names(relative, temporaries=True)
        except StorageError as error:
            raise LedgerError(f"the money journal cannot be read: {error}") from None


def _path(month: str, n: int) -> str:
    return f"{month}/{n:08d}.json"
