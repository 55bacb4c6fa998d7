"""The sandbox as a process's guest: quick, clean, restartable, and light to import."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from openrouter_video.errors import ConfigurationError
from openrouter_video.sandbox import Fault, Sandbox
from tests.support.flow_processes import wait_until

BODY = {"model": "x-ai/grok-imagine-video", "prompt": "a harbour", "duration": 1, "resolution": "480p"}
ROOT = Path(__file__).parents[2]


def client_of(sandbox: Sandbox) -> httpx.Client:
    """A client with the right key."""
    return httpx.Client(base_url=sandbox.base_url, headers={"authorization": f"Bearer {sandbox.api_key}"})


def completed_content(client: httpx.Client, job_id: str) -> bytes:
    """The file of a job, once it is completed."""
    until = time.monotonic() + 20
    while client.get(f"/videos/{job_id}").json()["status"] != "completed":
        assert time.monotonic() < until
        time.sleep(0.01)
    return client.get(f"/videos/{job_id}/content").content


def test_starting_and_stopping_leaves_nothing() -> None:
    """Twenty sandboxes, each asked once; no thread of theirs is left."""
    before = {thread.name for thread in threading.enumerate()}
    for _ in range(20):
        with Sandbox() as sandbox, client_of(sandbox) as client:
            assert client.get("/videos/models").status_code == 200
    assert "openrouter-sandbox" not in {thread.name for thread in threading.enumerate()} - before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{sandbox.base_url}/videos/models")


def test_stopping_ends_what_is_being_answered() -> None:
    """A sandbox that is stopped breaks its connections, as a process that dies would."""
    failures: list[str] = []

    def ask(sandbox: Sandbox) -> None:
        body = {"model": "google/veo-3.1", "prompt": "tide", "duration": 4}
        try:
            with client_of(sandbox) as client:
                client.post("/videos", json=body, timeout=600)
        except httpx.TransportError as error:
            failures.append(type(error).__name__)

    with Sandbox(faults=[Fault(on="submit", delay_seconds=600)]) as sandbox:
        thread = threading.Thread(target=ask, args=(sandbox,))
        thread.start()
        wait_until(lambda: sandbox.charges)
    thread.join(60)
    assert failures in (["RemoteProtocolError"], ["ReadError"])


async def test_it_serves_a_running_event_loop_while_drawing() -> None:
    """Inside a process with its own loop; it goes on answering while a large video is drawn."""
    answers = []
    with Sandbox(job_seconds=0) as sandbox:
        headers = {"authorization": f"Bearer {sandbox.api_key}"}
        async with httpx.AsyncClient(base_url=sandbox.base_url, headers=headers) as client:
            body = {"model": "google/veo-3.1", "prompt": "tide", "duration": 4, "resolution": "4K"}
            job_id = (await client.post("/videos", json=body)).json()["id"]
            while "completed" not in answers:
                answers.append((await client.get(f"/videos/{job_id}", timeout=60)).json()["status"])
                await asyncio.sleep(0.01)
    assert len(answers) > 10


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_speed_divides_the_simulated_time(speed: float) -> None:
    """A job of one second of clip takes 3 to 12 s at speed 1, by a clock that the test moves."""
    now = [1_790_000_000.0]
    with Sandbox(speed=speed, clock=lambda: now[0]) as sandbox, client_of(sandbox) as client:
        job_id = client.post("/videos", json=BODY).json()["id"]
        now[0] += 2.9 / speed
        assert client.get(f"/videos/{job_id}").json()["status"] != "completed"
        now[0] += 9.2 / speed
        assert completed_content(client, job_id)[4:8] == b"ftyp"


def test_a_state_file_survives_a_restart(tmp_path: Path) -> None:
    """The next sandbox knows the jobs, their charges and their ends, and draws the same video again."""
    state = tmp_path / "state.json"
    with Sandbox(job_seconds=0, state=state) as first, client_of(first) as client:
        done, held = (client.post("/videos", json=BODY).json()["id"] for _ in range(2))
        content = completed_content(client, done)
        first.finish(held, status="failed", error="no")
    with Sandbox(job_seconds=0, state=state) as second, client_of(second) as client:
        assert second.charges == first.charges
        assert client.get(f"/videos/{held}").json()["error"] == "no"
        body = client.get(f"/videos/{done}").json()
        assert body["polling_url"].startswith(second.base_url)
        assert client.get(f"/videos/{done}/content").content == content
    assert first.api_key not in state.read_text()
    assert list(tmp_path.iterdir()) == [state]


def test_without_a_state_file_jobs_die_with_the_sandbox() -> None:
    """A job of one sandbox is unknown to the next."""
    with Sandbox() as first, client_of(first) as client:
        job_id = client.post("/videos", json=BODY).json()["id"]
    with Sandbox() as second, client_of(second) as client:
        assert client.get(f"/videos/{job_id}").status_code == 404


def test_a_strange_state_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A file that is not a sandbox's is an error that names it."""
    state = tmp_path / "notes.json"
    state.write_text('{"mine": 1, "schema_version": 7}')
    with pytest.raises(ConfigurationError, match=r"notes\.json cannot be used"):
        Sandbox(state=state)
    assert state.read_text() == '{"mine": 1, "schema_version": 7}'


def test_a_taken_port_is_refused() -> None:
    """The error names the address and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}.*or 0"), Sandbox(port=port):
            pass


@pytest.mark.parametrize("settings", [{"speed": 0}, {"speed": -1}, {"speed": float("inf")}, {"job_seconds": -1}])
def test_senseless_settings_are_refused(settings: dict[str, Any]) -> None:
    """Time runs forward, and somewhere."""
    with pytest.raises(ConfigurationError, match="must be"):
        Sandbox(**settings)


def test_an_unknown_job_cannot_be_finished() -> None:
    """A test that mistypes an id learns of it; the address is known only while it runs."""
    with pytest.raises(KeyError, match="nobody"):
        Sandbox().finish("nobody")
    with pytest.raises(ConfigurationError, match="not running yet"):
        _ = Sandbox().base_url


def test_serve_runs_until_interrupted() -> None:
    """A process that serves says so by its callback, prints nothing of its own, and ends at Ctrl-C."""
    program = (
        "from openrouter_video.sandbox import serve\n"
        "def say(box): print(box.base_url, box.api_key, flush=True)\n"
        "serve('127.0.0.1', 0, 'k', 20.0, None, 0.0, on_ready=say)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, key = process.stdout.readline().split()
        assert key == "k"
        assert httpx.get(f"{url}/videos/models").status_code == 200
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=100)
    assert (rest, process.returncode) == (("", ""), 0)


def test_the_fixture_serves_other_projects_and_is_light(tmp_path: Path) -> None:
    """Another project's test gets a sandbox by asking for the fixture; loading the plugin brings no server along."""
    (tmp_path / "test_theirs.py").write_text(
        "import sys\n"
        "def test_light():\n"
        "    heavy = {'uvicorn', 'starlette', 'pydantic', 'av', 'PIL', 'prefect'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
        "def test_served(openrouter_sandbox):\n"
        "    from urllib.request import urlopen\n"
        "    with urlopen(openrouter_sandbox.base_url + '/videos/models') as answer:\n"
        "        assert answer.status == 200\n"
        "    assert openrouter_sandbox.charges == ()\n"
    )
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    plugin = "openrouter_video.sandbox.pytest_plugin"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout
