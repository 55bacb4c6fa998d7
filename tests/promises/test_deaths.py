"""A process that is killed outright at any point: nothing is paid for twice, nothing lost, nothing left lying about."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL
from prefect.states import AwaitingRetry, Crashed

from flows import chain_video, generate_video
from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.money import micro
from openrouter_video.outcome import Outcome
from openrouter_video.run import settle_left
from openrouter_video.run.limits import using_limits
from openrouter_video.sandbox import Fault
from openrouter_video.stores import open_store
from tests.support.flow_processes import DEATHS, MODEL, ORDER, Errand, FlowProcess, environment_of, wait_until

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

FILES = [f"{MODEL.replace('/', '--')}.{suffix}" for suffix in ("jpg", "json", "mp4")]
# Where the process dies too late to take the POST back, and too early to know its answer, only a person can tell.
UNCERTAIN = {"between claim and POST", "between POST and answer", "between answer and record"}
SETTLED = {"before the bill"}
UNPAID = {"before the claim", "in the claim", "between claim and POST"}
# A lane takes the same steps, and so does a run that is retried: of each kind of end one.
IN_A_LANE = ("in the claim", "between POST and answer", "in the record", "in the download", "in the outcome")
RETRIED = (*IN_A_LANE, "between claim and POST", "in polling", "after the publication", "before the bill")


@pytest.fixture
def killed(runs: FaultyRuns, tmp_path: Path) -> Callable[..., None]:
    """Run the flow in a process of its own until it is killed at a point."""

    def run_until(point: str, **changes: Any) -> None:
        environment = environment_of(runs.sandbox, runs.output)
        errand = Errand(
            ORDER,
            tmp_path / "process",
            PREFECT_API_URL.value() or "",
            environment,
            dies=point,
            lanes=runs.limits.lanes,
        )
        if point == "between POST and answer":
            runs.sandbox.add_fault(Fault(on="submit", delay_seconds=20))
        with FlowProcess(errand._replace(**changes)) as process:
            if point == "between POST and answer":
                wait_until(lambda: runs.sandbox.charges, what=lambda: process.output)
                process.send(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL, process.output
        assert runs.jobs == (0 if point in UNPAID else 1)

    return run_until


@pytest.mark.parametrize(
    ("runs", "point"),
    [*(("chain", point) for point in DEATHS), *(("lane", point) for point in IN_A_LANE)],
    indirect=["runs"],
)
async def test_a_killed_run_is_collected_and_run_again(
    runs: FaultyRuns, killed: Callable[..., None], point: str
) -> None:
    """By the same key: one job at most is charged, and the video is there, or nobody can tell and is told so."""
    killed(point, parameters={**ORDER, "idempotency_key": "k"})
    collected = await runs.collect()
    if point not in UNPAID | UNCERTAIN:
        _check_money(runs, point)
    again = await runs.generate(idempotency_key="k")
    _check_end(runs, point, again)
    _check_money(runs, point)
    if point in UNCERTAIN:
        assert [(outcome.status, outcome.key) for outcome in collected] == [("open", again.key)]
        assert "in flight: begun" in (collected[0].error or "")
    elif point not in UNPAID | SETTLED:
        assert [(outcome.status, outcome.job_id) for outcome in collected] == [("completed", again.job_id)]
        assert again.reused


@pytest.mark.parametrize("point", RETRIED)
async def test_a_killed_flow_run_is_retried(runs: FaultyRuns, killed: Callable[..., None], point: str) -> None:
    """Without any key of the user's: the flow run's own id finds what became of its first attempt."""
    async with get_client() as client:
        run = await client.create_flow_run(generate_video, parameters=ORDER)
    killed(point, flow_run_id=str(run.id))
    again = await _retry(runs, run)
    _check_end(runs, point, again)
    assert not again.reused  # the run is the same one, and has paid for it
    collected = await runs.collect()
    # A minute after the claim its answer may still come, for all that anybody but the dead process knows.
    assert [outcome.status for outcome in collected] == (["open"] if point in UNCERTAIN else [])
    _check_money(runs, point)


async def test_a_chain_that_is_killed_between_two_shots_goes_on(runs: FaultyRuns, killed: Callable[..., None]) -> None:
    """By the same key: what is paid for is found, the rest is made, and the money adds up."""
    settings = {**ORDER["settings"], "aspect_ratio": "16:9"}
    chain: dict[str, Any] = {"shots": ["One", "Two"], "model": MODEL, "settings": settings, "idempotency_key": "k"}
    killed("before the second shot", flow="chain_video", parameters=chain)
    assert await runs.collect() == []
    with using_limits(runs.limits):
        film = await chain_video(**chain)
    assert [(one.status, one.reused) for one in film.outcomes] == [("completed", True), ("completed", False)]
    assert film.chain_url
    assert runs.jobs == 2


async def _retry(runs: FaultyRuns, run: FlowRun) -> Outcome:
    """Do what Prefect's worker does for a process that died, and then what its button "Retry" does."""
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Crashed(), force=True)
        await client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
        run = await client.read_flow_run(run.id)
    with using_limits(runs.limits):
        again: Any = run_flow(cast(Any, generate_video), flow_run=run, return_type="state")
        state = await again
    result = await state.aresult(raise_on_failure=False)
    (outcome,) = getattr(result, "outcomes", result)
    assert isinstance(outcome, Outcome)
    return outcome


def _check_end(runs: FaultyRuns, point: str, outcome: Outcome) -> None:
    posts = runs.count("submit")
    if point in UNCERTAIN:
        assert (outcome.status, runs.files) == ("uncertain", [])
        assert f"settle {outcome.key}" in (outcome.error or "")
        assert runs.jobs == (0 if point in UNPAID else 1)
        assert posts <= 1
    else:
        assert (outcome.status, runs.files) == ("completed", FILES)
        assert (runs.jobs, posts) == (1, 1)


def _check_money(runs: FaultyRuns, point: str) -> None:
    """The journal's sum is that of the bills to the cent; only what nobody can tell of stays reserved for good."""
    ledger = Ledger(open_store(str(runs.output)).child("_jobs"))
    settle_left(ledger, datetime.now(UTC) + timedelta(days=2))
    money = Journal(ledger.store, sandbox=True).money()
    billed = 0 if point in UNCERTAIN else sum(micro(charge.cost_usd or 0) for charge in runs.sandbox.charges)
    assert sum(money.spent.values()) == billed
    assert len(money.reservations()) == (point in UNCERTAIN)


async def test_a_person_finds_the_job_of_a_killed_run(runs: FaultyRuns, killed: Callable[..., None]) -> None:
    """The key went along with the POST; once its job is settled by hand, the video is collected like any other."""
    killed("between POST and answer")
    (charge,) = runs.sandbox.charges
    assert charge.session_id is not None
    ledger = Ledger(open_store(str(runs.output)).child("_jobs"))
    assert ledger.entry(charge.session_id).state == "claimed"
    ledger.record_job(charge.session_id, 1, charge.job_id, by_person=True)
    outcome = await runs.collect_one()
    assert (outcome.status, outcome.job_id, runs.files) == ("completed", charge.job_id, FILES)
    _check_money(runs, "found by a person")
