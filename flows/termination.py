"""SIGTERM while a flow of ours runs: the event loop takes it, so that it is never lost, and the flow ends in order.

Prefect raises it as an exception in whatever code the main thread runs at that moment. In a callback of the event loop
asyncio logs that exception and goes on, and with it the run, which submits and pays. So a handler of ours stands in the
place of Prefect's, under Prefect's own name for it, by which Prefect's engine knows whether its worker may announce a
cancellation. Where no flow of ours runs it does what Prefect's does.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.utilities import engine as prefect_engine

from openrouter_video.run import exit_within

__all__ = ["ended_by_sigterm", "log_if_interrupted"]

PREFECTS_NAME = "_prefect_sigterm_handler"

_bodies: list[_Body] = []
_missed: list[int] = []


class _Body:
    """A flow that runs in the main thread: whose task is cancelled when the process is told to end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._cancelled = False
        self.told = False
        # A flow that calls ours may have more to do at its end, and takes its own time.
        context = FlowRunContext.get()
        run = context.flow_run if context else None
        self.owns_the_process = run is not None and run.parent_task_run_id is None

    def tell(self) -> None:
        """Cancel it as soon as the loop comes round; called by the signal, in the middle of anything."""
        if not self.told:
            self.told = True
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self in _bodies and self._task is not None:
            self._cancelled = True
            self._task.cancel()

    def forgive(self) -> None:
        """Let the task go on with telling Prefect how it ended."""
        if self._cancelled and self._task is not None:
            self._task.uncancel()


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Cancel what is awaited within when the process is told to end, and then tell Prefect's engine about it.

    Raises:
        TerminationSignal: in the place of whatever else came of it, as Prefect's own handler does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in the main thread only, and whoever runs it decides.
        return
    if _missed:
        _terminate()
    body = _Body()
    _bodies.append(body)
    try:
        yield
    finally:
        _bodies.remove(body)
        if body.told:
            body.forgive()
            _terminate()


@contextmanager
def log_if_interrupted(words: str) -> Iterator[None]:
    """Say in the run's log what an interruption of this means."""
    try:
        yield
    except asyncio.CancelledError:
        get_run_logger().warning(words)
        raise


def _terminate() -> NoReturn:
    raise TerminationSignal(signal=signal.SIGTERM)


def _take(number: int, _frame: Any) -> None:
    """Take the signal in Prefect's place, in the middle of anything: no lock may be needed here."""
    if any(body.owns_the_process for body in _bodies):
        exit_within(128 + number)
    for body in _bodies:
        body.tell()
    if not _bodies:
        # Should this be lost on its way, no flow of ours begins any more.
        _missed.append(number)
        raise TerminationSignal(signal=number)


def _take_over() -> None:
    theirs = getattr(prefect_engine, PREFECTS_NAME, None)
    if theirs is None:
        return
    try:
        if signal.getsignal(signal.SIGTERM) is theirs:
            signal.signal(signal.SIGTERM, _take)
    except ValueError:
        return  # a flow runs already, and this is not the main thread
    setattr(prefect_engine, PREFECTS_NAME, _take)


_take_over()
