"""Prefect from the command line's side: its server is there, its log is quiet, and an end by signal is orderly.

The one module of the core that speaks to Prefect, and only when a command runs a flow.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import copy_context
from typing import Any
from urllib.request import getproxies

from openrouter_video.command_line.video_run import Announce, Finished
from openrouter_video.endpoint import is_loopback
from openrouter_video.errors import ConfigurationError
from openrouter_video.network import changes_for_httpx, choose_proxy

# ruff: noqa: PLC0415 (Prefect takes a second or more to import, and is told first how to behave)

__all__ = ["run_flow", "start_prefect"]

STARTING = "Starting a temporary Prefect server, which takes some seconds (set PREFECT_API_URL to use yours)"
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
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if url and not is_loopback(url):
        choose_proxy(url, getproxies())
    os.environ.update(changes_for_httpx(os.environ))
    if not url:
        announce(STARTING)
    with nullcontext() if url else _stdout_to_stderr():
        trouble = _apart(_ask_server, meanwhile)
    if trouble is not None:
        what = f"Prefect's server at {url} does not answer" if url else "Prefect's temporary server did not start"
        cure = "set PREFECT_API_URL to that of a running one, or leave it unset for a temporary one"
        said = next(iter(str(trouble).splitlines()), "")
        raise ConfigurationError(f"{what} ({type(trouble).__name__}: {said}); {cure}")


def _ask_server() -> Exception | None:
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    try:
        with get_client(sync_client=True) as client:
            return client.api_healthcheck()
    except (httpx.HTTPError, httpx.InvalidURL, PrefectException, RuntimeError, ValueError) as error:
        return error


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Let a server that is started now write to stderr what it would write to stdout, where a document may go."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        yield
        return
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _apart(work: Callable[[], Exception | None], meanwhile: Callable[[], None]) -> Exception | None:
    """Do it in a thread that Ctrl-C does not reach, beside something else.

    A server that is started there inherits this; otherwise Ctrl-C would end it together with the command, which still
    has to tell it how the run ended.
    """
    found: list[Exception | None] = []

    def begin() -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        found.append(work())

    # Prefect's settings are those of a context.
    thread = threading.Thread(target=copy_context().run, args=(begin,), name="openrouter-video-prefect", daemon=True)
    thread.start()
    meanwhile()
    thread.join()
    return found[0] if found else RuntimeError("it ended without a word")


def run_flow(start: Callable[[], Awaitable[Any]]) -> Finished:
    """Run a flow that returns its state to its end.

    Raises:
        KeyboardInterrupt: if the process was asked to end, by whatever signal.
    """
    from prefect.exceptions import TerminationSignal

    async def finish() -> Finished:
        state = await start()
        result = await state.aresult(raise_on_failure=False)
        return Finished(str(state.state_details.flow_run_id), result)

    try:
        # A plugin of Prefect's that cannot be loaded says so on stdout.
        with redirect_stdout(sys.stderr):
            return asyncio.run(finish())
    except (TerminationSignal, asyncio.CancelledError):
        raise KeyboardInterrupt from None
