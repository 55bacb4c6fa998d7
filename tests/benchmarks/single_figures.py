"""The rows that need no fan-out: files, imports, the list of models, storage, and the poll schedule."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import detection_lag
from tests.benchmarks.servers import ROOT, Talker, clean_environment, end_group

MOST_SECONDS = 300.0


def measure(folder: Path, *, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Take every figure, one after the other."""
    figures: dict[str, Any] = {"detection_lag": detection_lag.measure(2_000 if quick else detection_lag.JOBS)}
    say("detection lag: simulated")
    figures["startup"] = _startup(folder, times=3 if quick else 9)
    say("start-up: " + ", ".join(f"{name} {1000 * took:.0f} ms" for name, took in figures["startup"].items()))
    figures["storage_operations"] = _script("storage_operations", folder)
    figures["catalog_fetches"] = _script("catalog_fetches", folder)
    say(f"catalog: {figures['catalog_fetches']['requests'].get('models', 0)} fetched")
    figures["batch_plan"] = _script("batch_plan", folder)
    say(f"plan of a batch: {figures['batch_plan']['cpu_seconds']:.1f} s of processor time")
    figures["download"] = _downloads(folder, megabytes=128 if quick else 1024, times=1 if quick else 5)
    say("downloads: done")
    return figures


def _script(module: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a module of this package in a fresh process and return its figures."""
    result, log = folder / f"{module}.json", folder / f"{module}.log"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments, str(result)]
    environment = clean_environment(PREFECT_HOME=str(folder / "home-figures"))
    environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "90"
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        try:
            process.wait(MOST_SECONDS)
        finally:
            end_group(process)
    if not result.exists():
        raise RuntimeError(f"{module} has no result:\n{log.read_text()[-2000:]}")
    figures: dict[str, Any] = json.loads(result.read_text())
    return figures


def _startup(folder: Path, times: int) -> dict[str, float]:
    """Return the median seconds of each way to start, interleaved."""
    python, environment = sys.executable, clean_environment(PREFECT_HOME=str(folder / "home-figures"))
    commands = {
        "pass": [python, "-c", "pass"],
        "help": [str(Path(python).with_name("openrouter-video")), "--help"],
        "import prefect": [python, "-c", "import prefect"],
        "import prefect's flow and task": [python, "-c", "from prefect import flow, task"],
        "import flows": [python, "-c", "import openrouter_video.flows"],
    }
    forms = [python, "-m", "tests.benchmarks.flow_forms"]
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
            taken[name].append(time.perf_counter() - began)
    told = [subprocess.run(forms, cwd=ROOT, env=environment, capture_output=True, check=True) for _ in range(times)]
    # The first of each reads from the disk.
    figures = {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}
    return {**figures, "forms of the flows": statistics.median(float(run.stdout) for run in told)}


def _downloads(folder: Path, *, megabytes: int, times: int) -> dict[str, Any]:
    """Fetch one file by curl and by us, in turns, then four at once by us alone."""
    server = Talker("file_server", str(megabytes))
    port, curl = server.said[0], shutil.which("curl")
    by_curl, by_curl_synced, by_pipe, by_us = list[float](), list[float](), list[float](), list[dict[str, Any]]()
    target, url = folder / "by-curl.mp4", f"http://127.0.0.1:{port}/"
    try:
        for _ in range(times):
            if curl:
                # Emptying an older file first would be curl's own affair.
                target.unlink(missing_ok=True)
                began = time.perf_counter()
                subprocess.run([curl, "-sS", "-o", str(target), url], check=True)
                by_curl.append(time.perf_counter() - began)
                _sync(target)
                by_curl_synced.append(time.perf_counter() - began)
                target.unlink()
                by_pipe.append(_fetch_and_digest(curl, url, target))
            by_us.append(_script("downloads", folder, port, "1", str(folder / "fetched")))
        four = _script("downloads", folder, port, "4", str(folder / "fetched"))
    finally:
        server.close()
        target.unlink(missing_ok=True)
    ours = statistics.median(one["seconds"] for one in by_us)
    figures = {
        "megabytes": megabytes,
        "seconds": ours,
        "cpu_seconds": statistics.median(one["cpu"] for one in by_us),
        "httpx_alone_seconds": statistics.median(one["httpx_alone_seconds"] for one in by_us),
        "over_idle_mib": statistics.median(one["over_idle_mib"] for one in by_us),
        "four_at_once": four,
    }
    if by_curl:
        figures["curl_seconds"] = statistics.median(by_curl)
        figures["curl_and_fsync_seconds"] = statistics.median(by_curl_synced)
        figures["curl_sha256sum_and_fsync_seconds"] = statistics.median(by_pipe)
    return figures


def _fetch_and_digest(curl: str, url: str, target: Path) -> float:
    """Do by the shell's tools what a download does here: fetch, digest, write, and see it on the disk; its seconds."""
    began = time.perf_counter()
    script = 'set -o pipefail; "$0" -sS "$1" | tee "$2" | sha256sum'
    subprocess.run(["bash", "-c", script, curl, url, str(target)], check=True, stdout=subprocess.DEVNULL)
    _sync(target)
    return time.perf_counter() - began


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
