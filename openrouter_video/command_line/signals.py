"""Being asked to end: SIGTERM and a closed terminal do what Ctrl-C does, so that no POST is torn in the middle."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

__all__ = ["ended_like_ctrl_c", "listening"]

ALL = tuple(number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None)
IMPATIENT = 3
"""So many requests end the process on the spot, wherever it is."""
ONE_REQUEST_SECONDS = 0.5
"""Signals that come so soon after another mean the same: a terminal that closes sends several."""

_queue: SimpleQueue[Any] | None = None


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Turn requests to end the process into KeyboardInterrupt, unless somebody else takes care of them."""
    handlers = {**dict.fromkeys(ALL, _interrupt), signal.SIGINT: signal.default_int_handler}
    with _handling(handlers, lambda handler: handler == signal.SIG_DFL):
        yield


def _interrupt(_number: int, _frame: object) -> None:
    """Go the way of Ctrl-C, on which an event loop ends in good order; where that is ignored, take the direct way."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@contextmanager
def listening() -> Iterator[SimpleQueue[Any]]:
    """Lend a queue to which each request to end the process adds its number, instead of an exception in any code.

    Whoever listens already shares the queue, to which other news may be added as well.
    """
    global _queue  # noqa: PLW0603 (signals belong to the process)
    if _queue is not None:
        yield _queue
        return
    _queue = queue = SimpleQueue[Any]()
    came: list[float] = []

    def take(number: int, _frame: object) -> None:
        now = time.monotonic()
        if came and now - came[-1] < ONE_REQUEST_SECONDS:
            return
        came.append(now)
        queue.put(number)
        if len(came) == IMPATIENT:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    try:
        with _handling(dict.fromkeys(ALL, take), callable):
            yield queue
    finally:
        _queue = None


@contextmanager
def _handling(handlers: Mapping[int, Callable[[int, Any], None]], replaced: Callable[[Any], bool]) -> Iterator[None]:
    """Have signals handled whose present handler may be replaced; Python allows it in the main thread only."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        wanted = {number: handler for number, handler in handlers.items() if replaced(signal.getsignal(number))}
        before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
