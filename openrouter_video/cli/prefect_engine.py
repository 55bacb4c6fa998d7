"""Prefect from the command line's side: its server is there, its log is quiet, and an end by signal is orderly.

The one module of the core that speaks to Prefect, and only when a command runs a flow.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout, suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any
from urllib.request import getproxies

from openrouter_video.api import changes_for_httpx, choose_proxy, is_loopback
from openrouter_video.cli.signals import listening
from openrouter_video.cli.temporary_server import TemporaryServer
from openrouter_video.cli.video_run import Announce, Finished
from openrouter_video.errors import ConfigurationError
from openrouter_video.threads import abandon_irrevocable, irrevocable_until

# ruff: noqa: PLC0415 (Prefect takes a second or more to import, and is told first how to behave)

__all__ = ["run_flow", "start_prefect"]

STARTING = "Starting a temporary Prefect server, which takes some seconds (set PREFECT_API_URL to use yours)"
ON_ITS_WAY = (
    "Interrupted. A submission is on its way: waiting for its job, which would be lost. Ctrl-C again does not wait."
)
ENDS_WITHIN_SECONDS = 7.0
"""How long an interrupted flow may take to end in good order ..."""
AFTERWARDS_SECONDS = 3.0
"""... and how long beyond a submission on its way."""
DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    # Or Prefect's notice about its usage data stands between a person and the videos at the first run.
    "DO_NOT_TRACK": "1",
}
QUIET = {
    # Its own log goes on to its server, at every level; only the terminal is spared.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_DEBUG_LEVEL": "CRITICAL",
}


def start_prefect(announce: Announce, *, verbose: bool, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Make sure that a Prefect server answers; without one of the user's own, start a temporary one.

    ``meanwhile`` is done while the server starts.

    Raises:
        ConfigurationError: if none does.
    """
    if "prefect" not in sys.modules:
        for name, value in (DEFAULTS if verbose else {**DEFAULTS, **QUIET}).items():
            os.environ.setdefault(name, value)
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED

    url, server = PREFECT_API_URL.value(), None
    if url and not is_loopback(url):
        choose_proxy(url, getproxies())
    os.environ.update(changes_for_httpx(os.environ))
    if not url:
        announce(STARTING)
        server = TemporaryServer() if PREFECT_SERVER_EPHEMERAL_ENABLED.value() else None
    meanwhile()
    trouble = _ask_server(server)
    if trouble is not None:
        what = f"Prefect's server at {url} does not answer" if url else "Prefect's temporary server did not start"
        cure = "set PREFECT_API_URL to that of a running one, or leave it unset for a temporary one"
        said = next(iter(str(trouble).splitlines()), "")
        raise ConfigurationError(f"{what} ({type(trouble).__name__}: {said}); {cure}")


def _ask_server(server: TemporaryServer | None) -> Exception | None:
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS

    try:
        if server is not None:
            server.wait(PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value())
        with get_client(sync_client=True) as client:
            return client.api_healthcheck()
    except (httpx.HTTPError, httpx.InvalidURL, PrefectException, RuntimeError, ValueError) as error:
        return error


class _FlowThread:
    """A flow in a thread of its own, so that this one does nothing but wait for its end and for signals.

    An exception that a signal raises in the middle of an event loop may be lost there, and a cancellation may not.
    """

    def __init__(self, start: Callable[[], Awaitable[Any]], news: SimpleQueue[Any]) -> None:
        self._start = start
        self._news = news
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        # Prefect's settings are those of a context, and so is who watches the progress.
        threading.Thread(target=copy_context().run, args=(self._run,), name="flow", daemon=True).start()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            try:
                self._news.put(runner.run(self._finish()))
            except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
                self._news.put(error)

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


def run_flow(start: Callable[[], Awaitable[Any]]) -> Finished:
    """Run a flow that returns its state to its end.

    Raises:
        KeyboardInterrupt: if the process was asked to end, by whatever signal.
    """
    # A plugin of Prefect's that cannot be loaded says so on stdout.
    with listening() as news, redirect_stdout(sys.stderr):
        flow = _FlowThread(start, news)
        end = news.get()
        if isinstance(end, int):
            flow.cancel()
            _outlast(news)
            raise KeyboardInterrupt
    if isinstance(end, asyncio.CancelledError):
        raise KeyboardInterrupt from None
    if isinstance(end, BaseException):
        raise end
    finished: Finished = end
    return finished


def _outlast(news: SimpleQueue[Any]) -> None:
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
            if isinstance(news.get(timeout=0.5), int):
                abandon_irrevocable()
            return
