"""Prefect's servers for tests: each begins with a copy of an empty database, which Prefect takes seconds to make."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path

import certifi

from tests.support.flow_processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".pytest_cache"
DATABASE = "prefect.db"
"""The name under which a server looks for its database in PREFECT_HOME."""
LIGHT_SERVER = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    # By itself it writes each event of a task run in a transaction of its own. The seconds are whole ones to Prefect,
    # which with less than one would write without a pause.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
"""The settings of a server of the tests that nobody looks at."""


def prefect_home(folder: Path) -> Path:
    """Make a folder a PREFECT_HOME with an empty database of this version of Prefect, and return it."""
    empty = KEPT / f"prefect-{version('prefect')}.db"
    KEPT.mkdir(exist_ok=True)
    with empty.with_suffix(".lock").open("w") as lock:
        # Several processes of the tests may begin at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not empty.exists():
            _make_database(empty)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(empty, folder / DATABASE)
    return folder


def one_certificate() -> Path:
    """Return a file with a single certificate, which is read in no time."""
    path = KEPT / "one-certificate.pem"
    if not path.exists():
        KEPT.mkdir(exist_ok=True)
        first, end, _ = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
        # At once whole: several processes of the tests may begin at once.
        mine = path.with_suffix(f".{os.getpid()}")
        mine.write_text(first + end, encoding="utf-8")
        mine.replace(path)
    return path


def _make_database(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as home:
        command = (sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes")
        subprocess.run(command, env=_environment(Path(home)), capture_output=True, check=True)
        (Path(home) / DATABASE).replace(path)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, **LIGHT_SERVER, "PREFECT_HOME": str(home)}


class PrefectServer:
    """A server in processes of its own, which dies, hangs and comes back with the same database and port."""

    def __init__(self, home: Path, **settings: str) -> None:
        self._home = prefect_home(home)
        self._settings = settings
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """The URL of its API."""
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def answers(self) -> bool:
        """Whether it is there and well."""
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=5)) as connection:
            try:
                connection.request("GET", "/api/health")
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self._process is not None:
            return
        command = (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port))
        log = self._home / "server.txt"
        with log.open("ab") as output:
            # A group of its own, since the command starts the server as its child.
            self._process = subprocess.Popen(
                command,
                env=_environment(self._home) | self._settings,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(lambda: self.answers, 90, what=log.read_text, every=0.1)

    def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it take connections and never answer again."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)


@contextmanager
def make_serve(folder: Path) -> Iterator[str]:
    """Run ``make serve`` with the sandbox and all its files in a folder; lend the form's address. Ctrl-C ends it."""
    script = folder / "deployments" / "serve.py"
    if not script.exists():
        shutil.copytree(ROOT / "deployments", script.parent)
        prefect_home(folder / ".prefect")
    log = folder / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENROUTER_")}
    with log.open("wb") as output:
        serve = subprocess.Popen(
            [sys.executable, script, "--sandbox"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:

        def printed() -> re.Match[str] | None:
            assert serve.poll() is None, log.read_text()
            return re.search(r"http://127.0.0.1:\d+/v2/deployments/deployment/[0-9a-f-]+/run\n", log.read_text())

        wait_until(printed, 150, what=log.read_text)
        form = printed()
        assert form is not None
        yield form.group().strip()
    finally:
        os.killpg(serve.pid, signal.SIGINT)
        code = serve.wait(60)
    assert code == 0
    assert log.read_text().rstrip().endswith("Stopped.")
