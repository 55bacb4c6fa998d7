"""Two processes that set out for the same video at the same moment: one of them pays, and both have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import get_client
from prefect.settings import PREFECT_API_URL

from flows import generate_video
from openrouter_video.sandbox import Fault
from tests.support.flow_processes import MODEL, ORDER, Errand, FlowProcess, environment_of, wait_until
from tests.support.prefect_servers import PrefectServer

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

FILES = [f"{MODEL.replace('/', '--')}.{suffix}" for suffix in ("jpg", "json", "mp4")]


def _run_twins(runs: FaultyRuns, folder: Path, other_api: str | None = None, **changes: Any) -> list[dict[str, Any]]:
    """Run an errand in two processes at once, which meet because every answer to a POST is late.

    The second one asks another Prefect server, if ``other_api`` is one.
    """
    runs.sandbox.add_fault(Fault(on="submit", delay_seconds=1.5))
    errand = Errand(ORDER, folder, PREFECT_API_URL.value() or "", environment_of(runs.sandbox, runs.output))
    errand = errand._replace(**changes)
    with (
        FlowProcess(errand._replace(folder=folder / "one")) as one,
        FlowProcess(errand._replace(folder=folder / "two", prefect_api=other_api or errand.prefect_api)) as two,
    ):
        assert (one.wait(), two.wait()) == (0, 0), one.output + two.output
        return [*one.outcomes, *two.outcomes]


def _check_twins(runs: FaultyRuns, outcomes: list[dict[str, Any]], reused: set[bool]) -> None:
    one, two = outcomes
    (charge,) = runs.sandbox.charges
    assert (one["status"], two["status"]) == ("completed", "completed")
    assert one["job_id"] == two["job_id"] == charge.job_id
    assert one["url"] == two["url"]
    assert one["sha256"] == two["sha256"]
    assert {one["reused"], two["reused"]} == reused
    assert (runs.count("submit"), runs.files) == (1, FILES)


def test_two_processes_with_one_key_pay_once(runs: FaultyRuns, tmp_path: Path) -> None:
    """The second finds the first one's claim, waits for its job, and reports the same video, paid by the other."""
    outcomes = _run_twins(runs, tmp_path / "twins", parameters={**ORDER, "idempotency_key": "daily-{date}"})
    _check_twins(runs, outcomes, {True, False})


def test_two_clusters_with_one_ledger_pay_once(runs: FaultyRuns, tmp_path: Path) -> None:
    """Each has a Prefect server of its own, which knows nothing of the other's runs: the ledger decides who pays."""
    other = PrefectServer(tmp_path / "other")
    other.start()
    try:
        asked = {**ORDER, "idempotency_key": "one for both"}
        outcomes = _run_twins(runs, tmp_path / "twins", other.api, parameters=asked)
    finally:
        other.kill()
    _check_twins(runs, outcomes, {True, False})


async def test_a_flow_run_that_is_started_twice_pays_once(runs: FaultyRuns, tmp_path: Path) -> None:
    """Two workers that both got hold of one scheduled run, without a key of the user's: it has paid, whoever asks."""
    async with get_client() as client:
        run = await client.create_flow_run(generate_video, parameters=ORDER)
    _check_twins(runs, _run_twins(runs, tmp_path / "twins", flow_run_id=str(run.id)), {False})


async def test_a_collection_beside_the_run_disturbs_nobody(runs: FaultyRuns, tmp_path: Path) -> None:
    """Both download the video at once; whoever is slower finds it there, and neither leaves anything behind."""
    errand = Errand(ORDER, tmp_path / "run", PREFECT_API_URL.value() or "", environment_of(runs.sandbox, runs.output))
    with FlowProcess(errand._replace(crawls=True)) as slow:
        wait_until(lambda: list(runs.output.rglob("*.mp4.*.part")), what=lambda: slow.output)
        collected = await runs.collect_one()
        assert (collected.status, runs.files) == ("completed", FILES)
        assert slow.wait() == 0, slow.output
    (outcome,) = slow.outcomes
    assert (outcome["status"], outcome["url"], runs.files) == ("completed", collected.url, FILES)
    assert runs.jobs == 1
