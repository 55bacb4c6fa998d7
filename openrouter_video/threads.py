"""Blocking work off the event loop, and what becomes of it when its caller is cancelled.

A merely shielded coroutine dies with its event loop: a SIGTERM killed such a POST after the API had accepted it. So the
work runs in a thread, and whoever is cancelled waits for it before passing the cancellation on: for what cannot be
taken back to its end, for all else some seconds, since a store that never answers must not keep a process alive. For
the same reason the threads are daemons, which Python does not wait for at its exit.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 (hooks into the end of the process before this module does)
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["Irrevocable", "Threads", "abandon_irrevocable", "irrevocable_until", "start", "wait_for_irrevocable"]

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_SECONDS = 4.0
"""How long the cancelled wait for what can be abandoned: a record that is being written, a download that tidies up."""
RECORD_SECONDS = 30.0
"""How long the record of what could not be taken back may take, beyond the thing itself."""

_under_way: set[Irrevocable] = set()


class Irrevocable:
    """Work that cannot be taken back once it has begun: before that it is called off, after that it is waited for.

    ``until``: by when (of the monotonic clock) it has come to its end; 0 before it has begun.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._called_off = False
        self.until = 0.0
        self._ended = threading.Event()

    def begin(self, seconds: float) -> bool:
        """Say that it begins now and takes no longer than ``seconds``; False if it was called off and must not."""
        with self._lock:
            if not self._called_off:
                self.until = time.monotonic() + seconds + RECORD_SECONDS
                _under_way.add(self)
            return not self._called_off

    def call_off(self) -> float:
        """Let it not begin any more; if it has begun, return by when it has come to its end."""
        with self._lock:
            self._called_off = not self.until
            return self.until

    def end_within(self, seconds: float) -> None:
        """Say that nobody waits longer than that for its end."""
        if self.until:
            self.until = min(self.until, time.monotonic() + seconds)

    def end(self) -> None:
        """Say that all is done and recorded."""
        _under_way.discard(self)
        self._ended.set()

    def outlast(self) -> None:
        """Wait for its end, or for the time by which it should have come."""
        self._ended.wait(max(0.0, self.until - time.monotonic()))


def wait_for_irrevocable() -> bool:
    """Wait for all that cannot be taken back any more and is not yet recorded; return whether there was any."""
    under_way = list(_under_way)
    for irrevocable in under_way:
        irrevocable.outlast()
    return bool(under_way)


def irrevocable_until() -> float:
    """Return by when (of the monotonic clock) all of these have come to their end; 0 if there are none."""
    return max((irrevocable.until for irrevocable in list(_under_way)), default=0.0)


def abandon_irrevocable() -> None:
    """Wait for none of these any more: the user is in a hurry."""
    _under_way.clear()


def _at_exit(work: Callable[[], object]) -> None:
    """Have work done at the end of the process, while it can still do everything.

    ``atexit`` is too late: by then no pool of threads takes work any more, and without one the drivers of the object
    stores cannot even connect. The pools themselves hook in here too, and whoever comes last is called first.
    """
    hook = getattr(threading, "_register_atexit", atexit.register)
    hook(work)


# Daemons end with the process, so whatever made the loop go away without waiting is made good here.
_at_exit(wait_for_irrevocable)


class Threads:
    """Places for two kinds of work: short ledger and submit work, and the long downloads that must not hold it up.

    Neither is the event loop's default pool, in which host names are resolved: a poll never waits for a download.
    """

    def __init__(self, submissions: int = 32, downloads: int = 4) -> None:
        self._short = asyncio.Semaphore(submissions)
        self._long = asyncio.Semaphore(downloads)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run short work; a cancelled caller waits for it a few seconds, unless it has not begun."""
        async with self._short:
            return await _finish(partial(work, *args, **kwargs), _by_patience)

    async def run_to_end(self, work: Callable[[Irrevocable], T]) -> T:
        """Run work that says when it becomes irrevocable.

        A cancelled caller calls it off before that moment, and after it waits for its end.
        """
        irrevocable = Irrevocable()

        def to_its_end() -> T:
            try:
                return work(irrevocable)
            finally:
                irrevocable.end()

        async with self._short:
            return await _finish(to_its_end, lambda: max(irrevocable.call_off(), _by_patience()))

    async def run_stoppable(self, work: Callable[[threading.Event], T]) -> T:
        """Run long work that looks at the flag it is given; a cancelled caller sets it and waits for the clean-up."""
        stop = threading.Event()

        def until() -> float:
            stop.set()
            return _by_patience()

        async with self._long:
            return await _finish(partial(work, stop), until)


def _by_patience() -> float:
    return time.monotonic() + PATIENCE_SECONDS


def start(work: Callable[[], T]) -> Future[T]:
    """Run work in a thread of its own, for which nobody has to wait."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def do() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=do, name="openrouter-video", daemon=True).start()
    return future


async def _finish(work: Callable[[], T], until: Callable[[], float]) -> T:
    """Run work in a thread of its own; ``until`` says how long the cancelled wait for it."""
    future = start(work)
    try:
        return await asyncio.shield(ended := asyncio.wrap_future(future))
    except asyncio.CancelledError:
        await _outlast(future, ended, until())
        raise


async def _outlast(future: Future[T], ended: asyncio.Future[T], until: float) -> None:
    """Wait for the end until then, whatever cancels meanwhile."""
    while not ended.done() and (seconds := until - time.monotonic()) > 0:
        try:
            await asyncio.wait({ended}, timeout=seconds)
        except asyncio.CancelledError:
            # Some cancel again and again, and must not make this loop spin.
            wait([future], 0.05)
    ended.cancel()
