"""Chaos over a cluster: what ``make cluster`` starts, with its workers and its server killed at random moments.

    make soak CLUSTER=1 SEED=7 JOBS=1000

A batch in shards and fan-outs that wait suspended, or not at all, are started as from the form, and again, with the
same parameters, where a run has crashed. All else is up to the cluster: its automation, its collector, its webhooks and
its schedule. At the end the promises are held against the sandbox's billing record, the ledger and Prefect's API. Exit
code 1 tells of any violation.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import psutil
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

from openrouter_video.blocks import VideoStore
from openrouter_video.errors import TooFewVideos
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.run import settle_left
from openrouter_video.sandbox import SANDBOX_KEY
from tests.promises.chaos_invariants import Findings, check, gather

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("x-ai/grok-imagine-video", "alibaba/wan-3.0")
SMALL = {"settings": {"duration": 2, "resolution": "480p"}, "models": [*MODELS]}
MOST_TAKES = 5
VICTIMS = ("a worker and its runs", "a worker", "the server")
KILLED_EVERY_SECONDS = (15.0, 45.0)
COLLECTED_EVERY = timedelta(seconds=60)
"""In place of a quarter of an hour."""
LATER = timedelta(days=3)
UNTIL_SILENT_SECONDS = 480.0
"""A run whose worker died before it began is noticed within this."""
COLLECTIONS = 5
TRIES, TRIES_AGAIN_AFTER_SECONDS = 20, 3.0

T = TypeVar("T")


class Errand(NamedTuple):
    """What a user wants: the deployment to run, and its parameters."""

    deployment: str
    parameters: dict[str, Any]


class Cluster(NamedTuple):
    """What ``make cluster`` has started, and where it is."""

    process: psutil.Process
    state: Path
    api: str
    sandbox: str


def main() -> int:
    """Run chaos over a cluster once and print what came of it."""
    asked = _asked()
    dice, began = random.Random(asked.seed), time.monotonic()  # noqa: S311 (what is random must come again)
    folder = Path(tempfile.mkdtemp(prefix="openrouter-chaos-cluster-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    errands = list(_errands(asked.jobs))
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(asked.kills)]
    dice.shuffle(victims)
    with _cluster(folder) as cluster, _prefect(cluster) as client:
        soak = Soak(cluster, client, errands, asked.minutes)
        soak.work(dice, victims)
        violations = soak.settle()
        findings = soak.judge(folder)
        violations += findings.violations
    if findings.states.total() != 2 * (asked.jobs // 2):
        violations.append(f"unfinished: {findings.states.total()} of {asked.jobs} videos were reported")
    _tell(asked, soak, findings, time.monotonic() - began)
    for violation in violations[:100]:
        print(violation)
    if violations:
        print(f"{len(violations)} violations. Everything is still in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="decides who is killed, and when")
    parser.add_argument("--jobs", type=int, default=1000, help="how many videos to ask for; an even number")
    parser.add_argument("--kills", type=int, help="how many kills (default: three, and one more per 100 videos)")
    parser.add_argument("--minutes", type=float, help="when to give up (default: ten, and one more per 25 videos)")
    asked = parser.parse_args()
    asked.kills = 3 + asked.jobs // 100 if asked.kills is None else asked.kills
    asked.minutes = asked.minutes or 10 + asked.jobs / 25
    return asked


def _errands(jobs: int) -> Iterator[Errand]:
    """Three fifths as a batch in four shards, the others as fan-outs that wait suspended, or not at all."""
    pairs = jobs // len(MODELS)
    rows = [{"id": str(number), "prompt": f"Orchid {number}"} for number in range(pairs * 3 // 5)]
    limits = {"concurrency": 32, "shards": 4}
    yield Errand("batch-videos/batch-videos", {**SMALL, "batch": "orchids", "rows": rows, **limits})
    left = pairs - len(rows)
    for number in range(0, left, MOST_TAKES):
        how = {"takes": min(MOST_TAKES, left - number), "wait": "no" if number % 2 else "suspended"}
        own = {"prompt": f"Rose {number}", "idempotency_key": f"rose-{number}"}
        yield Errand("fan-out-video/fan-out-video", {**SMALL, **own, **how})


class Soak:
    """One run of chaos: what was asked for, who was killed, and what the runs told."""

    def __init__(self, cluster: Cluster, client: SyncPrefectClient, errands: Sequence[Errand], minutes: float) -> None:
        self.kills, self.states = Counter[str](), Counter[str]()
        self.left: list[FlowRun] = []
        self._cluster, self._client, self._errands = cluster, client, errands
        self._until = time.monotonic() + minutes * 60
        self._told: dict[int, Sequence[Outcome]] = {}
        self._going: dict[int, FlowRun] = {}
        self._ids: dict[str, Any] = {}

    def work(self, dice: random.Random, victims: list[str]) -> None:
        """Start everything, kill somebody now and then, and start again what has crashed, until all is told."""
        self._collect_often()
        for number in range(len(self._errands)):
            self._start(number)
        due = time.monotonic() + dice.uniform(*KILLED_EVERY_SECONDS)
        while self._going and time.monotonic() < self._until:
            time.sleep(1)
            if victims and time.monotonic() > due:
                self._kill(victims.pop(), dice)
                due = time.monotonic() + dice.uniform(*KILLED_EVERY_SECONDS)
            for number, before in list(self._going.items()):
                run = _patiently(self._client.read_flow_run, before.id)
                if run.state and run.state.is_final():
                    self._end(number, run)

    def settle(self) -> list[str]:
        """Wait until no run goes on any more, then collect until nothing is open; return what goes on for ever."""
        until = time.monotonic() + UNTIL_SILENT_SECONDS
        while (left := self._still_going()) and time.monotonic() < until:
            time.sleep(2)
        self.left = left
        unfinished = [f"unfinished: {self._errands[number].parameters}" for number in self._going]
        return unfinished + [f"left {run.state_name}: {run.name} ({run.id}), since {run.updated}" for run in left]

    def judge(self, folder: Path) -> Findings:
        """Collect what is open, and hold what is left against the promises."""
        for _ in range(COLLECTIONS):
            collected = self._collected()
            if not any(one.status == "open" for one in collected):
                break
            time.sleep(10)
        videos = self._cluster.state / "videos"
        ledger = VideoStore(base_url=str(videos)).destination.open_ledger()
        # Some days later runs count as dead that were killed between their reservation and their claim.
        settle_left(ledger, datetime.now(UTC) + LATER)
        told = [outcome for outcomes in self._told.values() for outcome in outcomes]
        _write(folder / "told", told)
        _write(folder / "collected", collected)
        keys = frozenset(outcome.key for outcome in told if outcome.key)
        return check(gather(self._cluster.sandbox, SANDBOX_KEY, videos, keys, folder / "told", folder / "collected"))

    def _start(self, number: int) -> None:
        errand = self._errands[number]
        self._going[number] = self._run(errand.deployment, errand.parameters)

    def _run(self, deployment: str, parameters: dict[str, Any]) -> FlowRun:
        if deployment not in self._ids:
            self._ids[deployment] = _patiently(self._client.read_deployment_by_name, deployment).id
        # An answer that is lost makes no second run.
        once = {"parameters": parameters, "idempotency_key": secrets.token_hex(8)}
        return _patiently(self._client.create_flow_run_from_deployment, self._ids[deployment], **once)

    def _end(self, number: int, run: FlowRun) -> None:
        """Keep what a run has told; one that could tell nothing is started again, as its user would."""
        assert run.state
        self.states[run.state_name or ""] += 1
        result = None if run.state.is_crashed() else run.state.result(raise_on_failure=False)
        if isinstance(result, FanOut | TooFewVideos):
            self._told[number] = result.outcomes
            del self._going[number]
        else:
            print(f"{run.name} is {run.state.name} ({run.state.message}) and is started again", flush=True)
            self._start(number)

    def _kill(self, victim: str, dice: random.Random) -> None:
        wanted = "server" if victim == "the server" else "worker"
        found = [one for one in self._cluster.process.children() if f" {wanted} start" in " ".join(one.cmdline())]
        if found:
            one = dice.choice(found)
            with_children = [] if victim == "a worker" else one.children(recursive=True)
            for process in (one, *with_children):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.kills[victim] += 1
            print(f"{datetime.now(UTC):%H:%M:%S} killed {victim}, and {len(with_children)} with it", flush=True)

    def _still_going(self) -> list[FlowRun]:
        """Return the runs that have not ended, apart from those that a schedule has planned."""
        types = FlowRunFilterStateType(any_=[one for one in StateType if one not in TERMINAL_STATES])
        unended = FlowRunFilter(state=FlowRunFilterState(type=types))
        runs = _patiently(self._client.read_flow_runs, flow_run_filter=unended, limit=200)
        return [run for run in runs if not (run.auto_scheduled and run.state and run.state.is_scheduled())]

    def _collect_often(self) -> None:
        deployment = self._client.read_deployment_by_name("collect-videos/collect-videos")
        (schedule,) = deployment.schedules
        often = IntervalSchedule(interval=COLLECTED_EVERY)
        self._client.update_deployment_schedule(deployment.id, schedule.id, schedule=often)

    def _collected(self) -> list[Outcome]:
        run = self._run("collect-videos/collect-videos", {})
        while not (run.state and run.state.is_final()):
            time.sleep(1)
            run = _patiently(self._client.read_flow_run, run.id)
        outcomes: list[Outcome] = run.state.result()
        return outcomes


def _patiently(ask: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Ask a server that may have been killed just now."""
    for _ in range(TRIES):
        with suppress(httpx.HTTPError, PrefectHTTPStatusError):
            return ask(*arguments, **named)
        time.sleep(TRIES_AGAIN_AFTER_SECONDS)
    return ask(*arguments, **named)


def _write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    folder.mkdir()
    kept = {"key", "status", "job_id", "sha256", "reused", "error"}
    lines = [json.dumps(outcome.model_dump(mode="json", include=kept)) for outcome in outcomes]
    (folder / "all").write_text("\n".join(lines), encoding="utf-8")


def _tell(asked: argparse.Namespace, soak: Soak, findings: Findings, seconds: float) -> None:
    lines = {
        "seed": asked.seed,
        "videos": ", ".join(f"{times} {state}" for state, times in sorted(findings.states.items())),
        "runs": ", ".join(f"{times} {state}" for state, times in sorted(soak.states.items())),
        "kills": ", ".join(f"{victim} {times}" for victim, times in sorted(soak.kills.items())),
        "charged": findings.charged,
        "charged twice": len(findings.charged_twice),
        "uncertain": f"{findings.states['uncertain']}, each reported by the collection with what to do",
        "lost": len(findings.lost),
        "runs left Running": len(soak.left),
        "seconds": f"{seconds:.0f}",
    }
    print("\n".join(f"{name:<19}{value}" for name, value in lines.items()))


# ---- The place -------------------------------------------------------------------------------------------------------


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    """Start what ``make cluster`` starts, with everything in a folder."""
    state, log = folder / "state", folder / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENROUTER_", "PREFECT_"))}
    command = [sys.executable, "-m", "deployments.cluster", "--sandbox", "--state", str(state)]
    environment = {**kept, "OPENROUTER_VIDEO_OUTPUT": str(state / "videos")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        while "Ctrl-C ends everything." not in (said := log.read_text(encoding="utf-8")):
            if process.poll() is not None:
                sys.exit(said)
            time.sleep(0.2)
        ui, sandbox = (re.search(pattern, said) for pattern in (r"Prefect's UI: +(\S+)", r"(\d+)  sandbox"))
        assert ui
        assert sandbox
        port = re.search(r"--port (\d+)", " ".join(psutil.Process(int(sandbox[1])).cmdline()))
        assert port
        yield Cluster(psutil.Process(process.pid), state, f"{ui[1]}/api", f"http://127.0.0.1:{port[1]}/api/v1")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@contextmanager
def _prefect(cluster: Cluster) -> Iterator[SyncPrefectClient]:
    results = {PREFECT_RESULTS_LOCAL_STORAGE_PATH: cluster.state / "results"}
    with temporary_settings({PREFECT_API_URL: cluster.api, **results}), get_client(sync_client=True) as client:
        yield client


if __name__ == "__main__":
    sys.exit(main())
