# ruff: noqa: INP001 (a folder of things to run, not a package)
"""What `make serve` and `make cluster` share: servers on this machine, their ports, and the folder of the videos."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from openrouter_video.errors import ConfigurationError
from openrouter_video.output_server import serve_output
from openrouter_video.stores import open_store, parse_store_url, path_of_file_url

VIDEOS_PORT = 4220
STARTS_WITHIN_SECONDS = 120

_taken_ports: list[int] = []
"""Open files, each with a lock for a port, until this process ends."""


def say(text: str) -> None:
    """Print it now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def free_port(wanted: int) -> int:
    """Return the port if it is free, else one that is, and keep it from other commands of ours while this one runs.

    Between this moment and the start of its server another one would find it free too, and then ask the wrong server.
    """
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as probe:
                found = int(probe.getsockname()[1])
        except OSError:
            continue
        if _take_port(found):
            return found
    sys.exit("No port is free on 127.0.0.1.")


def _take_port(port: int) -> bool:
    """Take the port among the processes of this user; False if one of them that still runs has."""
    name = f"prefect-openrouter-video-{os.getuid()}-port-{port}.lock"
    lock = os.open(Path(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _taken_ports.append(lock)
    return True


def forget_other_prefects() -> None:
    """Keep a server apart from any that the user is logged in to, and from its database."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]


def wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path, name: str) -> None:
    """Wait until a server answers at a URL; end this process with the end of its log if it does not."""

    def answers() -> None:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (http on this machine)
            pass

    _wait_until(answers, server, log, name)


def wait_until_listening(port: int, server: subprocess.Popen[bytes], log: Path, name: str) -> None:
    """Wait until a server takes connections; end this process with the end of its log if it does not."""
    _wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=5).close(), server, log, name)


def _wait_until(asked: Callable[[], None], server: subprocess.Popen[bytes], log: Path, name: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            asked()
        except OSError:
            time.sleep(0.2)
        else:
            return
    ended = "ended" if server.poll() is not None else f"did not answer within {STARTS_WITHIN_SECONDS} s"
    sys.exit(f"{name} {ended}. {end_of(log)}")


def end_of(log: Path) -> str:
    """Return the last lines of a log, and where it is."""
    last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
    return f"The end of {log}:\n{last}"


def serve_videos(stack: ExitStack) -> str:
    """Serve the output, if it is a folder of this machine and nobody serves it already; say where."""
    folder = _local_folder(os.environ.get("OPENROUTER_VIDEO_OUTPUT"))
    ledger = _local_folder(os.environ.get("OPENROUTER_VIDEO_LEDGER"))
    if folder is None or os.environ.get("OPENROUTER_VIDEO_WEB_URL"):
        return ""
    address = stack.enter_context(serve_output(folder, free_port(VIDEOS_PORT), ledger))
    os.environ["OPENROUTER_VIDEO_WEB_URL"] = address
    return f"\nand play at:      {address} (a file by its path in that folder)"


def _local_folder(url: str | None) -> Path | None:
    try:
        if not url or parse_store_url(url).kind != "local":
            return None
        with closing(open_store(url)) as store:
            path = path_of_file_url(store.url)
    except ConfigurationError:
        return None  # the first run says what is wrong with it
    return Path(path) if path else None
