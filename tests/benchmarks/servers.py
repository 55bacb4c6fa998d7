"""The servers of a run, each in processes of its own: the sandbox, the file server, Prefect's, and its PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
QUIET_SHARE = 0.08
MOST_SETTLING_SECONDS = 180.0


class Talker:
    """A server that says on its first line where it is, and answers a line for each line."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self._read().split()

    def count(self) -> dict[str, int]:
        """Return what was asked of it since the last time."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        counted: dict[str, int] = json.loads(self._read())
        return counted

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def clean_environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without what would change a measurement."""
    # Without compiled files a start would compile this checkout each time, and Prefect's own packages never.
    without = ("PREFECT_", "OPENROUTER_", "AWS_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    # Some contenders would send what is for this machine through a proxy.
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return {**kept, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PYTHONPATH": str(ROOT), **extra}


class PrefectServer(NamedTuple):
    """A running server: its API's URL, and its processes."""

    url: str
    process: psutil.Process

    def spent(self) -> tuple[float, int]:
        """Return the processor time that it has taken so far, and how many task runs it knows."""
        counted = httpx.post(f"{self.url}/task_runs/count", json={}, timeout=60, trust_env=False)
        return cpu_of(self.process), int(counted.raise_for_status().json())


@contextlib.contextmanager
def prefect_server(folder: Path, database_url: str | None = None) -> Iterator[PrefectServer]:
    """Start a server with a database of its own: SQLite in the folder, or the one that is named."""
    folder.mkdir(parents=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = clean_environment(PREFECT_HOME=str(folder), PREFECT_UI_ENABLED="false")
    if database_url:
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database_url
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait_for(f"{url}/health", process, folder / "server.log")
        yield PrefectServer(url, psutil.Process(process.pid))
    finally:
        end_group(process)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str | None]:
    """Start a PostgreSQL with an empty database; its URL, or None where it is not installed."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(binaries[-1]) if binaries else shutil.which("initdb")
    # It refuses to run as root.
    user = None if os.geteuid() else "nobody"
    if found is None:
        yield None
        return
    tools, data, port = Path(found).parent, folder / "data", free_port()
    folder.mkdir(parents=True)
    if user:
        shutil.chown(folder, user)
    options = {"user": user, "cwd": folder, "env": {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}}
    with (folder / "postgres.log").open("wb") as log:
        initialise = [str(tools / "initdb"), "-D", str(data), "-U", "bench", "-A", "trust", "-E", "UTF8"]
        subprocess.run(initialise, check=True, stdout=log, stderr=log, **options)  # type: ignore[call-overload]
        command = [str(tools / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **options
        )
    try:
        _wait_for_port(port)
        yield f"postgresql+asyncpg://bench@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def settle(processes: list[psutil.Process]) -> float:
    """Wait until servers have written what the last run left them with; the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() - began < MOST_SETTLING_SECONDS:
        before = sum(map(cpu_of, processes))
        time.sleep(0.5)
        if sum(map(cpu_of, processes)) - before < 0.5 * QUIET_SHARE * len(processes):
            break
    return time.monotonic() - began


def cpu_of(process: psutil.Process) -> float:
    """Return the processor time in seconds that a process and its children have taken so far."""
    used = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                used += times.user + times.system
    return used


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-2000:]}")


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL does not answer on port {port}")
