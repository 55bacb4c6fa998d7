# ruff: noqa: INP001 (a folder of things to run, not a package)
"""Serve the deployments on this machine: a Prefect server with its UI, and the sandbox unless a key is set.

Everything is local and ends with Ctrl-C: the server's database, its log and the sandbox's jobs stay in ``.prefect`` for
the next time, the videos in ``videos`` (or where OPENROUTER_VIDEO_OUTPUT says).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from deployments.loopback import forget_other_prefects, free_port, say, serve_videos, wait_until_healthy
from openrouter_video.child_process import child_command
from openrouter_video.errors import VideoError
from openrouter_video.sandbox import Sandbox

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule

ROOT = Path(__file__).resolve().parents[1]
DEFINITIONS = ROOT / "deployments" / "prefect.yaml"
STATE = ROOT / ".prefect"
VIDEOS = ROOT / "videos"

SERVER_PORT = 4200
# The same each time if it is free, so that what was left open can be collected after a restart.
SANDBOX_PORT = 4210
SANDBOX_SPEED = 5
SERVER_STOPS_WITHIN_SECONDS = 15
LOOKS_FOR_RUNS_EVERY_SECONDS = 2

GUIDE = """
Prefect's UI:     {ui}
Start a run here: {form}

Type a prompt, press Submit and open the run. Its videos and its table are under Artifacts; the files go to
{videos}{served}
{billing}
Ctrl-C ends everything.
"""
UNBILLED = "The sandbox answers and nothing is billed; with OPENROUTER_API_KEY set, make serve makes real videos."
BILLED = "OPENROUTER_API_KEY is set: these videos are real and are billed."


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="deployments/serve.py", description=__doc__)
    parser.add_argument("--sandbox", action="store_true", help="use the sandbox even if OPENROUTER_API_KEY is set")
    sandboxed = parser.parse_args().sandbox or not os.environ.get("OPENROUTER_API_KEY", "").strip()
    # A plain kill cleans up as Ctrl-C does; what a shell starts in the background would ignore Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            _serve(stack, sandboxed=sandboxed)
    except KeyboardInterrupt:
        pass
    finally:
        say("Stopped.")


def _serve(stack: ExitStack, *, sandboxed: bool) -> None:
    STATE.mkdir(exist_ok=True)
    forget_other_prefects()
    port = free_port(SERVER_PORT)
    os.environ |= _prefect_settings(f"http://127.0.0.1:{port}")
    say("Starting a Prefect server ...")
    stack.enter_context(_prefect_server(port))
    if sandboxed:
        sandbox = Sandbox(port=free_port(SANDBOX_PORT), speed=SANDBOX_SPEED, state=STATE / "sandbox.json")
        stack.enter_context(sandbox)
        os.environ |= {"OPENROUTER_API_KEY": sandbox.api_key, "OPENROUTER_BASE_URL": sandbox.base_url}
    videos = os.environ.setdefault("OPENROUTER_VIDEO_OUTPUT", str(VIDEOS))
    served = serve_videos(stack)
    # Prefect reads its settings when it is imported.
    from prefect.exceptions import TerminationSignal  # noqa: PLC0415
    from prefect.runner import Runner  # noqa: PLC0415

    from openrouter_video.flows import watch_for_dead_workers  # noqa: PLC0415

    switches = _switches()
    # Not prefect.serve, which sets every switch once more after the form's address is printed.
    runner = Runner(query_seconds=LOOKS_FOR_RUNS_EVERY_SECONDS)
    deployments = [local_deployment(definition, switches) for definition in read_definitions()]
    ids = {deployment.name: runner.add_deployment(deployment) for deployment in deployments}
    _offer_models(list(ids))
    watch_for_dead_workers()
    ui = f"http://127.0.0.1:{port}"
    form = f"{ui}/v2/deployments/deployment/{ids['fan-out-video']}/run"
    say(GUIDE.format(ui=ui, form=form, videos=videos, served=served, billing=UNBILLED if sandboxed else BILLED))
    with suppress(KeyboardInterrupt, TerminationSignal):
        asyncio.run(runner.start())


def _offer_models(deployments: list[str]) -> None:
    """Let the forms offer the models of this moment; without them they take ids as text."""
    from openrouter_video.flows import offer_models  # noqa: PLC0415

    try:
        offer_models(deployments)
    except VideoError as error:
        say(f"The forms take models as text only, for they could not be listed: {error}")


def read_definitions() -> list[dict[str, Any]]:
    """Return the deployments that ``prefect deploy`` would make: names, texts and schedules are written there once."""
    definitions: list[dict[str, Any]] = yaml.safe_load(DEFINITIONS.read_text(encoding="utf-8"))["deployments"]
    return definitions


def local_deployment(definition: Mapping[str, Any], switches: Mapping[tuple[str, str], bool]) -> RunnerDeployment:
    """Turn one definition into a deployment for this process: key and folder come from the environment, not blocks.

    ``switches`` says by deployment and slug which schedules somebody has left on or off; the file says the others.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig  # noqa: PLC0415
    from prefect.deployments.runner import RunnerDeployment  # noqa: PLC0415

    blocks, limit = {"credentials", "store"}, definition.get("concurrency_limit")
    return RunnerDeployment.from_entrypoint(
        definition["entrypoint"],
        definition["name"],
        description=definition["description"],
        tags=definition["tags"],
        parameters={name: value for name, value in definition["parameters"].items() if name not in blocks},
        schedules=[_schedule(definition["name"], entry, switches) for entry in definition.get("schedules", ())],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if limit else None,
        enforce_parameter_schema=definition["enforce_parameter_schema"],
        paused=False,
    )


def _switches() -> dict[tuple[str, str], bool]:
    """Return how each schedule was left the last time, since Prefect sets it anew with every start."""
    from prefect import get_client  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        return {(d.name, s.slug): s.active for d in client.read_deployments() for s in d.schedules if s.slug}


def _schedule(deployment: str, entry: Mapping[str, Any], switches: Mapping[tuple[str, str], bool]) -> Schedule:
    from prefect.schedules import Schedule  # noqa: PLC0415

    typed = dict(entry)
    if (left := switches.get((deployment, entry["slug"]))) is not None:
        typed["active"] = left
    if "interval" in typed:
        typed["interval"] = timedelta(seconds=typed["interval"])
        typed["anchor_date"] = datetime.fromisoformat(typed["anchor_date"])
    return Schedule(**typed)


def _prefect_settings(origin: str) -> dict[str, str]:
    return {
        "PREFECT_HOME": str(STATE),
        "PREFECT_API_URL": f"{origin}/api",
        # Without it the page would ask port 4200, whatever port it comes from.
        "PREFECT_SERVER_UI_API_URL": f"{origin}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # In memory, the default, the slots of runs that die with the server would stay taken for good.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


@contextmanager
def _prefect_server(port: int) -> Iterator[None]:
    """Run a Prefect server in a session of its own, so that Ctrl-C reaches it last, from here.

    As a child that ends with this process, however that ends.
    """
    command = child_command("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    # It has no use for the key.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENROUTER_")}
    log = STATE / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: S603 (our own interpreter)
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/api/health", server, log, "The Prefect server")
        yield
    finally:
        server.terminate()
        try:
            server.wait(SERVER_STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
