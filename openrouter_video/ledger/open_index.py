"""The index of what is open: marks beside a ledger's records, so that nobody has to look at what has ended long ago.

A mark is a small file at ``<ledger>/_open/<time>-<digest>.json`` with the keys that a run may claim. It is made before
the first claim, and removed once all its keys are over. A stale mark costs a look; a missing one, of an older version
or of somebody's hand, is found by the listing of everything that is due once a day.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from openrouter_video.errors import StorageError
from openrouter_video.ledger.records import KEY, digest
from openrouter_video.stores import Store, part_of

__all__ = ["Mark", "OpenIndex", "OwnMarks", "listing_due", "still_marked"]

FOLDER = "_open"
LISTED = "listed.json"
MARK = re.compile(r"([0-9]{8}T[0-9]{6})-[0-9a-f]{12}\.json")
STAMP = "%Y%m%dT%H%M%S"
LISTING_EVERY = timedelta(days=1)
CLOCKS_DIFFER = timedelta(hours=1)
FREE_KEYS_FOR = timedelta(days=1)
"""How long a mark holds keys under which nothing was accepted: its run may still be waiting to submit them."""
RENEWED_AFTER = timedelta(hours=8)
"""When a run that still submits makes its mark anew, long before a collection may take it for that of a dead one."""
FEW_KEYS = 8


class Mark(NamedTuple):
    """One mark; ``keys`` is None if it cannot be read, so that only a listing of everything tells what it stood for."""

    name: str
    made: datetime
    keys: tuple[str, ...] | None


def listing_due(listed: datetime | None, marks: Iterable[Mark], now: datetime) -> bool:
    """Whether the marks do not suffice: nobody has listed everything for a day, or one of them cannot be read."""
    fresh = listed is not None and -CLOCKS_DIFFER <= now - listed < LISTING_EVERY
    return not fresh or any(mark.keys is None for mark in marks)


def still_marked(mark: Mark, over: AbstractSet[str], free: AbstractSet[str], now: datetime) -> tuple[str, ...] | None:
    """Return the keys that a mark still has to hold, given those that are settled and those that are free.

    A free key may be claimed by the mark's run at any moment, unless the mark is so old that the run must be dead; so
    may those of a mark that cannot be read. A mark is written anew only where that spares many looks.
    """
    dead = now - mark.made >= FREE_KEYS_FOR
    if mark.keys is None:
        return () if dead else None
    keys = mark.keys
    left = tuple(key for key in keys if key not in over and not (dead and key in free))
    worth_it = not left or (len(keys) > FEW_KEYS and len(left) <= len(keys) // 2)
    return left if worth_it else keys


class OpenIndex:
    """The marks in one ledger's store. Every method blocks, and may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, keys: Collection[str], made: datetime, salt: str = "") -> str:
        """Make a mark for some keys, and return its name; the same keys and time make the same mark.

        Raises:
            StorageError: it could not be written.
        """
        name = f"{made.astimezone(UTC):{STAMP}}-{digest([sorted(keys), salt])[:12]}.json"
        content = json.dumps({"keys": sorted(keys)}).encode()
        # Exclusively, since that tries again when somebody clears its temporary away; one that exists says the same.
        self._store.create_exclusive(f"{FOLDER}/{name}", content)
        return name

    def drop(self, name: str) -> None:
        """Remove a mark, best effort; where files may only be written, it is emptied, which spares reading it."""
        try:
            self._store.remove(f"{FOLDER}/{name}")
        except StorageError:
            with suppress(StorageError):
                self._store.write_bytes(f"{FOLDER}/{name}", b"")

    def read(self) -> list[Mark]:
        """Read all marks.

        Raises:
            StorageError: they could not be listed.
        """
        sizes = self._store.list_tree(FOLDER)
        if sizes is None:
            names = self._store.list_names(FOLDER, temporaries=True)
            if any(map(part_of, names)):
                self._store.clear_leftovers(FOLDER)
        else:
            names = sorted(name for name in sizes if sizes[name])
        return [mark for mark in map(self._read, filter(MARK.fullmatch, names)) if mark is not None]

    def _read(self, name: str) -> Mark | None:
        try:
            made = datetime.strptime(name[:15], STAMP).replace(tzinfo=UTC)
        except ValueError:
            return None
        try:
            content = self._store.read_bytes(f"{FOLDER}/{name}")
        except StorageError:
            return Mark(name, made, None)
        # Removed by its run a moment ago, or emptied by one that may not remove.
        return Mark(name, made, _keys_in(content)) if content else None

    def listed(self) -> datetime | None:
        """Return when somebody last listed everything; None if nobody has, or if that cannot be read."""
        try:
            content = self._store.read_bytes(f"{FOLDER}/{LISTED}")
            listed = datetime.fromisoformat(json.loads(content or b"")["at"])
        except (StorageError, ValueError, TypeError, KeyError):
            return None
        return listed if listed.tzinfo else None

    def note_listing(self, when: datetime) -> None:
        """Remember that everything was listed, best effort: else the next collection does it again."""
        with suppress(StorageError):
            self._store.write_bytes(f"{FOLDER}/{LISTED}", json.dumps({"at": when.isoformat()}).encode())

    def tidy(self, marks: Iterable[Mark], over: AbstractSet[str], free: AbstractSet[str], now: datetime) -> list[Mark]:
        """Remove the marks that stand for nothing any more, shorten those that mostly do, best effort; return the rest.

        Those returned hold only the keys that are not over.
        """
        rest = []
        for mark in marks:
            name, left = mark.name, still_marked(mark, over, free, now)
            if left != mark.keys:
                with suppress(StorageError):
                    name = self.add(left, mark.made) if left else name
                    self.drop(mark.name)
            if left:
                rest.append(Mark(name, mark.made, tuple(key for key in left if key not in over)))
        return rest


def _keys_in(content: bytes) -> tuple[str, ...] | None:
    try:
        keys = json.loads(content)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    good = isinstance(keys, list) and all(isinstance(key, str) and KEY.fullmatch(key) for key in keys)
    return tuple(keys) if good else None


class OwnMarks:
    """The marks of one process: one for all keys of its run, made before it first claims one of them."""

    def __init__(self, index: OpenIndex, salt: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._index, self._salt, self._now = index, salt, now
        self._lock = threading.Lock()
        self._expected: dict[str, tuple[str, ...]] = {}
        self._marks: dict[str, Mark] = {}
        self._begun: dict[str, int] = {}
        self._ended: set[str] = set()
        self._settled: set[str] = set()

    @property
    def settled(self) -> frozenset[str]:
        """The keys that this process has ended for good."""
        with self._lock:
            return frozenset(self._settled)

    def expect(self, keys: Sequence[str]) -> None:
        """Let one mark stand for all these keys."""
        with self._lock:
            self._expected |= dict.fromkeys(keys, tuple(keys))

    def begin(self, key: str, attempt: int = 1) -> None:
        """Make sure that a key is marked, before an attempt of it is claimed.

        Raises:
            StorageError: the mark could not be written, so nothing may be claimed.
        """
        with self._lock:
            mark, now = self._marks.get(key), self._now()
            if mark is None or now - mark.made >= RENEWED_AFTER:
                keys = tuple(one for one in self._expected.get(key, (key,)) if one == key or one not in self._ended)
                new = Mark(self._index.add(keys, now, self._salt), now, keys)
                self._marks |= dict.fromkeys(keys, new)
                if mark is not None and mark.name != new.name:
                    self._index.drop(mark.name)
            self._begun[key] = max(attempt, self._begun.get(key, 0))
            self._ended.discard(key)

    def end(self, key: str, *, for_good: bool, attempt: int | None = None) -> None:
        """Remember that nothing is open under a key; ``for_good`` removes its mark if that is so for all its keys.

        The end of an ``attempt`` may be recorded late, when another one has begun: that says nothing of the key.
        """
        with self._lock:
            if attempt is not None and attempt < self._begun.get(key, 0):
                return
            self._ended.add(key)
            if for_good:
                self._settled.add(key)
            mark = self._marks.get(key)
            if for_good and mark is not None and self._ended.issuperset(mark.keys or ()):
                self._drop(mark)

    def close(self) -> None:
        """Remove the marks under which this process has left nothing open, and will claim nothing more; best effort."""
        with self._lock:
            for mark in set(self._marks.values()):
                if not any(key in self._begun and key not in self._ended for key in mark.keys or ()):
                    self._drop(mark)

    def _drop(self, mark: Mark) -> None:
        self._index.drop(mark.name)
        self._marks = {key: other for key, other in self._marks.items() if other.name != mark.name}
