"""Chaos: random faults over many jobs in several processes with random kills, and then the promises.

    python tests/promises/chaos.py --seed 7 --jobs 1000

One sandbox in a process of its own, on a real socket, goes wrong as the seed says; workers submit, share idempotency
keys, are killed by SIGKILL and start again. At the end the faults are cleared, what is open is collected, and the
invariants are read from the sandbox's billing record, the ledger and the store. Exit code 1 tells of any violation.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

from openrouter_video.money import MICRO, dollars
from openrouter_video.sandbox import serve
from tests.promises.chaos_field import write_to
from tests.promises.chaos_invariants import Findings
from tests.promises.chaos_run import ChaosRun, Options
from tests.promises.chaos_schedule import SPEED, draw_schedule

START_SECONDS = 60.0
MOST_LINES = 100


def main() -> int:
    """Run chaos once and print what came of it."""
    options = _options()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="openrouter-chaos-", dir=options.folder))
    _prepare_environment(folder)
    schedule = draw_schedule(options.seed, options.jobs, options.processes)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.promises.chaos_worker"])
    with _sandbox(context, folder / "sandbox.log") as api, _prefect(options.prefect_api) as prefect_api:
        run = ChaosRun(context, options, schedule, folder, api, prefect_api)
        run.set_faults()
        run.work()
        findings = run.judge()
    violations = [*run.violations, *findings.violations]
    said = [_summary(options, run, findings, time.monotonic() - began)]
    said += [_complaint(options, violations, folder)] if violations else []
    sys.stdout.write("\n".join(said) + "\n")
    if not violations:
        shutil.rmtree(folder)
    return 1 if violations else 0


def _options() -> Options:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, help="decides everything but the machine's own timing (default: a new one)")
    parser.add_argument("--jobs", type=int, default=1000, help="how many videos to ask for, at least")
    parser.add_argument("--processes", type=int, default=6, help="how many workers; every fourth runs whole flows")
    parser.add_argument("--prefect-api", help="URL of a Prefect server to use, instead of one of its own")
    parser.add_argument(
        "--folder", help="where to make the run's folder, kept after a violation (default: the system's)"
    )
    parser.add_argument(
        "--sabotage",
        action="append",
        default=[],
        help="plant a bug (ignore-claims, publish-anything, lose-bills), which must be found; may be repeated",
    )
    parser.add_argument("--minutes", type=float, help="when to give up (default: two, and one more per 100 jobs)")
    given = parser.parse_args()
    if given.jobs < 1 or given.processes < 1:
        parser.error("--jobs and --processes must be 1 or more")
    minutes = given.minutes or 2 + given.jobs / 100
    seed = given.seed if given.seed is not None else secrets.randbelow(10**6)
    return Options(seed, given.jobs, given.processes, given.prefect_api, given.folder, tuple(given.sabotage), minutes)


def _prepare_environment(folder: Path) -> None:
    """Keep Prefect's files and words in the folder; children inherit it, so it comes before the first of them."""
    for name in [name for name in os.environ if name.startswith(("OPENROUTER_", "PREFECT_"))]:
        del os.environ[name]
    os.environ.update(
        PREFECT_HOME=str(folder / "prefect"),
        PREFECT_LOGGING_LEVEL="ERROR",
        PREFECT_LOGGING_TO_API_ENABLED="false",
        PREFECT_SERVER_LOGGING_LEVEL="CRITICAL",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        DO_NOT_TRACK="1",
    )


@contextlib.contextmanager
def _sandbox(context: ForkServerContext, log: Path) -> Iterator[str]:
    """Run the sandbox in a process of its own; its base URL."""
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, log), daemon=True)
    process.start()
    try:
        if not ours.poll(START_SECONDS):
            raise TimeoutError("the sandbox did not start")
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(connection: Connection, log: Path) -> None:
    write_to(log)
    serve(speed=SPEED, on_ready=lambda sandbox: connection.send(sandbox.base_url))


@contextlib.contextmanager
def _prefect(given: str | None) -> Iterator[str]:
    """Lend the URL of a Prefect server with a database of its own."""
    if given is not None:
        yield given
        return
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 (it reads the environment when imported)
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415

    with prefect_test_harness(server_startup_timeout=90):
        yield str(PREFECT_API_URL.value())


def _summary(options: Options, run: ChaosRun, findings: Findings, seconds: float) -> str:
    jobs = ", ".join(f"{times} {state}" for state, times in sorted(findings.states.items()))
    faults = ", ".join(f"{label} {times}" for label, times in sorted(run.faults.items()) if times)
    reused = sum(report.reused for report in run.reports)
    flows, chains = run.flow_workers, options.processes - run.flow_workers
    lines = {
        "seed": options.seed,
        "jobs": f"{findings.states.total()}: {jobs}",
        "processes": f"{flows} with whole Prefect flows, {chains} with the flow's chain without Prefect's engine",
        "reports": f"{len(run.reports)} of single videos, {reused} of them reused",
        "faults": f"{run.faults.total()}: {faults}",
        "kills": run.kills,
        "charged": findings.charged,
        "charged twice": len(findings.charged_twice),
        "spent": f"{dollars(findings.spent / MICRO)} by the journal, {findings.reserved} videos still reserved",
        "uncertain": f"{findings.states['uncertain']}, each reported by the collection with what to do",
        "lost": len(findings.lost),
        "temporaries left": len(findings.temporaries),
        "seconds": f"{seconds:.0f}",
    }
    return "\n".join(f"{name:<18}{value}" for name, value in lines.items())


def _complaint(options: Options, violations: list[str], folder: Path) -> str:
    shown = "\n  ".join(violations[:MOST_LINES])
    return (
        f"\n{len(violations)} violations:\n  {shown}\nEverything is still in {folder}\n"
        f"Once more, by the same plan (the timing of the processes is the machine's):\n  {options.command}"
    )


if __name__ == "__main__":
    sys.exit(main())
