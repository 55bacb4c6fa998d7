"""A flow in a thread of its own, so that an end by signal is orderly.

An exception that a signal raises in the middle of an event loop may be lost there, and a cancellation may not. So the
main thread does nothing but wait for the end of the flow and for signals.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout, suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from openrouter_video.cli.signals import queued_requests
from openrouter_video.outcome import FanOut
from openrouter_video.threads import abandon_irrevocable, irrevocable_until

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

__all__ = ["Finished", "StartFlow", "run_flow"]

ON_ITS_WAY = (
    "Interrupted. A submission is on its way: waiting for its job, which would be lost. Ctrl-C again does not wait."
)
ENDS_WITHIN_SECONDS = 7.0
"""How long an interrupted flow may take to end in good order ..."""
AFTERWARDS_SECONDS = 3.0
"""... and how long beyond a submission on its way."""

StartFlow = Callable[[], Awaitable["State[Any]"]]
"""Calls a flow that returns its state."""


class Finished(NamedTuple):
    """How a flow ended: ``result`` is its value, or the exception with which it failed; ``told``: of the whole run."""

    run_id: str | None
    result: object
    told: FanOut | None = None


class FlowThread:
    """Runs a flow, and puts how it ended, or the exception that ended it, into a queue."""

    def __init__(self, start: StartFlow, events: SimpleQueue[object]) -> None:
        self._start = start
        self._events = events
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Finished] | None = None
        self._cancelled = False
        # Prefect's settings are those of a context, and so is who watches the progress.
        threading.Thread(target=copy_context().run, args=(self._run,), name="flow", daemon=True).start()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            try:
                self._events.put(runner.run(self._finish()))
            except BaseException as error:  # noqa: BLE001 (the main thread gets it)
                self._events.put(error)

    async def _finish(self) -> Finished:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._cancelled:
            raise asyncio.CancelledError
        state = await self._start()
        result = await state.aresult(raise_on_failure=False)
        return Finished(str(state.state_details.flow_run_id), result)

    def cancel(self) -> None:
        """Let it end in good order."""
        self._cancelled = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._task.cancel)


def run_flow(start: StartFlow) -> Finished:
    """Run a flow to its end.

    Raises:
        KeyboardInterrupt: if the process was asked to end, by whatever signal, after every submission in flight ended.
    """
    # A plugin of Prefect's that cannot be loaded says so on stdout.
    with queued_requests() as events, redirect_stdout(sys.stderr):
        flow = FlowThread(start, events)
        event = events.get()
        if isinstance(event, int):
            flow.cancel()
            _wait_for_end(events)
            raise KeyboardInterrupt
    if isinstance(event, asyncio.CancelledError):
        raise KeyboardInterrupt from None
    if isinstance(event, BaseException):
        raise event
    return cast(Finished, event)


def _wait_for_end(events: SimpleQueue[object]) -> None:
    """Wait for the end of a flow that was interrupted, or for a POST on its way; a second request ends the wait."""
    until, told = time.monotonic() + ENDS_WITHIN_SECONDS, False
    while (now := time.monotonic()) < until:
        if irrevocable_until() > now:
            until = max(until, now + AFTERWARDS_SECONDS)
            if not told:
                told = True
                with suppress(OSError):
                    sys.stderr.write(f"{ON_ITS_WAY}\n")
        with suppress(Empty):
            if isinstance(events.get(timeout=0.5), int):
                abandon_irrevocable()
            return
