"""Being asked to end: Ctrl-C, SIGTERM and a terminal that closes, none of which is ever lost or torn a POST by.

An exception out of a signal's handler may strike in any code, also in such as swallows it or makes another one of it.
So the process of the command ends on the spot while nothing is at stake, and listens while a flow runs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

__all__ = ["EXIT_INTERRUPTED", "PartingWords", "end_at_once", "ended_like_ctrl_c", "listening", "parting_with"]

EXIT_INTERRUPTED = 130
ALL = tuple(number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None)
UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)
IMPATIENT = 3
"""So many requests end the process on the spot, wherever it is."""
ONE_REQUEST_SECONDS = 0.5
"""Signals that come so soon after another mean the same: a terminal that closes sends several."""


class PartingWords(NamedTuple):
    """What a process says when it ends on the spot: to people, and to what reads its output."""

    stderr: str
    stdout: str = ""


_words: list[Callable[[], PartingWords]] = [lambda: PartingWords("\nInterrupted.\n")]
_queue: SimpleQueue[Any] | None = None


def end_at_once() -> None:
    """Let a request end this process on the spot, until somebody listens; a signal that is ignored stays so."""
    for number in ALL:
        if signal.getsignal(number) in UNTOUCHED:
            signal.signal(number, _end)


def _end(_number: int, _frame: object) -> None:
    for number, text in zip((2, 1), _words[-1](), strict=True):
        with suppress(OSError):
            os.write(number, text.encode(errors="replace"))
    os._exit(EXIT_INTERRUPTED)


@contextmanager
def parting_with(words: Callable[[], PartingWords]) -> Iterator[None]:
    """Have these words said if the process is ended on the spot."""
    _words.append(words)
    try:
        yield
    finally:
        _words.pop()


@contextmanager
def ended_like_ctrl_c(*, in_good_order: bool = False) -> Iterator[None]:
    """Turn requests to end the process into KeyboardInterrupt, unless somebody else takes care of them.

    ``in_good_order``: also those that would end it on the spot.
    """
    replaced = {signal.SIG_DFL, _end} if in_good_order else {signal.SIG_DFL}
    with _handling(dict.fromkeys(ALL, signal.default_int_handler), lambda handler: handler in replaced):
        yield


@contextmanager
def listening() -> Iterator[SimpleQueue[Any]]:
    """Lend a queue to which each request to end the process adds its number, instead of anything else.

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
def _handling(handlers: Mapping[int, Callable[[int, Any], Any]], replaced: Callable[[Any], bool]) -> Iterator[None]:
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
