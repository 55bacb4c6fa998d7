"""Fan-outs of the contenders against one sandbox, interleaved, each in a fresh process."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.benchmarks.servers import (
    ROOT,
    PrefectServer,
    Talker,
    clean_environment,
    end_group,
    postgres,
    prefect_server,
    settle,
)

MOST_SECONDS = 240.0


class Series(NamedTuple):
    """How often a contender makes how many jobs."""

    jobs: int
    contender: str
    times: int


FULL = (
    *(Series(1, name, 5) for name in ("bare", "official-sdk", "ours-sqlite", "ours-postgres", "ours-embedded")),
    *(Series(10, name, 5) for name in ("bare", "official-sdk", "ours-sqlite", "ours-postgres", "ours-embedded")),
    *(Series(100, name, 5) for name in ("bare", "ours-sqlite", "ours-postgres")),
    *(Series(100, name, 3) for name in ("bare-defaults", "official-sdk", "prefect-alone", "ours-embedded")),
    *(Series(1000, name, 3) for name in ("bare", "ours-sqlite")),
    *(Series(1000, name, 1) for name in ("bare-defaults", "official-sdk", "prefect-alone", "ours-chains")),
    *(Series(1000, name, 1) for name in ("ours-postgres", "ours-embedded")),
    Series(0, "ours-idle", 3),
)
QUICK = (
    *(Series(10, name, 1) for name in ("bare", "official-sdk", "ours-sqlite", "ours-postgres", "ours-embedded")),
    *(Series(100, name, 1) for name in ("bare", "bare-defaults", "prefect-alone", "ours-sqlite", "ours-postgres")),
    Series(0, "ours-idle", 1),
)


class Field(NamedTuple):
    """Where the contenders meet: the sandbox, Prefect's servers by contender, and a folder."""

    sandbox: Talker
    servers: dict[str, PrefectServer]
    watched: list[psutil.Process]
    folder: Path

    def environment(self, contender: str) -> dict[str, str]:
        """Return the environment of a contender's process."""
        base_url, key = self.sandbox.said
        home = self.folder / f"home-{contender}"
        settings = {"OPENROUTER_BASE_URL": base_url, "OPENROUTER_API_KEY": key, "PREFECT_HOME": str(home)}
        settings["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "90"
        if contender in self.servers:
            settings["PREFECT_API_URL"] = self.servers[contender].url
        return clean_environment(**settings)


def measure(series: tuple[Series, ...], folder: Path, say: Any) -> list[dict[str, Any]]:
    """Run all series round by round, so that a bad minute of the machine falls on every contender."""
    measured: list[dict[str, Any]] = []
    with _field(folder, say) as field:
        present = [one for one in series if one.contender != "ours-postgres" or "ours-postgres" in field.servers]
        for name in dict.fromkeys(one.contender for one in present if one.contender.startswith("ours-")):
            # The list of models is cached from here on, and the server has its first run behind it.
            _run(field, name, 1)
        for turn in range(max(one.times for one in present)):
            due = [one for one in present if turn < one.times]
            # Or else each would always find the servers as the same other one has left them.
            random.Random(turn).shuffle(due)  # noqa: S311 (the same order in each run)
            for one in due:
                measured.append(_run(field, one.contender, one.jobs))
                say(_line(measured[-1]))
    return measured


@contextlib.contextmanager
def _field(folder: Path, say: Any) -> Iterator[Field]:
    with contextlib.ExitStack() as stack:
        sandbox = Talker("sandbox_process")
        stack.callback(sandbox.close)
        sqlite = stack.enter_context(prefect_server(folder / "sqlite"))
        servers = dict.fromkeys(("ours-sqlite", "ours-chains", "ours-idle", "prefect-alone"), sqlite)
        watched = [psutil.Process(sandbox.process.pid), sqlite.process]
        database = stack.enter_context(postgres(folder / "postgres"))
        if database is None:
            say("PostgreSQL is not installed, so nothing is measured with it (apt-get install postgresql).")
        else:
            server = stack.enter_context(prefect_server(folder / "with-postgres", database))
            servers["ours-postgres"] = server
            watched.append(server.process)
        yield Field(sandbox, servers, watched, folder)


def _run(field: Field, contender: str, jobs: int) -> dict[str, Any]:
    """Run a contender once; one that does not come to its end is a figure too."""
    settle(field.watched)
    field.sandbox.count()
    server = field.servers.get(contender)
    before = server.spent() if server else None
    output, result = field.folder / "videos", field.folder / "result.json"
    result.unlink(missing_ok=True)
    module = [sys.executable, "-m", "tests.benchmarks.runner"]
    with (field.folder / f"{contender}.log").open("ab") as log:
        process = subprocess.Popen(
            [*module, contender, str(jobs), str(output), str(result)],
            cwd=ROOT,
            env=field.environment(contender),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    trouble = None
    try:
        process.wait(MOST_SECONDS)
    except subprocess.TimeoutExpired:
        trouble = f"not done after {MOST_SECONDS:g} s"
    finally:
        end_group(process)
    shutil.rmtree(output, ignore_errors=True)
    figures: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {}
    if process.returncode:
        figures["trouble"] = trouble or f"exit code {process.returncode}"
    figures |= {"contender": contender, "jobs": jobs, "settling_s": settle(field.watched)}
    if server and before:
        # With all that it has still done after the run.
        spent, task_runs = server.spent()
        figures |= {"server_cpu": spent - before[0], "task_runs": task_runs - before[1]}
    return {**figures, "requests": field.sandbox.count()}


def _line(figures: dict[str, Any]) -> str:
    name, jobs = figures["contender"], figures["jobs"]
    if "idle_mib" in figures:
        return f"{name}: {figures['idle_mib']:.0f} MiB"
    if "wall" not in figures:
        return f"{name} x {jobs}: {figures.get('trouble', 'no result')}"
    cpu = 1000 * figures["cpu"] / jobs
    missing = "" if figures["videos"] == _due(name, jobs) else f", only {figures['videos']} videos"
    return f"{name} x {jobs}: {figures['wall']:.2f} s, {cpu:.1f} ms of CPU per job{missing}"


def _due(contender: str, jobs: int) -> int:
    return 0 if contender == "prefect-alone" else jobs


def summarize(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the medians per contender and number of jobs."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for one in measured:
        groups.setdefault((one["jobs"], one["contender"]), []).append(one)
    return [_summary(jobs, name, runs) for (jobs, name), runs in sorted(groups.items())]


def _summary(jobs: int, contender: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    whole = [run for run in runs if "wall" in run]
    summary: dict[str, Any] = {
        "contender": contender,
        "jobs": jobs,
        "runs": len(runs),
        "failed": len(runs) - len(whole),
    }
    if contender == "ours-idle":
        return {**summary, "failed": 0, "idle_mib": statistics.median(run["idle_mib"] for run in runs)}
    if troubles := sorted({run["trouble"] for run in runs if "trouble" in run}):
        summary["troubles"] = troubles
    if not whole:
        return summary
    requests, calls = Counter[str](), Counter[str]()
    for run in whole:
        requests.update(run["requests"])
        calls.update(run["calls"])
    events, lines = calls.pop("event", 0), calls.pop("log line", 0)
    made = jobs * len(whole)
    return {
        **summary,
        "videos": statistics.median(run["videos"] for run in whole),
        "wall_s": statistics.median(run["wall"] for run in whole),
        "walls_s": [round(run["wall"], 3) for run in whole],
        "cpu_ms_per_job": 1000 * statistics.median(run["cpu"] for run in whole) / jobs,
        "peak_mib": statistics.median(run["peak_mib"] for run in whole),
        "requests_per_job": {kind: count / made for kind, count in sorted(requests.items())},
        "prefect_requests_per_job": calls.total() / made,
        "prefect_requests": {kind: count / len(whole) for kind, count in calls.most_common(12)},
        "events_per_job": events / made,
        "log_lines_per_job": lines / made,
        **_on_server(whole, jobs),
    }


def _on_server(runs: Sequence[dict[str, Any]], jobs: int) -> dict[str, float]:
    """Return what the runs of one contender took of Prefect's server, where it had a running one."""
    told = [run for run in runs if "server_cpu" in run]
    if not told:
        return {}
    return {
        "server_cpu_ms_per_job": 1000 * statistics.median(run["server_cpu"] for run in told) / jobs,
        "task_runs": statistics.median(run["task_runs"] for run in told),
    }
