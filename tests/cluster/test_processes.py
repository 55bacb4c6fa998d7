"""``make cluster`` for real: one command starts PostgreSQL, server, deploy step, workers, collector and receiver."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.cluster import deploy
from deployments.cluster.__main__ import state_folder
from deployments.cluster.postgres import NOT_INSTALLED, postgres_programs
from deployments.cluster.services import COLLECTIONS, POOL
from tests.support.flow_processes import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Running(NamedTuple):
    """A cluster that is up: its process, what it has printed, its state, and its API."""

    process: subprocess.Popen[bytes]
    said: str
    state: Path
    api: str


def start(state: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start what ``make cluster`` starts, with the sandbox and everything in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENROUTER_", "PREFECT_"))}
    command = [sys.executable, "-m", "deployments.cluster", "--sandbox", "--state", str(state)]
    environment = {**kept, "OPENROUTER_VIDEO_OUTPUT": str(state / "videos")}
    with log.open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Running]:
    """A cluster in a folder that PostgreSQL's user may enter, which pytest's own are not."""
    if postgres_programs() is None:
        (pytest.fail if os.environ.get("REQUIRE_REAL_PARTS") == "1" else pytest.skip)(NOT_INSTALLED)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        state, log = Path(folder) / "state", Path(folder) / "log"
        process = start(state, log)
        try:

            def up() -> bool:
                assert process.poll() is None, log.read_text()
                return "Ctrl-C ends everything." in log.read_text()

            wait_until(up, 240, what=log.read_text, every=0.2)
            (ui,) = re.findall(r"Prefect's UI: +(\S+)", log.read_text())
            yield Running(process, log.read_text(), state, f"{ui}/api")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


async def test_one_command_starts_all_of_it(cluster: Running) -> None:
    """Each process of the guide lives; the pool has its workers, and the collections their queue."""
    numbers = dict(re.findall(r"^ +(\d+)  (\S+)$", cluster.said, re.MULTILINE))
    assert set(numbers.values()) == {"sandbox", "postgres", "server", "worker-1", "worker-2", "collector", "webhooks"}
    assert all(psutil.pid_exists(int(number)) for number in numbers)
    with temporary_settings({PREFECT_API_URL: cluster.api}):
        async with get_client() as client:
            queues = {d.name: (d.work_pool_name, d.work_queue_name) for d in await client.read_deployments()}
            settings = (await client.request("GET", "/admin/settings")).json()
    assert queues["batch-videos"] == (POOL, "default")
    assert queues["collect-videos"] == (POOL, COLLECTIONS)
    assert deploy.database_note(settings, 3) is None
    assert (cluster.state / "database-password").stat().st_mode & 0o077 == 0


def test_a_second_one_is_refused(cluster: Running, tmp_path: Path) -> None:
    """Two servers on one database's folder would spoil it."""
    second = start(cluster.state, tmp_path / "log")
    assert second.wait(60) == 1
    said = (tmp_path / "log").read_text()
    assert f"its state in {cluster.state} runs already" in said
    # The first one goes on.
    assert "Stopped." not in said


def test_a_folder_that_cannot_hold_the_state_is_told(tmp_path: Path) -> None:
    """As in a checkout of somebody else's."""
    (tmp_path / "file").touch()
    told = r"cannot keep its state in .*/file/state: Not a directory\. Name another"
    with pytest.raises(SystemExit, match=told), state_folder(tmp_path / "file" / "state"):
        pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--pool", "nowhere"],
            r"no work pool 'nowhere' .*\. Those that are there: videos\. .* nothing was deployed\.",
        ),
        (["--create-pool", "docker"], r"'videos' is there already and of the type process, not docker"),
    ],
)
def test_a_pool_that_is_not_there_is_told(cluster: Running, options: list[str], words: str) -> None:
    """Before anything is deployed: runs of a pool that nobody has made would wait for ever."""
    with temporary_settings({PREFECT_API_URL: cluster.api}), pytest.raises(SystemExit, match=words):
        deploy.main(options)


def test_it_leaves_nothing_behind_however_it_ends(cluster: Running) -> None:
    """Killed by a SIGKILL, which it cannot catch, all its processes end by themselves, PostgreSQL's too."""
    processes = psutil.Process(cluster.process.pid).children(recursive=True)
    assert "postgres" in {process.name() for process in processes}
    cluster.process.kill()
    wait_until(lambda: not psutil.wait_procs(processes, timeout=0.2)[1], 60, what=lambda: str(processes))
