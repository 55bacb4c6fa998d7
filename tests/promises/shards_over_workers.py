"""One batch in shards over two workers, PostgreSQL and S3 (SeaweedFS), of which one is killed in the middle.

``python -m tests.promises.shards_over_workers --videos 400 --shards 4``. It prints what the sandbox has charged, how
many jobs ran side by side at most by its own record, and how long it took; its exit code is 0 if each video was charged
once and the batch is complete. The suite has the same with 18 videos, in ``tests/prefect/test_shards.py``.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psutil
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed

from openrouter_video.flows import batch_shard, batch_videos, collect_videos
from openrouter_video.sandbox import Sandbox
from tests.benchmarks.servers import clean_environment, end_group, postgres, prefect_server
from tests.support import object_stores
from tests.support.sandbox_record import most_at_once

__all__ = ["main"]

POOL, MODELS = "videos", ("x-ai/grok-imagine-video", "alibaba/wan-3.0")
FLOWS = {flow.fn.__name__: flow for flow in (batch_videos, batch_shard, collect_videos)}
CRASHED_AFTER_SECONDS = 10.0
"""In place of the 90 s after which an automation sets the run of a dead worker to Crashed."""


class Field(NamedTuple):
    """Where it takes place."""

    folder: Path
    api: str
    environment: Mapping[str, str]
    sandbox: Sandbox


def main() -> int:
    """Make the batch, kill a worker, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=400)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--job-seconds", type=float, default=3.0)
    parser.add_argument("--no-kill", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        field = stack.enter_context(_field(asked.job_seconds))
        ids = stack.enter_context(_deployed())
        workers = [stack.enter_context(_worker(field, number)) for number in (1, 2)]
        began = time.monotonic()
        with get_client(sync_client=True) as client:
            batch = client.create_flow_run_from_deployment(ids["batch_videos"], parameters=_parameters(asked))
            if not asked.no_kill:
                _wait_until(lambda: len(field.sandbox.charges) >= asked.videos // 4)
                _kill(workers[0], client, ids)
                stack.enter_context(_worker(field, 3))
            ended = _until_the_end(batch.id, client, ids)
        seconds = time.monotonic() - began
        return _tell(ended, field, asked, seconds)


def _parameters(asked: argparse.Namespace) -> dict[str, Any]:
    rows = [{"id": str(number), "prompt": f"Orchid {number}"} for number in range(asked.videos // len(MODELS))]
    settings = {"duration": 2, "resolution": "480p"}
    limits = {"concurrency": asked.concurrency, "concurrency_per_provider": asked.concurrency // 2}
    return {
        "batch": "orchids",
        "rows": rows,
        "models": [*MODELS],
        "settings": settings,
        "shards": asked.shards,
        **limits,
    }


def _until_the_end(batch: UUID, client: SyncPrefectClient, ids: Mapping[str, UUID]) -> FlowRun:
    """Collect now and then, as a schedule would, until the batch has ended."""
    while True:
        for _ in range(20):
            time.sleep(1)
            run = client.read_flow_run(batch)
            if run.state and run.state.is_final():
                return run
        print(f"{run.state_name}; a collection looks", flush=True)
        client.create_flow_run_from_deployment(ids["collect_videos"])


def _kill(worker: subprocess.Popen[bytes], client: SyncPrefectClient, ids: Mapping[str, UUID]) -> None:
    """Kill a worker with the runs that it has, as a machine that fails does; they are told Crashed after a while."""
    before = _running(client, ids)
    process = psutil.Process(worker.pid)
    # Each of its runs has a process group of its own.
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    worker.wait()
    dead = [run for run in before if not _alive(run)]
    print(f"killed a worker with {', '.join(run.name for run in dead) or 'no run'}", flush=True)
    time.sleep(CRASHED_AFTER_SECONDS)
    for run in dead:
        client.set_flow_run_state(run.id, Crashed(message="its worker is gone"), force=True)


def _running(client: SyncPrefectClient, ids: Mapping[str, UUID]) -> list[FlowRun]:
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[*ids.values()]))
    runs = client.read_flow_runs(deployment_filter=ours)
    return [run for run in runs if run.state and (run.state.is_running() or run.state.is_pending())]


def _alive(run: FlowRun) -> bool:
    """Whether the process of a run is there; Prefect's worker says which it is."""
    number = (run.infrastructure_pid or "").rpartition(":")[2]
    try:
        return psutil.Process(int(number)).status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.NoSuchProcess):
        return False


def _tell(ended: FlowRun, field: Field, asked: argparse.Namespace, seconds: float) -> int:
    charges = Counter(charge.session_id for charge in field.sandbox.charges)
    twice = sum(number > 1 for number in charges.values())
    message = ended.state.message if ended.state else None
    print(f"state          {ended.state_name}: {message}")
    print(f"charged        {len(charges)} of {asked.videos} videos")
    print(f"charged twice  {twice}")
    print(f"most at once   {most_at_once(field.folder / 'sandbox.json')} of {asked.concurrency} allowed")
    for model in MODELS:
        print(
            f"               {most_at_once(field.folder / 'sandbox.json', model)} of {asked.concurrency // 2}: {model}"
        )
    print(f"seconds        {seconds:.0f}")
    return 0 if ended.state_name == "Completed" and (len(charges), twice) == (asked.videos, 0) else 1


def _wait_until(true: Any, seconds: float = 600.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise SystemExit("nothing was charged in time")
        time.sleep(0.5)


# ---- The place -------------------------------------------------------------------------------------------------------


@contextmanager
def _field(job_seconds: float) -> Iterator[Field]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shards-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        (folder / "s3").mkdir()
        s3 = stack.enter_context(object_stores.seaweedfs(folder / "s3", volumes=100))
        os.environ |= s3
        database = stack.enter_context(postgres(folder / "postgres"))
        server = stack.enter_context(prefect_server(folder / "server", database))
        stack.enter_context(temporary_settings({PREFECT_API_URL: server.url}))
        sandbox = stack.enter_context(Sandbox(job_seconds=job_seconds, state=folder / "sandbox.json"))
        ours = {
            "OPENROUTER_API_KEY": sandbox.api_key,
            "OPENROUTER_BASE_URL": sandbox.base_url,
            "OPENROUTER_VIDEO_OUTPUT": object_stores.new_folder("s3"),
            "PREFECT_API_URL": server.url,
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        print(f"on {'PostgreSQL' if database else 'SQLite'} and SeaweedFS, in {folder}", flush=True)
        yield Field(folder, server.url, clean_environment(**s3, **ours), sandbox)


@contextmanager
def _deployed() -> Iterator[dict[str, UUID]]:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        yield {
            name: client.create_deployment(
                client.create_flow(flow),
                name=flow.name,
                work_pool_name=POOL,
                entrypoint=f"openrouter_video.flows:{name}",
                pull_steps=[],
                tags=["openrouter-video"],
            )
            for name, flow in FLOWS.items()
        }


@contextmanager
def _worker(field: Field, number: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process worker with two slots, with a group of its own for all that it starts."""
    home = field.folder / f"worker-{number}"
    home.mkdir()
    environment = {**field.environment, "PREFECT_HOME": str(home)}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--limit", "2"]
    command += ["--name", f"worker-{number}-{socket.gethostname()}"]
    with (home / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=home, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            end_group(process)


if __name__ == "__main__":
    sys.exit(main())
