"""A Prefect server for as long as this process lives, for users who have none of their own.

It is the one that Prefect starts by itself, which it then finds started; but Ctrl-C does not reach it, since it still
has to be told how the run ended, nothing that it writes goes to stdout, and it ends when this process is gone, also
by a SIGKILL.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from openrouter_video.child_process import child_command

# ruff: noqa: PLC0415 (Prefect takes a second or more to import)

__all__ = ["TemporaryServer"]

PORT_TAKEN = 3
"""The exit code of uvicorn."""


class TemporaryServer:
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
