"""The programs in examples/ do what their first lines say, in the sandbox."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL

from openrouter_video.sandbox import Sandbox

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE_SECONDS = 120

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A chat that takes lines by POST; the lines."""
    heard: list[str] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("CHAT_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hooks/1")
        yield heard
        server.shutdown()
        thread.join()


def run(name: str, *argv: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a program as Python would, here, which saves the seconds of another interpreter."""
    monkeypatch.setattr(sys, "argv", [name, *argv])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_a_pipeline_of_ones_own(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two products, two models: four videos."""
    run("product_clips.py", "A white orchid", "A brass telescope", monkeypatch=monkeypatch)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".mp4")]
    assert (len(printed), len(sandbox.charges)) == (4, 4)


def test_a_film_of_shots(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Two shots and the file of both."""
    run("orchid_film.py", "A white orchid opens", "A bee lands on it", monkeypatch=monkeypatch)
    film = capsys.readouterr().out.splitlines()[-1]
    assert "/chain-" in film
    assert len(sandbox.charges) == 2


def test_a_notification(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, chat: list[str]) -> None:
    """One line, when the run has ended."""
    run("tell_a_person.py", monkeypatch=monkeypatch)
    (line,) = chat
    assert line.startswith("orchids, ")
    assert ": Completed." in line
    assert len(sandbox.charges) == 2


def test_a_deployment_of_ones_own(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is served, and two runs of one day are paid for once."""
    log = tmp_path / "log"
    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    with log.open("wb") as output:
        serving = subprocess.Popen(
            [sys.executable, EXAMPLES / "daily_deployment.py"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        states = [ended(serving, log).state_name for _ in range(2)]
    finally:
        os.killpg(serving.pid, signal.SIGINT)
        serving.wait(60)
    assert states == ["Completed", "Completed"], log.read_text()
    assert len(sandbox.charges) == 1


def ended(serving: subprocess.Popen[bytes], log: Path) -> FlowRun:
    """Start a run of the deployment as soon as it is served, and return the run once it is over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    run: FlowRun | None = None
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline and serving.poll() is None:
            if run is None:
                served = [one for one in client.read_deployments() if one.name == "daily"]
                run = client.create_flow_run_from_deployment(served[0].id) if served else None
            elif (run := client.read_flow_run(run.id)).state is not None and run.state.is_final():
                return run
            time.sleep(0.2)
    pytest.fail(log.read_text())
