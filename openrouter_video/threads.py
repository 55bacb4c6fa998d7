"""Blocking work off the event loop, waited for even when the caller is cancelled.

A merely shielded coroutine dies with its event loop: a SIGTERM killed such a POST after the API had accepted it. So the
work runs in a thread, and whoever is cancelled waits for it to end before passing the cancellation on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ParamSpec, TypeVar

__all__ = ["Threads"]

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Two pools: short ledger and submit work, and the long downloads that must not hold it up.

    Neither is the event loop's default pool, in which host names are resolved: a poll never waits for a download.
    """

    def __init__(self, submissions: int = 32, downloads: int = 4) -> None:
        self._short = ThreadPoolExecutor(submissions, thread_name_prefix="openrouter-video-submit")
        self._long = ThreadPoolExecutor(downloads, thread_name_prefix="openrouter-video-download")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run short work to its end; a cancelled caller waits for it, unless it has not begun."""
        return await _finish(self._short.submit(work, *args, **kwargs))

    async def run_stoppable(self, work: Callable[[threading.Event], T]) -> T:
        """Run long work that looks at the flag it is given; a cancelled caller sets it and waits for the clean-up."""
        stop = threading.Event()
        return await _finish(self._long.submit(work, stop), stop)

    def close(self) -> None:
        """Release the threads; what still runs goes on to its end."""
        self._short.shutdown(wait=False)
        self._long.shutdown(wait=False)


async def _finish(future: Future[T], stop: threading.Event | None = None) -> T:
    try:
        return await asyncio.shield(asyncio.wrap_future(future))
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        if not future.cancel():
            # Blocking the loop is meant: after a signal nothing else is sure to be waited for.
            wait([future])
        raise
