"""Prefect's server dies or hangs in the middle of a run: what was paid for arrives all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from openrouter_video.ledger.ledger import Ledger
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores import open_store
from tests.support.flow_processes import ORDER, Errand, FlowProcess, environment_of, wait_until
from tests.support.prefect_servers import PrefectServer


class Polling(NamedTuple):
    """A run in a process of its own, in the middle of polling for its one job."""

    process: FlowProcess
    sandbox: Sandbox
    output: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server that the tests may kill, start again and freeze."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    yield server
    server.kill()


@contextmanager
def _polling(server: PrefectServer, folder: Path) -> Iterator[Polling]:
    """Have a run poll beside a server that answers."""
    server.start()
    with Sandbox(job_seconds=3600) as sandbox:
        errand = Errand(ORDER, folder / "run", server.api, environment_of(sandbox, folder / "videos"))
        with FlowProcess(errand) as process:
            wait_until(lambda: any(seen.kind == "poll" for seen in sandbox.requests), what=lambda: process.output)
            yield Polling(process, sandbox, folder / "videos")


def test_jobs_go_on_while_prefect_is_away(server: PrefectServer, tmp_path: Path) -> None:
    """Polling and download need no server; when it is back, the run ends as if nothing had been."""
    with _polling(server, tmp_path) as (process, sandbox, output):
        server.kill()
        sandbox.release()
        (charge,) = sandbox.charges
        ledger, key = Ledger(open_store(str(output)).child("_jobs")), charge.session_id or ""
        wait_until(lambda: ledger.entry(key).state == "settled", what=lambda: process.output)
        (video,) = output.glob("*/*.mp4")
        assert not server.answers
        server.start()
        assert process.wait(90) == 0, process.output
        (outcome,) = process.outcomes
        assert (outcome["status"], outcome["url"]) == ("completed", f"file://{video}")
        assert len(sandbox.charges) == 1


def test_a_run_ends_although_prefect_never_answers(server: PrefectServer, tmp_path: Path) -> None:
    """Prefect's client would try for minutes to say how the run ended; the words come, and the process goes."""
    with _polling(server, tmp_path) as (process, sandbox, _):
        server.freeze()
        process.send(signal.SIGTERM)
        assert process.wait(100) == 128 + signal.SIGTERM, process.output
        (charge,) = sandbox.charges
        assert f"job {charge.job_id}" in process.output
