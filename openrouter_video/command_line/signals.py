"""Being asked to end: SIGTERM and a closed terminal do what Ctrl-C does, so that no POST is torn in the middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ended_like_ctrl_c"]

ALSO = ("SIGTERM", "SIGHUP")


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Turn requests to end the process into KeyboardInterrupt, unless somebody else takes care of them."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [number for name in ALSO if (number := getattr(signal, name, None)) is not None]
        before = {n: signal.signal(n, _interrupt) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    """Go the way of Ctrl-C, on which an event loop ends in good order; where that is ignored, take the direct way."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
