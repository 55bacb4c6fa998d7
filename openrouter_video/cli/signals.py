"""Being asked to end: Ctrl-C, SIGTERM and a terminal that closes; a request is never lost, and never cuts a POST off.

An exception out of a signal's handler may strike in any code, also in such as swallows it or makes another one of it.
So the process of the command ends at once while nothing is at stake, and takes requests into a queue while a flow runs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from types import FrameType
from typing import NamedTuple

__all__ = ["EXIT_INTERRUPTED", "ExitMessage", "end_at_once", "ended_like_ctrl_c", "exit_message", "queued_requests"]

EXIT_INTERRUPTED = 130
ALL = tuple(number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None)
DEFAULT_HANDLERS = (signal.SIG_DFL, signal.default_int_handler)
FORCING_REQUESTS = 3
"""So many requests end the process at once, wherever it is."""
ONE_REQUEST_SECONDS = 0.5
"""Signals that come so soon after another mean the same: a terminal that closes sends several."""

Handler = Callable[[int, FrameType | None], object]


class ExitMessage(NamedTuple):
    """What a process writes when a request ends it at once: to people, and to what reads its output."""

    stderr: str
    stdout: str = ""


_messages: list[Callable[[], ExitMessage]] = [lambda: ExitMessage("\nInterrupted.\n")]
_queue: SimpleQueue[object] | None = None


def end_at_once() -> None:
    """Let a request end this process at once, unless requests are queued; a signal that is ignored stays so."""
    for number in ALL:
        if signal.getsignal(number) in DEFAULT_HANDLERS:
            signal.signal(number, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    for number, text in zip((2, 1), _messages[-1](), strict=True):
        with suppress(OSError):
            os.write(number, text.encode(errors="replace"))
    os._exit(EXIT_INTERRUPTED)


@contextmanager
def exit_message(message: Callable[[], ExitMessage]) -> Iterator[None]:
    """Have this written if a request ends the process at once."""
    _messages.append(message)
    try:
        yield
    finally:
        _messages.pop()


@contextmanager
def ended_like_ctrl_c(*, in_good_order: bool = False) -> Iterator[None]:
    """Turn requests to end the process into KeyboardInterrupt, unless another handler takes care of them.

    ``in_good_order``: also those that would end it at once.
    """
    replaced = {signal.SIG_DFL, _end} if in_good_order else {signal.SIG_DFL}
    with _handling(dict.fromkeys(ALL, signal.default_int_handler), lambda handler: handler in replaced):
        yield


@contextmanager
def queued_requests() -> Iterator[SimpleQueue[object]]:
    """Lend a queue to which each request to end the process adds its number, instead of anything else.

    Within another such block it is the same queue. Other events may be added to it as well.
    """
    global _queue  # noqa: PLW0603 (signals belong to the process)
    if _queue is not None:
        yield _queue
        return
    _queue = queue = SimpleQueue[object]()
    came: list[float] = []

    def take(number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if came and now - came[-1] < ONE_REQUEST_SECONDS:
            return
        came.append(now)
        queue.put(number)
        if len(came) == FORCING_REQUESTS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    try:
        with _handling(dict.fromkeys(ALL, take), callable):
            yield queue
    finally:
        _queue = None


@contextmanager
def _handling(handlers: Mapping[int, Handler], replaced: Callable[[object], bool]) -> Iterator[None]:
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
