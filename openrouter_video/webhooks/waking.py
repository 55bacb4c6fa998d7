"""Wakes the collection for what notices tell of: in a thread of its own, and once for all that come together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from openrouter_video.errors import VideoError

__all__ = ["NotWoken", "Waking", "Woken"]

GATHER_SECONDS = 2.0
RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 600.0
CLOSE_SECONDS = 5.0
MOST_AT_ONCE = 500
"""So many keys a collection is given; Prefect takes parameters of half a megabyte."""
MOST_WAITING = 50_000
"""So many notices are kept; whoever has a signed one could send it with other keys without end."""

log = logging.getLogger(__name__)


class NotWoken(VideoError):
    """The collection could not be started; it is tried again."""


class Woken(NamedTuple):
    """One notice: the ledger key that its address names, and what all deliveries of it have in common."""

    key: str
    identity: str


class Waking:
    """Starts collections by ``start``, which returns what a log should say, one after the other.

    What comes within ``gather_seconds`` of the first notice goes into one collection. Where ``start`` raises
    ``NotWoken``, it is called again with all that has come since, until a notice is ``patience_seconds`` old: it is
    dropped then, and the schedule finishes its video.
    """

    def __init__(
        self,
        start: Callable[[Sequence[Woken]], str],
        *,
        gather_seconds: float = GATHER_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._start = start
        self._gather_seconds = gather_seconds
        self._retry_seconds = retry_seconds
        self._patience_seconds = patience_seconds
        self._queue: SimpleQueue[Woken | None] = SimpleQueue()
        self._waiting: dict[Woken, float] = {}
        self._closed = False
        self._thread: threading.Thread | None = None
        self._full = False
        self._starting = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many notices wait to be told."""
        return self._queue.qsize() + len(self._waiting)

    def wake(self, woken: Woken) -> None:
        """Have it collected soon, or by schedule if too many are waiting; returns at once."""
        with self._starting:
            full = self.waiting >= MOST_WAITING
            if full and not self._full:
                log.warning(
                    "%s notices are waiting; what comes now is left to the next collection by schedule",
                    f"{MOST_WAITING:,}",
                )
            self._full = full
            if not full:
                self._queue.put(woken)
            # Not before: an application may be made in one process and serve in another.
            if self._closed or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._run, name="openrouter-video-waking", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Start what is still waiting, once, and end; after some seconds without it."""
        with self._starting:
            self._closed = True
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        failures = 0
        while not self._closed or self._waiting or not self._queue.empty():
            self._gather(self._retry_seconds if failures else self._gather_seconds)
            if self._waiting:
                failures = 0 if self._try(again=failures > 0) else failures + 1
            if failures and self._closed:
                return

    def _gather(self, seconds: float) -> None:
        """Wait for a notice, if none is waiting, and then so long for more."""
        if not self._waiting:
            self._take(None)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._closed:
            self._take(left)
        while self._take(0):
            pass

    def _take(self, seconds: float | None) -> bool:
        try:
            woken = self._queue.get(timeout=seconds) if seconds != 0 else self._queue.get_nowait()
        except Empty:
            return False
        if woken is not None:
            self._waiting.setdefault(woken, time.monotonic())
        return True

    def _try(self, *, again: bool) -> bool:
        """Start the collection of what is waiting, or drop what has waited too long; tell whether it was started."""
        some = list(self._waiting)[:MOST_AT_ONCE]
        try:
            said = self._start(some)
        except NotWoken as error:
            if not again and not self._closed:
                log.warning("no collection was started, which is tried again: %s", error)
            self._drop_old(error)
            return False
        for woken in some:
            del self._waiting[woken]
        log.info("%s told: %s", _counted(some), said)
        return True

    def _drop_old(self, error: NotWoken) -> None:
        oldest = time.monotonic() - (0 if self._closed else self._patience_seconds)
        late = [woken for woken, came in self._waiting.items() if came <= oldest]
        for woken in late:
            del self._waiting[woken]
        if late:
            log.warning("%s not told, and left to the next collection by schedule: %s", _counted(late), error)


def _counted(woken: Sequence[Woken]) -> str:
    return "the end of 1 job" if len(woken) == 1 else f"the ends of {len(woken):,} jobs"
