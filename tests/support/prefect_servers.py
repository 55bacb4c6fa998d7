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
from multiprocessing.process import BaseProcess
from pathlib import Path

import certifi

from tests.support.flow_processes import forked, wait_until

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
SUPERFLUOUS = ("CANCELLATION_CLEANUP", "CLEANUP_RECONCILER", "FOREMAN", "LATE_RUNS", "REPOSSESSOR", "TRIGGERS")
"""The services that schedules and suspended runs can do without: they look into the database all the time."""
RUNS_ONLY = {
    # Without the services that look after schedules, late runs and the like.
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}
"""Those of one that is asked for runs, and for no event: less work for each run."""


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
    """A server in a process of its own, which dies, hangs and comes back with the same database and port."""

    def __init__(self, home: Path, **settings: str) -> None:
        self._home = prefect_home(home)
        self._settings = settings
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = int(probe.getsockname()[1])
        self._process: BaseProcess | None = None

    @property
    def api(self) -> str:
        """The URL of its API."""
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def database(self) -> str:
        """The URL of its database."""
        return f"sqlite+aiosqlite:///{self._home / DATABASE}"

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
        log = self._home / "server.txt"
        log.touch()
        self._process = forked(_serve, _environment(self._home) | self._settings, self._port, log)
        wait_until(lambda: self.answers, 90, what=log.read_text, every=0.1)

    def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def freeze(self) -> None:
        """Let it take connections and never answer again."""
        assert self._process is not None
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)


def _serve(environment: dict[str, str], port: int, log: Path) -> None:
    """Be a server, with these variables only."""
    import uvicorn  # noqa: PLC0415 (in the process)
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415

    # Ctrl-C at a terminal is for the tests, which end it.
    os.setsid()
    with log.open("ab") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    refresh_global_settings_context()
    app = "prefect.server.api.server:create_app"
    uvicorn.run(app, factory=True, host="127.0.0.1", port=port, log_level="error", lifespan="on")


@contextmanager
def serving_runs(folder: Path, **settings: str) -> Iterator[None]:
    """Let the flows of this process run against a server of their own."""
    from prefect.context import _temporary_global_settings_context, get_settings_context  # noqa: PLC0415
    from prefect.events.worker import EventsWorker  # noqa: PLC0415
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415
    from prefect.settings import (  # noqa: PLC0415 (only the tests of flows pay for Prefect)
        PREFECT_API_URL,
        PREFECT_RESULTS_LOCAL_STORAGE_PATH,
        PREFECT_SERVER_DATABASE_CONNECTION_URL,
        temporary_settings,
    )

    server = PrefectServer(folder / "home", **settings)
    # Prefect's sender keeps to the server that it has begun with, and tries each event for a minute where that is away.
    EventsWorker.drain_all(timeout=30)
    try:
        server.start()
        with (
            temporary_settings(
                {
                    PREFECT_API_URL: server.api,
                    PREFECT_SERVER_DATABASE_CONNECTION_URL: server.database,
                    PREFECT_RESULTS_LOCAL_STORAGE_PATH: folder / "results",
                }
            ),
            # For threads that were begun before.
            _temporary_global_settings_context(get_settings_context()),
        ):
            yield
            EventsWorker.drain_all(timeout=30)
            APILogWorker.drain_all(timeout=30)
    finally:
        server.kill()


@contextmanager
def make_serve(folder: Path) -> Iterator[str]:
    """Run ``make serve`` with the sandbox and all its files in a folder; lend the form's address. Ctrl-C ends it."""
    script = folder / "deployments" / "serve.py"
    if not script.exists():
        shutil.copytree(ROOT / "deployments", script.parent)
        prefect_home(folder / ".prefect")
    log = folder / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENROUTER_")}
    environment |= {f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in SUPERFLUOUS}
    # Otherwise it looks once a minute which runs a schedule is to have.
    environment["PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS"] = "5"
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
