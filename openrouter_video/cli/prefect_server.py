"""The Prefect server of a command: the user's own, or a temporary one for as long as this process lives.

The temporary one is that which Prefect starts by itself, which it then finds started; but Ctrl-C does not reach it,
since it still has to be told how the run ended, nothing that it writes goes to stdout, and it ends when this process is
gone, also by a SIGKILL.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import getproxies

from openrouter_video.api import changes_for_httpx, choose_proxy, is_loopback
from openrouter_video.child_process import child_command
from openrouter_video.errors import ConfigurationError

# ruff: noqa: PLC0415 (Prefect takes a second or more to import, and is told first how to behave)

__all__ = ["has_own_server", "start_prefect"]

PORT_TAKEN = 3
"""The exit code of uvicorn."""
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


def start_prefect(announce: Callable[[str], None], *, verbose: bool = False) -> None:
    """Make sure that a Prefect server answers; without one of the user's own, start a temporary one.

    Starting it again is harmless. ``announce`` tells the user what takes so long.

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
        server = _TemporaryServer() if PREFECT_SERVER_EPHEMERAL_ENABLED.value() else None
    # The flows are imported while the server starts.
    from openrouter_video.flows import fan_out_video  # noqa: F401

    trouble = _ask_server(server)
    if trouble is not None:
        what = f"Prefect's server at {url} does not answer" if url else "Prefect's temporary server did not start"
        cure = "set PREFECT_API_URL to that of a running one, or leave it unset for a temporary one"
        said = next(iter(str(trouble).splitlines()), "")
        raise ConfigurationError(f"{what} ({type(trouble).__name__}: {said}); {cure}")


def has_own_server() -> bool:
    """Whether the user has a Prefect server: a temporary one knows no runs of others."""
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value())


def _ask_server(server: _TemporaryServer | None) -> Exception | None:
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


class _TemporaryServer:
    """A server that starts; ``wait`` for it before it is needed."""

    def __init__(self) -> None:
        from prefect.server.api.server import SubprocessASGIServer

        self._server = SubprocessASGIServer()
        # It is one per process, and may run already.
        if not self._server.running:
            self._server.running = True
            self._start()
            atexit.register(self._server.stop)

    def _start(self) -> None:
        import prefect
        from prefect.settings import get_current_settings

        self._server.port = self._server.find_available_port()
        root = str(Path(str(prefect.__file__)).parents[1])
        app = ("uvicorn", "--app-dir", root, "--factory", "prefect.server.api.server:create_app")
        command = child_command(*app, "--host", "127.0.0.1", "--port", str(self._server.port), "--log-level", "error")
        marks = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        self._server.server_process = subprocess.Popen(  # noqa: S603 (our own interpreter)
            command,
            env={**os.environ, **marks, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self, seconds: float) -> None:
        """Return when it answers.

        Raises:
            RuntimeError: if it does not.
        """
        import httpx

        until = time.monotonic() + seconds
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < until:
                process = self._server.server_process
                if process is None or process.poll() not in {None, PORT_TAKEN}:
                    raise RuntimeError(f"it ended with code {process.returncode if process else None}")
                if process.poll() == PORT_TAKEN:
                    self._start()
                with suppress(httpx.HTTPError):
                    if client.get(f"{self._server.api_url}/health", timeout=5).is_success:
                        return
                time.sleep(0.1)
        raise RuntimeError(f"it did not answer within {seconds:g} s")
