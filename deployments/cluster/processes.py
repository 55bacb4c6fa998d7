# ruff: noqa: INP001 (a folder of things to run, not a package)
"""A cluster as plain processes of this machine, on loopback: what ``make cluster`` starts, and compose.yaml describes.

As in containers, the processes of a service end with it, and one that has ended starts again. All of them end with this
process, however that ends.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from deployments.cluster.services import Service
from deployments.loopback import end_of, say, wait_until_healthy, wait_until_listening
from openrouter_video.child_process import child_command

ROOT = Path(__file__).resolve().parents[2]
LOOKS_EVERY_SECONDS = 1.0
STARTS_AGAIN_AFTER_SECONDS = 3.0
STOPS_WITHIN_SECONDS = 45.0
MODULES = {"prefect": "prefect", "openrouter-video": "openrouter_video", "postgres": "deployments.cluster.postgres"}
"""The module that each command of the image is here."""
OURS = ("OPENROUTER_", "PREFECT_")
NOBODYS = ("OPENROUTER_MANAGEMENT_KEY",)
"""What only a person's command uses, and no service."""


class Launch(NamedTuple):
    """A process to start: its name, its command and its whole environment."""

    name: str
    command: list[str]
    environment: dict[str, str]


def launches_of(service: Service, user: Mapping[str, str]) -> list[Launch]:
    """Return the processes of a service; ``user`` is the environment of the user, as videos.env is in containers."""
    program, *arguments = service.command
    words = arguments[1:] if program == "python" else [MODULES[program], *arguments]
    kept = {
        name: value
        for name, value in user.items()
        if (service.makes_videos or not name.startswith(OURS)) and name not in NOBODYS
    }
    return [Launch(name, child_command(*words), {**kept, **service.environment}) for name in names_of(service)]


class Process:
    """One process of the cluster, with all that it has started."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self.name, self.log = launch.name, log
        self._launch = launch
        self._offspring: set[psutil.Process] = set()
        self._start()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def child(self) -> subprocess.Popen[bytes]:
        """The process itself."""
        return self._process

    def look(self) -> int | None:
        """Remember what it has started; return its exit code once it has ended."""
        code = self._process.poll()
        if code is None:
            self._offspring |= _children(self._process.pid)
        return code

    def start_again(self) -> None:
        """Start it again, without anything that it left behind."""
        self.end()
        self._start()

    def terminate(self) -> None:
        """Ask it to end."""
        self.look()
        self._process.terminate()

    def end(self) -> None:
        """Wait until it has ended in order, and end what it left behind, as a container that stops does."""
        try:
            self._process.wait(STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        for left in self._offspring:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        self._offspring.clear()

    def _start(self) -> None:
        with self.log.open("ab") as output:
            # A session of its own, so that Ctrl-C reaches it from here, in order.
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter)
                self._launch.command,
                cwd=ROOT,
                env=self._launch.environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


class Cluster:
    """Services as processes, for as long as the ``with`` statement lasts.

    Their state and logs are in a folder; ``user`` is the environment of those who make videos.
    """

    def __init__(self, services: Sequence[Service], folder: Path, user: Mapping[str, str]) -> None:
        self._services, self._folder, self._user = tuple(services), folder, dict(user)
        self.processes: dict[str, Process] = {}

    def __enter__(self) -> Self:
        try:
            for service in self._services:
                say(f"Starting {service.name} ...")
                self._start(service)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def watch(self) -> None:
        """Start again what has ended, for ever."""
        while True:
            time.sleep(LOOKS_EVERY_SECONDS)
            self.look()

    def look(self) -> None:
        """Start again what has ended."""
        for process in self.processes.values():
            if (code := process.look()) is not None:
                say(f"{process.name} has ended ({_how(code)}) and starts again. Its log: {process.log}")
                time.sleep(STARTS_AGAIN_AFTER_SECONDS)
                process.start_again()

    def _start(self, service: Service) -> None:
        for launch in launches_of(service, self._user):
            process = Process(launch, self._folder / f"{launch.name}.log")
            self.processes[launch.name] = process
            self._wait_for(service, process)

    def _wait_for(self, service: Service, process: Process) -> None:
        if service.once:
            if process.child.wait():
                raise SystemExit(f"{service.name} failed. {end_of(process.log)}")
            process.end()
            del self.processes[process.name]
        elif service.health:
            url = f"http://127.0.0.1:{service.port}{service.health}"
            wait_until_healthy(url, process.child, process.log, service.name)
        elif service.port:
            wait_until_listening(service.port, process.child, process.log, service.name)

    def _end(self) -> None:
        """End everything: what uses something before what it uses, and side by side what begins after the same."""
        for _, group in groupby(reversed(self._services), key=lambda service: service.after):
            names = {name for service in group for name in names_of(service)}
            wave = [process for name, process in self.processes.items() if name in names]
            for process in wave:
                process.terminate()
            for process in wave:
                process.end()
        self.processes.clear()


def names_of(service: Service) -> list[str]:
    """Return the names of a service's processes."""
    return [f"{service.name}-{n + 1}" for n in range(service.replicas)] if service.replicas > 1 else [service.name]


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _children(pid: int) -> set[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return set(psutil.Process(pid).children(recursive=True))
    return set()
