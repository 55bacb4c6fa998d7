# ruff: noqa: INP001 (a folder of things to run, not a package)
"""``make cluster``: the services of compose.yaml as plain processes, with the sandbox unless a key is set.

Everything is on loopback and ends with Ctrl-C. Its database, its logs and the sandbox's jobs stay for the next time in
``.prefect/cluster``, the videos in ``videos`` (or where OPENROUTER_VIDEO_OUTPUT says).
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deployments.cluster.postgres import NOT_INSTALLED, postgres_programs
from deployments.cluster.processes import ROOT, Cluster
from deployments.cluster.services import Place, Service, services_at
from deployments.loopback import forget_other_prefects, free_port, say, serve_videos
from openrouter_video.sandbox import SANDBOX_KEY

STATE = ROOT / ".prefect" / "cluster"
LOOPBACK = "127.0.0.1"
# The same each time if they are free, so that what was left open can be collected after a restart.
SERVER_PORT, SANDBOX_PORT, WEBHOOKS_PORT, POSTGRES_PORT = 4200, 4210, 4230, 5433
SANDBOX_SPEED = 5

GUIDE = """
Prefect's UI:     {ui}
Start a run here: {form}
Or a table:       {batch}

Two workers take runs from the work pool videos, a collector finishes what is open. The files go to
{videos}{served}
{billing}
To see what survives, end a process by hand: kill -9 NUMBER. It starts again, and what it had begun is finished.
{processes}
Their logs:       {logs}
Ctrl-C ends everything.
"""
UNBILLED = "The sandbox answers and nothing is billed; with OPENROUTER_API_KEY set, make cluster makes real videos."
BILLED = "OPENROUTER_API_KEY is set: these videos are real and are billed."


def main() -> None:
    """Run the cluster until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m deployments.cluster", description=__doc__)
    parser.add_argument("--sandbox", action="store_true", help="use the sandbox even if OPENROUTER_API_KEY is set")
    parser.add_argument("--state", type=Path, default=STATE, help="the folder for its database and logs")
    asked = parser.parse_args()
    sandboxed = asked.sandbox or not os.environ.get("OPENROUTER_API_KEY", "").strip()
    if postgres_programs() is None:
        sys.exit(f"{NOT_INSTALLED}\nWithout it there is `make serve`, on one machine and with SQLite.")
    # A plain kill cleans up as Ctrl-C does; what a shell starts in the background would ignore Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with state_folder(asked.state.resolve()) as state:
        try:
            with ExitStack() as stack:
                _run(stack, state, sandboxed=sandboxed)
        except KeyboardInterrupt:
            pass
        finally:
            say("Stopped.")


def _run(stack: ExitStack, state: Path, *, sandboxed: bool) -> None:
    forget_other_prefects()
    os.environ.setdefault("OPENROUTER_VIDEO_OUTPUT", str(ROOT / "videos"))
    place = _place(state, os.environ["OPENROUTER_VIDEO_OUTPUT"])
    sandbox = _sandbox(state, place) if sandboxed else None
    if sandbox:
        os.environ |= {
            "OPENROUTER_API_KEY": SANDBOX_KEY,
            "OPENROUTER_BASE_URL": f"http://{LOOPBACK}:{sandbox.port}/api/v1",
            "OPENROUTER_VIDEO_WEBHOOK_URL": f"http://{LOOPBACK}:{place.webhooks_port}",
        }
    served = serve_videos(stack)
    services = [*([sandbox] if sandbox else []), *services_at(place)]
    cluster = stack.enter_context(Cluster(services, state, os.environ))
    processes = "\n".join(f"  {process.pid:>7}  {name}" for name, process in cluster.processes.items())
    say(
        GUIDE.format(
            ui=place.ui,
            form=_form(place, "fan-out-video"),
            batch=_form(place, "batch-videos"),
            videos=place.output,
            served=served,
            billing=UNBILLED if sandboxed else BILLED,
            processes=processes,
            logs=state,
        )
    )
    cluster.watch()


@contextmanager
def state_folder(state: Path) -> Iterator[Path]:
    """Make the folder of the state, and keep other clusters away from it."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("w")
    except OSError as error:
        sys.exit(f"The cluster cannot keep its state in {state}: {error.strerror}. Name another folder by --state.")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(
                f"A cluster with its state in {state} runs already. End it by Ctrl-C first, or name another --state."
            )
        yield state


def _place(state: Path, output: str) -> Place:
    port = free_port(SERVER_PORT)
    return Place(
        listens_on=LOOPBACK,
        postgres=LOOPBACK,
        server=LOOPBACK,
        ui=f"http://{LOOPBACK}:{port}",
        database=str(state / "postgres" / "data"),
        home=str(state),
        scratch=str(state / "client"),
        output=output,
        password=_lasting_secret(state / "database-password"),
        webhook_secret=os.environ.get("OPENROUTER_VIDEO_WEBHOOK_SECRET") or secrets.token_hex(32),
        postgres_port=free_port(POSTGRES_PORT),
        server_port=port,
        webhooks_port=free_port(WEBHOOKS_PORT),
    )


def _lasting_secret(file: Path) -> str:
    """Return a secret that nobody but this user can read; the same one each time."""
    if not file.exists():
        # At once whole: an empty one would make no database.
        unfinished = file.with_name(f"{file.name}.new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_hex(16), encoding="utf-8")
        unfinished.rename(file)
    return file.read_text(encoding="utf-8")


def _sandbox(state: Path, place: Place) -> Service:
    port = free_port(SANDBOX_PORT)
    options = ("--port", str(port), "--speed", str(SANDBOX_SPEED), "--state", str(state / "sandbox.json"))
    signs = {"OPENROUTER_VIDEO_WEBHOOK_SECRET": place.webhook_secret}
    return Service("sandbox", ("openrouter-video", "sandbox", *options), signs, port=port)


def _form(place: Place, deployment: str) -> str:
    """Return the address of a deployment's form."""
    asked = {"deployments": {"name": {"any_": [deployment]}}}
    request = urllib.request.Request(  # noqa: S310 (http on this machine)
        f"{place.api}/deployments/filter", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found = json.load(answer)
    return f"{place.ui}/v2/deployments/deployment/{found[0]['id']}/run"


if __name__ == "__main__":
    main()
