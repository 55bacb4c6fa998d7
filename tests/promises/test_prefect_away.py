"""Prefect's server dies in the middle of a run: what was paid for arrives all the same."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from openrouter_video.ledger.ledger import Ledger
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores import open_store
from tests.support.flow_processes import ORDER, Errand, FlowProcess, environment_of, wait_until

Serve = Callable[[], "subprocess.Popen[bytes]"]


@contextmanager
def _prefect_servers(home: Path, port: int) -> Iterator[Serve]:
    """Lend a way to start Prefect's server, again and again with the same database and port."""
    started: list[subprocess.Popen[bytes]] = []
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}

    def serve() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        # A group of its own, since the command starts the server as its child.
        with (home / "server.txt").open("ab") as log:
            server = subprocess.Popen(
                command, env={**environment, **settings}, stdout=log, stderr=log, start_new_session=True
            )
        started.append(server)
        wait_until(lambda: _answers(port), 90, what=(home / "server.txt").read_text)
        return server

    try:
        yield serve
    finally:
        for server in started:
            _kill(server)


def _kill(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_jobs_go_on_while_prefect_is_away(tmp_path: Path) -> None:
    """Polling and download need no server; when it is back, the run ends as if nothing had been."""
    port, output = _free_port(), tmp_path / "videos"
    (tmp_path / "home").mkdir()
    with _prefect_servers(tmp_path / "home", port) as serve, Sandbox(job_seconds=3600) as sandbox:
        server = serve()
        errand = Errand(ORDER, tmp_path / "run", f"http://127.0.0.1:{port}/api", environment_of(sandbox, output))
        with FlowProcess(errand) as process:
            wait_until(lambda: any(seen.kind == "poll" for seen in sandbox.requests), what=lambda: process.output)
            _kill(server)
            sandbox.release()
            ledger = Ledger(open_store(str(output)).child("_jobs"))
            (charge,) = sandbox.charges
            assert charge.session_id is not None
            key = charge.session_id
            wait_until(lambda: ledger.entry(key).state == "settled", what=lambda: process.output)
            (video,) = output.glob("*/*.mp4")
            assert not _answers(port)
            serve()
            assert process.wait(90) == 0, process.output
        (outcome,) = process.outcomes
        assert (outcome["status"], outcome["url"]) == ("completed", f"file://{video}")
        assert len(sandbox.charges) == 1


def test_a_run_ends_although_prefect_never_answers(tmp_path: Path) -> None:
    """Prefect's client would try for minutes to say how the run ended; the words come, and the process goes."""
    port, output = _free_port(), tmp_path / "videos"
    (tmp_path / "home").mkdir()
    with _prefect_servers(tmp_path / "home", port) as serve, Sandbox(job_seconds=3600) as sandbox:
        server = serve()
        errand = Errand(ORDER, tmp_path / "run", f"http://127.0.0.1:{port}/api", environment_of(sandbox, output))
        with FlowProcess(errand) as process:
            wait_until(lambda: any(seen.kind == "poll" for seen in sandbox.requests), what=lambda: process.output)
            os.killpg(server.pid, signal.SIGSTOP)
            process.send(signal.SIGTERM)
            assert process.wait(100) == 128 + signal.SIGTERM, process.output
        (charge,) = sandbox.charges
        assert f"job {charge.job_id}" in process.output
